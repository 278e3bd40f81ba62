"""Preparing a database file before any connection of the daemon opens it.

Everything here blocks and runs once, at startup, in a thread.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from retrovue_daemon.config.files import owner_hint
from retrovue_daemon.errors import (
    DatabaseDamaged,
    DatabaseHeld,
    DatabaseOutOfReach,
    DatabasePlaceMissing,
    DatabaseUnusable,
)
from retrovue_daemon.store.damaged_texts import error_name
from retrovue_daemon.store.file.companions import JOURNAL, companion, has_content, log_of
from retrovue_daemon.store.file.copies import whole_file
from retrovue_daemon.store.file.identity import prevent_merge
from retrovue_daemon.store.file.layouts import layout
from retrovue_daemon.store.file.lock import real_path
from retrovue_daemon.store.file.space import AGAIN, as_disk_full
from retrovue_daemon.store.migrations import APPLICATION_ID, holds_rows, migrate, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHECK = "PRAGMA quick_check(1)"

BUSY_S = 5.0
"""Seconds to wait for another program's lock."""

OLDEST_SQLITE = (3, 38, 0)
"""The first with ``unixepoch()`` and ``json_each`` always built in: https://sqlite.org/releaselog/3_38_0.html."""


def check_place(path: Path, *, own: bool) -> Path:
    """Check that the database can exist at the given path, and return the resolved path of the file.

    Our ``own`` default directory (no path was configured) is created; a configured directory must exist, because a
    missing one may be a disk that is not mounted yet.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE[:2]))
        raise DatabaseUnusable(
            path,
            f"SQLite {sqlite3.sqlite_version} is too old, {wanted} is needed",
            hint="use a Python with a newer SQLite",
        )
    try:
        if own:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_unusable_place(path, hint="specify a regular file, or a path that does not exist yet")
        path = real_path(path)
        if not path.parent.is_dir():
            raise DatabasePlaceMissing(path, f"the directory {path.parent}, to which a link leads, does not exist")
    except OSError as error:
        raise _not_writable(path, error) from error
    refuse_foreign(path)
    return path


class Interruption:
    """Lets another thread interrupt the statements of `prepare`: a check reads the whole file, a copy writes it."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def of(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Allow a connection to be interrupted within the block."""
        self._connection = connection
        try:
            yield
        finally:
            self._connection = None

    def interrupt(self) -> None:
        """Interrupt what runs now, if anything does: it raises, and what is not committed is rolled back."""
        if (connection := self._connection) is not None:
            with suppress(sqlite3.ProgrammingError):  # closed just now
                connection.interrupt()


def prepare(path: Path, *, mode: int = 0o600, group: str | None = None) -> None:
    """Do what `prepared` does, and close the database."""
    with prepared(path, mode=mode, group=group):
        pass


@contextmanager
def prepared(
    path: Path, *, mode: int = 0o600, group: str | None = None, interruption: Interruption | None = None
) -> Iterator[sqlite3.Connection]:
    """Create or check the database file and bring its schema up to date; yield the connection that did it.

    The log that an unclean end left is merged here, because no interrupt reaches what closing a connection merges.

    Raise DatabaseHeld if another program keeps it locked, DiskFull if there is no space, DatabaseUnusable if the file
    is not ours, damaged, written by a newer release or not writable. Such a file is left unchanged.
    """
    try:
        has_log = has_content(log_of(path))
        unclean = has_log or has_content(companion(path, JOURNAL))
        if path.exists() and path.stat().st_size > 0:
            _refuse_foreign(path)
        _create(path, mode, group)
        with _connected(path) as connection, (interruption or Interruption()).of(connection):
            version = own_version(connection, path)
            if unclean:
                _quick_check(connection, path)
            refuse_newer(path, version)
            if 0 < version < migrations()[-1].version and holds_rows(connection):
                _keep_copy(connection, path, version, mode, group)
            journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if journal != "wal":
                raise DatabaseUnusable(
                    path, f"cannot use a write-ahead log here (journal_mode {journal})", hint="use a local disk"
                )
            migrate(connection, version)
            if has_log:
                connection.execute("PRAGMA wal_checkpoint").fetchall()
            yield connection
    except OSError as error:
        raise _not_writable(path, error) from error
    except sqlite3.OperationalError as error:
        if error_name(error) in {"SQLITE_BUSY", "SQLITE_LOCKED"}:
            raise DatabaseHeld(path, None) from error
        raise as_disk_full(path, error, AGAIN) or DatabaseUnusable(
            path, str(error), hint=_hint(error, path)
        ) from error
    except sqlite3.Error as error:
        if error_name(error).startswith("SQLITE_CORRUPT"):
            raise _damage(path, str(error)) from error
        raise DatabaseUnusable(path, str(error), hint=_hint(error, path)) from error


def _refuse_foreign(path: Path) -> None:
    """Raise DatabaseUnusable if the file, as its log changes it, belongs to another program.

    A process that is killed while it turns the write-ahead log on, in a new file or one that another program has set
    to another mode, leaves a journal that only a connection that may write can roll back. The file is then what it
    was before, and the next check sees whose it is; `refuse_foreign` has seen what it is now.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as connection:
        try:
            if not _is_own(connection):
                own_version(connection, path)
        except sqlite3.OperationalError as error:
            if error_name(error) != "SQLITE_READONLY_ROLLBACK":
                raise


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to the file; if the block raises, closing it does not merge the log, which may be another file's."""
    # Closed after the connection, whose locks it would release.
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as connection:
            try:
                yield connection
            except BaseException:
                prevent_merge(descriptor)
                raise
    finally:
        os.close(descriptor)


def _create(path: Path, mode: int, group: str | None) -> None:
    """Create the file with its final permissions; SQLite's -wal and -shm files inherit them."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return
        if os.fstat(descriptor).st_mode & 0o777 != mode:
            os.fchmod(descriptor, mode)  # the umask may have cleared bits, or the configuration changed
    finally:
        os.close(descriptor)
    if group is not None:
        give(path, path, group)


def hand_over(*files: Path) -> None:
    """Give files that root has created to the owner of their directory.

    Root may run a command before the daemon's first start, and the daemon could not even open a file of root's.
    """
    if os.geteuid():
        return
    for file in files:
        directory, found = file.parent.stat(), file.lstat()
        if directory.st_uid and not found.st_uid:
            # A container's root may lack this capability; the files then stay as they are.
            with suppress(PermissionError):
                os.chown(file, directory.st_uid, -1 if found.st_gid else directory.st_gid, follow_symlinks=False)


def give(file: Path, database: Path, group: str) -> None:
    """Give a file to a group. Raise DatabaseUnusable on failure: permissions on the directory do not help."""
    try:
        shutil.chown(file, group=group)
    except PermissionError as error:
        raise not_in_group(database, group, error.strerror or "") from error


def not_in_group(database: Path, group: str, why: str) -> DatabaseUnusable:
    """Return the error for a group that this user may not give a file to."""
    return DatabaseUnusable(
        database,
        f"cannot be given to the group {group!r}: {why}",
        hint=f"make this user a member of {group} (for the service: SupplementaryGroups={group}), or unset"
        " [database] group",
    )


def refuse_unusable_place(path: Path, *, hint: str, missing_hint: str | None = None) -> None:
    """Refuse a path that cannot be a database's. Raises DatabasePlaceMissing, DatabaseUnusable and OSError.

    ``hint`` is for something that is neither a file nor a directory, ``missing_hint`` for a missing directory.
    """
    _refuse_loop(path, hint)
    if not path.parent.is_dir():
        raise DatabasePlaceMissing(path, f"the directory {path.parent} does not exist", hint=missing_hint)
    if path.is_dir():
        raise DatabaseUnusable(path, "is a directory", hint="specify a file in it")
    if path.exists() and not path.is_file():
        raise DatabaseUnusable(path, "is not a regular file", hint=hint)


def _refuse_loop(path: Path, hint: str) -> None:
    """Raise DatabaseUnusable for a symbolic link that leads to itself, which no path can be made of."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DatabaseUnusable(path, "is a symbolic link that leads to itself", hint=hint) from None


def refuse_foreign(path: Path) -> None:
    """Raise DatabaseUnusable if the file belongs to another program, before anything is created beside it.

    SQLite is told that the file does not change, because it would otherwise leave a log and its index. Content that
    is only in a log is therefore not seen, and a file that is just being written is not understood: for both,
    `prepare` checks again while it has the lock.
    """
    # Only SQLite may open the file: if this process has it open, closing it would release the locks of SQLite, too.
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection,
    ):
        if not _is_own(connection):
            own_version(connection, path)


def refuse_newer(path: Path, version: int) -> None:
    """Raise DatabaseUnusable if a newer release wrote the database, or none did."""
    newest = migrations()[-1].version
    if version < 0:
        hint = (
            "another program changed its user_version; restore a backup with `retrovue-daemon database restore FILE`"
        )
        raise DatabaseUnusable(path, f"has schema version {version}, which no release has", hint=hint)
    if version > newest:
        raise DatabaseUnusable(
            path,
            f"has schema version {version}, this release supports up to {newest}",
            hint="use the newer release that wrote it, or restore the copy that was made before its upgrade"
            " (`retrovue-daemon database restore FILE`)",
        )


def _is_own(connection: sqlite3.Connection) -> bool:
    """Return whether the file's header says that it is ours, which SQLite knows before it reads the schema."""
    number: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return number == APPLICATION_ID


def own_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of our database, 0 for an empty file; refuse other programs' databases."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application == APPLICATION_ID or (application == 0 and version == 0 and tables == 0):
        return version
    if layout(connection) is not None:
        raise DatabaseUnusable(
            path,
            "is a database of the original Retrovue",
            hint=f"the file was left unchanged; `retrovue-daemon database import-retrovue {shlex.quote(str(path))}`"
            " imports its settings; set [database] path (or --database) to another file",
        )
    raise DatabaseUnusable(
        path,
        "is an SQLite database of another program",
        hint="the file was left unchanged; set [database] path (or --database) to another file",
    )


def in_one_line(answer: str) -> str:
    """Return the message of an SQLite check, which may have several lines, as one line."""
    return " ".join(answer.split())


def _quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseDamaged if the file, as its log changes it, is not whole."""
    answer = connection.execute(_CHECK).fetchone()[0]
    if answer != "ok":
        raise _damage(path, answer)


def _damage(path: Path, answer: str) -> DatabaseDamaged:
    """Return the error that says what is damaged: the file itself, or only what the log makes of it."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as without_log,
    ):
        if has_content(log_of(path)) and without_log.execute(_CHECK).fetchone()[0] == "ok":
            return DatabaseDamaged(
                path,
                "does not fit the log beside it, which may belong to another file",
                hint="both were left unchanged; to use the file as it is, move"
                f" {path.name}-wal and {path.name}-shm away; `database restore FILE` restores a backup",
            )
    return DatabaseDamaged(
        path,
        f"is damaged: {in_one_line(answer)}",
        hint="the file was left unchanged; restore a backup with `retrovue-daemon database restore FILE`, or move"
        " it away and sync again",
    )


def _keep_copy(connection: sqlite3.Connection, path: Path, version: int, mode: int, group: str | None) -> None:
    """Copy the database before a schema upgrade, readable by the same users."""
    copy = path.with_name(f"{path.name}.v{version}.bak")
    with whole_file(copy, mode=mode, replaces=True) as partial:
        if group is not None:
            give(partial, path, group)
        connection.execute("VACUUM INTO ?", (str(partial),))


def _not_writable(path: Path, error: OSError) -> DatabaseUnusable:
    detail = f"cannot be written: {error.strerror}"
    if isinstance(error, PermissionError):
        return DatabaseOutOfReach(path, detail, hint=f"{owner_hint(path)}, or set [database] path to another place")
    return DatabaseUnusable(path, detail, hint="set [database] path to a place that can be written")


def _hint(error: sqlite3.Error, path: Path) -> str:
    if error_name(error) == "SQLITE_NOTADB":
        return "the file was left unchanged; set [database] path (or --database) to another file"
    if error_name(error).startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"{owner_hint(path)}, or set [database] path to another place"
    if error_name(error) == "SQLITE_ERROR":
        return (
            "its tables are not those of its schema version: another program changed them; restore a backup with"
            " `retrovue-daemon database restore FILE`, or move the file away and sync again"
        )
    return f"check the disk of {path.parent}, and its free space"
