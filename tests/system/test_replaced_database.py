"""The database is replaced under real processes: they stop, and the copy that is there now stays as it is."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.store.file import maintenance
from tests.support.logs import Log
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("movies", "episodes", "media_files", "sync_runs", "daemon_state")


@pytest.fixture
async def copy(plex, sync, path, tmp_path) -> Path:
    """A backup of the mirrored library; the server has changed since."""
    await sync(plex)
    copy = tmp_path / "copy.db"
    maintenance.backup(path, copy)
    library = next(library for library in plex.world.libraries.values() if library.title == "Movies")
    for number in range(20):
        plex.changes.add_movie(library.key, f"A Later Film {number}", 1960)
    return copy


def _content(path: Path) -> list[list[tuple[object, ...]]]:
    """Read a database as a program does that could also write, and so would apply a log that it finds."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES]


@pytest.mark.parametrize("replace", ["mv", "cp"])
async def test_a_copy_put_under_the_daemon_stays_as_it_is(
    commands, plex, config_file, path, copy, tmp_path, replace
) -> None:
    """It stops with 78, having moved its log away; the next one continues from the copy."""
    before = _content(copy)
    process = await commands.start("run", "--config", config_file(plex))
    log = Log(process)
    assert (await log.next("round.finished"))["added"] == 20
    assert path.with_name("mirror.db-wal").stat().st_size > 0
    (copy.replace if replace == "mv" else lambda target: shutil.copyfile(copy, target))(path)
    told = await log.next("store.replaced")
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 78
    assert f"the log of the old file is now {told['moved'][0]}" in err.decode()
    assert _content(path) == before
    assert [file.name.partition(".replaced-")[0] for file in tmp_path.glob("*-wal")] == ["mirror.db"]
    again = await commands.run("sync", "--full", "--config", config_file(plex))
    assert again.code == 0
    assert len(_content(path)[0]) == len(before[0]) + 20


async def test_a_log_deleted_under_a_sync_costs_nothing(commands, plex, config_file, path, copy) -> None:
    """The sync stops, and what it had written is in the database."""
    stuck = plex.faults.hang("*", after=12)
    process = await commands.start("sync", "--full", "--config", config_file(plex, extra="[sync]\nconcurrency = 1"))
    async with asyncio.timeout(20):
        await stuck.reached.wait()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink()
        _, err = await process.communicate()
    assert process.returncode == 78
    assert "the log was merged into the database" in err.decode()
    assert len(_content(path)[0]) == len(_content(copy)[0]) + 20
