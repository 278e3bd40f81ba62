"""Short visits to a database that a daemon may be using: to read it, or to change a setting.

A visitor never creates a database, never upgrades its schema and never takes the daemon's lock. Everything here
blocks; it is for commands, not for the event loop.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from retrovue_daemon.errors import (
    DatabaseHeld,
    DatabaseMissing,
    DatabasePlaceMissing,
    DatabaseUnusable,
    StoreError,
    WriteFailed,
)
from retrovue_daemon.store.file.lock import database_lock, lock_path
from retrovue_daemon.store.file.preparation import BUSY_S, check_place, own_version, prepare, refuse_foreign
from retrovue_daemon.store.migrations import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REACHED_IN_VAIN = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")
"""How the names of the errors begin that SQLite gives where a write-ahead log has no place."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read it; nothing beside it is created or changed.

    Raises DatabaseMissing, DatabasePlaceMissing or DatabaseUnusable.
    """
    path = find(path)
    with reading_any_version(path) as connection:
        check_version(connection, path)
        yield connection


@contextmanager
def reading_any_version(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading as `reading` does, also one with the schema of another release."""
    path = find(path)
    with _explained(path), closing(_reader(path)) as connection:
        yield connection


@contextmanager
def reading_undisturbed(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read all of it; raises WriteFailed at the end where it was written to while nobody saw."""
    path = find(path)
    alone = not _log(path).exists()
    before = path.stat().st_mtime_ns
    with reading(path) as connection:
        yield connection
    if alone and (_log(path).exists() or path.stat().st_mtime_ns != before):
        # Nobody was there, so SQLite was told to trust the file (see _reader).
        raise WriteFailed(path, "a daemon began to write while it was read", hint="try again")


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """Do one write transaction, also beside a running daemon; it is rolled back where the block raises.

    Raises what ``reading`` raises, and DatabaseHeld where another program keeps the database locked.
    """
    path = find(path)
    with _explained(path), closing(_connect(path, "mode=rw")) as connection:
        check_version(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def make_if_missing(path: Path, *, mode: int = 0o600, group: str | None = None, own_place: bool = False) -> None:
    """Make an empty database where there is none yet: for the command that adds the first server.

    ``own_place`` says that the directory is the default one, which is made where it is missing.
    """
    path = check_place(path, own=own_place)
    if path.exists() and path.stat().st_size:
        return
    with database_lock(path, mode=mode):
        prepare(path, mode=mode, group=group)
    directory = path.parent.stat()
    if os.geteuid() == 0 and directory.st_uid:
        # Made by root for the daemon, to whom the directory belongs: it could not even open it.
        for made in (path, lock_path(path)):
            os.chown(made, directory.st_uid, directory.st_gid if group is None else -1)


def find(path: Path) -> Path:
    """Return the database's own path, behind links; raises where there is none that may be read."""
    try:
        if not path.parent.is_dir():
            raise DatabasePlaceMissing(path, f"there is no directory {path.parent}")
        if path.is_dir():
            raise DatabaseUnusable(path, "is a directory", hint="name a file in it")
        if path.exists() and not path.is_file():
            raise DatabaseUnusable(path, "is no regular file", hint="name the right file by --config or --database")
        if not path.exists() or not path.stat().st_size:
            raise DatabaseMissing(path)
    except OSError as error:
        raise _not_for_us(path, error.strerror or "") from error
    if not os.access(path, os.R_OK):
        raise _not_for_us(path, "Permission denied")
    path = path.resolve()
    refuse_foreign(path)
    return path


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema's version; raises DatabaseUnusable where it is not the one that this release knows."""
    version, newest = own_version(connection, path), migrations()[-1].version
    if version == newest:
        return version
    if version == 0:
        raise DatabaseMissing(path)
    hint = (
        "use the newer release that wrote it"
        if version > newest
        else "`retrovue-daemon sync` or a restart of the daemon brings it up to date, and keeps a copy"
    )
    raise DatabaseUnusable(path, f"has schema version {version}, this release works with {newest}", hint=hint)


def _reader(path: Path) -> sqlite3.Connection:
    """Connect so that the database can be read whoever may write to its directory.

    Without a log nobody has it open: then SQLite is told that the file does not change, because it would leave a log
    and its index behind, which belong to the visitor and keep the daemon out.
    """
    if not _log(path).exists():
        return _connect(path, "immutable=1")
    connection = _connect(path, "mode=ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        connection.close()
        if not error.sqlite_errorname.startswith(_REACHED_IN_VAIN):
            raise
        if _has_content(_log(path)):
            raise DatabaseUnusable(
                path,
                "was not closed cleanly, and its log cannot be read without writing to its directory",
                hint="start the daemon, which mends it, or run this command as its user",
            ) from error
        return _connect(path, "immutable=1")
    return connection


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, isolation_level=None, timeout=BUSY_S)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _has_content(log: Path) -> bool:
    try:
        return log.stat().st_size > 0
    except FileNotFoundError:
        return False  # the daemon has ended meanwhile, and removed it


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what an error of SQLite's means to a visitor."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(path, error) from error


def explained(path: Path, error: sqlite3.Error) -> StoreError:
    """Return what an error of SQLite's means to a visitor."""
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        hint = f"another program has kept the database locked for {BUSY_S:.0f} s; let it commit, then try again"
        return DatabaseHeld(path, None, hint=hint)
    if name.startswith("SQLITE_READONLY"):
        return DatabaseUnusable(path, "may not be written by this user", hint="run this command as the daemon's user")
    if name.startswith("SQLITE_FULL"):
        return WriteFailed(path, str(error), hint="the disk is full; nothing was changed")
    if name == "SQLITE_NOTADB":
        return DatabaseUnusable(path, "is no SQLite database", hint="name the right file with --config or --database")
    if name.startswith("SQLITE_CONSTRAINT"):
        return WriteFailed(path, str(error), hint="somebody else changed the same just now; try again")
    return DatabaseUnusable(path, str(error), hint="`retrovue-daemon database check` tells more; a backup may help")


def _not_for_us(path: Path, reason: str) -> DatabaseUnusable:
    return DatabaseUnusable(
        path,
        f"cannot be read: {reason.lower()}",
        hint='run this command as the daemon\'s user, or let others read: [database] mode = "0640" and group',
    )
