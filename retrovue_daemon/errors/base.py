"""The root of the tree, and what may happen to any command."""

from __future__ import annotations

import difflib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class DaemonError(Exception):
    """Root of the tree; ``exit_code`` is what a command that fails for this reason returns."""

    exit_code = 1
    hint: str | None = None

    def __init__(self, *args: object, hint: str | None = None) -> None:
        super().__init__(*args)
        if hint is not None:
            self.hint = hint


class Interrupted(DaemonError):
    """A signal asked the process to end before its work was done; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number  # what a shell reports of a process that a signal ended

    @property
    def name(self) -> str:
        """The signal's name, as in ``SIGTERM``."""
        return signal.Signals(self.number).name

    def __str__(self) -> str:
        return f"interrupted by {self.name}; what was written stays, the next pass does the rest"


class InternalError(DaemonError):
    """A mistake of ours, kept from costing more than the one server or library that met it; ``kind`` is its type."""

    hint = "please report this; the log has the traceback"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        return f"internal error: {self.kind}"


class ReportedError(DaemonError):
    """What the daemon that was asked says went wrong; ``kind`` is the name of the class that it met there."""

    def __init__(self, kind: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(kind, message, hint=hint)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return self.message


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a hint for a name that is not among the known ones."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(map(repr, known)) or 'none'}"
