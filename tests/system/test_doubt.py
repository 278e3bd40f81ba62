"""What left goes missing after a whole listing; on any doubt everything stays."""

from __future__ import annotations

import pytest

from retrovue_daemon.daemon import SyncOptions


@pytest.fixture
async def synced(plex, sync):
    await sync(plex)
    return plex


def _status(reports, library: str = "Movies") -> str:
    (done,) = [done for report in reports for done in report.passes if done.library == library]
    return done.run.status


def _missing(rows) -> list[tuple[object, ...]]:
    return rows(
        "SELECT rating_key FROM movies WHERE state = 'missing' UNION ALL"
        " SELECT rating_key FROM shows WHERE state = 'missing' UNION ALL"
        " SELECT rating_key FROM seasons WHERE state = 'missing' UNION ALL"
        " SELECT rating_key FROM episodes WHERE state = 'missing'"
    )


async def test_a_deleted_film_goes_missing_and_keeps_its_row(synced, sync, rows) -> None:
    """Nothing is deleted; the file is marked with its film."""
    gone = next(synced.world.movies("1"))
    synced.world.drop(gone.id)

    reports = await sync(synced)

    assert _status(reports) == "ok"
    assert _missing(rows) == [(gone.rating_key,)]
    assert rows("SELECT DISTINCT state FROM media_files WHERE rating_key = ?", gone.rating_key) == [("missing",)]


async def test_a_film_that_returns_is_restored(synced, sync, rows) -> None:
    """Under its old id, although it did not change."""
    gone = next(synced.world.movies("1"))
    before = rows("SELECT id FROM movies WHERE rating_key = ?", gone.rating_key)
    synced.world.drop(gone.id)
    await sync(synced)
    synced.world.put(gone)

    (report,) = await sync(synced)

    assert [done.run.restored for done in report.passes if done.library == "Movies"] == [1]
    assert _missing(rows) == []
    assert rows("SELECT id FROM movies WHERE rating_key = ?", gone.rating_key) == before


async def test_an_emptied_library_is_held_back(synced, sync, rows) -> None:
    """A mount that failed looks just like it; a person may release it."""
    for item in list(synced.world.movies("1")):
        synced.world.drop(item.id)

    reports = await sync(synced)
    assert _status(reports) == "blocked"
    assert _missing(rows) == []
    assert rows("SELECT state FROM libraries WHERE library_name = 'Movies'") == [("blocked",)]

    reports = await sync(synced, options=SyncOptions(accept_removals=True))
    assert _status(reports) == "ok"
    assert len(_missing(rows)) == 27
    assert rows("SELECT state FROM libraries WHERE library_name = 'Movies'") == [("active",)]


def _scan(plex) -> None:
    plex.world.libraries["1"].refreshing = True


def _wrong_total(plex) -> None:
    plex.faults.miscount("/library/sections/1/all", by=1, times=None)


def _server_error(plex) -> None:
    plex.faults.fail("/library/sections/1/all", status=500, times=None)


def _no_json(plex) -> None:
    plex.faults.garble("/library/sections/1/all", times=None)


@pytest.mark.parametrize(
    ("trouble", "status"),
    [(_scan, "incomplete"), (_wrong_total, "incomplete"), (_server_error, "failed"), (_no_json, "failed")],
)
async def test_nothing_is_removed_on_doubt(synced, sync, rows, trouble, status) -> None:
    """A scan, a total that does not fit, an error or broken JSON: what is missing is not believed to be gone."""
    synced.world.drop(next(synced.world.movies("1")).id)
    trouble(synced)

    reports = await sync(synced)

    assert _status(reports) == status
    assert _missing(rows) == []
    assert rows("SELECT last_error IS NOT NULL FROM libraries WHERE library_name = 'Movies'") == [(1,)]

    synced.faults.clear()
    synced.world.libraries["1"].refreshing = False
    assert _status(await sync(synced)) == "ok"
    assert len(_missing(rows)) == 1


async def test_one_failing_library_costs_the_others_nothing(synced, sync) -> None:
    """They are synced as if nothing were."""
    synced.faults.fail("/library/sections/1/all", status=404, times=None)
    (report,) = await sync(synced)
    assert {done.library: done.run.status for done in report.passes if done.run.status != "ok"} == {
        "Movies": "failed"
    }
    assert len(report.passes) == 7


async def test_a_bad_entry_costs_only_itself(synced, sync, rows) -> None:
    """The page lives on, and an entry that has a row still counts as listed."""
    victim = next(synced.world.movies("1"))
    synced.world.drop(victim.id)
    synced.faults.intrude(
        "/library/sections/1/all",
        {"ratingKey": victim.rating_key, "type": "mystery", "title": "?"},
        {"type": "movie", "title": "without a key"},
    )
    (report,) = await sync(synced)
    (movies,) = [done for done in report.passes if done.library == "Movies"]
    assert movies.run.status == "ok"
    assert movies.run.skipped == 2
    assert _missing(rows) == []


async def test_another_machine_at_the_address_is_refused(synced, sync, rows) -> None:
    """Before anything is written."""
    synced.world.machine_identifier = "somebody-else"
    before = rows("SELECT count(*) FROM sync_runs")
    (report,) = await sync(synced)
    assert type(report.error).__name__ == "WrongServer"
    assert rows("SELECT count(*) FROM sync_runs") == before


async def test_a_library_whose_key_was_given_away_is_not_mixed(synced, sync, rows) -> None:
    """The stored rows are another library's: they are not touched."""
    synced.world.libraries["1"].uuid = "11111111-2222-3333-4444-555555555555"
    synced.world.libraries["1"].title = "Something else"
    (report,) = await sync(synced)
    assert "Movies" not in {done.library for done in report.passes}
    assert rows("SELECT library_name FROM libraries WHERE library_key = '1'") == [("Movies",)]
