"""The files that SQLite keeps beside a database file, under its name with a suffix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LOG: Final = "-wal"
INDEX: Final = "-shm"
JOURNAL: Final = "-journal"
COMPANIONS: Final = (LOG, INDEX, JOURNAL)
"""The suffixes of the write-ahead log, of its index, and of the rollback journal."""


def companion(path: Path, suffix: str) -> Path:
    """Return the path of the file with this suffix; without a suffix it is the database itself."""
    return path.with_name(path.name + suffix)


def log_of(path: Path) -> Path:
    """Return the path of a database's write-ahead log."""
    return companion(path, LOG)


def has_content(log: Path) -> bool:
    """Return whether a log holds anything: a clean close merges and removes it."""
    try:
        return log.stat().st_size > 0
    except FileNotFoundError:
        return False  # also if the daemon has exited just now
