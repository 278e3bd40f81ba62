"""SIGKILL while a database of an earlier schema is brought up to date."""

from __future__ import annotations

import random
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from retrovue_daemon.store.migrations import APPLICATION_ID, migrations
from tests.chaos import promises, worlds
from tests.chaos.processes import finish, start
from tests.chaos.results import Result

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 5
STATEMENTS, STEPS = 120, 900
"""About as many statements and steps do all migrations and the sync after them take."""

KEPT = ("plex_servers", "libraries", "movies", "shows", "seasons", "episodes", "media_files")


async def trial(seed: int, home: Path) -> Result:
    """Make a database of an earlier schema, kill what upgrades it, and let it be upgraded in the end."""
    chooser, result = random.Random(seed), Result("migrations", seed)
    plex = worlds.small_server(chooser)
    servers, database = {"home": plex}, home / "mirror.db"
    every = migrations()
    version = chooser.randrange(1, every[-1].version)
    async with plex:
        config = worlds.write_config(home, servers, sync='interval = "1s"')
        _make(database, version)
        rows = _rows(database)
        for _ in range(KILLS):
            kinds = {"statement": STATEMENTS, "step": STEPS}
            what = chooser.choice(list(kinds))
            kill = f"{what}:{chooser.randint(1, kinds[what])}"
            process = await start(home, "sync", "--full", "--config", config, CHAOS_KILL=kill)
            finished = await finish(process)
            if finished.code == -signal.SIGKILL:
                result.count("SIGKILLs")
                result.count("kills: migration")
            result.require(*_lost(database, rows, version, every[-1].version))
        for report in await worlds.sync_here(home, servers):
            result.require(*(str(done.run.error) for done in report.passes if done.run.status != "ok"))
        result.require(*promises.equal_to_servers(database, servers), *_lost(database, rows, every[-1].version))
    return result


def _make(database: Path, version: int) -> None:
    """Make a database of an earlier schema with another server's rows, which no sync touches."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for each in migrations()[:version]:
            connection.executescript(each.sql)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.executescript("""
            BEGIN;
            INSERT INTO plex_servers (id, name, server_url, token, source, is_active)
            VALUES (9, 'other', 'http://127.0.0.1:9', 't', 'database', 0);
            INSERT INTO libraries (id, server_id, library_key, library_name, library_type)
            VALUES (9, 9, '1', 'Movies', 'movie'), (10, 9, '2', 'TV', 'show');
            INSERT INTO shows (id, server_id, library_id, rating_key, title, created_at, synced_at)
            VALUES (1, 9, 10, '1', 'Show', 1, 1);
            INSERT INTO seasons (id, server_id, library_id, show_id, rating_key, season_number, title, created_at,
                                 synced_at)
            VALUES (1, 9, 10, 1, '2', 1, 'One', 1, 1);
        """)
        for number in range(200):
            connection.execute(
                "INSERT INTO media_files (id, server_id, library_id, rating_key, part_id, part_index, plex_path,"
                " media_type, created_at) VALUES (?, 9, 9, ?, ?, 0, ?, 'movie', 1)",
                (number + 1, str(number + 100), number, f"/m/{number}.mkv"),
            )
            connection.execute(
                "INSERT INTO movies (id, server_id, library_id, rating_key, title, media_file_id, created_at,"
                " synced_at) VALUES (?, 9, 9, ?, ?, ?, 1, 1)",
                (number + 1, str(number + 100), f"Film {number}", number + 1),
            )
            connection.execute("INSERT INTO movie_guids VALUES (?, 'imdb', ?)", (number + 1, f"tt{number}"))
        connection.execute("COMMIT")


def _rows(database: Path) -> dict[str, list[dict[str, object]]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [
                dict(row)
                for row in connection.execute(
                    f"SELECT * FROM {table} WHERE {'id' if table == 'plex_servers' else 'server_id'} = 9 ORDER BY id"
                )
            ]
            for table in KEPT
        }


def _lost(database: Path, rows: dict[str, list[dict[str, object]]], *versions: int) -> list[str]:
    """Return which rows changed, whether the file is damaged, and whether it is of a schema between two."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    broken = [] if sound == "ok" and not dangling else [f"damaged: {sound} {dangling[:3]}"]
    if not min(versions) <= version <= max(versions):
        broken.append(f"the schema is {version}, not one of {versions}")
    for table, now in _rows(database).items():
        names = (
            (rows[table][0].keys() & now[0].keys()) - {"updated_at", "list_again"} if now else ()
        )  # an upgrade may request a listing
        kept, had = ([{name: row[name] for name in names} for row in each] for each in (now, rows[table]))
        if kept != had:
            broken.append(f"{table} of schema {version} differs: {kept[:1]}, not {had[:1]}")
    return broken
