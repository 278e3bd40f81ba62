"""Forms as pages show them: values, and what is wrong with each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.errors import DaemonError
from retrovue_daemon.store.items import lookup
from retrovue_daemon.web.problems import Refusal, refusal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web


class Form(msgspec.Struct, frozen=True):
    """A form as it is shown: values and messages by the names of its fields; ``problem`` is above them."""

    values: Mapping[str, str] = {}
    errors: Mapping[str, str] = {}
    problem: Refusal | None = None

    def value(self, name: str, default: str = "") -> str:
        """Return what a field holds."""
        return self.values.get(name, default)

    def error(self, name: str) -> str:
        """Return what is wrong with a field."""
        return self.errors.get(name, "")

    @classmethod
    def refused(cls, values: Mapping[str, str], error: Refusal | DaemonError, *fields: str) -> Form:
        """Return a form that was refused; what is wrong with none of its ``fields`` is shown above them.

        What to do about it stands with the message, and so beside the first field that is wrong.
        """
        refusal = refusal_of(error) if isinstance(error, DaemonError) else error
        beside = {name: message for name, message in refusal.fields.items() if name in fields}
        if not beside:
            return cls(values, problem=refusal)
        if refusal.hint is not None:
            first = next(iter(beside))
            beside[first] += f"; {refusal.hint}"
        return cls(values, beside)


EMPTY: Final = Form()


def id_in(request: web.Request, kind: str) -> int:
    """Return the id in an address. Raise Refusal."""
    found = lookup.id_in(request.match_info["id"])
    if found is None:
        raise Refusal(404, f"there is no such {kind}")
    return found


def selected_id(values: Mapping[str, str], name: str) -> int:
    """Return the id in a field with a list. Raise Refusal."""
    found = lookup.id_in(values.get(name, ""))
    if found is None:
        raise Refusal(422, f"no {name} is selected", fields={name: f"Select a {name}."})
    return found


def status_of(error: Refusal | DaemonError) -> int:
    """Return the status of a form that was refused."""
    return error.status if isinstance(error, Refusal) else refusal_of(error).status


def values_of(form: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the values of some fields, without spaces around them."""
    return {name: form.get(name, "").strip() for name in names}
