"""The root of the tree, and the errors that any command may raise."""

from __future__ import annotations

import difflib
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


class DaemonError(Exception):
    """Root of the tree; ``exit_code`` is the exit code of a command that fails with this error."""

    exit_code = 1
    hint: str | None = None

    def __init__(self, *args: object, hint: str | None = None) -> None:
        super().__init__(*args)
        if hint is not None:
            self.hint = hint

    @property
    def reported_as(self) -> str:
        """The kind of problem in the log and the database: the name of the class, or of one that it refines."""
        return type(self).__name__


class Interrupted(DaemonError):
    """A signal stopped the process before its work was done; ``number`` is the signal number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number  # as a shell reports a process that was killed by a signal

    @property
    def name(self) -> str:
        """The name of the signal, as in ``SIGTERM``."""
        return signal.Signals(self.number).name

    def __str__(self) -> str:
        return f"interrupted by {self.name}; completed work is saved, the next sync continues from there"


class InternalError(DaemonError):
    """A bug, contained to the server or library where it occurred; ``kind`` is the exception's type."""

    hint = "please report this; the log has the traceback"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        return f"internal error: {self.kind}"


class ReportedError(DaemonError):
    """An error that the running daemon reported; ``kind`` is the name of its class there."""

    def __init__(self, kind: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(kind, message, hint=hint)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return self.message


MOST_NAMES: Final = 30
"""Names in a hint; a server may have hundreds of genres."""


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a hint for an unknown name: the most similar known one, or the known ones, if they are not too many."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = len(known) - MOST_NAMES
    names = [repr(each) for each in known[:MOST_NAMES]]
    return f"known: {', '.join(names) or 'none'}{f' and {more:,} more' if more > 0 else ''}"
