"""The free space of the disk that holds the database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from retrovue_daemon.errors import DiskFull

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

NEEDED = 16 * 1024 * 1024
"""Bytes below which the disk counts as full: so large is the log when it is merged into the database."""

_NONE_LEFT = 64 * 1024
"""Bytes below which another error of SQLite's writing is one of the full disk: the log's index takes 32 KiB."""


def free_space(path: Path) -> int | None:
    """Return the bytes that this user can still write to the disk of ``path``; None if the system does not say."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def lacks_space(path: Path) -> DiskFull | None:
    """Return an error if the disk of a database has hardly any space left."""
    free = free_space(path)
    return disk_full(path, "the disk is almost full") if free is not None and free < NEEDED else None


LATER = "and the next pass writes what is missing"
AGAIN = "then try again: nothing was changed"
"""What follows once there is space."""


def as_disk_full(path: Path, error: sqlite3.Error, then: str = LATER) -> DiskFull | None:
    """Return the error to report if SQLite could not write because the disk is full."""
    name: str = getattr(error, "sqlite_errorname", "")
    free = free_space(path)
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and free is not None and free < _NONE_LEFT):
        return disk_full(path, str(error) if name == "SQLITE_FULL" else f"the disk is full ({error})", then)
    return None


def disk_full(path: Path, detail: str, then: str = LATER) -> DiskFull:
    """Return the error with what to do, where, and how much is free."""
    free = free_space(path)
    amount = "" if free is None else f"{free / 2**20:,.1f} MiB are free on the disk of {path.parent}; "
    hint = f"{amount}free some space there (or raise the quota), {then}"
    return DiskFull(path, detail, hint=hint)
