"""Making a database file ready for use, before any connection of the daemon's own opens it.

Everything here blocks and runs once, at start, in a thread.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from retrovue_daemon.errors import DatabaseHeld, DatabasePlaceMissing, DatabaseUnusable
from retrovue_daemon.store.file.layouts import layout
from retrovue_daemon.store.migrations import APPLICATION_ID, migrate, migrations

if TYPE_CHECKING:
    from pathlib import Path

BUSY_S = 5.0
"""Seconds that another program's lock is waited for."""

_APPLICATION_ID_AT = 68
"""Where it is in the file's header: https://sqlite.org/fileformat2.html#the_database_header."""

OLDEST_SQLITE = (3, 38, 0)
"""The first with ``unixepoch()`` and ``json_each`` always built in: https://sqlite.org/releaselog/3_38_0.html."""


def check_place(path: Path, *, own: bool) -> Path:
    """Check that the database can be where it is said to be, and return the path of the file itself, behind links.

    A directory of our ``own`` choosing (no path was configured) is made; a configured one must exist, because a
    missing directory may well be a disk that is not mounted yet.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE[:2]))
        raise DatabaseUnusable(
            path,
            f"SQLite {sqlite3.sqlite_version} is too old, {wanted} is needed",
            hint="use a Python that brings a newer SQLite",
        )
    try:
        if own:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.parent.is_dir():
            raise DatabasePlaceMissing(path, f"there is no directory {path.parent}")
        if path.is_dir():
            raise DatabaseUnusable(path, "is a directory", hint="name a file in it")
        if path.exists() and not path.is_file():
            raise DatabaseUnusable(path, "is no regular file", hint="name one, or a path where there is nothing yet")
        path = path.resolve()
    except OSError as error:
        raise _not_writable(path, error) from error
    refuse_foreign(path)
    return path


def prepare(path: Path, *, mode: int = 0o600, group: str | None = None) -> None:
    """Create or check the database file and bring its schema up to date.

    Raises DatabaseHeld where another program keeps it locked, and DatabaseUnusable where the file is not ours,
    damaged, of a newer release or not writable. Such a file is left exactly as it was.
    """
    try:
        unclean = _wal_left(path)
        if path.exists() and path.stat().st_size > 0:
            with closing(
                sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
            ) as connection:
                own_version(connection, path)
        _create(path, mode, group)
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as connection:
            version = own_version(connection, path)
            if unclean:
                _quick_check(connection, path)
            newest = migrations()[-1].version
            if version > newest:
                raise DatabaseUnusable(
                    path,
                    f"has schema version {version}, this release knows {newest} at most",
                    hint="use the newer release that wrote it, or the copy that was made before its upgrade",
                )
            if 0 < version < newest:
                _keep_copy(connection, path, version, mode, group)
            journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if journal != "wal":
                raise DatabaseUnusable(
                    path, f"cannot use a write-ahead log here (journal_mode {journal})", hint="use a local disk"
                )
            migrate(connection, version)
    except OSError as error:
        raise _not_writable(path, error) from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname in {"SQLITE_BUSY", "SQLITE_LOCKED"}:
            raise DatabaseHeld(path, None) from error
        raise DatabaseUnusable(path, str(error), hint=_hint(error, path)) from error
    except sqlite3.Error as error:
        raise DatabaseUnusable(path, str(error), hint=_hint(error, path)) from error


def _wal_left(path: Path) -> bool:
    """Tell whether the last user left a write-ahead log: a clean close folds it in and removes it."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _create(path: Path, mode: int, group: str | None) -> None:
    """Give the file its permissions before anything is in it; SQLite's -wal and -shm take theirs from it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return
        if os.fstat(descriptor).st_mode & 0o777 != mode:
            os.fchmod(descriptor, mode)  # the umask may have taken bits away, or the configuration changed
    finally:
        os.close(descriptor)
    if group is not None:
        _give(path, path, group)


def _give(file: Path, database: Path, group: str) -> None:
    """Give a file to a group. Raises DatabaseUnusable: no right of the directory's helps there."""
    try:
        shutil.chown(file, group=group)
    except PermissionError as error:
        raise DatabaseUnusable(
            database,
            f"cannot be given to the group {group!r}: {error.strerror}",
            hint=f"make this user a member of {group} (for the service: SupplementaryGroups={group}), or unset"
            " [database] group",
        ) from error


def refuse_foreign(path: Path) -> None:
    """Raise DatabaseUnusable where the file is another program's, before anything is put beside it.

    SQLite is told that the file does not change, because it would leave a log and its index. So what only a log holds
    is not seen, nor is a file understood that is just being written: for both, `prepare` looks again, with the lock.
    """
    with suppress(OSError, sqlite3.Error):
        with path.open("rb") as file:
            header = file.read(_APPLICATION_ID_AT + 4)
        if len(header) < _APPLICATION_ID_AT + 4 or header.endswith(APPLICATION_ID.to_bytes(4, "big")):
            return
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            own_version(connection, path)


def own_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of our database, 0 for an empty file; refuse any other program's."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application == APPLICATION_ID or (application == 0 and version == 0 and tables == 0):
        return version
    if layout(connection) is not None:
        raise DatabaseUnusable(
            path,
            "is a database of the original Retrovue",
            hint=f"it was not touched; `retrovue-daemon database import-retrovue {shlex.quote(str(path))}` takes over"
            " what is set up in it; give [database] path (or --database) a file of its own",
        )
    raise DatabaseUnusable(
        path,
        "is a SQLite database of another program",
        hint="it was not touched; give [database] path (or --database) a file of its own",
    )


def in_one_line(answer: str) -> str:
    """Return what SQLite's checks say of a damaged page, which may have several lines, as one."""
    return " ".join(answer.split())


def _quick_check(connection: sqlite3.Connection, path: Path) -> None:
    answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        raise DatabaseUnusable(
            path,
            f"is damaged: {in_one_line(answer)}",
            hint="it was not touched; put a backup in its place, or move it away and sync anew",
        )


def _keep_copy(connection: sqlite3.Connection, path: Path, version: int, mode: int, group: str | None) -> None:
    """Keep the database as it is before an upgrade of its schema, for the same readers."""
    copy = path.with_name(f"{path.name}.v{version}.bak")
    copy.unlink(missing_ok=True)
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o600)
    os.fchmod(descriptor, mode)  # whatever the umask says
    os.close(descriptor)
    if group is not None:
        _give(copy, path, group)
    connection.execute("VACUUM INTO ?", (str(copy),))


def _not_writable(path: Path, error: OSError) -> DatabaseUnusable:
    return DatabaseUnusable(
        path, f"cannot be written: {error.strerror}", hint=f"make {path.parent} writable for this user"
    )


def _hint(error: sqlite3.Error, path: Path) -> str:
    if error.sqlite_errorname == "SQLITE_NOTADB":
        return "it was not touched; give [database] path (or --database) a file of its own"
    return f"check that {path.parent} is on a disk that works, has room and is writable for this user"
