"""Epochs of the change feed, and the mark beside the database by which a start notices that it was restored.

After a database was put back to an earlier state, positions of readers mean nothing, and ids could be assigned twice.
`database restore` says so itself. Tools that restore the file (Litestream, a file system's snapshot, ``cp``) do not,
and the file alone cannot show it: everything in it is from before. So each epoch has a random text, stored in
the database and, with the file's inode number, in a small file beside it (``retrovue.db.epoch``). The content is the
one that the last process left if both agree and

- that process ended cleanly, and the feed is no shorter than it was then, or
- that process was killed since the machine started, and the log that it left is there: a power cut may lose the last
  commits, and a database that was restored has no log.

Some file systems (over a network, in user space) number their files anew whenever they are mounted. Another inode
number therefore proves nothing if all ids are those at a clean end, and the mark itself was not put back: it is as
old as it says, by its times of modification and of change. The latter cannot be set, so a copy of both files shows.

In any doubt a new epoch begins: readers read everything anew, and the ids of new rows jump. Neither loses anything.
The file beside the database also holds the highest ids, so that they jump further if the same copy is put back again.

A snapshot of a whole file system or machine that is rolled back leaves no trace there. If the service manager
provides a directory in memory, it has a second mark: while the machine runs, that one is not rolled back. For other
cases, docs/database.md says to delete the mark.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from retrovue_daemon.store.feed.recording import last_entry
from retrovue_daemon.store.file.companions import companion, has_content, log_of

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger()

SUFFIX: Final = ".epoch"
"""Ends the name of the file, after the name of the database."""

JUMP: Final = 1_000_000
"""Ids that are not given out after a restore: more rows than a library gets between a copy and its loss."""

_HIGHEST: Final = 2**62
"""No jump leads beyond it: there is no id above 2**63."""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_SOON_NS: Final = 4 * 10**9
"""Nanoseconds in which a mark gets its name after it was made."""

_WHOLE_NS: Final = 2 * 10**9
"""Times of marks are multiples of it, which every file system can store."""

_LONGEST: Final = 100_000
"""Bytes of the mark that are read: other programs may have tables, too."""


class Mark(msgspec.Struct, frozen=True):
    """What the last process left: the text of the epoch (``opened``), the length of the feed, and the highest ids.

    If it did not end cleanly, the length and the ids are those at its start. ``written`` is when, in nanoseconds, by
    the clock of the file system.
    """

    opened: str
    inode: int
    boot_id: str | None
    last_seq: int
    is_clean: bool
    ids: dict[str, int] = msgspec.field(default_factory=dict)
    written: int = 0


class _FoundMark(NamedTuple):
    mark: Mark
    is_original: bool
    """Whether no other program has put the file there."""


def mark_path(database: Path) -> Path:
    """Return the path of the mark of a database."""
    return companion(database, SUFFIX)


def left_log(database: Path) -> bool:
    """Return whether a process that was killed left its log. Ask before the database is opened, which merges it."""
    return has_content(log_of(database))


def enter(connection: sqlite3.Connection, database: Path, *, found_log: bool, mode: int = 0o600) -> Mark:
    """Begin a new epoch unless the content is the one that the last process left; return the new mark.

    ``found_log`` is what `left_log` said. Call this while no other process can open the database to sync.
    """
    found, inode, boot_id = _read(mark_path(database)), database.stat().st_ino, _boot_id()
    elsewhere = _elsewhere(database)
    second = None if elsewhere is None else _read(elsewhere)
    ((opened,),) = connection.execute("SELECT opened FROM feed")
    # Without the text, no process of this release has had the database, and no feed was read.
    begins = opened is not None and not (
        found is not None
        and (found.mark.opened == opened and found.mark.last_seq <= last_entry(connection))
        and (found.mark.inode == inode or _is_as_left(connection, found))
        and (found.mark.is_clean or (found_log and found.mark.boot_id == boot_id))
        # It may also be of a time before the present epoch, or of another database at this path.
        and not (second and second.mark.opened == opened and second.mark.last_seq > last_entry(connection))
    )
    if begins or opened is None:
        # Else nothing is written: a sync without changes writes as little as possible.
        opened = secrets.token_hex(8)
        connection.execute("BEGIN IMMEDIATE")
        if begins:
            begin_epoch(connection)
            for each in filter(None, (found, second)):
                keep_free(connection, {name: last + JUMP for name, last in each.mark.ids.items()})
        connection.execute("UPDATE feed SET opened = ?", (opened,))
        connection.execute("COMMIT")
    mark = Mark(opened, inode, boot_id, last_entry(connection), is_clean=False, ids=highest_ids(connection))
    if begins:
        log_epoch(database)
    _write(database, mark, mode)
    return mark


def _is_as_left(connection: sqlite3.Connection, found: _FoundMark) -> bool:
    """Return whether nothing shows that this is not the file that the last process closed, but its inode number."""
    return found.is_original and highest_ids(connection) == found.mark.ids


def leave(database: Path, mark: Mark, last_seq: int, ids: dict[str, int], *, mode: int = 0o600) -> None:
    """Note that a process ended cleanly after this entry of the feed, with these highest ids."""
    _write(database, msgspec.structs.replace(mark, last_seq=last_seq, ids=ids, is_clean=True), mode)


def as_new(copy: Path) -> None:
    """Make a copy of a database one that no process has had, so that opening it begins no new epoch."""
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE feed SET opened = NULL")


def begin_epoch(connection: sqlite3.Connection) -> None:
    """Give the feed another id, and let all ids jump, within the caller's transaction."""
    keep_free(connection, {name: last + JUMP for name, last in highest_ids(connection).items()})
    connection.execute("UPDATE feed SET feed_id = lower(hex(randomblob(16)))")


def log_epoch(database: Path) -> None:
    """Log that a new epoch began."""
    hint = "readers of the change feed read everything anew; ids of new items jump by a million"
    log.warning("feed.epoch_began", database=str(database), hint=hint)


def keep_free(connection: sqlite3.Connection, ids: Mapping[str, int]) -> None:
    """Assign only ids above these, by table; readers of the feed before that read everything anew."""
    for name, last in highest_ids(connection).items():
        # Higher ones come from other programs: there would soon be no more ids.
        if last < ids.get(name, 0) < _HIGHEST:
            connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, ids[name]))
    connection.execute("UPDATE feed SET floor = (SELECT last_seq FROM feed_state)")


def highest_ids(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the highest id that each table has assigned so far."""
    query = (
        "SELECT t.name, ifnull((SELECT max(CAST(s.seq AS INTEGER)) FROM sqlite_sequence AS s WHERE s.name = t.name),"
        " 0) FROM sqlite_schema AS t WHERE t.type = 'table' AND t.sql LIKE '%AUTOINCREMENT%'"
    )
    return dict(connection.execute(query).fetchall())


def _boot_id() -> str | None:
    """Return what changes whenever the machine starts, where the system says that."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def _elsewhere(database: Path) -> Path | None:
    """Return the path of the second mark; None if there is no directory for it."""
    directory = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    name = hashlib.sha256(os.fsencode(database)).hexdigest()[:16]
    return Path(directory) / f"{name}{SUFFIX}" if directory else None


def _read(path: Path) -> _FoundMark | None:
    """Return the mark; None if there is none that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        mark, state = msgspec.json.decode(os.read(descriptor, _LONGEST), type=Mark), os.fstat(descriptor)
        is_named_at_once = 0 <= state.st_ctime_ns - mark.written <= _SOON_NS
        return _FoundMark(mark, is_original=state.st_mtime_ns == mark.written and is_named_at_once)
    except (OSError, msgspec.DecodeError):
        return None
    finally:
        os.close(descriptor)


def _write(database: Path, mark: Mark, mode: int) -> None:
    """Store the mark. If that fails, the next start begins a new epoch, which is no harm."""
    try:
        _store(mark_path(database), database, mark, mode)
    except OSError as error:
        hint = "the next start then begins a new epoch of the change feed"
        log.warning("feed.mark_failed", database=str(database), error=error.strerror, hint=hint)
    if (elsewhere := _elsewhere(database)) is not None:
        with suppress(OSError):
            _store(elsewhere, database, mark, mode)


def _store(path: Path, database: Path, mark: Mark, mode: int) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            written = os.fstat(descriptor).st_mtime_ns // _WHOLE_NS * _WHOLE_NS
            os.write(descriptor, msgspec.json.encode(msgspec.structs.replace(mark, written=written)))
            os.utime(descriptor, ns=(written, written))
            owner = database.stat()
            if os.geteuid() == 0 and owner.st_uid:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
