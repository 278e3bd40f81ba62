"""The library API beside a real daemon on the same database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon import Database, create_plex_importer
from retrovue_daemon.errors import AmbiguousShow, ReportedError, UnknownLibrary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrovue_daemon.demo import SimulatedPlex
    from tests.api.conftest import Calls, Daemon

    Rows = Callable[..., list[tuple[Any, ...]]]


async def test_a_sync_is_the_daemons_to_do(
    daemon: Daemon, plex: SimulatedPlex, config_file: Callable[..., Path], path: Path, calls: Calls, rows: Rows
) -> None:
    """No token is needed for that, progress is seen, results and errors are those of a sync of one's own."""
    await daemon.start(config_file(plex))
    await daemon.event("sync.finished", library="Documentaries")
    async with Database(path) as database:
        (server,) = await database.get_plex_servers()
        importer = create_plex_importer(server["id"], database, calls.on_status)
        plex.changes.edit(next(plex.world.movies("1")).id, title="Another title")
        hung = plex.faults.hang("/library/sections/5/all")
        seen = asyncio.Event()

        async def on_progress(**keywords: Any) -> None:
            await calls.on_progress(**keywords)
            seen.set()

        sync = asyncio.create_task(importer.sync_all_libraries(on_progress, full=True))
        async with asyncio.timeout(20):
            await hung.reached.wait()
            await seen.wait()
        hung.release.set()
        result = await sync
        assert (result["updated"], result["added"], result["listed"], result["errors"]) == (1, 0, 112, [])
        assert all(library[0] <= library[1] == 7 for library, _, _ in calls.progress if library)
        steps = [library[0] for library, _, _ in calls.progress if library]
        assert steps == sorted(steps), "the round before is no progress of this one"
        assert steps[-1] == 7
        assert calls.messages[-1] == "server 'home': 0 added, 1 updated, 0 removed"
        assert (await importer.sync_show_by_title_and_year("the lighthouse keepers"))["listed"] == 15
        with pytest.raises(UnknownLibrary) as unknown:
            await importer.sync_library("Moviez")
        assert unknown.value.hint == "did you mean 'Movies'?"
        plex.changes.add_show("4", "The Lighthouse Keepers", 1961)
        with pytest.raises(AmbiguousShow) as ambiguous:
            await importer.sync_show_by_title_and_year("The Lighthouse Keepers")
        assert ambiguous.value.years == (1961, 2019)
        plex.token = "exchanged-token"
        with pytest.raises(ReportedError, match="'home' rejected the token") as reported:
            await importer.sync_all_libraries()
        assert reported.value.kind == "Unauthorized"
        assert reported.value.hint
    assert rows("SELECT count(*) FROM sync_requests WHERE finished_at IS NOT NULL") == [(5,)]


async def test_settings_are_changed_below_it(
    daemon: Daemon, plex: SimulatedPlex, config_file: Callable[..., Path], path: Path, rows: Rows
) -> None:
    """A running daemon notices servers, switches and mappings, and paths follow at once."""
    async with Database(path) as database:
        await daemon.start(config_file())
        server_id = await database.add_plex_server("home", plex.url, plex.token)
        assert (await daemon.event("servers.changed"))["added"] == ["home"]
        await daemon.event("sync.finished", library="Movies")
        await database.add_plex_path_mapping("/srv/media", "/mnt/nas", server_id)
        await daemon.event("paths.recomputed", library="Movies")
        plex_path, file_path = rows(
            "SELECT plex_path, file_path FROM media_files WHERE library_name = 'Movies' AND plex_path LIKE '/srv/%'"
        )[0]
        assert file_path == plex_path.replace("/srv/media", "/mnt/nas")
        assert create_plex_importer(server_id, database).get_local_path(plex_path) == file_path
        await database.set_plex_server_active(server_id, active=False)
        assert (await daemon.event("servers.changed"))["removed"] == ["home"]
        assert await database.delete_plex_server(server_id)
        assert rows("SELECT count(*) FROM media_files") == [(0,)]
    await daemon.stop()
