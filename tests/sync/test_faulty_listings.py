"""Listings with entries that cannot be had or have no key, or of unknown length: nothing is lost through them."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.demo.marks import Marks
from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync import confirmation
from tests.support.servers import few_groups, without_groups

AS_RUN = SyncOptions()
ACCEPTED = SyncOptions(selection=Selection(full=True, accept_removals=True))
HOWS = ("error", "refusal", "drop", "truncate", "garble")


@pytest.fixture
async def films():
    async with SimulatedPlex(without_groups(generated_library(movies=30, shows=0, episodes=0))) as plex:
        yield plex


@pytest.fixture
async def grouped_films():
    async with SimulatedPlex(few_groups(generated_library(movies=30, shows=0, episodes=0))) as plex:
        yield plex


def _run(reports, library: str = "Movies"):
    (done,) = [done for report in reports for done in report.passes if done.library == library]
    return done.run


def _states(rows) -> list[tuple[object, ...]]:
    return rows("SELECT state, count(*) FROM movies GROUP BY state ORDER BY state")


def _keys(rows) -> set[str]:
    return {str(key) for (key,) in rows("SELECT rating_key FROM movies WHERE state = 'active'")}


@pytest.mark.parametrize("how", HOWS)
async def test_one_bad_film_costs_only_itself(grouped_films, config, sync, rows, how) -> None:
    """Whatever it does to its page: all others arrive, and it is reported with its neighbours; the doubt stays.

    It is as bad in its collections and beside its labels.
    """
    films = grouped_films
    settings = config(films, sync={"page_size": 10, "retention": "0s"})
    all_films = list(films.world.movies())
    films.faults.poison(all_films[16].id, how)

    first = _run(await sync(settings))
    assert (first.status, first.counts.added, first.counts.skipped) == ("incomplete", 29, 1)
    assert f"position 16, after the item with rating key {all_films[15].rating_key}" in first.error

    run = _run(await sync(settings, options=AS_RUN))
    assert (run.kind, run.status, run.counts.removed) == ("full", "ok", 0)
    assert rows("SELECT doubt = last_error, list_again FROM libraries WHERE doubt IS NOT NULL") == [(1, 0)]
    run = _run(await sync(settings, options=AS_RUN))
    assert (run.kind, run.status) == ("quick", "ok")

    films.faults.clear()
    run = _run(await sync(settings))
    assert (run.status, run.error, run.counts.added) == ("ok", None, 1)
    assert rows("SELECT count(*) FROM libraries WHERE doubt IS NOT NULL OR last_error IS NOT NULL") == [(0,)]


async def test_a_film_that_hangs_costs_only_itself(config, sync, rows, monkeypatch) -> None:
    """Its page does not arrive in time, nor does it the next time: that pass is ok, and the doubt stays."""
    # A server that let a request time out gets a rest before each further one: here a short one.
    monkeypatch.setattr("retrovue_daemon.sources.plex.pace.LONGEST_REST_S", 0.01)
    async with SimulatedPlex(generated_library(movies=30, shows=0, episodes=0)) as films:
        settings = config(films, sync={"page_size": 10}, server={"timeout": "1s"})
        films.faults.poison(list(films.world.movies())[16].id, "hang")

        first = _run(await sync(settings))
        assert (first.status, first.counts.added, first.counts.skipped) == ("incomplete", 29, 1)
        assert "no data for" in first.error
        # Two of its collections are tried, each twice, and not in halves: every step would cost a timeout.
        members = Counter(
            request.path for request in films.requests if request.path.startswith("/library/collections/")
        )
        assert sorted(members.values())[-3:] == [1, 2, 2]

        second = _run(await sync(settings, options=AS_RUN))
        assert (second.kind, second.status, second.counts.removed) == ("full", "ok", 0)
        assert rows("SELECT doubt = last_error, list_again FROM libraries WHERE doubt IS NOT NULL") == [(1, 0)]
        assert _states(rows) == [("active", 29)]


@pytest.mark.parametrize("bad", [(0,), (29,), (0, 29), (15, 16), (9, 10), (19, 20, 21)])
@pytest.mark.parametrize("no_totals", [False, True])
async def test_bad_films_anywhere(films, config, sync, rows, bad, no_totals) -> None:
    """At the beginning, at the end, side by side, over the bounds of pages; also where the total is never said."""
    settings = config(films, sync={"page_size": 10, "retention": "0s"})
    await sync(settings)
    films.quirks.no_totals = no_totals
    all_films = list(films.world.movies())
    for number in bad:
        films.faults.poison(all_films[number].id)
    assert [_run(await sync(settings)).status for _ in range(3)] == ["incomplete", "ok", "ok"]
    assert _states(rows) == [("active", 30)]


@pytest.mark.parametrize("how", ["error", "refusal"])
async def test_what_left_beside_a_bad_film_goes_and_the_bad_one_stays(films, config, sync, rows, how) -> None:
    """Each row that goes has a 404 of its own; what may be the entry that was not read is not requested."""
    settings = config(films, sync={"page_size": 10, "retention": "0s"})
    await sync(settings)
    all_films = list(films.world.movies())
    films.faults.poison(all_films[16].id, how)
    await sync(settings)
    films.world.drop(all_films[3].id)
    run = _run(await sync(settings))
    assert (run.status, run.counts.removed) == ("ok", 1)
    assert _keys(rows) == {film.rating_key for film in all_films if film is not all_films[3]}


@pytest.mark.parametrize("what", ["shows", "seasons", "episodes"])
@pytest.mark.parametrize("how", ["error", "refusal"])
async def test_a_bad_entry_in_a_show_library(config, sync, rows, what, how) -> None:
    """Everything behind it and below it is still read; its own children too, where it is a show."""
    async with SimulatedPlex(without_groups(generated_library(movies=0, shows=6, episodes=60))) as plex:
        settings = config(plex, sync={"page_size": 5})
        items = list(getattr(plex.world, what)())
        plex.faults.poison(items[2].id, how)
        run = _run(await sync(settings), "TV Shows")
        assert run.status == "incomplete"
        for table in ("shows", "seasons", "episodes"):
            there = sum(1 for _ in getattr(plex.world, table)())
            assert rows(f"SELECT count(*) FROM {table}") == [(there - (table == what),)]
        assert _run(await sync(settings), "TV Shows").status == "ok"


@pytest.mark.parametrize("how", ["error", "refusal"])
async def test_what_was_added_again_beside_a_bad_film_keeps_its_id(films, config, sync, rows, how) -> None:
    """Its old key may be that of the entry that was not read, but the server has nothing under it."""
    settings = config(films, sync={"page_size": 10})
    await sync(settings)
    bad, beside = list(films.world.movies())[16:18]
    films.faults.poison(bad.id, how)
    for _ in range(2):
        await sync(settings)
    known = "SELECT id, source_id FROM movies ORDER BY id"
    before = rows(known)
    films.changes.recreate(beside.id)
    for _ in range(2):  # the neighbours of the bad film are others now
        run = _run(await sync(settings))
    assert (run.status, run.counts.removed) == ("ok", 0)
    assert rows(known) == before
    films.faults.clear()
    await sync(settings)
    assert rows(known) == before


@pytest.fixture
async def recreated(config, sync):
    """Sync 600 films; 250 of them, beside one that the server cannot send, get new keys, and others are removed."""
    async with SimulatedPlex(without_groups(generated_library(movies=600, shows=0, episodes=0))) as plex:
        settings = config(plex, sync={"retention": "0s", "max_removed": "90%"})
        for film in list(plex.world.movies()):
            plex.world.put(msgspec.structs.replace(film, guid=f"plex://movie/{film.id:024x}"))
        all_films = list(plex.world.movies())
        await sync(settings)
        plex.faults.poison(all_films[299].id)
        for film in all_films[300:550]:
            plex.changes.recreate(film.id)
        yield plex, settings, all_films


async def test_many_that_were_added_again_beside_a_bad_film_keep_their_ids(recreated, sync, rows) -> None:
    """Two hundred requests per pass, not for the same rows each time; the marks wait for the rest."""
    plex, settings, all_films = recreated
    known = "SELECT id, source_id FROM movies WHERE state = 'active' ORDER BY id"
    before = rows(known)
    assert _run(await sync(settings)).status == "incomplete"  # the bad film is new
    plex.requests.clear()
    run = _run(await sync(settings))
    assert (run.status, run.counts.moved, run.counts.removed) == ("ok", 200, 0)
    assert "50 items that are no longer listed will be requested" in run.error
    asked = {request.path.rpartition("/")[2] for request in plex.requests_for("/library/metadata/*")}
    assert len(asked) == 201  # and one that is listed
    assert not {film.rating_key for film in all_films[300:500]} <= asked
    run = _run(await sync(settings, options=AS_RUN))
    assert (run.kind, run.status, run.counts.moved, run.counts.removed) == ("full", "ok", 50, 0)
    assert rows(known) == before
    assert _run(await sync(settings, options=AS_RUN)).kind == "quick"


async def test_all_requests_of_a_pass_are_counted_together(recreated, sync, rows) -> None:
    """Those for what left, and those for what may have a new key; in the end, both are decided."""
    plex, settings, all_films = recreated
    for film in all_films[:150]:
        plex.world.drop(film.id)
    await sync(settings)
    runs = []
    for _ in range(2):
        plex.requests.clear()
        runs.append(_run(await sync(settings)))
        assert len(plex.requests_for("/library/metadata/*")) == 201
    assert [run.status for run in runs] == ["ok", "ok"]
    assert sum(run.counts.moved for run in runs) == 250
    assert sum(run.counts.removed for run in runs) == 150
    assert _states(rows) == [("active", 450)]


async def test_what_was_added_again_twice_before_a_whole_listing_keeps_its_id(films, sync, rows) -> None:
    """The row of the key in between was never in a complete listing."""
    await sync(films)
    known = "SELECT id, source_id FROM movies WHERE state = 'active' ORDER BY id"
    before = rows(known)
    films.faults.miscount("/library/sections/1/all", by=3, times=None)
    (again,) = films.changes.recreate(list(films.world.movies())[7].id)
    assert _run(await sync(films)).status == "incomplete"
    films.faults.clear()
    films.changes.recreate(again.id)
    assert _run(await sync(films)).status == "ok"
    assert rows(known) == before


async def test_a_server_in_trouble_is_no_bad_film(films, config, sync, rows) -> None:
    """Where each entry fails there is none to blame: nothing is skipped, and the pass fails with the error."""
    films.faults.fail("/library/sections/1/all", status=500, times=None)
    run = _run(await sync(films))
    assert (run.status, run.counts.skipped, run.counts.pages) == ("failed", 0, 0)
    assert "HTTP 500" in run.error


async def test_a_quick_pass_that_meets_a_bad_film_causes_a_full_one(films, sync, rows) -> None:
    """Once: a full pass has found it then."""
    await sync(films)
    edited = list(films.world.movies())[5]
    films.changes.edit(edited.id, title="edited")
    films.faults.poison(edited.id)
    kinds = [(run.kind, run.status) for run in [_run(await sync(films, options=AS_RUN)) for _ in range(4)]]
    assert kinds == [("quick", "ok"), ("full", "incomplete"), ("full", "ok"), ("quick", "ok")]


async def test_films_without_a_key_are_not_gone(films, config, sync, rows) -> None:
    """Their rows stay, with `retention = "0s"` too; what the server answers 404 for goes."""
    settings = config(films, sync={"page_size": 10, "retention": "0s"})
    await sync(settings)
    all_films = list(films.world.movies())
    films.faults.keyless |= {film.id for film in all_films[:15]}
    before = rows("SELECT last_full_sync_at, listed_until FROM libraries WHERE library_key = '1'")
    films.world.drop(all_films[20].id)
    run = _run(await sync(settings))
    assert (run.status, run.counts.removed) == ("incomplete", 0)
    assert "15 entries have no rating key" in run.error
    assert rows("SELECT last_full_sync_at, listed_until FROM libraries WHERE library_key = '1'") == before

    run = _run(await sync(settings, options=AS_RUN))
    assert (run.kind, run.status, run.counts.removed) == ("full", "ok", 1)
    assert _keys(rows) == {film.rating_key for film in all_films if film is not all_films[20]}
    assert _run(await sync(settings, options=AS_RUN)).kind == "quick"


@pytest.mark.parametrize("number", [30, 500])
async def test_an_empty_page_of_a_server_without_totals_removes_nothing(config, sync, rows, number) -> None:
    """It looks like the end of the listing: few rows are requested, for many the listing is read again."""
    async with SimulatedPlex(without_groups(generated_library(movies=number, shows=0, episodes=0))) as plex:
        settings = config(plex, sync={"page_size": number // 10, "max_removed": "100%", "retention": "0s"})
        plex.quirks.no_totals = True
        await sync(settings)
        plex.faults.empty("/library/sections/1/all", after=3)
        run = _run(await sync(settings))
        assert (run.status, run.counts.removed) == ("incomplete", 0)
        assert _states(rows) == [("active", number)]
        assert _run(await sync(settings)).status == "ok"


async def test_many_that_left_a_server_without_totals_go_after_two_equal_listings(config, sync, rows) -> None:
    """No total, but twice the same."""
    async with SimulatedPlex(without_groups(generated_library(movies=500, shows=0, episodes=0))) as plex:
        settings = config(plex, sync={"max_removed": "90%"})
        plex.quirks.no_totals = True
        await sync(settings)
        for film in list(plex.world.movies())[:300]:
            plex.world.drop(film.id)
        plex.requests.clear()
        run = _run(await sync(settings))
        assert (run.status, run.counts.removed, run.counts.listed) == ("ok", 300, 200)
        assert plex.requests_for("/library/metadata/*") == []


async def test_the_guard_counts_items_not_yet_requested(config, sync, rows, monkeypatch) -> None:
    """As many as are requested at a time would pass it; a person accepts all of them at once."""
    monkeypatch.setattr(confirmation, "MOST_AT_ONCE", 20)
    async with SimulatedPlex(without_groups(generated_library(movies=150, shows=0, episodes=0))) as plex:
        settings = config(plex, sync={"max_removed": "20%"})
        await sync(settings)
        for film in list(plex.world.movies())[:50]:
            plex.world.drop(film.id)
        plex.faults.miscount("/library/sections/1/all", by=7, times=None)
        assert [_run(await sync(settings)).status for _ in range(2)] == ["incomplete", "blocked"]
        assert _states(rows) == [("active", 150)]
        assert _run(await sync(settings, options=ACCEPTED)).counts.removed == 50


@pytest.mark.parametrize("fault", ["keyless", "error", "refusal", "total", "no total"])
@pytest.mark.parametrize("what", ["movies", "shows", "seasons", "episodes"])
async def test_keys_that_are_given_out_again_move_no_id_beside_a_fault_that_stays(
    config, sync, rows, fault, what
) -> None:
    """Each id stays with its item at once: later the owner of the row under the new key could not be determined."""
    async with SimulatedPlex(without_groups(generated_library(movies=12, shows=4, episodes=6))) as plex:
        settings = config(plex)
        await sync(settings)
        items = list(getattr(plex.world, what)())
        listings = "/library/sections/*/*"
        match fault:
            case "keyless":
                plex.faults.keyless.add(items[-1].id)
            case "error" | "refusal":
                plex.faults.poison(items[-1].id, fault)
            case "total":
                plex.faults.miscount(listings, by=3, times=None)
            case _:
                plex.quirks.no_totals = True
        for _ in range(2):
            await sync(settings)
        named = f"SELECT id, source_id, state FROM {what} ORDER BY id"
        before = rows(named)
        reissue_keys(plex.world, items[0].id, items[1].id)
        library = "Movies" if what == "movies" else "TV Shows"
        assert _run(await sync(settings, options=AS_RUN), library).status == "ok"
        assert rows(named) == before
        plex.faults.clear()
        await sync(settings)
        assert rows(named) == before


@pytest.mark.parametrize("how", ["error", "refusal"])
@pytest.mark.parametrize("number", [6, 12])
async def test_several_bad_shows_cost_only_themselves(config, sync, rows, number, how) -> None:
    """Neither their listing nor their own page can be had; their episodes are stored without them."""
    async with SimulatedPlex(without_groups(generated_library(movies=0, shows=40, episodes=3))) as plex:
        for show in list(plex.world.shows())[::3][:number]:
            plex.faults.poison(show.id, how)
        settings = config(plex)
        assert [_run(await sync(settings), "TV Shows").status for _ in range(2)] == ["incomplete", "ok"]
        assert rows("SELECT count(*) FROM shows") == [(40 - number,)]
        assert rows("SELECT count(*), count(show_id) FROM episodes") == [(120, 120 - 3 * number)]


async def test_a_film_that_the_server_cannot_answer_for_holds_up_no_other(films, config, sync, rows) -> None:
    """It stays, what is gone goes, and the library is not listed again and again."""
    await sync(films)
    hidden, gone = list(films.world.movies())[3:5]
    films.quirks.unlisted = {hidden.id}
    films.faults.fail(f"/library/metadata/{hidden.rating_key}", status=500, times=None)
    films.faults.miscount("/library/sections/1/all", by=3, times=None)
    films.changes.delete(gone.id)
    kinds = [(run.kind, run.status) for run in [_run(await sync(films, options=AS_RUN)) for _ in range(3)]]
    assert kinds == [("full", "incomplete"), ("full", "ok"), ("quick", "ok")]
    assert rows("SELECT rating_key FROM movies WHERE state = 'missing'") == [(gone.rating_key,)]


async def test_a_film_whose_key_belongs_to_an_episode_now_is_gone(plex, sync, rows) -> None:
    """The server has an item with that key, but it is no film."""
    await sync(plex)
    film = next(plex.world.movies("1"))
    episode = plex.changes.add_episode(next(plex.world.shows("3")).id, 1, 77, "Found Again")
    plex.world.drop(film.id)
    plex.world.drop(episode.id)
    plex.world.put(msgspec.structs.replace(episode, id=film.id))
    for library in ("1", "3"):
        Marks(plex.world).scan_found(library)
    plex.faults.miscount("/library/sections/1/all", by=3, times=None)
    assert [_run(await sync(plex)).counts.removed for _ in range(2)] == [0, 1]
    assert rows("SELECT state FROM movies WHERE rating_key = ?", film.rating_key) == [("missing",)]


@pytest.mark.parametrize("how", HOWS)
async def test_a_sync_of_one_show_removes_no_episode_that_cannot_be_read(config, sync, rows, how) -> None:
    """Also where the server answers 404 for the episode alone."""
    async with SimulatedPlex(without_groups(generated_library(movies=0, shows=2, episodes=60))) as plex:
        settings = config(plex, sync={"page_size": 5, "retention": "0s"})
        await sync(settings)
        show = next(plex.world.shows())
        plex.faults.poison(list(plex.world.leaves_of(show.id))[12].id, how)
        one = SyncOptions(selection=Selection(show=(show.title, None)))
        run = _run(await sync(settings, options=one), "TV Shows")
        assert (run.status, run.counts.removed) == ("ok", 0)
        assert rows("SELECT state, count(*) FROM episodes GROUP BY state") == [("active", 120)]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [('"type":"movie"', '"type":"film"', "type 'film'"), ('"ratingKey"', '"ratingNote"', "no ratingKey")],
    ids=["type", "key"],
)
async def test_a_library_of_which_no_entry_can_be_read_is_a_problem(
    films, config, sync, rows, old, new, reason
) -> None:
    """Not an empty library: nothing is removed, the database says what is wrong and what to do until it is over."""
    settings = config(films)
    problem = (
        "SELECT last_error, last_error_hint, failing_since IS NOT NULL FROM libraries WHERE library_name = 'Movies'"
    )
    await sync(settings)
    films.faults.rewrite("/library/sections/1/all", old, new, times=None)
    for options in (SyncOptions(selection=Selection(full=True)), AS_RUN, AS_RUN):
        run = _run(await sync(settings, options=options))
        assert (run.kind, run.status, run.counts.skipped, run.counts.removed) == ("full", "incomplete", 30, 0)
        ((error, hint, failing),) = rows(problem)
        assert error.startswith("movies: none of its entries can be read; the reason for the first of '")
        assert reason in error
        assert "item.skipped" in hint
        assert failing
    assert _states(rows) == [("active", 30)]

    films.faults.clear()
    assert _run(await sync(settings, options=AS_RUN)).status == "ok"
    assert rows(problem) == [(None, None, 0)]
