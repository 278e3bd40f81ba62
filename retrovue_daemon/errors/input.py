"""Errors in values that were typed, or that another program gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors.base import DaemonError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class BadInput(DaemonError):
    """A value that somebody typed cannot be used; ``message`` says which and why."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.message = message

    def __str__(self) -> str:
        return self.message


class UnknownName(BadInput):
    """No ``kind`` (as in "library") is called ``name``; ``known`` are those that there are."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {kind} is called {name!r}", hint=nearest(name, known))
        self.kind = kind
        self.name = name
        self.known = tuple(known)


class UnknownId(BadInput):
    """No ``kind`` (as in "server") has the id ``row_id``; ``known`` are ids and names of those that there are."""

    def __init__(self, kind: str, row_id: int, known: Mapping[int, str]) -> None:
        there = ", ".join(f"{number} ({name})" for number, name in known.items())
        super().__init__(f"no {kind} has the id {row_id!r}", hint=f"there is {there or 'none'}")
        self.kind = kind
        self.row_id = row_id
        self.known = dict(known)


class AmbiguousName(BadInput):
    """Several things answer to ``name``; ``found`` says how to tell them apart, one text for each."""

    def __init__(self, name: str, found: Sequence[str], *, hint: str) -> None:
        super().__init__(f"{name!r} can be {'; '.join(found)}", hint=hint)
        self.name = name
        self.found = tuple(found)


class DefinedByConfig(BadInput):
    """The configuration decides ``what`` of a server; ``source`` is its file, None where it was not found."""

    def __init__(self, name: str, what: str, source: Path | None) -> None:
        where = f"{source}" if source else "a configuration that was not found here (--config names it)"
        super().__init__(
            f"server {name!r} is defined in {where}: {what} can only be changed there",
            hint="edit its [[servers]] table, then reload or restart the daemon",
        )
        self.name = name
        self.source = source


class BadRequest(BadInput):
    """A row of sync_requests is not understood: ``detail``. It is better not to guess what may remove something."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"the request is not understood: {detail}",
            hint="kind is quick, full or show; options is a JSON object with library, show (texts), year (a number, 0"
            " for none), full and accept_removals (true or false)",
        )
        self.detail = detail


class TokenUnknown(DaemonError):
    """The token of server ``name`` is not known here.

    Only the configuration that defines it has it, which was not found; or, not ``is_defined`` so, its row holds none.
    """

    def __init__(self, name: str, *, is_defined: bool = True) -> None:
        where = "say where the configuration is" if is_defined else "store one with the server"
        super().__init__(name, is_defined, hint=f"give the token, or {where}")
        self.name = name
        self.is_defined = is_defined

    def __str__(self) -> str:
        why = "a configuration defines it" if self.is_defined else "its row holds none"
        return f"the token of server {self.name!r} is not known here: {why}"
