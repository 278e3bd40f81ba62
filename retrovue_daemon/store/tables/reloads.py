"""The last reloads of the configuration and their verdicts, one JSON text in ``daemon_state``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.store.file.visits import reading_any_version

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

KEPT = 16
"""Stored reloads. A command that waits for one checks ten times per second, and others may follow it."""

_READ = "SELECT value FROM daemon_state WHERE key = 'reloads'"
_STORE = (
    "INSERT INTO daemon_state (key, value) VALUES ('reloads', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class ReloadProblem(msgspec.Struct, frozen=True):
    """One reason for refusing a configuration; ``path`` is the key's path, empty if it is about no key."""

    path: str
    message: str


class Reload(msgspec.Struct, frozen=True):
    """One reload and its verdict: ``outcome`` is ``applied``, ``unchanged`` or ``refused``.

    ``at`` is the Unix time of the verdict, ``began_ns`` the start by the monotonic clock of the system, in
    nanoseconds: only comparable until the next boot. ``sections`` are the tables of the configuration that differ;
    ``added``, ``changed`` and ``removed`` are names of servers. ``exit_code`` is what a command returns that waited
    for this reload. ``before_start`` is true if the daemon was started again since, and so read the file once more.
    """

    at: int
    began_ns: int
    outcome: str
    sections: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[ReloadProblem, ...] = ()
    hint: str | None = None
    exit_code: int = 0
    before_start: bool = False


def read_reloads(connection: sqlite3.Connection) -> list[Reload]:
    """Return the stored reloads, oldest first; none if another program wrote the text."""
    row = connection.execute(_READ).fetchone()
    if row is None:
        return []
    try:
        return msgspec.convert(json.loads(row[0]), list[Reload])
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, too
        return []


def reloads_of(path: Path) -> list[Reload]:
    """Return the same from the database at ``path``, whatever its schema version; blocks. Raise StoreError."""
    with reading_any_version(path) as connection:
        return read_reloads(connection)


def store_reload(connection: sqlite3.Connection, done: Reload) -> None:
    """Store a reload. Call this from the writer."""
    _store(connection, [*read_reloads(connection), done][-KEPT:])


def mark_start(connection: sqlite3.Connection) -> None:
    """Mark all stored reloads as older than the daemon's start. Call this from the writer."""
    if stored := read_reloads(connection):
        _store(connection, [msgspec.structs.replace(each, before_start=True) for each in stored])


def _store(connection: sqlite3.Connection, stored: list[Reload]) -> None:
    # As ASCII: a path in a message may hold bytes that are no text, which msgspec does not write.
    connection.execute(_STORE, (json.dumps(msgspec.to_builtins(stored)),))
