"""``database restore`` beside a real daemon: it continues with the restored content, and no id gets mixed up."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.store.file import maintenance
from tests.support.logs import Log

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.commands("here")


@pytest.fixture
async def copy(plex, sync, path, tmp_path) -> Path:
    """A backup of the mirrored library; since then, the first films were replaced by others on the server."""
    await sync(plex)
    maintenance.backup(path, tmp_path / "copy.db")
    library = next(library for library in plex.world.libraries.values() if library.title == "Movies")
    for number in range(5):
        plex.changes.add_movie(library.key, f"A Later Film {number}", 1960)
    return tmp_path / "copy.db"


def _films(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return dict(connection.execute("SELECT title, id FROM movies WHERE state = 'active'").fetchall())


async def test_the_daemon_continues_with_the_restored_content(
    commands, plex, config_file, path, copy, tmp_path
) -> None:
    """The process stays, begins anew, and brings the database up to date; later films get ids of their own."""
    file = config_file(plex, extra='[sync]\ninterval = "7d"')
    process = await commands.start("run", "--config", file)
    log = Log(process)
    await log.next("round.finished")
    before, old = _films(path), _films(copy)
    done = await commands.run("database", "restore", copy, "--yes", "--json", "--config", file)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["restored"], result["daemon"]) == (True, True)
    await log.next("store.restored")
    await log.next("daemon.started")
    assert (await log.next("round.finished"))["failed"] == 0
    after = _films(path)
    assert set(after) == set(before)
    assert {title: after[title] for title in old} == old
    given = set(before.values()) - set(old.values())
    assert given
    assert not given & (set(after.values()) - set(old.values()))
    (kept,) = tmp_path.glob("mirror.db.before-restore-*")
    assert _films(kept) == before
    # What SQLite writes into the file is not taken for an overwritten one.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert (await commands.run("sync", "--config", file)).code == 0
    assert await log.end() == (0, "")
    assert not {"store.failed", "store.replaced", "daemon.crashed"} & {line["event"] for line in log.lines}


async def test_a_pass_that_has_begun_writes_nothing_into_the_restored_content(
    commands, plex, config_file, path, copy
) -> None:
    """It knows the ids of the content before; here, another film has got one of them in the copy."""
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'movies'")
        connection.execute("UPDATE movies SET id = id + 50000")
        connection.commit()
    file = config_file(plex, extra='[sync]\ninterval = "7d"\npage_size = 10\nconcurrency = 1')
    stuck = plex.faults.hang("/library/sections/*/all", after=1)
    process = await commands.start("run", "--config", file)
    log = Log(process)
    async with asyncio.timeout(20):
        await stuck.reached.wait()
    done = await commands.run("database", "restore", copy, "--yes", "--config", file)
    assert done.code == 0, done.err
    stuck.release.set()
    plex.faults.clear()
    await log.next("store.restored")
    assert (await log.next("round.finished"))["failed"] == 0
    old, after = _films(copy), _films(path)
    assert {title: after[title] for title in old} == old
    assert len(after) == len(old) + 5
    assert (await log.end())[0] == 0
