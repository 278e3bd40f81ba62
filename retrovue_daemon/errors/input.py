"""Errors in arguments, and in requests of other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors.base import DaemonError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class BadInput(DaemonError):
    """A value that the user or a program gave is invalid; ``message`` says which one and why.

    ``fields`` are messages by the names of the values, for forms that show them beside their fields.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.message = message
        self.fields = dict(fields or {})

    def __str__(self) -> str:
        return self.message


class BadOption(BadInput):
    """The value of an option or form field is invalid; ``problem`` says why, and ``field`` is its name in Python."""

    def __init__(self, field: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"--{field.replace('_', '-')} {problem}", hint=hint)
        self.field = field
        self.problem = problem


class BadCursor(BadInput):
    """The cursor of a page does not belong to the list that is read."""

    def __init__(self) -> None:
        super().__init__("the cursor is not of this list", hint="begin with the first page of this list")


class ReadAnew(DaemonError):
    """The change feed does not go on from a reader's position; it holds the entries after ``floor`` to ``last_seq``.

    Entries were deleted, or the database was restored from a copy.
    """

    hint = "read everything anew, then follow the feed from its newest entry"

    def __init__(self, floor: int, last_seq: int) -> None:
        super().__init__(floor, last_seq)
        self.floor = floor
        self.last_seq = last_seq

    def __str__(self) -> str:
        return (
            f"the change feed does not go on from there: it has the entries after {self.floor} up to {self.last_seq}"
        )


class OutputFailed(DaemonError):
    """The result of a command could not be written to the file at ``path``; ``detail`` says why."""

    hint = "check the space on its disk"

    def __init__(self, path: Path, detail: str, *, hint: str | None = None) -> None:
        super().__init__(path, detail, hint=hint)
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.detail}"


class UnknownName(BadInput):
    """No ``kind`` (as in "library") is named ``name``; ``known`` are the existing names."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {kind} is named {name!r}", hint=nearest(name, known))
        self.kind = kind
        self.name = name
        self.known = tuple(known)


class UnknownId(BadInput):
    """No ``kind`` (as in "server") has the id ``row_id``; ``known`` maps the existing ids to names."""

    def __init__(self, kind: str, row_id: int, known: Mapping[int, str], *, hint: str | None = None) -> None:
        listed = ", ".join(f"{number} ({name})" for number, name in known.items())
        super().__init__(f"no {kind} has the id {row_id!r}", hint=hint or f"known: {listed or 'none'}")
        self.kind = kind
        self.row_id = row_id
        self.known = dict(known)


class AmbiguousName(BadInput):
    """``name`` matches several objects; ``found`` describes each of them."""

    def __init__(self, name: str, found: Sequence[str], *, hint: str) -> None:
        super().__init__(f"{name!r} is ambiguous: {'; '.join(found)}", hint=hint)
        self.name = name
        self.found = tuple(found)


class DefinedByConfig(BadInput):
    """The configuration decides ``what`` of a server; ``source`` is its file, or None if the file was not found."""

    def __init__(self, name: str, what: str, source: Path | None) -> None:
        where = f"{source}" if source else "the daemon's configuration"
        file = "" if source else " (commands find the file by --config)"
        super().__init__(
            f"server {name!r} is defined in {where}: {what} can only be changed there",
            hint=f"edit its [[servers]] table{file}, then reload or restart the daemon",
        )
        self.name = name
        self.source = source


class BadRequest(BadInput):
    """A row of sync_requests is invalid; ``detail`` says why. Guessing its meaning might remove items."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"invalid request: {detail}",
            hint="kind is quick, full or show; options is a JSON object with library and show (strings), year (a"
            " number; 0 for a show without a year), full and accept_removals (true or false)",
        )
        self.detail = detail


class TokenUnknown(DaemonError):
    """This process does not have the token of server ``name``.

    With ``is_defined``, the token is in a configuration that was not found; otherwise the server's row holds none.
    """

    exit_code = 2

    def __init__(self, name: str, *, is_defined: bool = True) -> None:
        alternative = "name the configuration that defines it" if is_defined else "store a token with the server"
        super().__init__(name, is_defined, hint=f"pass the token, or {alternative}")
        self.name = name
        self.is_defined = is_defined

    def __str__(self) -> str:
        why = "a configuration defines it" if self.is_defined else "its row in plex_servers holds none"
        return f"the token of server {self.name!r} is unknown: {why}"
