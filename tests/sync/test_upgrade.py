"""A database of schema 4, which held less of each item, synced again."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.store.migrations import migrate, migrations

ITEMS = ("movies", "shows", "seasons", "episodes")
KEPT = "id, server_id, library_id, rating_key, state, missing_since, created_at, first_moment, last_moment"
NEW = "added_at, title_sort, critic_rating, audience_rating, thumb, art"
OF_SERVER = "SELECT id, name, machine_identifier FROM plex_servers"
MAPPINGS = "SELECT id, plex_path, local_path, library_name FROM plex_path_mappings"
FILES = "SELECT id, part_id, plex_path, file_path, state FROM media_files ORDER BY id"


@pytest.fixture
def downgrade(path, tmp_path, monkeypatch):
    """Replace the database by one of schema 4 with the same rows, whose digests are those of that time."""

    def work() -> None:
        old = tmp_path / "old.db"
        with closing(sqlite3.connect(old, isolation_level=None)) as connection:
            with monkeypatch.context() as patched:
                patched.setattr("retrovue_daemon.store.migrations.migrations", lambda: migrations()[:4])
                assert migrate(connection, 0) == 4
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("ATTACH DATABASE ? AS new", (str(path),))
            tables = connection.execute(
                "SELECT name FROM main.sqlite_master WHERE type = 'table' AND (name NOT GLOB 'sqlite_*'"
                " OR name = 'sqlite_sequence')"
            ).fetchall()
            for (table,) in tables:
                names = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
                connection.execute(f"DELETE FROM main.{table}")
                connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
            for table in ITEMS:
                connection.execute(f"UPDATE main.{table} SET digest = ~digest")
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        old.replace(path)

    return work


async def test_the_first_sync_fills_what_is_new_once(plex, config, sync, rows, downgrade) -> None:
    """Although nothing changed on the server; ids, states, moments and mappings stay."""
    settings = config(plex, server={"path_mappings": [{"plex_path": "/srv", "local_path": "/mnt"}]})
    await sync(settings)
    await sync(settings)
    listed = {table: rows(f"SELECT rating_key, {NEW} FROM {table} ORDER BY id") for table in ITEMS}
    streams = rows("SELECT media_file_id, kind, codec, language FROM streams ORDER BY media_file_id, id")
    downgrade()
    assert rows("PRAGMA user_version") == [(4,)]
    kept = [rows(f"SELECT {KEPT} FROM {table} ORDER BY id") for table in ITEMS]
    before = kept, rows(OF_SERVER), rows(MAPPINGS), rows(FILES)

    (report,) = await sync(settings, options=SyncOptions())
    assert {done.run.kind for done in report.passes} == {"full"}
    counts = [done.run.counts for done in report.passes]
    assert sum(each.updated for each in counts) == sum(each.listed for each in counts) > 0
    kept = [rows(f"SELECT {KEPT} FROM {table} ORDER BY id") for table in ITEMS]
    assert (kept, rows(OF_SERVER), rows(MAPPINGS), rows(FILES)) == before
    assert {table: rows(f"SELECT rating_key, {NEW} FROM {table} ORDER BY id") for table in ITEMS} == listed
    assert rows("SELECT media_file_id, kind, codec, language FROM streams ORDER BY media_file_id, id") == streams

    (report,) = await sync(settings)
    assert {(done.run.status, done.run.counts.updated, done.run.counts.added) for done in report.passes} == {
        ("ok", 0, 0)
    }
