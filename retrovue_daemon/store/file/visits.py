"""Short access to a database that a daemon may be using: to read it, or to change a setting.

These functions never create a database (except `make_if_missing`), upgrade its schema or take the daemon's lock. They
block and are meant for commands, not for the event loop.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from retrovue_daemon.config.files import is_read_only, owner_hint
from retrovue_daemon.errors import (
    LOCKED_HINT,
    DatabaseHeld,
    DatabaseMissing,
    DatabaseOutOfReach,
    DatabaseUnusable,
    StoreError,
    WriteFailed,
)
from retrovue_daemon.store.damaged_texts import error_name
from retrovue_daemon.store.file.companions import COMPANIONS, JOURNAL, companion, has_content, log_of
from retrovue_daemon.store.file.foreign_tables import REFUSED_HINT
from retrovue_daemon.store.file.lock import database_lock, lock_path, real_path
from retrovue_daemon.store.file.preparation import (
    BUSY_S,
    check_place,
    hand_over,
    own_version,
    prepare,
    refuse_foreign,
    refuse_unusable_place,
)
from retrovue_daemon.store.file.sequences import as_used_up
from retrovue_daemon.store.file.space import AGAIN, as_disk_full
from retrovue_daemon.store.migrations import holds_rows, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CANNOT_OPEN = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")
"""Prefixes of the error names that SQLite reports if it cannot create a write-ahead log."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading; nothing beside it is created or changed.

    Raise DatabaseMissing, DatabasePlaceMissing or DatabaseUnusable.
    """
    path = find(path)
    with reading_any_version(path) as connection:
        check_version(connection, path)
        yield connection


@contextmanager
def reading_any_version(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading as `reading` does, even with the schema of another release."""
    path = find(path)
    with _explained(path), closing(_reader(path)) as connection:
        yield connection


@contextmanager
def reading_undisturbed(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database of any release to read all of it.

    Raise WriteFailed at the end if another program wrote to it unnoticed.
    """
    path = find(path)
    alone = not log_of(path).exists()
    before = path.stat().st_mtime_ns
    with reading_any_version(path) as connection:
        yield connection
    if alone and (log_of(path).exists() or path.stat().st_mtime_ns != before):
        # No process had the database open, so SQLite was told to trust the file (see _reader).
        raise WriteFailed(path, "a daemon started writing to it during the read", hint="try again")


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """Run one write transaction, even beside a running daemon; roll it back if the block raises.

    Raise what ``reading`` raises, and DatabaseHeld if another program keeps the database locked.
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
    """Create an empty database if there is none yet, for the command that adds the first server.

    ``own_place`` says that the directory is the default one, which is created if missing.
    """
    path = check_place(path, own=own_place)
    with suppress(DatabaseMissing), reading(path):
        return
    with database_lock(path, mode=mode):
        prepare(path, mode=mode, group=group)
        hand_over(path, lock_path(path))


def find(path: Path) -> Path:
    """Return the resolved path of the database; raise if no readable database exists there."""
    try:
        refuse_unusable_place(
            path,
            hint="specify the right file with --config or --database",
            missing_hint="run `retrovue-daemon sync` first, select the right file with --config or --database, or"
            " mount its file system",
        )
        if not path.exists() or not path.stat().st_size:
            raise DatabaseMissing(path, is_empty=path.exists())
    except OSError as error:
        raise _not_for_us(path, error.strerror or "") from error
    if not os.access(path, os.R_OK):
        raise _not_for_us(path, "Permission denied")
    path = real_path(path)
    refuse_foreign(path)
    return path


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version; raise DatabaseUnusable if it is not the version of this release."""
    version, newest = own_version(connection, path), migrations()[-1].version
    if version == newest:
        return version
    if version == 0 or (version < newest and not holds_rows(connection)):
        raise DatabaseMissing(path, is_empty=True)
    hint = (
        "use the newer release that wrote it"
        if version > newest
        else "`retrovue-daemon sync` or a restart of the daemon upgrades it and keeps a copy"
    )
    raise DatabaseUnusable(path, f"has schema version {version}, this release works with {newest}", hint=hint)


def _reader(path: Path) -> sqlite3.Connection:
    """Connect so that the database can be read without write access to its directory.

    Without a log, no process has it open: SQLite is then told that the file does not change, because it would
    otherwise leave a log and its index that belong to the current user and lock out the daemon.
    """
    if not log_of(path).exists():
        _refuse_half_a_transaction(path)
        return _connect(path, "mode=ro&immutable=1")
    connection = _connect(path, "mode=ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        connection.close()
        if not error_name(error).startswith(_CANNOT_OPEN):
            raise
        if has_content(log_of(path)):
            raise DatabaseUnusable(
                path,
                "was not closed cleanly, and its log cannot be read without writing to its directory",
                hint="start the daemon, which repairs it, or run this command as its user",
            ) from error
        return _connect(path, "mode=ro&immutable=1")
    return connection


def _refuse_half_a_transaction(path: Path) -> None:
    """Raise DatabaseUnusable if a rollback journal holds what the file was before a change that is not complete.

    Only a connection that may write can undo such a change, and SQLite ignores the journal of a file that is said not
    to change. A journal that begins with a zero is over: https://sqlite.org/fileformat2.html#the_rollback_journal.
    """
    try:
        with companion(path, JOURNAL).open("rb") as journal:
            is_over = journal.read(1) in {b"", b"\0"}
    except FileNotFoundError:
        return
    except OSError:
        is_over = False
    if not is_over:
        raise DatabaseUnusable(
            path,
            f"has a rollback journal ({path.name}{JOURNAL}): another program is changing it, or was killed meanwhile",
            hint="start the daemon, or run `retrovue-daemon sync`: both undo a change that is not complete",
        )


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, isolation_level=None, timeout=BUSY_S)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Translate errors of SQLite into errors of this package."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(path, error) from error


def explained(path: Path, error: sqlite3.Error) -> StoreError:
    """Return the error of this package that describes an error of SQLite."""
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DatabaseHeld(path, None, hint=LOCKED_HINT)
    if (failure := as_used_up(path, error) or as_disk_full(path, error, AGAIN)) is not None:
        return failure
    if name.startswith(_CANNOT_OPEN):
        detail = "is not writable for this user" if name.startswith("SQLITE_READONLY") else "cannot be opened"
        if is_read_only(path.parent):
            detail = "is on a file system that is read-only"
        return DatabaseOutOfReach(path, detail, hint=_opening_hint(path))
    if name == "SQLITE_NOTADB":
        return DatabaseUnusable(
            path, "is not an SQLite database", hint="specify the right file with --config or --database"
        )
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return WriteFailed(path, str(error), hint=REFUSED_HINT)
    if name.startswith("SQLITE_CONSTRAINT"):
        return WriteFailed(path, str(error), hint="another process changed the same data just now; try again")
    return DatabaseUnusable(
        path,
        str(error),
        hint="run `retrovue-daemon database check` for details; `database restore` restores a backup",
    )


def _opening_hint(path: Path) -> str:
    """Return what to do if SQLite cannot open a database for writing, or the files that it keeps beside it."""
    places = (path.parent, *(companion(path, suffix) for suffix in ("", *COMPANIONS)))
    closed = (place for place in places if os.access(place, os.F_OK) and not os.access(place, os.R_OK | os.W_OK))
    return owner_hint(next(closed, path))


def _not_for_us(path: Path, reason: str) -> DatabaseOutOfReach:
    return DatabaseOutOfReach(
        path,
        f"cannot be read: {reason.lower()}",
        hint=f'{owner_hint(path)}; [database] mode = "0640" and group decide who may read it',
    )
