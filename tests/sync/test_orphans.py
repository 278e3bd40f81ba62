"""Shows, seasons and episodes: what belongs to what, also where the server's listings leave something out."""

from __future__ import annotations

import msgspec
import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from tests.support.rounds import FEW_LIBRARIES

pytestmark = [pytest.mark.no_groups, FEW_LIBRARIES]

AS_RUN = SyncOptions()

TREE = (
    "SELECT e.rating_key, w.rating_key, s.rating_key FROM episodes e"
    " LEFT JOIN shows w ON w.id = e.show_id LEFT JOIN seasons s ON s.id = e.season_id"
    " WHERE e.state <> 'missing'"
)


@pytest.fixture
def lighthouse(plex):
    """The show with specials, two seasons and a double episode."""
    return next(show for show in plex.world.shows("3") if show.title == "The Lighthouse Keepers")


@pytest.fixture
def almanac(plex):
    """The show whose episodes have no numbers, only dates."""
    return next(show for show in plex.world.shows("3") if any(e.index is None for e in plex.world.leaves_of(show.id)))


def _tree(plex) -> set[tuple[str, str, str]]:
    return {(e.rating_key, str(e.show_id), str(e.season_id)) for e in plex.world.episodes()}


def _run(reports, library: str = "TV Shows"):
    (run,) = [done.run for report in reports for done in report.passes if done.library == library]
    return run


def _missing(rows) -> list[tuple[object, ...]]:
    tables = ("shows", "seasons", "episodes")
    return [row for table in tables for row in rows(f"SELECT rating_key FROM {table} WHERE state = 'missing'")]


# Parents that are not listed -------------------------------------------------------------------------------------


async def test_a_show_that_is_not_listed_is_requested(plex, sync, rows, lighthouse) -> None:
    """Its episodes name it, so it is there; it does not go missing at the next complete listing either."""
    plex.quirks.unlisted = {lighthouse.id}
    run = _run(await sync(plex))
    assert (run.status, run.counts.listed) == ("ok", 62)
    assert set(rows(TREE)) == _tree(plex)
    assert rows("SELECT title, year, state FROM shows WHERE rating_key = ?", lighthouse.rating_key) == [
        ("The Lighthouse Keepers", 2019, "active")
    ]
    assert not _run(await sync(plex)).counts.any_change
    assert _missing(rows) == []


async def test_what_was_requested_equals_what_a_listing_shows(plex, sync, lighthouse) -> None:
    """When the show is listed after all nothing about it has changed: its genres too are as many as a listing's."""
    plex.quirks.unlisted = {lighthouse.id, *(season.id for season in plex.world.seasons_of(lighthouse.id))}
    await sync(plex)
    plex.quirks.unlisted = set()
    run = _run(await sync(plex))
    assert (run.status, run.counts.updated, run.counts.added) == ("ok", 0, 0)


async def test_a_show_that_goes_out_of_the_listing_stays_with_its_episodes(plex, sync, rows, lighthouse) -> None:
    """It was listed before. When its episodes go, it goes."""
    await sync(plex)
    plex.quirks.unlisted = {lighthouse.id}
    assert _run(await sync(plex)).status == "ok"
    assert _missing(rows) == []

    leaves = plex.world.leaves_of(lighthouse.id)
    plex.quirks.unlisted |= {season.id for season in plex.world.seasons_of(lighthouse.id)} | {
        leaf.id for leaf in leaves
    }
    run = _run(await sync(plex))
    assert (run.status, run.counts.removed) == ("ok", 1 + 3 + len(leaves))


async def test_a_quick_pass_requests_an_unlisted_show_too(plex, sync, rows) -> None:
    """A new episode may arrive before its show does."""
    await sync(plex)
    show = plex.changes.add_show("3", "Night Ferry", 2026)
    plex.changes.add_episode(show.id, 1, 1, "Departure")
    plex.quirks.unlisted = {show.id}
    ((mark,),) = rows("SELECT content_changed_at FROM libraries WHERE library_name = 'TV Shows'")
    plex.world.libraries["3"].content_changed_at = mark  # as if it had not moved
    run = _run(await sync(plex, options=AS_RUN))
    assert (run.kind, run.status) == ("quick", "ok")
    assert set(rows(TREE)) == _tree(plex)
    assert rows("SELECT state FROM shows WHERE title = 'Night Ferry'") == [("active",)]


async def test_a_show_that_the_server_does_not_know_either_is_looked_for_again(plex, sync, rows, lighthouse) -> None:
    """Its episodes are stored without it, and hang on it as soon as it is there."""
    plex.quirks.unlisted = {lighthouse.id, *(season.id for season in plex.world.seasons_of(lighthouse.id))}
    plex.faults.fail("/library/metadata/*", status=404, times=None)
    assert _run(await sync(plex)).status == "ok"
    leaves = len(plex.world.leaves_of(lighthouse.id))
    assert rows("SELECT count(*) FROM episodes WHERE show_id IS NULL") == [(leaves,)]
    assert not _run(await sync(plex)).counts.any_change

    plex.faults.clear()
    assert _run(await sync(plex)).counts.updated == leaves
    assert set(rows(TREE)) == _tree(plex)
    assert not _run(await sync(plex)).counts.any_change


async def test_a_parent_is_looked_for_once_a_pass(plex, sync, lighthouse) -> None:
    """However many pages its episodes stand on, and whether the server has it or not."""
    plex.quirks.unlisted = {lighthouse.id}
    plex.quirks.page_cap = 3
    plex.faults.fail("/library/metadata/*", status=404, times=None)
    await sync(plex)
    asked = plex.requests_for(f"/library/metadata/{lighthouse.id}")
    assert len(plex.requests_for("/library/sections/3/allLeaves")) > 5
    assert len(asked) == 1


async def test_an_error_of_that_request_ends_the_pass(plex, sync, rows, lighthouse) -> None:
    """No answer is not the answer that there is no such show."""
    plex.quirks.unlisted = {lighthouse.id}
    plex.faults.fail("/library/metadata/*", status=500, times=None)
    assert _run(await sync(plex)).status == "incomplete"
    plex.faults.clear()
    assert _run(await sync(plex)).status == "ok"
    assert set(rows(TREE)) == _tree(plex)


# Seasons that are hidden -----------------------------------------------------------------------------------------


async def test_hidden_seasons_are_found_by_their_number(plex, sync, rows) -> None:
    """Episodes do not name their season; specials are number 0, which is a number like any other."""
    plex.quirks.hidden_seasons = True
    assert _run(await sync(plex)).status == "ok"
    assert set(rows(TREE)) == _tree(plex)
    assert rows("SELECT count(*) FROM episodes WHERE digest IS NULL") == [(0,)]
    assert not _run(await sync(plex)).counts.any_change


async def test_a_season_that_appears_later_takes_its_episodes_in(plex, sync, rows, lighthouse) -> None:
    """They have not changed, and name it no more than before."""
    seasons = plex.world.seasons_of(lighthouse.id)
    plex.quirks.hidden_seasons, plex.quirks.unlisted = True, {season.id for season in seasons}
    await sync(plex)
    hers = {leaf.rating_key for leaf in plex.world.leaves_of(lighthouse.id)}
    assert {season for key, _, season in rows(TREE) if key in hers} == {None}
    assert not _run(await sync(plex)).counts.any_change

    plex.quirks.unlisted = {seasons[0].id}
    run = _run(await sync(plex))

    assert (run.counts.added, run.counts.updated) == (2, 0)
    specials = {leaf.rating_key for leaf in plex.world.episodes_of(seasons[0].id)}
    expected = {row if row[0] not in specials else (*row[:2], None) for row in _tree(plex)}
    assert set(rows(TREE)) == expected


async def test_seasons_that_become_hidden_stay(plex, sync, rows, lighthouse) -> None:
    """The owner chose to hide them; the episodes are still theirs."""
    await sync(plex)
    before = set(rows(TREE))
    plex.quirks.hidden_seasons, plex.quirks.unlisted = (
        True,
        {season.id for season in plex.world.seasons_of(lighthouse.id)},
    )
    for show in list(plex.world.shows("3")):
        plex.world.put(show)  # so that its entries are encoded anew
    assert _run(await sync(plex)).status == "ok"
    assert set(rows(TREE)) == before
    assert _missing(rows) == []


# Numbers, dates, and shows of any size ---------------------------------------------------------------------------


async def test_number_zero_is_a_number_and_none_is_none(plex, sync, rows, lighthouse, almanac) -> None:
    """Specials stand in season 0, an episode may be number 0; what is known by its date has no number."""
    plex.changes.add_episode(lighthouse.id, 1, 0, "Before the Fog")
    await sync(plex)
    assert rows(
        "SELECT season_number, episode_number FROM active_episodes WHERE show_title = 'The Lighthouse Keepers'"
        " AND (season_number = 0 OR episode_number = 0) ORDER BY 1, 2"
    ) == [(0, 1), (0, 2), (1, 0)]
    assert rows("SELECT title FROM seasons WHERE season_number = 0") == [("Specials",)]
    dated = rows(
        "SELECT e.episode_number, e.originally_available_at, s.season_number FROM episodes e"
        " JOIN seasons s ON s.id = e.season_id JOIN shows w ON w.id = e.show_id WHERE w.rating_key = ?",
        almanac.rating_key,
    )
    assert len(dated) == len(plex.world.leaves_of(almanac.id)) > 1
    assert {number for number, *_ in dated} == {None}
    assert all(date for _, date, _ in dated)


async def test_a_show_may_have_no_episodes(plex, sync, rows) -> None:
    """It is there for a moment during a scan, or for good; and so may a season be empty."""
    plex.changes.add_show("3", "Coming Soon", 2027)
    await sync(plex)
    assert rows("SELECT state, total_seasons, total_episodes FROM shows WHERE title = 'Coming Soon'") == [
        ("active", 0, 0)
    ]
    assert rows(
        "SELECT w.title, s.season_number FROM seasons s JOIN shows w ON w.id = s.show_id"
        " WHERE NOT EXISTS (SELECT 1 FROM episodes e WHERE e.season_id = s.id)"
    ) == [('Kettle & Crow: "Private" Eyes?', 2)]
    assert not _run(await sync(plex)).counts.any_change


async def test_a_show_may_have_many_pages_of_episodes(config, sync, rows) -> None:
    """Also if it is the requested show: its own listing is read page by page, as the library's is."""
    async with SimulatedPlex(generated_library(movies=0, shows=1, episodes=600)) as plex:
        settings = config(plex, sync={"page_size": 100})
        await sync(settings)
        assert set(rows(TREE)) == _tree(plex)
        (show,) = plex.world.shows()
        edited = [leaf for leaf in plex.world.leaves_of(show.id) if leaf.index == 7]
        for leaf in edited:
            plex.changes.edit(leaf.id, title="Edited")
        plex.changes.delete(plex.world.leaves_of(show.id)[-1].id)

        run = _run(await sync(settings, options=SyncOptions(selection=Selection(show=(show.title, None)))))

        assert (run.status, run.counts.updated, run.counts.removed) == ("ok", len(edited) + 1, 1)  # and the show
        assert len(edited) > 20
        assert set(rows(TREE)) == _tree(plex)


# Episodes that move ----------------------------------------------------------------------------------------------


def _season(plex, show, number: int):
    return next(season for season in plex.world.seasons_of(show.id) if season.index == number)


async def test_an_episode_moves_to_another_season(plex, sync, rows, lighthouse) -> None:
    """Its row goes along, with its id and its file."""
    await sync(plex)
    target = _season(plex, lighthouse, 0)
    episode = plex.world.episodes_of(_season(plex, lighthouse, 1).id)[0]
    query = "SELECT id, media_file_id FROM episodes WHERE rating_key = ?"
    before = rows(query, episode.rating_key)
    plex.changes.edit(episode.id, season_id=target.id, season_index=0, index=3)
    run = _run(await sync(plex, options=AS_RUN))
    assert (run.kind, run.status, run.counts.added, run.counts.removed) == ("quick", "ok", 0, 0)
    assert set(rows(TREE)) == _tree(plex)
    assert rows(query, episode.rating_key) == before
    assert rows("SELECT season_number, episode_number FROM episodes WHERE rating_key = ?", episode.rating_key) == [
        (0, 3)
    ]


async def test_an_episode_moves_to_another_show(plex, sync, rows, lighthouse, almanac) -> None:
    """Likewise, and neither show loses anything else."""
    await sync(plex)
    target = plex.world.seasons_of(almanac.id)[0]
    episode = plex.world.episodes_of(_season(plex, lighthouse, 1).id)[0]
    before = rows("SELECT id FROM episodes WHERE rating_key = ?", episode.rating_key)
    plex.changes.edit(episode.id, show_id=almanac.id, season_id=target.id, season_index=target.index)
    run = _run(await sync(plex))
    assert (run.status, run.counts.added, run.counts.removed) == ("ok", 0, 0)
    assert set(rows(TREE)) == _tree(plex)
    assert rows("SELECT id FROM episodes WHERE rating_key = ?", episode.rating_key) == before


async def test_an_episode_moves_to_a_season_that_is_new(plex, sync, rows, lighthouse) -> None:
    """And the season that is empty now goes."""
    await sync(plex)
    old = _season(plex, lighthouse, 2)
    new = msgspec.structs.replace(
        old, id=plex.world.new_id("item"), index=9, guid="plex://season/9", title="Season 9"
    )
    plex.world.put(new)
    for episode in plex.world.episodes_of(old.id):
        plex.world.put(msgspec.structs.replace(episode, season_id=new.id, season_index=9))
    plex.world.drop(old.id)

    run = _run(await sync(plex))

    assert (run.status, run.counts.added, run.counts.removed) == ("ok", 1, 1)
    assert set(rows(TREE)) == _tree(plex)
    assert _missing(rows) == [(old.rating_key,)]


# Files ------------------------------------------------------------------------------------------------------------


async def test_a_version_that_was_removed_goes_with_its_items_update(plex, engine, rows) -> None:
    """In one transaction: as long as the film's row cannot be written its file's row stays."""
    running = await engine(plex)
    await running.round()
    film = next(movie for movie in plex.world.movies("1") if len(movie.media) > 1)
    files = "SELECT part_id FROM media_files WHERE rating_key = ? ORDER BY id"
    both = rows(files, film.rating_key)
    plex.changes.edit(film.id, media=film.media[1:])
    await running.database.writer.run(
        lambda c: c.execute(
            "CREATE TEMP TRIGGER refuse BEFORE UPDATE ON main.movies BEGIN SELECT RAISE(ABORT, 'not now'); END"
        )
    )
    (report,) = await running.round()
    assert _run([report], "Movies").status == "failed"
    assert rows(files, film.rating_key) == both
    assert len(both) == 2

    await running.database.writer.run(lambda c: c.execute("DROP TRIGGER refuse"))
    (report,) = await running.round()

    assert _run([report], "Movies").counts.updated == 1
    assert rows(files, film.rating_key) == [(film.media[1].parts[0].id,)]
    assert rows(
        "SELECT f.part_id FROM movies m JOIN media_files f ON f.id = m.media_file_id WHERE m.rating_key = ?",
        film.rating_key,
    ) == [(film.media[1].parts[0].id,)]


async def test_a_double_episode_is_two_rows_over_one_path(plex, sync, rows, lighthouse) -> None:
    """Renaming the file changes both."""
    await sync(plex)
    pair = plex.world.episodes_of(_season(plex, lighthouse, 2).id)[-2:]
    for episode in pair:
        plex.changes.rename_file(episode.id, "/srv/media/tv/double.mkv")
    run = _run(await sync(plex, options=AS_RUN))
    assert (run.status, run.counts.updated) == ("ok", 2)
    assert rows("SELECT rating_key FROM media_files WHERE plex_path = '/srv/media/tv/double.mkv' ORDER BY 1") == [
        (episode.rating_key,) for episode in pair
    ]
