"""A token that does not see where files are never overwrites what is known of them."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.daemon import SyncOptions

STORED = "SELECT id, plex_path, file_path, state FROM media_files ORDER BY id"
DOUBT = "SELECT doubt, last_error FROM libraries WHERE library_name = 'Movies'"


@pytest.mark.parametrize("hides", ["folders", "paths"])
async def test_known_paths_are_kept_and_the_pass_says_so(plex, sync, rows, hides) -> None:
    """Nothing is written; one warning when it begins; the doubt stays until paths are seen again."""
    await sync(plex)
    before = rows(STORED)
    plex.quirks.hides = hides
    with capture_logs() as logs:
        (report,) = await sync(plex)
        await sync(plex, options=SyncOptions())
        await sync(plex)
    assert {(done.run.status, done.run.counts.updated) for done in report.passes} == {("ok", 0)}
    assert rows(STORED) == before
    told = [log["library"] for log in logs if log["event"] == "library.paths_hidden"]
    assert len(told) == len(set(told))
    assert "Movies" in told
    ((doubt, error),) = rows(DOUBT)
    assert "the token does not see where files are; the paths of" in doubt
    assert error == doubt

    plex.quirks.hides = None
    await sync(plex)
    assert (rows(STORED), rows(DOUBT)) == (before, [(None, None)])


async def test_quick_and_edited_items_keep_their_paths_too(plex, sync, rows) -> None:
    """All else of them is written."""
    await sync(plex)
    before = rows(STORED)
    plex.quirks.hides = "folders"
    film = plex.changes.edit(next(plex.world.movies("1")).id, title="Edited")
    await sync(plex, options=SyncOptions())
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Edited",)]
    assert rows(STORED) == before


async def test_new_items_are_stored_as_they_come(plex, sync, rows) -> None:
    """And a first sync says that paths are hidden."""
    plex.quirks.hides = "folders"
    await sync(plex)
    assert rows("SELECT count(*) FROM media_files WHERE plex_path LIKE '%/%'") == [(0,)]
    assert "the token does not see" in str(rows(DOUBT)[0][0])
