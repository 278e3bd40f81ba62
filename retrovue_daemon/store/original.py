"""A database of the original Retrovue: what people set up in it. It is read, and nothing beside it is touched."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.config import Secret
from retrovue_daemon.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSIONS = (2, 3)
"""The versions of its schema that are known."""

_TRIES = 3
_JOURNALS = ("-wal", "-journal")
"""What a database that was not closed, or that is open just now, has beside it."""


class OriginalServer(msgspec.Struct, frozen=True):
    """A row of its plex_servers."""

    id: int
    name: str
    url: str
    token: Secret
    is_active: bool


class OriginalLibrary(msgspec.Struct, frozen=True):
    """A row of its libraries."""

    server_id: int
    key: str
    name: str
    kind: str
    root: str | None
    sync_enabled: bool


class OriginalMapping(msgspec.Struct, frozen=True):
    """A row of its plex_path_mappings; without a server it holds for all of them."""

    server_id: int | None
    plex_path: str
    local_path: str
    library_name: str | None
    library_root: str | None


class Original(msgspec.Struct, frozen=True):
    """What is set up in a Retrovue database; mappings come newest first, as Retrovue itself prefers them."""

    path: Path
    version: int
    servers: tuple[OriginalServer, ...]
    libraries: tuple[OriginalLibrary, ...]
    mappings: tuple[OriginalMapping, ...]


def read(path: Path) -> Original:
    """Read a database of the original Retrovue. Raises BadInput where it is none, or of an unknown version."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}", hint="name the database of the original Retrovue")
    try:
        with _opened(path) as connection:
            return _read(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise BadInput(
            f"{path} cannot be read: {error}", hint="is it the database of the original Retrovue?"
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file so that SQLite neither writes to it nor puts anything beside it.

    Where a journal holds a part of its content, a copy of both is opened instead: to read a journal is to write to
    the database, or to the index of the journal.
    """
    if not any(_journal(path, suffix) for suffix in _JOURNALS):
        with closing(_connect(path)) as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="retrovue-import-") as directory:
        copy = Path(directory) / "original.db"
        for _ in range(_TRIES):
            before = _marks(path)
            for suffix in ("", *_JOURNALS):
                if not suffix or _journal(path, suffix):
                    shutil.copyfile(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
            if _marks(path) == before:
                break
        else:
            raise BadInput(f"{path} is being written to just now", hint="stop Retrovue first, then try again")
        with closing(sqlite3.connect(copy)) as connection:
            yield connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)


def _journal(path: Path, suffix: str) -> bool:
    """Tell whether there is a journal of this kind with something in it."""
    journal = path.with_name(path.name + suffix)
    return journal.exists() and journal.stat().st_size > 0


def _marks(path: Path) -> list[tuple[int, int]]:
    files = (path.with_name(path.name + suffix) for suffix in ("", *_JOURNALS))
    return [(file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()]


def _read(connection: sqlite3.Connection, path: Path) -> Original:
    if not {"schema_version", "plex_servers"} <= _tables(connection):
        raise BadInput(
            f"{path} is no database of the original Retrovue: it lacks its tables",
            hint="a database of retrovue-daemon itself is used as it is: --database FILE",
        )
    version = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
    if version not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise BadInput(
            f"{path} has schema version {version}; {known} can be read",
            hint="let Retrovue bring it up to date, or add the servers by `retrovue-daemon servers add`",
        )
    return Original(path, version, _servers(connection), _libraries(connection), _mappings(connection))


def _servers(connection: sqlite3.Connection) -> tuple[OriginalServer, ...]:
    rows = _rows(connection, "plex_servers", id=None, name="", server_url="", token="", is_active=1)
    return tuple(
        OriginalServer(row_id, _required(name).strip(), _required(url), Secret(_required(token)), bool(is_active))
        for row_id, name, url, token, is_active in rows
    )


def _libraries(connection: sqlite3.Connection) -> tuple[OriginalLibrary, ...]:
    rows = _rows(
        connection,
        "libraries",
        server_id=None,
        library_key="",
        library_name="",
        library_type="",
        library_root=None,
        sync_enabled=1,
    )
    return tuple(
        OriginalLibrary(server_id, _required(key), _required(name), _required(kind), _text(root), bool(enabled))
        for server_id, key, name, kind, root, enabled in rows
    )


def _mappings(connection: sqlite3.Connection) -> tuple[OriginalMapping, ...]:
    rows = _rows(
        connection,
        "plex_path_mappings",
        server_id=None,
        plex_path="",
        local_path="",
        library_name=None,
        library_root=None,
    )
    return tuple(
        OriginalMapping(server_id, _required(plex_path), _required(local_path), _text(name), _text(root))
        for server_id, plex_path, local_path, name, root in reversed(rows)
    )


def _rows(connection: sqlite3.Connection, table: str, **columns: object) -> list[tuple[Any, ...]]:
    """Return a table's rows in the order in which they came; a column that it lacks holds what is given for it."""
    query = "SELECT name FROM pragma_table_info(?)"
    there = {name for (name,) in connection.execute(query, (table,))}
    if not there:
        return []
    chosen = ", ".join(name if name in there else "?" for name in columns)
    values = [value for name, value in columns.items() if name not in there]
    return connection.execute(f"SELECT {chosen} FROM {table} ORDER BY rowid", values).fetchall()


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _required(value: object) -> str:
    """Return what a column has to hold, nothing where it does not: that is refused with a reason."""
    return "" if value is None else str(value)


def _text(value: object) -> str | None:
    return str(value) if value else None
