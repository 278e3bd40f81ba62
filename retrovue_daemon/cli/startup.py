"""What makes the start of a command quick: most of it is imports."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_READER: Final = "set_default_verify_paths"
"""The method of a TLS context that reads the system's certificates; ``load_default_certs`` calls it, too."""


def hurry_imports() -> None:
    """Let the garbage collector stay out of the way of imports: they leave next to nothing for it to find.

    What they make are some 90,000 objects, and looking through them again and again takes a tenth of the start.
    """
    gc.set_threshold(100_000)


def import_lightly() -> None:
    """Import aiohttp and structlog without what they would load in vain, which takes a quarter of the start.

    aiohttp reads the certificates that the system trusts, twice, for connections that bring no context of their own.
    Those of ours that verify anything bring one (``sources/plex/transport.py``); others would find that they trust
    nobody. structlog loads rich, where that is installed, for a way to print tracebacks that ``logs/setup.py`` does
    not choose.

    For the only thread of a process that has just begun: what is patched meanwhile is everybody's.
    """
    if "aiohttp" not in sys.modules:
        with _certificates_unread():
            import aiohttp  # noqa: F401, PLC0415
    if "structlog" not in sys.modules:
        with _without("rich"):
            import structlog  # noqa: F401, PLC0415


@contextmanager
def _certificates_unread() -> Iterator[None]:
    import ssl  # noqa: PLC0415 -- only some commands need it

    contexts: Any = ssl.SSLContext
    own = vars(contexts).get(_READER)
    setattr(contexts, _READER, lambda _context: None)
    try:
        yield
    finally:
        if own is None:
            delattr(contexts, _READER)  # shows the base class's again
        else:
            setattr(contexts, _READER, own)


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
