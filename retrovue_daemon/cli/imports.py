"""What makes the start of a command quick: most of it is imports."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def hurry_imports() -> None:
    """Let the garbage collector stay out of the way of imports: they leave next to nothing for it to find.

    What they make are some 90,000 objects, and looking through them again and again takes a tenth of the start.
    """
    gc.set_threshold(100_000)


def import_lightly() -> None:
    """Import aiohttp and structlog without what they would load in vain, which takes a quarter of the start.

    aiohttp reads the certificates that the system trusts, twice, for connections that bring no context of their own.
    Ours all do (``plex/transport.py``); any other would find that it trusts nobody. structlog loads rich, where that
    is installed, for a way to print tracebacks that ``logs.py`` does not choose.
    """
    with _certificates_unread():
        import aiohttp  # noqa: F401, PLC0415
    with _without("rich"):
        import structlog  # noqa: F401, PLC0415


@contextmanager
def _certificates_unread() -> Iterator[None]:
    import ssl  # noqa: PLC0415 -- only some commands need it

    contexts: Any = ssl.SSLContext
    contexts.set_default_verify_paths = lambda _context: None  # hides the base class's
    try:
        yield
    finally:
        del contexts.set_default_verify_paths


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Have a module count as not installed, unless it is imported already; None is Python's own sign for that."""
    modules: dict[str, Any] = sys.modules
    if module in modules:
        yield
        return
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]
