"""Ids outlive what Plex does to its rating keys, its libraries and its address."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from tests.support.rounds import FEW_LIBRARIES
from tests.support.servers import without_groups

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.runs import Run

pytestmark = [pytest.mark.no_groups, FEW_LIBRARIES]

AS_RUN = SyncOptions()

ITEMS = {"movies": "title", "shows": "title", "seasons": "title", "episodes": "episode_title"}


def _only(library: str) -> SyncOptions:
    return SyncOptions(selection=Selection(library=library, full=True))


@pytest.fixture
async def synced(plex, sync):
    await sync(plex)
    return plex


@pytest.fixture
def ids(rows):
    """Tell the ids of all items that are there, by table and rating key."""

    def work() -> dict[tuple[str, str], int]:
        return {
            (table, key): row_id
            for table in ITEMS
            for row_id, key in rows(f"SELECT id, rating_key FROM {table} WHERE state <> 'missing'")
        }

    return work


@pytest.fixture
def whole(rows):
    """Check that nothing hangs loose, and that every file belongs to an item of its library."""

    def work() -> None:
        assert rows("PRAGMA foreign_key_check") == []
        for table, kind in (("movies", "movie"), ("episodes", "episode")):
            assert (
                rows(
                    f"SELECT f.id FROM media_files f LEFT JOIN {table} i ON i.server_id = f.server_id"
                    f" AND i.rating_key = f.rating_key AND i.library_id = f.library_id"
                    " WHERE f.media_type = ? AND i.id IS NULL",
                    kind,
                )
                == []
            )
        assert rows("SELECT id FROM episodes WHERE show_id IS NULL OR digest IS NULL") == []

    return work


def _film(plex, title: str):
    return next(movie for movie in plex.world.movies() if movie.title == title)


def _series(plex, title: str):
    return next(show for show in plex.world.shows() if show.title == title)


def _runs(reports) -> dict[str, Run]:
    return {done.library: done.run for report in reports for done in report.passes}


# Added again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["Nosferatu", "Metropolis", "The Phantom of the Opera"])
async def test_a_film_that_was_added_again_keeps_its_id(synced, sync, ids, whole, title) -> None:
    """Between two passes it was deleted and found again. So does one of two parts, and one that has two editions."""
    film = next((movie for movie in synced.world.movies("1") if movie.title == title), None)
    film = film or next(movie for movie in synced.world.movies("1") if movie.title.startswith(title))
    before = ids()
    (again,) = synced.changes.recreate(film.id)

    run = _runs(await sync(synced, options=AS_RUN))["Movies"]

    assert (run.counts.moved, run.counts.added, run.counts.removed) == (1, 0, 0)
    expected = dict(before)
    expected["movies", again.rating_key] = expected.pop(("movies", film.rating_key))
    assert ids() == expected
    whole()
    assert not any(run.counts.any_change for run in _runs(await sync(synced)).values())


@pytest.mark.parametrize("versions", [1, 2])
async def test_a_film_that_was_added_again_without_a_file_waits_for_it(synced, sync, rows, whole, versions) -> None:
    """The row of its primary file stays, as if the film had never left."""
    films = [film for film in synced.world.movies("1") if film.guid.startswith("plex://")]
    film = next(film for film in films if len(film.media) == versions)
    stored = "SELECT id, media_file_id, state FROM movies WHERE source_id = ? AND library_id = 1", film.guid
    before = rows(*stored)
    ((row_id, file_id, _),) = before
    (again,) = synced.changes.recreate(film.id)
    media = again.media
    synced.changes.edit(again.id, media=())

    await sync(synced)

    assert rows(*stored) == [(row_id, None, "unavailable")]
    waiting = "SELECT id, state FROM media_files WHERE rating_key = ?", again.rating_key
    assert rows(*waiting) == [(file_id, "unavailable")]
    synced.changes.edit(again.id, media=media)
    await sync(synced)
    assert rows(*stored) == before
    whole()


async def test_films_that_no_catalogue_knows_are_found_by_their_files(synced, sync, ids, whole) -> None:
    """Their guids are new each time."""
    before = ids()
    keys = {}
    for film in [movie for movie in synced.world.movies("1") if movie.guid.startswith("local://")]:
        (again,) = synced.changes.recreate(film.id)
        assert again.guid != film.guid
        keys[film.rating_key] = again.rating_key
    assert len(keys) == 4
    await sync(synced, options=AS_RUN)
    assert ids() == {(table, keys.get(key, key)): row_id for (table, key), row_id in before.items()}
    whole()


@pytest.mark.parametrize(
    "title", ["The Lighthouse Keepers", "The Daily Almanac", "tapes from the attic", "Robo Granny", "星のたぬき"]
)
async def test_a_show_that_was_added_again_keeps_all_its_ids(synced, sync, ids, whole, title) -> None:
    """Of seasons and episodes too: with specials, two episodes in a file, dates, no match at all, legacy guids."""
    show = next((each for each in synced.world.shows() if each.title == title), None)
    show = show or next(each for each in synced.world.shows() if "lmanac" in each.title)
    before = ids()
    gone = synced.changes.delete(show.id)
    again = synced.changes.add_again(*gone)
    keys = {old.rating_key: new.rating_key for old, new in zip(gone, again, strict=True)}

    run = _runs(await sync(synced, options=AS_RUN))[synced.world.libraries[show.library].title]

    assert (run.status, run.counts.moved, run.counts.added, run.counts.removed) == ("ok", len(gone), 0, 0)
    assert ids() == {(table, keys.get(key, key)): row_id for (table, key), row_id in before.items()}
    whole()
    assert not any(run.counts.any_change for run in _runs(await sync(synced)).values())


async def test_a_film_that_returns_days_later_keeps_its_id(synced, sync, ids, rows, whole) -> None:
    """It was missing in between, and comes back under another key."""
    film = _film(synced, "Nosferatu")
    before = ids()["movies", film.rating_key]
    gone = synced.changes.delete(film.id)
    await sync(synced, options=AS_RUN)
    assert rows("SELECT state FROM movies WHERE id = ?", before) == [("missing",)]
    (again,) = synced.changes.add_again(*gone)

    run = _runs(await sync(synced, options=AS_RUN))["Movies"]

    assert (run.counts.moved, run.counts.added, run.counts.restored) == (1, 0, 0)
    assert rows("SELECT rating_key, state, missing_since FROM movies WHERE id = ?", before) == [
        (again.rating_key, "active", None)
    ]
    assert rows("SELECT state FROM media_files WHERE rating_key = ?", again.rating_key) == [("active",)]
    whole()


async def test_the_guid_decides_if_guid_and_file_point_at_two_rows(synced, sync, ids, rows, whole) -> None:
    """Two films are added again with their matches swapped: each id follows its guid and gets the other's file."""
    films = [_film(synced, "The General"), _film(synced, "Nosferatu")]
    before = [ids()["movies", film.rating_key] for film in films]
    query = "SELECT f.plex_path FROM movies m JOIN media_files f ON f.id = m.media_file_id WHERE m.id = ?"
    paths = [rows(query, row_id) for row_id in before]
    for film in films:
        synced.changes.delete(film.id)
    one, other = films
    again = synced.changes.add_again(
        msgspec.structs.replace(other, guid=one.guid, title=one.title),
        msgspec.structs.replace(one, guid=other.guid, title=other.title),
    )

    run = _runs(await sync(synced, options=AS_RUN))["Movies"]

    assert (run.counts.moved, run.counts.added, run.counts.removed) == (2, 0, 0)
    assert [ids()["movies", film.rating_key] for film in again] == before
    assert [rows(query, row_id) for row_id in before] == paths[::-1]
    whole()


async def test_a_whole_library_that_was_scanned_anew_keeps_all_ids(synced, sync, ids, whole) -> None:
    """Far more than the guard would let go; but nothing is gone."""
    before = ids()
    keys = {}
    for film in list(synced.world.movies("1")):
        keys[film.rating_key] = synced.changes.recreate(film.id)[0].rating_key

    run = _runs(await sync(synced, options=AS_RUN))["Movies"]

    # Films with neither a file nor a guid of a catalogue cannot be distinguished.
    assert (run.status, run.counts.moved, run.counts.removed) == ("ok", 27, 0)
    assert ids() == {(table, keys.get(key, key)): row_id for (table, key), row_id in before.items()}
    whole()


@pytest.mark.parametrize("scanned", [False, True])
@pytest.mark.parametrize(("recreated", "deleted", "moved"), [(10, 60, 0), (60, 30, 60)])
async def test_a_library_that_is_held_back_moves_nothing_unless_most_of_it_did(
    sync, ids, whole, recreated, deleted, moved, *, scanned
) -> None:
    """A listing that lacks so much is doubtful, and so is what it has instead; a person may confirm it.

    What came may have been stored by an earlier pass, which could not judge because the server was scanning.
    """
    async with SimulatedPlex(without_groups(generated_library(movies=100, shows=0, episodes=0))) as plex:
        await sync(plex)
        before = ids()
        films = list(plex.world.movies())
        keys = {film.rating_key: plex.changes.recreate(film.id)[0].rating_key for film in films[:recreated]}
        gone = {film.rating_key for film in films[recreated : recreated + deleted]}
        for film in films[recreated : recreated + deleted]:
            plex.changes.delete(film.id)
        if scanned:
            plex.world.libraries["1"].refreshing = True
            assert _runs(await sync(plex, options=AS_RUN))["Movies"].status == "incomplete"
            plex.world.libraries["1"].refreshing = False

        run = _runs(await sync(plex, options=AS_RUN))["Movies"]

        assert (run.status, run.counts.moved, run.counts.removed) == ("blocked", moved, 0)
        held = ids()
        assert all((held["movies", new] == before["movies", old]) is bool(moved) for old, new in keys.items())
        assert all(held["movies", key] == before["movies", key] for key in gone)

        await sync(plex, options=SyncOptions(selection=Selection(accept_removals=True)))

        assert ids() == {(t, keys.get(key, key)): row_id for (t, key), row_id in before.items() if key not in gone}
        whole()


async def test_ids_are_not_used_again(synced, sync, rows) -> None:
    """Neither of what went missing and was deleted, nor of a row that was taken over by an older one."""
    ((highest,),) = rows("SELECT max(id) FROM movies")
    synced.changes.recreate(_film(synced, "Nosferatu").id)
    await sync(synced)
    assert rows("SELECT max(id) FROM movies") == [(highest,)]
    synced.changes.add_movie("1", "The Bat", 1926)
    await sync(synced)
    assert rows("SELECT max(id) FROM movies") == [(highest + 2,)]


# Moved, merged, split --------------------------------------------------------------------------------------------


@pytest.mark.libraries
@pytest.mark.parametrize("order", [("Movies", "Silent Archive"), ("Silent Archive", "Movies")])
async def test_a_film_that_moved_to_another_library_keeps_its_id(synced, sync, ids, rows, whole, order) -> None:
    """In whichever order the two libraries are looked at, also in rounds of their own."""
    film = _film(synced, "Nosferatu")
    before = ids()
    moved = synced.changes.move(film.id, "5")
    for library in order:
        run = _runs(await sync(synced, options=_only(library)))[library]
        assert run.status == "ok"
    expected = dict(before)
    expected["movies", moved.rating_key] = expected.pop(("movies", film.rating_key))
    assert ids() == expected
    assert rows(
        "SELECT library_key FROM libraries l JOIN movies m ON m.library_id = l.id WHERE m.rating_key = ?",
        moved.rating_key,
    ) == [("5",)]
    assert rows("SELECT count(*) FROM movies WHERE state = 'missing'") == [(0,)]
    whole()


@pytest.mark.libraries
async def test_a_film_that_moved_counts_as_moved_once(synced, sync, ids, whole) -> None:
    """In one round both libraries are looked at side by side; neither adds nor removes anything."""
    film = _film(synced, "Nosferatu")
    row_id = ids()["movies", film.rating_key]
    moved = synced.changes.move(film.id, "5")
    runs = _runs(await sync(synced, options=AS_RUN))
    counts = [runs[library].counts for library in ("Movies", "Silent Archive")]
    assert sum(count.moved for count in counts) == 1
    assert [(count.added, count.removed) for count in counts] == [(0, 0), (0, 0)]
    assert ids()["movies", moved.rating_key] == row_id
    whole()


@pytest.mark.libraries
async def test_a_film_may_move_while_the_libraries_are_listed(synced, config, sync, ids, rows, whole) -> None:
    """One listing still showed it, the other shows it already: the next pass makes one of the two."""
    film = _film(synced, "Nosferatu")
    before = ids()
    stuck = synced.faults.hang("/library/sections/5/all")
    round_ = asyncio.create_task(sync(config(synced, sync={"concurrency": 1})))
    await stuck.reached.wait()  # the libraries before it have been listed by now
    moved = synced.changes.move(film.id, "5")
    stuck.release.set()
    assert {run.status for run in _runs(await round_).values()} == {"ok"}
    assert {("movies", film.rating_key), ("movies", moved.rating_key)} < ids().keys()

    await sync(synced, options=AS_RUN)

    expected = dict(before)
    expected["movies", moved.rating_key] = expected.pop(("movies", film.rating_key))
    assert ids() == expected
    whole()


@pytest.mark.libraries
async def test_a_show_that_moved_to_another_library_keeps_all_its_ids(synced, sync, ids, whole) -> None:
    """With its seasons and episodes."""
    show = _series(synced, "The Lighthouse Keepers")
    below = [*synced.world.seasons_of(show.id), *synced.world.leaves_of(show.id)]
    before = ids()
    old_ids = sorted(before[key] for key in before if key[1] in {item.rating_key for item in (show, *below)})
    moved = synced.changes.move(show.id, "4")
    await sync(synced, options=AS_RUN)
    after = ids()
    now_below = [*synced.world.seasons_of(moved.id), *synced.world.leaves_of(moved.id)]
    assert (
        sorted(after[key] for key in after if key[1] in {item.rating_key for item in (moved, *now_below)}) == old_ids
    )
    assert sorted(after.values()) == sorted(before.values())
    whole()


@pytest.mark.libraries
async def test_many_that_move_under_their_own_keys_are_no_removal(synced, config, sync, ids, rows) -> None:
    """Rows follow their items to the other library, and the guard has nothing to hold back."""
    settings = config(synced, sync={"max_removed": "1%"})
    films = list(synced.world.movies("1"))
    before = ids()
    for film in films[:22]:
        synced.world.put(msgspec.structs.replace(film, library="5"))
    runs = _runs(await sync(settings))
    assert {library: run.status for library, run in runs.items()} == dict.fromkeys(runs, "ok")
    assert ids() == before
    query = "SELECT l.library_key, count(*) FROM movies m JOIN libraries l ON l.id = m.library_id GROUP BY 1"
    assert {("1", 5), ("5", 26)} <= set(rows(query))


async def test_copies_in_two_libraries_stay_two(synced, sync, ids, rows) -> None:
    """One of them being deleted does not make the other one it."""
    film = next(movie for movie in synced.world.movies("2") if movie.title == "Charade")
    copy = next(movie for movie in synced.world.movies("1") if movie.title == "Charade")
    before = ids()
    synced.changes.delete(film.id)
    await sync(synced, options=AS_RUN)
    assert ids() == {key: row_id for key, row_id in before.items() if key != ("movies", film.rating_key)}
    assert rows(
        "SELECT state FROM movies WHERE rating_key IN (?, ?) ORDER BY state", film.rating_key, copy.rating_key
    ) == [("active",), ("missing",)]


async def test_a_copy_in_the_same_library_stays_a_copy(synced, sync, ids, rows) -> None:
    """Both were listed once; then the first was deleted."""
    film = _film(synced, "Nosferatu")
    copy = synced.changes.add_movie("1", f"{film.title} (copy)", film.year, guid=film.guid)
    await sync(synced, options=AS_RUN)
    before = ids()
    synced.changes.delete(film.id)
    await sync(synced, options=AS_RUN)
    assert ids() == {key: row_id for key, row_id in before.items() if key != ("movies", film.rating_key)}
    assert rows("SELECT state FROM movies WHERE rating_key = ?", film.rating_key) == [("missing",)]
    assert ("movies", copy.rating_key) in before


async def test_a_copy_in_a_library_that_was_not_listed_yet_stays_a_copy(
    synced, config, sync, ids, rows, path
) -> None:
    """Nobody knows how long its films have been there, so none of them is what another one became."""
    path.unlink()
    await sync(config(synced, server={"exclude_libraries": ["Movies 4K"]}))
    gone = next(movie for movie in synced.world.movies("1") if movie.title == "Charade")
    copy = next(movie for movie in synced.world.movies("2") if movie.title == "Charade")
    before = ids()
    ((highest,),) = rows("SELECT max(id) FROM movies")
    synced.changes.delete(gone.id)

    assert _runs(await sync(synced, options=AS_RUN))["Movies"].counts.removed == 1

    assert rows("SELECT id, state FROM movies WHERE rating_key = ?", gone.rating_key) == [
        (before["movies", gone.rating_key], "missing")
    ]
    assert rows("SELECT id > ? FROM movies WHERE rating_key = ?", highest, copy.rating_key) == [(1,)]


async def test_versions_that_are_merged_and_split_keep_the_ids_of_the_films_that_stay(
    synced, sync, ids, whole
) -> None:
    """The other film's row is missing while it is merged, and the split-off film takes it up again."""
    into, other = _film(synced, "Nosferatu"), _film(synced, "The General")
    before = ids()
    synced.changes.merge(into.id, other.id)
    await sync(synced, options=AS_RUN)
    whole()
    after = ids()
    assert after["movies", into.rating_key] == before["movies", into.rating_key]
    assert ("movies", other.rating_key) not in after

    _, apart = synced.changes.split(into.id)
    await sync(synced, options=AS_RUN)

    assert ids()["movies", into.rating_key] == before["movies", into.rating_key]
    assert ids()["movies", apart.rating_key] == before["movies", other.rating_key]
    whole()


async def test_a_file_that_was_renamed_stays_its_films(synced, sync, ids, rows, whole) -> None:
    """The ids of the film and of its file stay."""
    film = _film(synced, "Nosferatu")
    before, files = ids(), rows("SELECT id, media_file_id FROM movies")
    synced.changes.rename_file(film.id, "/srv/media/movies/renamed.mkv")
    await sync(synced, options=AS_RUN)
    assert ids() == before
    assert rows("SELECT id, media_file_id FROM movies") == files
    assert rows("SELECT plex_path FROM active_movies WHERE rating_key = ?", film.rating_key) == [
        ("/srv/media/movies/renamed.mkv",)
    ]
    whole()


# Libraries --------------------------------------------------------------------------------------------------------


def _give_another_key(plex, old: str, new: str) -> None:
    """Let a library be listed under another key, with all its items."""
    world = plex.world
    library = world.libraries.pop(old)
    library.key = new
    world.libraries[new] = library
    for item in [item for item in world.items.values() if item.library == old]:
        world.put(msgspec.structs.replace(item, library=new))


async def test_a_library_that_was_removed_and_added_again_keeps_everything(synced, sync, ids, rows, whole) -> None:
    """It has its old uuid, and another key. In between it was held back."""
    before = ids()
    ((library_id,),) = rows("SELECT id FROM libraries WHERE library_name = 'Movies'")
    synced.quirks.hidden_libraries = {"1"}
    assert _runs(await sync(synced, options=AS_RUN))["Movies"].status == "blocked"
    synced.quirks.hidden_libraries = set()
    _give_another_key(synced, "1", "77")

    runs = _runs(await sync(synced, options=AS_RUN))

    assert (runs["Movies"].kind, runs["Movies"].status, runs["Movies"].counts.unchanged) == ("full", "ok", 27)
    assert ids() == before
    assert rows("SELECT id, library_key, state FROM libraries WHERE library_name = 'Movies'") == [
        (library_id, "77", "active")
    ]
    whole()


async def test_a_library_that_was_made_anew_keeps_the_ids_of_its_items(synced, sync, ids, rows, whole) -> None:
    """With another uuid and key it is another library; but its films are the ones from before."""
    before = ids()
    roots = (place.path for place in synced.world.libraries["1"].locations)
    library = synced.changes.add_library("movie", "All Films", *roots)
    keys = {}
    for film in list(synced.world.movies("1")):
        gone = synced.changes.delete(film.id)
        (again,) = synced.changes.add_again(*(msgspec.structs.replace(each, library=library.key) for each in gone))
        keys[film.rating_key] = again.rating_key
    synced.changes.remove_library("1")

    runs = _runs(await sync(synced, options=AS_RUN))

    assert {library: run.status for library, run in runs.items()} == dict.fromkeys(runs, "ok")
    assert ids() == {(table, keys.get(key, key)): row_id for (table, key), row_id in before.items()}
    assert rows("SELECT state FROM libraries WHERE library_name = 'Movies'") == [("missing",)]
    whole()


async def test_a_rank_that_the_configuration_no_longer_gives_falls_back(plex, config, sync, rows, path) -> None:
    """Only what it gave: a rank that a person gave stays."""
    query = (
        "SELECT library_name, priority, priority_source FROM libraries WHERE library_name LIKE 'Movies%' ORDER BY 1"
    )
    await sync(config(plex, server={"libraries": ["Movies 4K", "Movies"]}))
    assert rows(query) == [("Movies", 1, "config"), ("Movies 4K", 0, "config")]

    await sync(plex, options=AS_RUN)
    assert rows(query) == [("Movies", 100, "database"), ("Movies 4K", 100, "database")]

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE libraries SET priority = 7 WHERE library_name = 'Movies'")
        connection.commit()
    await sync(plex, options=AS_RUN)
    assert rows(query) == [("Movies", 7, "database"), ("Movies 4K", 100, "database")]

    await sync(config(plex, server={"libraries": ["Movies"]}))
    assert rows(query) == [("Movies", 0, "config"), ("Movies 4K", 100, "database")]


# Servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def named(config):
    """Make a configuration in which the server has another name."""

    def settings(plex, name: str):
        return config(plex, server={"name": name})

    return settings


async def test_a_renamed_entry_adopts_its_rows(synced, named, sync, ids, rows) -> None:
    """Who the server is, its machineIdentifier says."""
    before = ids()
    reports = await sync(named(synced, "attic"), options=AS_RUN)
    assert [report.error for report in reports] == [None]
    assert ids() == before
    assert rows("SELECT id, name, is_active FROM plex_servers") == [(1, "attic", 1)]
    assert set(_runs(reports)) == {name for (name,) in rows("SELECT library_name FROM libraries")}
    assert not any(run.counts.any_change for run in _runs(reports).values())

    await sync(named(synced, "home"), options=AS_RUN)
    assert rows("SELECT id, name FROM plex_servers") == [(1, "home")]
    assert ids() == before


async def test_a_server_that_moved_to_another_address_keeps_its_rows(synced, sync, ids, rows) -> None:
    """The same machine answers there."""
    before = ids()
    async with SimulatedPlex(synced.world) as elsewhere:
        assert elsewhere.url != synced.url
        reports = await sync(elsewhere, options=AS_RUN)
        assert rows("SELECT id, server_url FROM plex_servers") == [(1, elsewhere.url)]
    assert [report.error for report in reports] == [None]
    assert ids() == before


def _content(path) -> list[str]:
    """Return all values of a database but why a server failed, the observed clock, and statistics."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE plex_servers SET last_error = NULL, last_error_type = NULL, last_error_hint = NULL,"
            " failing_since = NULL, next_try_at = NULL"
        )
        return [line for line in connection.iterdump() if "observed_clock" not in line and "sqlite_stat" not in line]


async def test_another_machine_changes_nothing_at_all(synced, sync, path) -> None:
    """However alike its libraries are, and whatever a person accepts: not a value but the error of its row."""
    synced.world.machine_identifier = "somebody-else"
    synced.changes.edit(next(synced.world.movies("1")).id, title="Theirs")
    synced.changes.rename_library("2", "Theirs")
    before = _content(path)
    assert len(before) > 100
    for options in (AS_RUN, SyncOptions(selection=Selection(full=True, accept_removals=True))):
        (report,) = await sync(synced, options=options)
        assert type(report.error).__name__ == "WrongServer"
        assert _content(path) == before
