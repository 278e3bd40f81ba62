"""The terminal at which somebody reads what a command says, if there is one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

_SAYS_SO: Final = frozenset({"FORCE_COLOR", "TTY_COMPATIBLE"})
"""Environment variables by which rich takes for a terminal what is none (https://rich.readthedocs.io, "Console")."""


def terminal(*, stderr: bool = False) -> Console | None:
    """Return standard output, or standard error, as something to draw on; None where that is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    # rich would know, but takes long to load.
    if not stream.isatty() and not os.environ.keys() & _SAYS_SO:
        return None
    from rich.console import Console  # noqa: PLC0415 -- takes a tenth of a second

    # Titles and paths are not ours: brackets in them are no markup.
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    return console if console.is_terminal else None
