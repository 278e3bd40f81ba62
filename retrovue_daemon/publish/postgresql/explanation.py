"""Errors of PostgreSQL as errors of this package: what is wrong, what to do, and never a password."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from retrovue_daemon.config.postgresql import secrets_in
from retrovue_daemon.errors.publish import PublishError, PublishRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.config import Secret


@contextmanager
def explained(url: Secret, schema: str) -> Iterator[None]:
    """Raise PublishError for errors of psycopg. The text never has the password or the URL of the target."""
    import psycopg  # noqa: PLC0415 - an optional dependency

    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        hint = f"grant the role what docs/postgresql.md lists, for the schema {schema}"
        raise PublishRefused(without_credentials(_first_line(error), url), hint=hint) from None
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.InvalidColumnReference,
        psycopg.errors.DatatypeMismatch,
    ) as error:
        hint = "what was dropped is made and filled again by the daemon itself"
        raise PublishError(without_credentials(_first_line(error), url), hint=hint) from None
    except psycopg.errors.DependentObjectsStillExist as error:
        found = " ".join((error.diag.message_detail or "").split())
        hint = f"drop first what you have added, and make it again afterwards: {found}"
        raise PublishRefused(without_credentials(_first_line(error), url), hint=hint) from None
    except (psycopg.IntegrityError, psycopg.errors.RaiseException) as error:
        hint = (
            "remove the constraint, trigger or foreign key that was added to the published tables;"
            " if there is none, run `retrovue-daemon publish resync`"
        )
        raise PublishRefused(without_credentials(_first_line(error), url), hint=hint) from None
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        hint = "check [postgresql] url, and see `retrovue-daemon publish check`"
        raise PublishRefused(without_credentials(_first_line(error), url), hint=hint) from None
    except psycopg.Error as error:
        hint = "see `retrovue-daemon publish check`; the daemon tries again by itself"
        raise PublishError(without_credentials(_first_line(error), url), hint=hint) from None


def without_credentials(text: str, url: Secret) -> str:
    """Return a text of libpq without the URL, and without any password that it holds."""
    for secret in secrets_in(url.reveal()):
        text = text.replace(secret, "***")
    return text


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
