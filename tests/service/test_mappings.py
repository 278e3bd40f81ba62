"""Local paths follow the path mappings: at once, without the server, and also while passes write paths."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from retrovue_daemon.store.items.local_paths import recompute_paths
from retrovue_daemon.sync import path_updates
from tests.service.conftest import table
from tests.support.patience import PATIENCE_S

EDIT = "INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (1, '/srv', '/mnt')"
STALE = "SELECT plex_path, file_path FROM media_files WHERE file_path NOT LIKE '/mnt/%'"


@pytest.fixture
def stale(rows):
    """The files whose local path is not what the mapping makes of it."""
    return lambda: rows(STALE)


async def test_an_edit_is_followed_without_the_server(serve, config, plex, clock, events, stale, edit) -> None:
    """It may be unreachable for days."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await plex.stop()
    await edit(EDIT)
    await service.noticed()
    assert sum(line["files"] for line in await events.count(3, "paths.recomputed")) == 6
    assert stale() == []


async def test_an_edit_of_a_server_that_was_never_reached_disturbs_nothing(
    serve, config, plex, clock, events, edit
) -> None:
    """There is nothing to compute."""
    await plex.stop()
    service = await serve(config(table(plex)))
    await events.next("server.unreachable")
    await edit(EDIT)
    await service.noticed()
    assert not service.task.done()


@pytest.fixture
async def in_the_middle(serve, config, plex, events):
    """A service in the middle of a first pass: one film of two was read, and waits for the rest of its batch."""
    stuck = plex.faults.hang("/library/sections/2/all", after=1)

    async def begin(**tables: Any):
        service = await serve(config(table(plex), sync={"page_size": 1, **tables.pop("sync", {})}, **tables))
        await stuck.reached.wait()
        await events.count(2, "sync.finished")
        return service, service.passes("home", "Dramas"), stuck.release

    return begin


@pytest.mark.parametrize("batch_size", [1, 2000])
async def test_an_edit_during_a_pass_leaves_no_stale_path(
    in_the_middle, config, plex, path, clock, stale, batch_size, rows, edit
) -> None:
    """Whether the first film was written before the edit or after it: by the mappings of when the pass began."""
    database = {"path": str(path), "batch_size": batch_size}
    service, running, release = await in_the_middle(database=database)
    await edit(EDIT)
    await service.noticed()
    release.set()
    await running
    assert stale() == []
    assert rows("SELECT count(*) FROM media_files") == [(6,)]


async def test_as_long_as_such_a_pass_writes_nothing_counts_as_settled(in_the_middle, clock, rows, edit) -> None:
    """The process may be killed before the pass ends: the next one computes all paths of the library anew."""
    service, running, release = await in_the_middle()
    await edit(EDIT)
    await service.noticed()
    unsettled = "SELECT library_name FROM libraries WHERE path_fingerprint IS NULL"
    assert rows(unsettled) == [("Dramas",)]
    await clock.tick("interval home")
    assert rows(unsettled) == [("Dramas",)]
    release.set()
    await running
    assert rows(unsettled) == []


async def test_a_pass_that_is_broken_off_leaves_no_stale_path(in_the_middle, clock, stale, edit) -> None:
    """What it had read is written nevertheless, by the old mappings; the next poll sees to it."""
    service, running, _ = await in_the_middle()
    await edit(EDIT)
    await service.noticed()
    await edit("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Dramas'")
    await service.noticed()
    await asyncio.wait([running])
    await service.database.writer.catch_up()
    assert len(stale()) == 1
    await clock.tick("interval home")
    assert stale() == []


async def test_a_pass_that_is_broken_off_while_paths_are_computed_leaves_no_stale_path(
    in_the_middle, clock, edit, stale, monkeypatch
) -> None:
    """It writes what it had read after its library's files have been looked through."""
    service, running, _ = await in_the_middle()
    looked_through, go_on = asyncio.Event(), asyncio.Event()

    async def recompute_slowly(database, target):
        files = await recompute_paths(database, target)
        if target.library_name == "Dramas":
            looked_through.set()
            await go_on.wait()
        return files

    monkeypatch.setattr(path_updates, "recompute_paths", recompute_slowly)
    await edit(EDIT)
    await clock.tick()
    await looked_through.wait()
    await edit("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Dramas'")
    await clock.tick()
    await asyncio.wait([running])
    go_on.set()
    await service.noticed()
    assert len(stale()) == 1
    await clock.tick("interval home")
    assert stale() == []


async def test_a_server_and_its_mappings_changed_at_once_leave_no_stale_path(
    serve, config, start_plex, stale, rows, monkeypatch
) -> None:
    """The pass of the old worker has handed in a batch that still waits when the paths are computed anew."""
    plex = await start_plex("Dramas")
    stuck = plex.faults.hang("/library/sections/1/all", after=1)
    service = await serve(config(table(plex), sync={"page_size": 1}))
    await stuck.reached.wait()
    # Pages are fetched ahead: the first one may not have been read yet.
    async for latest in service.board.watch():
        if [one.done for one in latest.running] == [1]:
            break
    gate, stop = threading.Event(), service.supervisor._stop

    def wait(_connection: object) -> None:
        assert gate.wait(PATIENCE_S)

    async def stop_behind_a_slow_disk(*names: str) -> None:
        service.database.writer.post(wait)
        await stop(*names)

    monkeypatch.setattr(service.supervisor, "_stop", stop_behind_a_slow_disk)
    mapped = [{"plex_path": "/srv", "local_path": "/mnt"}]
    elsewhere = table(plex, url="http://127.0.0.1:9", path_mappings=mapped)
    reload = asyncio.create_task(service.supervisor.apply(config(elsewhere, sync={"page_size": 1})))
    # Time enough to look through the files: the batch is not among them yet.
    for _ in range(50):
        await service.database.reader.execute_fetchall("SELECT count(*) FROM media_files")
    gate.set()
    await reload
    assert rows("SELECT count(*) FROM media_files") == [(1,)]
    assert stale() == []


async def test_a_library_that_gets_another_title_during_its_pass_has_it_everywhere(
    in_the_middle, plex, clock, rows
) -> None:
    """Files carry their library's title, and mappings may name it."""
    _, running, release = await in_the_middle()
    plex.changes.rename_library("2", "Tragedies")
    await clock.tick("interval home")
    release.set()
    await running
    assert rows("SELECT DISTINCT library_name FROM media_files ORDER BY 1") == [
        ("Comedies",),
        ("Tragedies",),
        ("Westerns",),
    ]
