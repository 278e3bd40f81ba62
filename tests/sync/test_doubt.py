"""What left goes missing after a whole listing; on any doubt everything stays."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.errors import DatabaseUnusable
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync.discovery import Discovery
from tests.support.rounds import FEW_LIBRARIES
from tests.support.servers import without_groups

pytestmark = [pytest.mark.no_groups, FEW_LIBRARIES]


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

    assert [done.run.counts.restored for done in report.passes if done.library == "Movies"] == [1]
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

    reports = await sync(synced, options=SyncOptions(selection=Selection(accept_removals=True)))
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
    """A scan, a total that does not fit, an error or broken JSON: missing items do not count as gone."""
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


@pytest.mark.libraries
async def test_one_failing_library_costs_the_others_nothing(synced, sync) -> None:
    """They are synced as if nothing were."""
    synced.faults.fail("/library/sections/1/all", status=404, times=None)
    (report,) = await sync(synced)
    assert {done.library: done.run.status for done in report.passes if done.run.status != "ok"} == {
        "Movies": "failed"
    }
    assert len(report.passes) == 7


async def test_a_bad_entry_affects_only_itself(synced, sync, rows) -> None:
    """The page lives on, and an entry that has a row still counts as listed."""
    victim = next(synced.world.movies("1"))
    synced.world.drop(victim.id)
    synced.faults.intrude(
        "/library/sections/1/all",
        {"ratingKey": victim.rating_key, "type": "mystery", "title": "?"},
        {"type": "movie", "title": "without a key"},
    )
    assert _status(await sync(synced)) == "incomplete"  # the entry without a key may be any film
    (report,) = await sync(synced)
    (movies,) = [done for done in report.passes if done.library == "Movies"]
    assert (movies.run.status, movies.run.counts.skipped) == ("ok", 2)
    assert movies.run.error == "movies: 1 entry has no rating key, such as 'without a key'"
    assert _missing(rows) == []


async def test_another_machine_at_the_address_is_refused(synced, sync, rows) -> None:
    """Before anything is written."""
    synced.world.machine_identifier = "somebody-else"
    before = rows("SELECT count(*) FROM sync_runs")
    (report,) = await sync(synced)
    assert type(report.error).__name__ == "WrongServer"
    assert rows("SELECT count(*) FROM sync_runs") == before


async def test_a_library_whose_key_was_given_away_is_not_mixed(synced, sync, rows) -> None:
    """It gets a row of its own, and takes over the items that it lists, under their old ids."""
    before = rows("SELECT id FROM movies WHERE library_id = 1")
    library = synced.world.libraries["1"]
    library.uuid, library.title = "11111111-2222-3333-4444-555555555555", "Something else"

    reports = await sync(synced)

    assert _status(reports, "Something else") == "ok"
    assert _missing(rows) == []
    assert rows("SELECT library_name FROM libraries WHERE id = 1") == [("Movies",)]
    assert (
        rows("SELECT id FROM movies WHERE library_id = (SELECT id FROM libraries WHERE library_key = '1')") == before
    )


async def test_a_library_that_is_no_longer_listed_is_held_back(synced, sync, rows) -> None:
    """It may be hidden by a mistake; a person may let it go, and it may come back."""
    synced.quirks.hidden_libraries = {"1"}
    reports = await sync(synced)
    assert _status(reports) == "blocked"
    assert _missing(rows) == []

    reports = await sync(synced, options=SyncOptions(selection=Selection(accept_removals=True)))
    assert _status(reports) == "ok"
    assert len(_missing(rows)) == 27
    (report,) = await sync(synced)
    assert "Movies" not in {done.library for done in report.passes}

    synced.quirks.hidden_libraries = set()
    (report,) = await sync(synced)
    assert [done.run.counts.restored for done in report.passes if done.library == "Movies"] == [27]
    assert _missing(rows) == []
    assert rows("SELECT state FROM libraries WHERE library_name = 'Movies'") == [("active",)]


async def test_an_item_of_another_kind_affects_only_itself(synced, sync, rows) -> None:
    """A proxy may mix listings up; the rows of one table never take another kind's."""
    for library, listing, entry in (
        ("1", "all", {"ratingKey": "900001", "type": "episode", "title": "stray"}),
        ("1", "all", {"ratingKey": "900002", "type": "show", "title": "stray"}),
    ):
        synced.faults.intrude(f"/library/sections/{library}/{listing}", entry)
    (report,) = await sync(synced)
    (movies,) = [done for done in report.passes if done.library == "Movies"]
    assert (movies.run.status, movies.run.counts.skipped, movies.run.counts.unchanged) == ("ok", 2, 27)


async def test_what_was_read_before_a_page_failed_is_kept(plex, config, sync, rows) -> None:
    """The pass ends incomplete and removes nothing; the next one continues from there."""
    settings = config(plex, sync={"page_size": 10})
    plex.faults.fail("/library/sections/1/all", status=500, times=None, after=2)
    (report,) = await sync(settings)
    (movies,) = [done for done in report.passes if done.library == "Movies"]
    assert movies.run.status == "incomplete"
    assert movies.run.counts.added == rows("SELECT count(*) FROM movies WHERE library_id = 1")[0][0] >= 10
    assert rows("SELECT added FROM sync_runs WHERE id = ?", movies.run_id) == [(movies.run.counts.added,)]


async def test_the_token_is_not_shown_to_another_machine(synced, sync) -> None:
    """The server's identity is checked before any request with the token."""
    synced.world.machine_identifier = "somebody-else"
    synced.requests.clear()
    await sync(synced)
    assert [request.path for request in synced.requests] == ["/identity"]
    assert not any("x-plex-token" in request.headers for request in synced.requests)


async def test_a_scan_that_begins_meanwhile_is_noticed(synced, sync, rows) -> None:
    """Before anything is removed the library is looked at once more."""
    synced.world.drop(next(synced.world.movies("1")).id)
    stuck = synced.faults.hang("/library/sections/1/all")
    round_ = asyncio.create_task(sync(synced))
    await stuck.reached.wait()
    synced.world.libraries["1"].refreshing = True
    stuck.release.set()
    assert _status(await round_) == "incomplete"
    assert _missing(rows) == []


async def test_local_paths_follow_the_mappings(synced, config, sync, rows) -> None:
    """Also of rows that did not change on the server, and without touching their items."""
    before = rows("SELECT id, digest, synced_at FROM movies")
    mapping = {"plex_path": "/srv/media", "local_path": "/mnt/nas"}
    await sync(config(synced, server={"path_mappings": [mapping]}))
    pairs = rows("SELECT plex_path, file_path FROM media_files WHERE plex_path LIKE '/srv/media/%'")
    assert pairs
    assert all(local == path.replace("/srv/media", "/mnt/nas") for path, local in pairs)
    assert rows("SELECT id, digest, synced_at FROM movies") == before
    await sync(synced)
    assert rows("SELECT count(*) FROM media_files WHERE file_path <> plex_path") == [(0,)]


async def test_a_renamed_library_is_renamed_everywhere(synced, sync, rows) -> None:
    """Its files carry its name too."""
    synced.world.libraries["1"].title = "Films"
    await sync(synced)
    assert rows("SELECT DISTINCT library_name FROM media_files WHERE library_id = 1") == [("Films",)]


async def test_a_server_whose_row_vanished_costs_the_others_nothing(synced, config, sync, rows, path) -> None:
    """Another program may delete it at any moment."""
    async with SimulatedPlex(without_groups(generated_library(movies=5, shows=0, episodes=0))) as other:
        stuck = other.faults.hang("/identity")
        round_ = asyncio.create_task(sync(config(synced, other)))
        await stuck.reached.wait()
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            connection.execute("DELETE FROM plex_servers WHERE name = 'server1'")
            connection.commit()
        stuck.release.set()
        first, second = await round_
    assert first.error is None
    assert type(second.error).__name__ == "ServerForgotten"


async def test_libraries_that_share_a_uuid_are_distinguished_by_key(synced, sync, rows) -> None:
    """Such a uuid identifies nothing; no row serves two libraries."""
    synced.world.libraries["2"].uuid = synced.world.libraries["1"].uuid
    (report,) = await sync(synced)
    assert {done.run.counts.removed for done in report.passes} == {0}
    assert _missing(rows) == []
    (report,) = await sync(synced)
    assert {done.run.counts.updated for done in report.passes} == {0}


@pytest.mark.parametrize("kind", ["show", "artist"])
async def test_a_library_that_changed_its_type_is_held_back(synced, sync, rows, kind) -> None:
    """As one that is no longer listed: its films do not stay active, unseen; the old type brings back all of it."""
    films = rows("SELECT id, rating_key, state, missing_since FROM movies ORDER BY id")
    library = synced.world.libraries["1"]
    library.type = kind
    (report,) = await sync(synced)
    (held,) = [done for done in report.passes if done.run.status == "blocked"]
    assert (held.library, held.run.kind, held.run.counts.removed) == ("Movies", "full", 0)
    assert rows("SELECT id, rating_key, state, missing_since FROM movies ORDER BY id") == films
    assert rows("SELECT library_name FROM libraries WHERE state = 'blocked'") == [("Movies",)]
    library.type = "movie"
    (report,) = await sync(synced)
    assert rows("SELECT id, rating_key, state, missing_since FROM movies ORDER BY id") == films
    assert rows("SELECT library_key, state, library_type FROM libraries WHERE id = 1") == [("1", "active", "movie")]
    library.type = kind
    await sync(synced, options=SyncOptions(selection=Selection(accept_removals=True)))
    assert rows("SELECT DISTINCT state FROM movies WHERE library_id = 1") == [("missing",)]


async def test_a_library_that_changed_its_type_stays_switched_off(synced, sync, rows, path) -> None:
    """The row of its new type, too."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE libraries SET sync_enabled = 0 WHERE id = 1")
    synced.world.libraries["1"].type = "show"
    await sync(synced)
    assert rows("SELECT sync_enabled FROM libraries WHERE library_name = 'Movies'") == [(0,), (0,)]


async def test_a_database_that_cannot_be_read_is_a_clear_failure(synced, sync, path) -> None:
    """A disk that lost pages costs no traceback and no wrong conclusion."""
    content = bytearray(path.read_bytes())
    content[4096 * 30 :] = b"\xff" * (len(content) - 4096 * 30)
    path.write_bytes(content)
    try:
        reports = await sync(synced)
    except DatabaseUnusable as error:
        told = [str(error)]
    else:
        told = [str(report.error) for report in reports if report.error]
        told += [done.run.error for report in reports for done in report.passes if done.run.error]
    assert told
    assert all("malformed" in text for text in told)


async def test_a_listing_during_a_scan_proves_nothing(synced, sync, rows) -> None:
    """Also where nothing seems to be missing: the marks of a complete listing are not moved."""
    before = rows("SELECT last_full_sync_at, content_changed_at FROM libraries WHERE id = 1")
    synced.world.libraries["1"].refreshing = True
    synced.world.libraries["1"].content_changed_at += 1
    assert _status(await sync(synced)) == "incomplete"
    assert rows("SELECT last_full_sync_at, content_changed_at FROM libraries WHERE id = 1") == before


async def test_a_page_of_another_library_is_refused(synced, sync, rows) -> None:
    """Before anything of it is written."""
    stuck = synced.faults.hang("/library/sections/1/all")
    round_ = asyncio.create_task(sync(synced))
    await stuck.reached.wait()
    for movie in list(synced.world.movies("1")):
        synced.changes.edit(movie.id, title="of another library")
    synced.world.libraries["1"].uuid = "11111111-2222-3333-4444-555555555555"
    stuck.release.set()
    assert _status(await round_) == "failed"
    assert rows("SELECT count(*) FROM movies WHERE title = 'of another library'") == [(0,)]


@pytest.mark.libraries
async def test_a_bug_costs_one_server_only(synced, config, sync, monkeypatch) -> None:
    """It ends in that server's report, with its traceback in the log."""
    contact = Discovery.contact

    async def mistaken(discovery, client, server_id):
        if client.name == "server1":
            raise ZeroDivisionError
        return await contact(discovery, client, server_id)

    monkeypatch.setattr(Discovery, "contact", mistaken)
    async with SimulatedPlex(without_groups(generated_library(movies=5, shows=0, episodes=0))) as other:
        first, second = await sync(config(synced, other))
    assert first.error is None
    assert len(first.passes) == 7
    assert str(second.error) == "internal error: ZeroDivisionError"
