"""Errors of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors.base import DaemonError

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    """Another process has locked the database; ``pid`` is its process id if known.

    ``serves`` is true for a daemon, which processes ``sync_requests``.
    """

    exit_code = 75
    hint = "stop that process first, or use another database"

    def __init__(self, path: Path, pid: int | None, *, serves: bool = False, hint: str | None = None) -> None:
        super().__init__(path, f"locked by another process{f' (pid {pid})' if pid else ''}", hint=hint)
        self.pid = pid
        self.serves = serves


class DaemonGone(StoreError):
    """The daemon stopped before it finished a request."""

    exit_code = 75
    hint = "try again; the request also stays in the database, and the next daemon processes it"

    def __init__(self, path: Path, *, hint: str | None = None) -> None:
        super().__init__(path, "the daemon stopped before it finished the request", hint=hint)


class NoDaemon(StoreError):
    """No daemon is running for a database."""

    hint = (
        "select another database with --config or --database, use `systemctl reload` for a systemd service,"
        " or start a daemon with `retrovue-daemon run`"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(path, "no daemon is running for it")


class DaemonOutOfReach(StoreError):
    """A daemon is running, but this process cannot send it a signal; ``pid`` is its process id if known."""

    hint = (
        "run this command as root or as the daemon's user, and inside its container if it has one;"
        " or use `systemctl reload`"
    )

    def __init__(self, path: Path, pid: int | None, reason: str) -> None:
        super().__init__(path, f"cannot signal the daemon{f' (pid {pid})' if pid else ''}: {reason}")
        self.pid = pid
        self.reason = reason


class QueryTooSlow(StoreError):
    """A query for the page took too long, and was ended."""

    hint = "try again, or ask for less at once"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the query took too long")


class ReloadUnanswered(StoreError):
    """The daemon ``pid`` was signaled, but did not report the result of the reload within ``timeout`` seconds."""

    hint = (
        "the reload may still be running: check `retrovue-daemon status` and the daemon's log;"
        " if the daemon was started before an upgrade of this program, restart it"
    )

    def __init__(self, path: Path, pid: int, timeout: float) -> None:
        super().__init__(path, f"the daemon (pid {pid}) did not report the result of the reload within {timeout:g} s")
        self.pid = pid
        self.timeout = timeout


class DatabasePlaceMissing(StoreError):
    """The directory of the database does not exist: not mounted yet, or never created."""

    exit_code = 75
    hint = "create the directory, or mount its file system"


class DatabaseMissing(StoreError):
    """The database does not exist yet, or a killed start left it empty; commands that only read never create it."""

    exit_code = 75
    hint = "run `retrovue-daemon sync` first, or select the right file with --config or --database"

    def __init__(self, path: Path, *, is_empty: bool = False) -> None:
        super().__init__(path, "is empty: no start has completed it yet" if is_empty else "does not exist yet")


class DatabaseUnusable(StoreError):
    """The file is foreign, damaged, from a newer version, or not writable; it is left unchanged."""

    exit_code = 78


LOCKED_HINT = "another program keeps the database locked; let it commit, then try again"

DAMAGE_HINT = (
    "stop the daemon and restore a backup with `retrovue-daemon database restore FILE`, or move the file away and"
    " sync again; `retrovue-daemon database check` shows details"
)


class DatabaseDamaged(DatabaseUnusable):
    """SQLite's check found pages that it did not write so."""


class DatabaseOutOfReach(DatabaseUnusable):
    """This user may not read or write the file or its directory; the daemon's user may."""


class WriteFailed(StoreError):
    """SQLite rejected a transaction, which was rolled back; earlier data is unchanged."""


class DiskFull(WriteFailed):
    """There was no space for a transaction, which was rolled back."""


class IdsUsedUp(WriteFailed):
    """Another program used the highest possible id of a table, so that no row can be added to it."""


class DatabaseBusy(WriteFailed):
    """Another program kept the database locked for too long; the transaction was not begun."""

    exit_code = 75
    hint = "another program has kept the database locked for a minute; let it commit"


class WriterStopped(StoreError):
    """The writer task ended before it did the requested work."""


class DatabaseReplaced(WriterStopped):
    """The file that was open is no longer the database at its path; nothing more is written.

    ``moved`` are the new names of its write-ahead log and the log's index, if they were moved away from the new file.
    """

    exit_code = 78

    def __init__(self, path: Path, detail: str, *, moved: Sequence[Path] = (), hint: str | None = None) -> None:
        super().__init__(path, detail, hint=hint)
        self.moved = tuple(moved)


class DatabaseRestored(WriterStopped):
    """Another process replaced the whole content of the database; what this process knows of it is no longer true."""

    exit_code = 75
    hint = "nothing more was written; try again"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "was restored from a copy")
