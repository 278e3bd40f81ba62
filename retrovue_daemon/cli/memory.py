"""How the process deals with memory: it looks for garbage rarely, and keeps what it will need again."""

from __future__ import annotations

import gc
import sys
from typing import Final

LARGEST_BLOCK: Final = 8 * 1024 * 1024
"""Bytes: the body of a page of 1,000 episodes has two million."""


def settle_in() -> None:
    """Prepare for work that makes and drops much, once everything is imported.

    The collector never again looks at what was imported. Pages and rows hold no cycles and go by their reference
    counts; looking through them took a tenth to a quarter of the time of an unchanged pass. What is looked through at
    once is kept small: 50,000 objects, some fifty of them garbage of each request, held the event loop up for 80 ms.

    The C library gives blocks of more than 128 KiB, such as the body of a page, back to the system at once, and each
    new one is mapped and cleared page by page: that took three quarters of the time of reading a body. It learns from
    the largest block that was freed to keep up to twice as much
    (https://man7.org/linux/man-pages/man3/mallopt.3.html, M_MMAP_THRESHOLD). This one is never touched, so it takes
    no memory itself; elsewhere than on glibc it does nothing.
    """
    gc.freeze()
    gc.set_threshold(10_000, 100, 100)
    bytes(LARGEST_BLOCK)


def hurry_end() -> None:
    """Let the garbage collector stay out of the way of the end, too: all that is left goes with the process.

    Python would look through everything once more, which takes ten milliseconds. What has to be closed is closed;
    ``python -X dev`` is there to see whether it is.
    """
    if not sys.flags.dev_mode:
        gc.freeze()
