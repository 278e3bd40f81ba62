"""The settings in a database of the original Retrovue. The file is read, and nothing beside it is changed."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.config import Secret
from retrovue_daemon.errors import BadInput
from retrovue_daemon.store.damaged_texts import read_leniently
from retrovue_daemon.store.file.companions import JOURNAL, LOG, companion, has_content
from retrovue_daemon.store.file.layouts import columns, layout
from retrovue_daemon.store.migrations import APPLICATION_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retrovue_daemon.store.file.layouts import Layout

VERSIONS = {"2": ("2", "3"), "3": ("2", "3"), "1.2": ("1.2", "1.2.0", "1.2.1", "1.2.2", "1.2.3")}
"""The versions that a file of each layout may state; a schema is upgraded before its version number is."""

KNOWN = "schema versions 2 and 3, and releases 1.2.x,"

_TRIES = 3
_JOURNALS = (LOG, JOURNAL)
"""The files beside a database that was not closed cleanly or is open."""


class OriginalServer(msgspec.Struct, frozen=True):
    """A row of plex_servers."""

    id: int
    name: str
    url: str
    token: Secret
    is_active: bool


class OriginalLibrary(msgspec.Struct, frozen=True):
    """A row of libraries."""

    id: int
    server_id: int
    key: str
    name: str
    kind: str
    root: str | None
    sync_enabled: bool


class OriginalMapping(msgspec.Struct, frozen=True):
    """A path mapping of one server, of all servers if it names none, or (releases 1.2.x) of one library of a server.

    ``unused`` says why Retrovue itself never used it, if so.
    """

    server_id: int | None
    plex_path: str
    local_path: str
    of_library: bool = False
    library_id: int | None = None
    unused: str = ""


class Original(msgspec.Struct, frozen=True):
    """The settings of a Retrovue database; among mappings of the same path, Retrovue used the first."""

    path: Path
    layout: Layout
    servers: tuple[OriginalServer, ...]
    libraries: tuple[OriginalLibrary, ...]
    mappings: tuple[OriginalMapping, ...]


def read(path: Path) -> Original:
    """Read a database of the original Retrovue. Raise BadInput if it is none, or has an unknown layout."""
    with opened(path) as (connection, found):
        return Original(
            path, found, _servers(connection, found), _libraries(connection, found), _mappings(connection, found)
        )


@contextmanager
def opened(path: Path) -> Iterator[tuple[sqlite3.Connection, Layout]]:
    """Open a database of the original Retrovue for reading; yield it and its layout.

    Nothing is written to the file or beside it. SQLite's errors in the block are taken for errors of this file. Raise
    BadInput if it is no database of Retrovue, or has an unknown layout.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "is not a regular file" if path.exists() else "does not exist"
        raise BadInput(f"{path} {what}", hint="specify the database of the original Retrovue")
    try:
        with _connected(path) as connection:
            yield connection, _layout(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise BadInput(
            f"{path} cannot be read: {error}", hint="is it the database of the original Retrovue?"
        ) from None


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file so that SQLite neither writes to it nor creates anything beside it.

    If a journal holds part of its content, a copy of both is opened instead: reading a journal means writing to the
    database, or to the index of the journal.
    """
    if not any(has_content(companion(path, suffix)) for suffix in _JOURNALS):
        with closing(_connect(path)) as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="retrovue-import-") as directory:
        copy = Path(directory) / "original.db"
        for _ in range(_TRIES):
            before = _marks(path)
            for suffix in ("", *_JOURNALS):
                if not suffix or has_content(companion(path, suffix)):
                    shutil.copyfile(companion(path, suffix), companion(copy, suffix))
            if _marks(path) == before:
                break
        else:
            raise BadInput(f"{path} is being written to", hint="stop Retrovue first, then try again")
        with closing(sqlite3.connect(copy)) as connection:
            yield connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)


def _marks(path: Path) -> list[tuple[int, int]]:
    files = (companion(path, suffix) for suffix in ("", *_JOURNALS))
    return [(file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()]


def _layout(connection: sqlite3.Connection, path: Path) -> Layout:
    """Return the layout; raise BadInput if it is unknown, or the file states a version that it does not belong to."""
    found = layout(connection)
    if found is None:
        raise _refused(connection, path)
    version = _version(connection, found)
    if version is not None and version not in VERSIONS[found]:
        raise BadInput(
            f"{path} has schema version {version}; {KNOWN} can be read",
            hint="add the servers with `retrovue-daemon servers add`",
        )
    return found


def _refused(connection: sqlite3.Connection, path: Path) -> BadInput:
    if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        hint = f"use it directly: --database {shlex.quote(str(path))}"
        return BadInput(f"{path} is a database of retrovue-daemon itself", hint=hint)
    return BadInput(
        f"{path} is not a known database of the original Retrovue: {KNOWN} can be read",
        hint="specify the right file, or add the servers with `retrovue-daemon servers add`",
    )


def _version(connection: sqlite3.Connection, found: Layout) -> str | None:
    """Return the version that the file itself states, or None."""
    query = "SELECT max(version) FROM schema_version"
    if found == "1.2":
        if not columns(connection, "system_config"):
            return None
        query = "SELECT value FROM system_config WHERE key = 'schema_version'"
    row = connection.execute(query).fetchone()
    return None if row is None or row[0] is None else str(row[0]).removeprefix("v")


def server_addresses(connection: sqlite3.Connection, found: Layout) -> dict[int, str]:
    """Return the addresses of the servers by id."""
    return {server.id: server.url for server in _servers(connection, found)}


def _servers(connection: sqlite3.Connection, found: Layout) -> tuple[OriginalServer, ...]:
    url = "base_url" if found == "1.2" else "server_url"
    rows = read_rows(
        connection, "plex_servers", ("id", None), ("name", ""), (url, ""), ("token", ""), ("is_active", 1)
    )
    return tuple(
        OriginalServer(row_id, _required(name).strip(), _required(url), Secret(_required(token)), bool(is_active))
        for row_id, name, url, token, is_active in rows
    )


def _libraries(connection: sqlite3.Connection, found: Layout) -> tuple[OriginalLibrary, ...]:
    key, name = ("plex_library_key", "title") if found == "1.2" else ("library_key", "library_name")
    rows = read_rows(
        connection,
        "libraries",
        ("id", None),
        ("server_id", None),
        (key, ""),
        (name, ""),
        ("library_type", ""),
        ("library_root", None),
        ("sync_enabled", 1),
    )
    return tuple(
        OriginalLibrary(
            row_id, server_id, _required(key), _required(name), _required(kind), _text(root), bool(enabled)
        )
        for row_id, server_id, key, name, kind, root, enabled in rows
    )


def _mappings(connection: sqlite3.Connection, found: Layout) -> tuple[OriginalMapping, ...]:
    """Return the mappings of each server in the order in which Retrovue applied them."""
    if found == "1.2":
        rows = read_rows(
            connection,
            "path_mappings",
            ("server_id", None),
            ("library_id", None),
            ("plex_path", ""),
            ("local_path", ""),
        )
        return _longest_first(
            OriginalMapping(
                server_id, _required(plex_path), _required(local_path), of_library=True, library_id=library
            )
            for server_id, library, plex_path, local_path in rows
        )
    if found == "2":
        return _longest_first(reversed(_older_mappings(connection)))
    rows = read_rows(connection, "path_mappings", ("server_id", None), ("plex_prefix", ""), ("local_prefix", ""))
    unused = "Retrovue itself used only its newer table path_mappings"
    return _longest_first(
        OriginalMapping(server_id, _required(plex_path), _required(local_path), unused=_without_server(server_id))
        for server_id, plex_path, local_path in rows
    ) + tuple(msgspec.structs.replace(mapping, unused=unused) for mapping in _older_mappings(connection))


def _older_mappings(connection: sqlite3.Connection) -> list[OriginalMapping]:
    """Read plex_path_mappings. Its first form had no servers: there was only one, and all paths belonged to it.

    A row's library is not read: during a sync, Retrovue considered only the server and the path.
    """
    table = "plex_path_mappings"
    rows = read_rows(connection, table, ("server_id", None), ("plex_path", ""), ("local_path", ""))
    with_servers = "server_id" in columns(connection, table)
    return [
        OriginalMapping(
            server_id,
            _required(plex_path),
            _required(local_path),
            unused=_without_server(server_id) if with_servers else "",
        )
        for server_id, plex_path, local_path in rows
    ]


def _without_server(server_id: int | None) -> str:
    return "it names no server, so Retrovue never used it" if server_id is None else ""


def _longest_first(mappings: Iterable[OriginalMapping]) -> tuple[OriginalMapping, ...]:
    """Put longer prefixes first, as Retrovue tried them; the rest keep their order."""
    return tuple(sorted(mappings, key=lambda mapping: -len(mapping.plex_path)))


def read_rows(connection: sqlite3.Connection, table: str, *wanted: tuple[str, object]) -> list[tuple[Any, ...]]:
    """Return a table's rows in insertion order, with the given default for columns that it lacks.

    A text that is not UTF-8 has replacement characters: one such row must not keep all others from being read.
    """
    there = columns(connection, table)
    if not there:
        return []
    chosen = ", ".join(name if name in there else "?" for name, _ in wanted)
    values = [value for name, value in wanted if name not in there]
    return read_leniently(connection, f"SELECT {chosen} FROM {table} ORDER BY rowid", values)


def _required(value: object) -> str:
    """Return a required column's text, or an empty one, which is refused with a reason."""
    return "" if value is None else str(value)


def _text(value: object) -> str | None:
    return str(value) if value else None
