"""What a program left in its database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TABLES = (
    "shows", "show_guids", "seasons", "episodes", "episode_guids", "media_files", "streams", "collections",
    "collection_items", "tags", "show_tags", "episode_tags",
)  # fmt: skip
OF_DETAILS = ("people", "show_credits", "episode_credits", "chapters", "markers")

PREPARE = (
    "import pathlib, sys; from retrovue_daemon.store.file.preparation import prepare;"
    "prepare(pathlib.Path(sys.argv[1]))"
)


INDEX = """
import json, os, sqlite3, sys, time
from retrovue_daemon.store.items.word_index import build_step
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for table in ("search_index", "search_titles", "search_words"):
    connection.execute(f"DROP TABLE IF EXISTS {table}")
connection.execute("VACUUM")
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
before, start, rows, step = os.path.getsize(sys.argv[1]), time.process_time(), 0, 1
while step:
    connection.execute("BEGIN")
    step = build_step(connection)
    connection.execute("COMMIT")
    rows += step
seconds = time.process_time() - start
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
print(json.dumps({"rows": rows, "cpu_s": seconds, "mib": (os.path.getsize(sys.argv[1]) - before) / 1024**2}))
"""


class OtherRows(Exception):
    """Two programs stored different numbers of rows: their times cannot be compared."""


def create(path: Path) -> None:
    """Create an empty database with the project's own migrations."""
    # In a process of its own: this one must stay small.
    subprocess.run([sys.executable, "-c", PREPARE, str(path)], check=True)


def counts(path: Path, tables: tuple[str, ...] = TABLES) -> dict[str, int]:
    """Count the rows that come from Plex, per table."""
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def compare(floor: Path, daemon: Path, listed: dict[str, int], *, details: bool) -> None:
    """Check that both programs stored equally many rows, and everything listed. Raise OtherRows otherwise."""
    tables = (*TABLES, *OF_DETAILS) if details else TABLES
    one, other = counts(floor, tables), counts(daemon, tables)
    if one != other or any(other[kind] != listed[kind] for kind in ("shows", "seasons", "episodes")):
        raise OtherRows(f"floor {one}, daemon {other}, listed {listed}")


def measure_index(path: Path) -> dict[str, float]:
    """Build the index of words anew; return its rows, the processor time and the space that it takes."""
    built = subprocess.run([sys.executable, "-c", INDEX, str(path)], check=True, capture_output=True)
    found: dict[str, float] = json.loads(built.stdout)
    return found


def forget_digests(path: Path) -> None:
    """Make every item look changed, as after an update of the daemon that stores more of each."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("shows", "seasons", "episodes"):
            connection.execute(f"UPDATE {table} SET digest = ~digest")
