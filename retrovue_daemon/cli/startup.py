"""Process tuning: quick imports at the start, few garbage collections while working, a quick end."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_READER: Final = "set_default_verify_paths"
"""The method of a TLS context that reads the system's certificates; ``load_default_certs`` calls it, too."""

LARGEST_BLOCK: Final = 4 * 1024 * 1024
"""Bytes; the body of a page of 1,000 episodes has two million."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""From glibc's ``malloc.h``."""


def defer_collection() -> None:
    """Run the garbage collector rarely during imports, which leave almost no garbage.

    Imports create some 90,000 objects; scanning them again and again would take a tenth of the start.
    """
    gc.set_threshold(100_000)


def import_lightly() -> None:
    """Import aiohttp and structlog without unused parts of them, which would take a quarter of the start.

    aiohttp reads the system's trusted certificates, twice, for connections without a TLS context of their own. Every
    connection of this package that verifies certificates has one (``sources/plex/transport.py``). structlog loads
    rich, if it is installed, for a traceback format that ``logs/setup.py`` does not use.

    Call this only in a process that has just started, while it has a single thread: the patches are global.
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
            delattr(contexts, _READER)  # uncovers the base class's
        else:
            setattr(contexts, _READER, own)


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Make a module count as not installed, unless it is already imported; None is Python's own marker for that."""
    modules: dict[str, Any] = sys.modules
    if module in modules:
        yield
        return
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]


def tune_memory() -> None:
    """Prepare for long work that creates and frees many objects; call it once everything is imported.

    Imported objects are frozen, so the collector never scans them again. Pages and rows contain no cycles and are
    freed by their reference counts; scanning them took a tenth to a quarter of the time of an unchanged pass. Each
    scan is kept small: one of 50,000 objects, some fifty of them garbage of each request, blocked the event loop for
    80 ms. The threshold is less than what a scan finds: it counts objects that were created since the last one, minus
    those that were freed, also older ones. With several servers there were up to 30,000 at a threshold of 10,000.

    The C library returns blocks of more than 128 KiB, such as the body of a page, to the system at once. Each new
    block is mapped and cleared page by page, which took three quarters of the time of reading a body. glibc can be
    set to keep larger ones (https://man7.org/linux/man-pages/man3/mallopt.3.html). By itself, it would also keep all
    blocks as large as any that was freed, and with them the gaps between them. Other C libraries are not changed.
    """
    gc.freeze()
    gc.set_threshold(5_000, 200, 100)
    import ctypes  # noqa: PLC0415 -- only long work needs it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, 2 * LARGEST_BLOCK)


def skip_final_collection() -> None:
    """Skip the garbage collection at exit, which takes ten milliseconds: the process frees everything anyway.

    All that has to be closed is closed before. ``python -W error`` and ``-X dev`` keep the collection, to verify it.
    """
    if not sys.warnoptions:
        gc.freeze()
