"""The commands that get killed, and what must hold of the effect of each, however often it is killed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RETROVUE = """
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TIMESTAMP, description TEXT);
INSERT INTO schema_version (version) VALUES (1), (2);
CREATE TABLE plex_servers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, server_url TEXT NOT NULL,
    token TEXT NOT NULL, is_active BOOLEAN DEFAULT 1, created_at TIMESTAMP, UNIQUE (server_url));
CREATE TABLE libraries (id INTEGER PRIMARY KEY AUTOINCREMENT, server_id INTEGER NOT NULL, library_key TEXT NOT NULL,
    library_name TEXT NOT NULL, library_type TEXT NOT NULL, library_root TEXT, sync_enabled BOOLEAN DEFAULT 1,
    UNIQUE (server_id, library_key));
CREATE TABLE plex_path_mappings (id INTEGER PRIMARY KEY AUTOINCREMENT, plex_path TEXT NOT NULL,
    local_path TEXT NOT NULL, server_id INTEGER, library_root TEXT, library_name TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
INSERT INTO plex_servers (id, name, server_url, token) VALUES (1, 'old', 'http://127.0.0.1:9', 'an-old-token');
INSERT INTO plex_path_mappings (plex_path, local_path, server_id) VALUES ('/a', '/b', 1), ('/c', '/d', 1);
"""
"""What `database import-retrovue` imports: a database of the original Retrovue."""

ONCE_ONLY = frozenset({0, 1, 2})
"""How a command may end that was killed after its work was done: it refuses to do it twice."""


@dataclass(frozen=True)
class Command:
    """A command, how long it is, and the check of its effect.

    It executes about so many ``statements``, and so many ``steps`` as `tests.chaos.child` counts. ``keeps`` says
    whether rows stay as they are unless the server changes: a restore puts others in their place.
    """

    name: str
    statements: int
    steps: int
    arguments: tuple[str, ...]
    check: Callable[[], list[str]] = list
    codes: frozenset[int] = frozenset({0})
    keeps: bool = True


def run(home: Path) -> Command:
    return Command("run", 600, 4_000, ("run", *_config(home)))


def sync(home: Path) -> Command:
    return Command("sync", 550, 3_500, ("sync", "--full", *_config(home)))


def reload(home: Path) -> Command:
    return Command("reload", 1, 1, ("reload", *_config(home)))


def libraries_disable(home: Path) -> Command:
    arguments = ("libraries", "disable", "Movies", "--server", "home", *_config(home))
    return Command("libraries disable", 11, 38, arguments)


def backup(home: Path) -> Command:
    copy = home / "copy.db"
    arguments = ("database", "backup", str(copy), *_config(home))
    return Command("backup", 11, 400, arguments, partial(_whole_or_absent, copy), ONCE_ONLY)


def restore(home: Path) -> Command:
    database, copy = home / "mirror.db", home / "other.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE movies SET title = 'As in the copy', digest = NULL")
    check = partial(_one_of, database, [_content(database), _content(copy)])
    arguments = ("database", "restore", "--yes", str(copy), *_config(home))
    return Command("restore", 56, 1700, arguments, check, keeps=False)


def import_retrovue(home: Path) -> Command:
    old = home / "retrovue.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(RETROVUE)
    query = (
        "SELECT (SELECT count(*) FROM plex_path_mappings WHERE source = 'database')"
        " + (SELECT count(*) FROM plex_servers WHERE name = 'old')"
    )
    arguments = ("database", "import-retrovue", str(old), *_config(home))
    return Command("import", 35, 70, arguments, partial(_all_or_none, home / "mirror.db", query, 3))


def mappings_add(home: Path) -> Command:
    query = "SELECT count(*) FROM plex_path_mappings WHERE plex_path = '/x'"
    arguments = ("mappings", "add", "--server", "home", "/x", "/y", *_config(home))
    return Command("mappings add", 11, 40, arguments, partial(_all_or_none, home / "mirror.db", query, 1), ONCE_ONLY)


def servers_add(home: Path) -> Command:
    token = home / "other.token"
    token.write_text("another-token")
    query = "SELECT count(*) FROM plex_servers WHERE name = 'other' AND token = 'another-token'"
    options = ("--token-file", str(token), "--no-test", "--disabled")
    arguments = ("servers", "add", "other", "http://127.0.0.1:9", *options, *_config(home))
    return Command("servers add", 10, 40, arguments, partial(_all_or_none, home / "mirror.db", query, 1), ONCE_ONLY)


COMMANDS = (run, sync, backup, restore, import_retrovue, mappings_add, servers_add, libraries_disable, reload)
OFTEN = (run, sync) * 2
"""Drawn more often than the others, because they write the most."""


def _config(home: Path) -> tuple[str, str]:
    return "--config", str(home / "config.toml")


def _content(database: Path) -> list[object]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        return [sound, *connection.execute("SELECT id, rating_key, title, state FROM movies ORDER BY id")]


def _one_of(database: Path, contents: list[list[object]]) -> list[str]:
    """A restore happens as a whole or not at all."""
    found = _content(database)
    return [] if found in contents else [f"a killed restore left neither the old nor the new content: {found[:3]}"]


def _whole_or_absent(copy: Path) -> list[str]:
    """A copy has its final name only once it is whole."""
    if not copy.exists():
        return []
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as connection:
        try:
            (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
            (films,) = connection.execute("SELECT count(*) FROM movies").fetchone()
        except sqlite3.DatabaseError as error:
            answer, films = str(error), 0
    copy.unlink()
    return [] if answer == "ok" and films else [f"a killed backup left half a copy: {answer}, {films} films"]


def _all_or_none(database: Path, query: str, every: int) -> list[str]:
    """What a command writes is there as a whole or not at all."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (number,) = connection.execute(query).fetchone()
    return [] if number in {0, every} else [f"{number} of {every} rows: {query}"]
