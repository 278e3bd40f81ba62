"""Restoring the database from a copy, whether or not a daemon runs.

The copy is first made ready in a file beside the database: checked, upgraded, marked as new. If the database can be
used, SQLite then writes that file into it in one transaction, so that every program that has it open sees the old
content or the new one. The running daemon notices the mark before it writes again. If the database cannot be used and
no process holds it, it is moved away with its log, and the file gets its name.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.errors import (
    BadInput,
    DatabaseDamaged,
    DatabaseHeld,
    DatabaseMissing,
    DatabaseUnusable,
    StoreError,
    WriteFailed,
)
from retrovue_daemon.store.damaged_texts import error_name
from retrovue_daemon.store.file.companions import COMPANIONS, companion
from retrovue_daemon.store.file.copies import filled, scratch_file, written
from retrovue_daemon.store.file.epoch import JUMP, begin_epoch, keep_free, mark_path
from retrovue_daemon.store.file.lock import database_lock
from retrovue_daemon.store.file.maintenance import backup, is_damage
from retrovue_daemon.store.file.opening import mode_of
from retrovue_daemon.store.file.preparation import BUSY_S, check_place, give, in_one_line, own_version
from retrovue_daemon.store.file.restore_mark import set_restore_mark
from retrovue_daemon.store.file.visits import check_version, explained, reading_any_version, reading_undisturbed
from retrovue_daemon.store.migrations import migrate, migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from retrovue_daemon.store.file.copies import ScratchFile

PATIENCE_S = 60.0
"""Seconds to wait until another program ends its transaction."""

_NEWER = "the database was left unchanged; use the newer release that wrote the copy"
_WRONG_COPY = "the database was left unchanged; specify a copy made by `retrovue-daemon database backup`"

_SUFFIXES = ("", *COMPANIONS)
"""Of the names of the files that make up a database."""


class Copy(msgspec.Struct, frozen=True):
    """A copy that can be restored: its schema version, its size in bytes, and the number of rows by table."""

    version: int
    bytes: int
    rows: dict[str, int]
    last_sync_at: int | None

    @property
    def is_older(self) -> bool:
        """Return whether the schema has to be upgraded."""
        return self.version < migrations()[-1].version


class Restored(msgspec.Struct, frozen=True):
    """What was done: ``kept`` is the copy of the content before, None if there was none.

    ``pid`` is the process id of the daemon that goes on with the new content, if known, and ``beside_daemon`` whether
    there is one.
    """

    kept: Path | None
    beside_daemon: bool = False
    pid: int | None = None


def examine(file: Path, path: Path) -> Copy:
    """Return what a copy contains, without changing anything. ``path`` is the database, which may be missing.

    Raise BadInput if it is no other file, DatabaseUnusable if it is not a whole database of ours or from a newer
    release.
    """
    if not file.exists():
        raise BadInput(f"{file} does not exist", hint="specify a copy made by `retrovue-daemon database backup`")
    if path.exists() and file.samefile(path):
        raise BadInput(f"{file} is the database itself", hint="specify a copy of it")
    with _about_the_copy(file), reading_undisturbed(file) as source:
        version = _usable_version(source, file)
        answer = source.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            raise DatabaseUnusable(file, f"is damaged: {in_one_line(answer)}")
        rows = {
            table: source.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("plex_servers", "libraries", "movies", "shows", "episodes")
        }
        (last_sync_at,) = source.execute("SELECT max(last_sync_at) FROM libraries").fetchone()
        pages, size = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return Copy(version, pages * size, rows, last_sync_at)


def restore(
    path: Path,
    file: Path,
    *,
    mode: int | None = None,
    group: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Restored:
    """Replace the content of the database at ``path`` by that of a copy.

    A database that is created gets ``mode`` and ``group``. Raise what ``examine`` raises, DatabaseHeld if a process
    holds the database that cannot go on with new content, and WriteFailed if the disk is full: in all these cases the
    database is unchanged.
    """
    path = check_place(path, own=False)
    kept = _unused_name(path)
    permissions = mode_of(path) if path.exists() or mode is None else mode
    with _held(path, permissions) as daemon, _scratch(path, permissions) as scratch:
        _fill(scratch.path, file, progress)
        if not _keep(path, kept, permissions, daemon, progress):
            if group is not None and not path.exists():
                give(scratch.path, path, group)
            had_content = _move_away(path, kept)
            scratch.become(path, replaces=True)
            return Restored(kept if had_content else None)
        try:
            _avoid_used_ids(scratch.path, kept)
            _write_into(path, scratch.path)
        except BaseException:
            kept.unlink()
            raise
    return Restored(kept, beside_daemon=daemon is not None, pid=None if daemon is None else daemon.pid)


def _unused_name(path: Path) -> Path:
    """Return a name for the content before, which no earlier restore has used."""
    stem = f"{path.name}.before-restore-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    names = (path.with_name(stem if number == 1 else f"{stem}-{number}") for number in count(1))
    return next(name for name in names if not any(companion(name, suffix).exists() for suffix in _SUFFIXES))


@contextmanager
def _held(path: Path, mode: int) -> Iterator[DatabaseHeld | None]:
    """Hold the lock, or yield the daemon that holds it."""
    with ExitStack() as stack:
        daemon: DatabaseHeld | None = None
        try:
            stack.enter_context(database_lock(path, mode=mode))
        except DatabaseHeld as held:
            if not held.serves:
                held.hint = "wait until that process has ended, or stop it"
                raise
            daemon = held
        yield daemon


@contextmanager
def _scratch(path: Path, mode: int) -> Iterator[ScratchFile]:
    try:
        with scratch_file(path.with_name(f"{path.name}.restore"), mode=mode) as scratch:
            _give_to_owner(scratch.path, path)
            yield scratch
    except OSError as error:
        raise WriteFailed(
            path, f"cannot be restored: {error.strerror}", hint=f"check the disk and the permissions of {path.parent}"
        ) from error


def _fill(scratch: Path, file: Path, progress: Callable[[int, int], object] | None) -> None:
    """Make the copy ready: whole, with the schema of this release, and without what was requested back then."""
    with _about_the_copy(file), reading_undisturbed(file) as source:
        version = _usable_version(source, file)
        with filled(source, scratch, target=scratch, progress=progress) as copy:
            answer = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if answer != "ok":
                raise DatabaseUnusable(file, f"is damaged: {in_one_line(answer)}")
            migrate(copy, version)
            copy.execute("DELETE FROM sync_requests WHERE finished_at IS NULL")
            set_restore_mark(copy)
            begin_epoch(copy)


def _keep(
    path: Path, kept: Path, mode: int, daemon: DatabaseHeld | None, progress: Callable[[int, int], object] | None
) -> bool:
    """Copy the content of the database, and return whether that was possible: if not, it cannot be used."""
    if not path.exists() or not path.stat().st_size:
        return False
    try:
        with reading_any_version(path) as connection:
            version = own_version(connection, path)
        if version == migrations()[-1].version:
            backup(path, kept, mode=mode, progress=progress)
            _give_to_owner(kept, path)
            return True
        flaw = DatabaseUnusable(path, f"has schema version {version}, which is not that of this release")
    except DatabaseUnusable as error:
        _refuse_unless_damaged(path, error)
        flaw = error
    if daemon is not None:
        flaw.hint = "stop the daemon, then restore again"
        raise flaw
    return False


def _refuse_unless_damaged(path: Path, error: DatabaseUnusable) -> None:
    """Raise the error unless it means that a database of ours is damaged: nothing else is moved away.

    Of a file whose first bytes are damaged, only the mark beside it shows that it was a database of ours.
    """
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error) and error_name(cause) == "SQLITE_NOTADB":
        if mark_path(path).is_file():
            return
        error.hint = "if this is the damaged database, move it away, with its -wal and -shm files; then restore again"
        raise error
    if not isinstance(error, DatabaseDamaged) and not (isinstance(cause, sqlite3.Error) and is_damage(cause)):
        raise error


def _avoid_used_ids(scratch: Path, kept: Path) -> None:
    """Give no id that was given since the copy was made to another item: programs may refer to it."""
    with closing(sqlite3.connect(f"{kept.as_uri()}?immutable=1", uri=True)) as before:
        used = before.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        ((opened,),) = before.execute("SELECT opened FROM feed")
    with closing(sqlite3.connect(scratch, isolation_level=None)) as copy, written(scratch):
        # A daemon may have used some more meanwhile.
        keep_free(copy, {name: seq + JUMP for name, seq in used})
        # It is the database of the same process, whose next start must not begin another epoch.
        copy.execute("UPDATE feed SET opened = ?", (opened,))


def _write_into(path: Path, scratch: Path) -> None:
    """Replace the content of the database in one transaction, as soon as no other program writes."""
    deadline = time.monotonic() + PATIENCE_S

    def wait(status: int, _remaining: int, _total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > deadline:
            raise DatabaseHeld(path, None, hint="another program is writing to it; let it commit, then try again")

    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_S)
        ) as database:
            check_version(database, path)
            with closing(sqlite3.connect(scratch, isolation_level=None)) as copy:
                # The size of a page cannot be changed in a database with a write-ahead log.
                (size,) = database.execute("PRAGMA page_size").fetchone()
                if copy.execute("PRAGMA page_size").fetchone()[0] != size:
                    copy.execute(f"PRAGMA page_size = {size}")
                    copy.execute("VACUUM")
                copy.backup(database, progress=wait)
            with suppress(sqlite3.Error):  # a reader may need the log for a while
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise explained(path, error) from error


def _move_away(path: Path, kept: Path) -> bool:
    """Rename an unusable database, with all that belongs to it; return whether there was any content."""
    had_content = path.exists() and path.stat().st_size > 0
    for suffix in _SUFFIXES:
        if companion(path, suffix).exists():
            companion(path, suffix).rename(companion(kept, suffix))
    return had_content


def _usable_version(source: sqlite3.Connection, file: Path) -> int:
    version, newest = own_version(source, file), migrations()[-1].version
    if not version:
        raise DatabaseUnusable(file, "is empty")
    if version > newest:
        raise DatabaseUnusable(
            file,
            f"has schema version {version}, this release supports up to {newest}",
            hint=_NEWER,
        )
    return version


@contextmanager
def _about_the_copy(file: Path) -> Iterator[None]:
    """Say of errors that they are about the copy, and that nothing was changed."""
    try:
        yield
    except DatabaseHeld:
        raise
    except StoreError as error:
        if error.path == file.resolve() or error.path == file:
            hint = error.hint if error.hint == _NEWER else _WRONG_COPY
            detail = "is empty" if isinstance(error, DatabaseMissing) else error.detail
            raise DatabaseUnusable(file, detail, hint=hint) from error
        raise


def _give_to_owner(file: Path, path: Path) -> None:
    """Give a file to the owner and the group of the database, as far as this user may; root also of a directory."""
    root = os.geteuid() == 0
    if path.exists() or root:
        owner = (path if path.exists() else path.parent).stat()
        with suppress(PermissionError):
            os.chown(file, owner.st_uid if root else -1, owner.st_gid)
