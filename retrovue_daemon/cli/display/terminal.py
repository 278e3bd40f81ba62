"""The terminal that a command writes to, if there is one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

_SAYS_SO: Final = frozenset({"FORCE_COLOR", "TTY_COMPATIBLE"})
"""Environment variables that make rich treat any output as a terminal (https://rich.readthedocs.io, "Console")."""


def terminal(*, stderr: bool = False) -> Console | None:
    """Return a console for standard output or standard error; None if that is not a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    # Check without rich first, since its import is slow.
    if not stream.isatty() and not os.environ.keys() & _SAYS_SO:
        return None
    from rich.console import Console  # noqa: PLC0415 -- takes a tenth of a second

    # Titles and paths are foreign text: brackets in them are not markup.
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    return console if console.is_terminal else None
