"""Errors of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors.base import DaemonError

if TYPE_CHECKING:
    from pathlib import Path


class StoreError(DaemonError):
    """The database at ``path`` could not be used; ``detail`` says why."""

    def __init__(self, path: Path, detail: str, *, hint: str | None = None) -> None:
        super().__init__(path, detail, hint=hint)
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        return f"database {self.path}: {self.detail}"


class DatabaseHeld(StoreError):
    """Another process holds the database; ``pid`` is its process id where known.

    ``serves`` says that it is a daemon, which does what ``sync_requests`` asks for.
    """

    exit_code = 75
    hint = "stop that process first, or give this one a database of its own"

    def __init__(self, path: Path, pid: int | None, *, serves: bool = False, hint: str | None = None) -> None:
        super().__init__(path, f"held by process {pid}" if pid else "held by another process", hint=hint)
        self.pid = pid
        self.serves = serves


class DaemonGone(StoreError):
    """The daemon that was asked to sync ended before it had answered."""

    exit_code = 75
    hint = "try again; the next daemon finds the request, too"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the daemon that was asked has ended")


class NoDaemon(StoreError):
    """No daemon runs on a database."""

    hint = (
        "--config or --database says which database; of a service of systemd `systemctl reload` knows it;"
        " `retrovue-daemon run` starts a daemon"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(path, "no daemon runs on it")


class DaemonOutOfReach(StoreError):
    """A daemon runs on a database, but cannot be sent a signal from here; ``pid`` is its process id where known."""

    hint = "do it as root or as the daemon's user, in its container if it has one; `systemctl reload` does, too"

    def __init__(self, path: Path, pid: int | None, reason: str) -> None:
        who = f"the daemon (process {pid})" if pid else "the daemon"
        super().__init__(path, f"{who} cannot be told from here: {reason}")
        self.pid = pid
        self.reason = reason


class DatabasePlaceMissing(StoreError):
    """The directory of the database does not exist: not mounted yet, or never made."""

    exit_code = 75
    hint = "create the directory, or mount what it is on"


class DatabaseMissing(StoreError):
    """There is no database yet; whoever only reads never makes one."""

    exit_code = 75
    hint = "run `retrovue-daemon sync` first, or name the right file with --config or --database"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is nothing yet")


class DatabaseUnusable(StoreError):
    """The file is another program's, damaged, of a newer version, or cannot be written; it is left as it is."""

    exit_code = 78


class WriteFailed(StoreError):
    """SQLite refused a transaction, which was rolled back; what was stored before is untouched."""


class WriterStopped(StoreError):
    """The writer task has ended, so the work that was handed to it was not done."""
