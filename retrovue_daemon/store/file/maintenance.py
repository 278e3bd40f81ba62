"""Maintaining the database file: checking it, copying it, reclaiming space, measuring it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config.files import write_hint
from retrovue_daemon.errors import BadInput, DatabaseDamaged, DatabaseUnusable
from retrovue_daemon.store.damaged_texts import damaged_texts
from retrovue_daemon.store.file.companions import COMPANIONS, companion, log_of
from retrovue_daemon.store.file.copies import filled, whole_file
from retrovue_daemon.store.file.foreign_tables import effects, own_tables
from retrovue_daemon.store.file.lock import LOCK_SUFFIX, database_lock
from retrovue_daemon.store.file.preparation import BUSY_S, in_one_line
from retrovue_daemon.store.file.sequences import remedy, used_up
from retrovue_daemon.store.file.visits import check_version, explained, find, reading, reading_undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SHOWN = 20
"""Messages reported per check; a damaged database has as many as it has pages."""

ORPHANS = {
    "files of no item": "SELECT f.id FROM media_files AS f WHERE "
    + " AND ".join(
        f"NOT (f.media_type = '{kind}' AND EXISTS"
        f" (SELECT 1 FROM {kind}s WHERE (server_id, rating_key) = (f.server_id, f.rating_key)))"
        for kind in ("movie", "episode")
    ),
    "seasons of no show": "SELECT id FROM seasons WHERE show_id IS NULL AND state <> 'missing'",
    "episodes of no show": "SELECT id FROM episodes WHERE show_id IS NULL AND state <> 'missing'",
    "items in a library of another server": " UNION ALL ".join(
        f"SELECT i.id FROM {table} AS i JOIN libraries AS l ON l.id = i.library_id WHERE l.server_id <> i.server_id"
        for table in ("movies", "shows", "seasons", "episodes", "media_files")
    ),
}
"""Rows whose references no foreign key enforces, by description."""

INTEGRITY = "integrity"
"""The name of the finding about the file's pages, whatever they contain."""

FREE_IDS = "free ids"
"""The name of the finding about used-up ids, whose problem says how to repair it."""

TEXTS = "texts"
"""The name of the finding about texts that cannot be read, whose problem says what to do, too."""

_REQUESTS = "sync_requests"
"""The table into which other programs write, with or without foreign keys."""

FOREIGN_TABLES = "tables of other programs"
"""The name of the finding about tables that refer to the daemon's; it is never a problem."""

_MENDED_BY_SYNC = {"seasons of no show", "episodes of no show"}


class Finding(msgspec.Struct, frozen=True):
    """The result of one check; ``problems`` says what is wrong, ``remark`` what is worth knowing."""

    name: str
    problems: tuple[str, ...] = ()
    remark: str | None = None


class TableSize(msgspec.Struct, frozen=True):
    """The size of one table; ``bytes`` includes its indexes and is None if SQLite cannot measure it."""

    name: str
    rows: int
    bytes: int | None


class Sizes(msgspec.Struct, frozen=True):
    """The disk space of the database in bytes; ``free_bytes`` is what a vacuum would reclaim."""

    bytes: int
    log_bytes: int
    free_bytes: int
    page_size: int
    tables: tuple[TableSize, ...]


def check(path: Path, *, quick: bool = False) -> list[Finding]:
    """Check a database; ``quick`` skips whether every index agrees with its table.

    What SQLite cannot read is a problem of ``INTEGRITY``. Raise DatabaseUnusable if the file is not one of ours, or
    has another schema version.
    """
    try:
        with reading_undisturbed(path) as connection:
            version = check_version(connection, path)
            integrity = _integrity(connection, quick=quick)
            findings, unreadable = list[Finding](), list[str]()
            for name, look in _LOOKS.items():
                try:
                    findings.append(look(connection, name))
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
                    unreadable.append(f"{name} cannot be read: {error}")
    except DatabaseUnusable as error:
        if not isinstance(error.__cause__, sqlite3.Error) or not is_damage(error.__cause__):
            raise
        return [Finding(INTEGRITY, (error.detail,))]
    whole = Finding(INTEGRITY, (*integrity, *unreadable))
    return [Finding("schema version", remark=str(version)), whole, *findings]


def backup(
    path: Path, target: Path, *, mode: int = 0o600, progress: Callable[[int, int], object] | None = None
) -> int:
    """Copy the database in its current state to a new file, and return its size in bytes.

    A daemon may write meanwhile. The copy is checked and needs no write-ahead log. It gets its name when it is
    complete: a process that is killed leaves a file whose name ends in ``.partial``, which the next backup to the
    same file removes. ``progress`` is called with the pages done and the total number of pages.

    Raise BadInput if the target exists or cannot be created, WriteFailed if it cannot be filled.
    """
    find(path)
    if not target.name:
        raise BadInput(f"{str(target)!r} names no file", hint="name a file that does not exist yet")
    try:
        _refuse_foreign_log(target)
        refuse_name_of_log(target)
        with whole_file(target, mode=mode) as partial:
            _copy(path, partial, target, progress)
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}", hint=write_hint(target, error)) from None
    return target.stat().st_size


def vacuum(path: Path) -> tuple[int, int]:
    """Rewrite the database without the space left by deleted rows; return its size before and after.

    Raise DatabaseHeld if a daemon is running, WriteFailed if the disk has no room for a second copy.
    """
    path = find(path)
    with database_lock(path):
        before = _size(path)
        try:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as connection:
                check_version(connection, path)
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise explained(path, error) from error
        return before, _size(path)


def sizes(path: Path, *, by_table: bool = False) -> Sizes:
    """Measure a database; ``by_table`` reads all of it to measure each table."""
    path = find(path)
    with reading(path) as connection:
        page_size, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "freelist_count")
        )
        taken = _bytes_by_table(connection) if by_table else {}
        names = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
                " AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
            )
        ]
        tables = [
            TableSize(name, connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0], taken.get(name))
            for name in names
        ]
    return Sizes(_size(path), _size(log_of(path)), free * page_size, page_size, tuple(tables))


def file_sizes(path: Path) -> tuple[int, int]:
    """Return the size in bytes of the database and of its write-ahead log."""
    return open_file_sizes(find(path))


def open_file_sizes(path: Path) -> tuple[int, int]:
    """Return the same of a database that this process has open."""
    return _size(path), _size(log_of(path))


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error means that the file is not as SQLite wrote it."""
    name: str = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_ERROR", "SQLITE_IOERR"))


def _integrity(connection: sqlite3.Connection, *, quick: bool) -> list[str]:
    """Return the problems found, one line each."""
    pragma = "quick_check" if quick else "integrity_check"
    try:
        answers = [answer for (answer,) in connection.execute(f"PRAGMA {pragma}({_SHOWN})")]
    except sqlite3.DatabaseError as error:
        answers = [str(error)]
    return [in_one_line(answer) for answer in answers if answer != "ok"]


def _foreign_keys(connection: sqlite3.Connection, name: str) -> Finding:
    """Find references to rows that do not exist; those of requests, which the daemon refuses, harm nothing."""
    found = Counter((table, parent) for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"))
    of_requests = {parent: number for (table, parent), number in found.items() if table == _REQUESTS}
    problems = tuple(
        f"{number} rows of {table} refer to a missing row of {parent}"
        for (table, parent), number in found.items()
        if table != _REQUESTS
    )
    remarks = [
        f"{number} rows of {_REQUESTS} refer to a missing row of {parent}" for parent, number in of_requests.items()
    ]
    remark = f"{', '.join(remarks)}; the daemon refuses such requests" if remarks else None
    return Finding(name, problems, remark)


def _orphans(connection: sqlite3.Connection, name: str) -> Finding:
    query = ORPHANS[name]
    number = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()[0]
    if not number:
        return Finding(name)
    if name in _MENDED_BY_SYNC:
        return Finding(name, remark=f"{number} rows; they get one as soon as their server lists it")
    some = ", ".join(str(row_id) for (row_id,) in connection.execute(f"{query} LIMIT 5"))
    return Finding(name, (f"{number} rows, such as {some}",))


def _sequences(connection: sqlite3.Connection, name: str) -> Finding:
    tables = used_up(connection)
    return Finding(name, (f"{', '.join(tables)} have no more ids; to repair: {remedy(tables)}",) if tables else ())


def _texts(connection: sqlite3.Connection, name: str) -> Finding:
    own = own_tables()
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    return Finding(name, tuple(damaged_texts(connection, [table for (table,) in tables if table in own])))


def _foreign_tables(connection: sqlite3.Connection, name: str) -> Finding:
    found = effects(connection)
    return Finding(name, remark="; ".join(found) if found else None)


_LOOKS = {
    "foreign keys": _foreign_keys,
    FREE_IDS: _sequences,
    TEXTS: _texts,
    **dict.fromkeys(ORPHANS, _orphans),
    FOREIGN_TABLES: _foreign_tables,
}
"""The checks besides that of the pages, by name."""


def _refuse_foreign_log(target: Path) -> None:
    """Raise BadInput if SQLite would apply another database's log to the copy."""
    for suffix in COMPANIONS:
        left = companion(target, suffix)
        if left.exists():
            raise BadInput(
                f"{left} exists: SQLite would treat it as part of the copy",
                hint="it belongs to another database of that name; specify another file, or remove it",
            )


def refuse_name_of_log(target: Path) -> None:
    """Raise BadInput if SQLite, or the daemon, would take ``target`` for a file of the database beside it."""
    for suffix in (*COMPANIONS, LOCK_SUFFIX):
        database = target.with_name(target.name.removesuffix(suffix))
        if database != target and database.name and database.exists():
            raise BadInput(f"{target} is the name of a file that belongs to {database}", hint="specify another name")


def _copy(path: Path, file: Path, target: Path, progress: Callable[[int, int], object] | None) -> None:
    """Fill the new ``file``, which is to become ``target``."""
    with reading_undisturbed(path) as source:
        check_version(source, path)
        with filled(source, file, target=target, progress=progress) as copy:
            answer = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        raise DatabaseDamaged(
            path, f"is damaged: {in_one_line(answer)}", hint="no copy was made; `database check` shows details"
        )


def _bytes_by_table(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the bytes of each table and its indexes, or nothing if SQLite was built without ``dbstat``."""
    query = (
        "SELECT z.tbl_name, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_schema AS z ON z.name = d.name"
        " WHERE d.aggregate = TRUE GROUP BY z.tbl_name"
    )
    with suppress(sqlite3.OperationalError):
        return dict(connection.execute(query).fetchall())
    return {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
