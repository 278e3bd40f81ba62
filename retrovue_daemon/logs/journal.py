"""Systemd's journal: whether a stream leads there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


def journal_stream(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Return whether a stream leads to systemd's journal and has not been redirected.

    ``$JOURNAL_STREAM`` holds the device and inode of the socket that systemd connected (systemd.exec(5)).
    """
    try:
        found = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):  # not a file, or closed
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
