"""Errors of PostgreSQL as errors of this package: what is wrong, what to do, and never a password."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from retrovue_daemon.config.conninfo import secrets_in
from retrovue_daemon.errors.publish import PublishError, PublishRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.config import Secret

_CHECK_ADDRESS: Final = (
    "check [postgresql] url: the role, its password and rights to log in, the database, and the settings"
)

_MISTAKE: Final = re.compile(
    r"""(?x)
    invalid\ .*(?:value|number)
    | could\ not\ match
    | (?:service|file)\ .*(?:not\ found|does\ not\ exist)
    | FATAL:.*\ (?:does\ not\ exist|authentication\ failed|not\ permitted\ to\ log\ in|pg_hba\.conf|parameter|denied)
    | no\ password\ supplied
    | certificate\ verify\ failed
    | does\ not\ match\ host\ name
    | does\ not\ support\ SSL
    """
)
"""What libpq and the server say about an address that a person has to correct: such errors have no code.

One in another language counts as trouble that may pass.
"""


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
        raise PublishRefused(without_credentials(_first_line(error), url), hint=_CHECK_ADDRESS) from None
    except psycopg.Error as error:
        text = _first_line(error)
        if _MISTAKE.search(text):
            raise PublishRefused(without_credentials(text, url), hint=_CHECK_ADDRESS) from None
        hint = "check that PostgreSQL runs where [postgresql] url leads; the daemon tries again by itself"
        raise PublishError(without_credentials(text, url), hint=hint) from None


def without_credentials(text: str, url: Secret) -> str:
    """Return a text of libpq without the URL, and without any password that it holds."""
    for secret in secrets_in(url.reveal()):
        text = text.replace(secret, "***")
    return text


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
