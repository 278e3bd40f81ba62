"""Plex's database is put back from a backup: rating keys that were known belong to other items afterwards."""

from __future__ import annotations

import msgspec
import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.demo.marks import Marks
from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync import confirmation, key_conflicts
from tests.support.rounds import FEW_LIBRARIES
from tests.support.servers import without_groups

pytestmark = [pytest.mark.no_groups, FEW_LIBRARIES]

AS_RUN = SyncOptions()
FULL = SyncOptions(selection=Selection(full=True))


@pytest.fixture
async def synced(plex, sync):
    await sync(plex)
    return plex


@pytest.fixture
def named(rows):
    """Tell which item each id stands for: by what Plex's catalogue and the disk know it as."""

    def work() -> dict[tuple[str, int], tuple[object, ...]]:
        found: dict[tuple[str, int], tuple[object, ...]] = {}
        for kind, query in {
            "movies": "SELECT m.id, m.title, m.source_id, m.media_file_id, f.plex_path FROM movies m"
            " LEFT JOIN media_files f ON f.id = m.media_file_id",
            "shows": "SELECT id, title, source_id FROM shows",
            "seasons": "SELECT s.id, s.season_number, s.source_id, w.title FROM seasons s"
            " JOIN shows w ON w.id = s.show_id",
            "episodes": "SELECT e.id, e.episode_title, e.source_id, e.media_file_id, f.plex_path, w.title,"
            " s.season_number FROM episodes e LEFT JOIN media_files f ON f.id = e.media_file_id"
            " JOIN shows w ON w.id = e.show_id JOIN seasons s ON s.id = e.season_id",
        }.items():
            found |= {(kind, row[0]): row[1:] for row in rows(query)}
        assert rows("PRAGMA foreign_key_check") == []
        return found

    return work


@pytest.fixture
def keys(rows):
    """Tell the rating keys of all rows, by table and id."""

    def work(table: str) -> dict[int, str]:
        return dict(rows(f"SELECT id, rating_key FROM {table} WHERE state <> 'missing'"))

    return work


def _matched(items):
    return [item for item in items if item.guid.startswith("plex://")]


def _pass(reports, library: str):
    return next(done.run for report in reports for done in report.passes if done.library == library)


@pytest.mark.parametrize("number", [2, 3])
async def test_films_that_exchanged_keys_keep_their_ids(synced, sync, named, keys, number) -> None:
    """Ids and file ids stay with the films; the keys go to others."""
    before, old_keys = named(), keys("movies")
    films = [film for film in _matched(synced.world.movies("1")) if film.media][:number]
    reissue_keys(synced.world, *(film.id for film in films))

    reports = await sync(synced, options=AS_RUN)

    assert named() == before
    assert keys("movies") != old_keys
    run = _pass(reports, "Movies")
    assert (run.status, run.counts.moved, run.counts.added, run.counts.removed) == ("ok", number, 0, 0)
    again = await sync(synced, options=FULL)
    assert all(done.run.counts.moved == 0 for report in again for done in report.passes)
    assert named() == before


@pytest.fixture
def placed(rows):
    """Tell which file each id of a film stands for."""

    def work() -> list[tuple[object, ...]]:
        return rows(
            "SELECT m.id, m.title, m.media_file_id, f.plex_path FROM movies m"
            " LEFT JOIN media_files f ON f.id = m.media_file_id ORDER BY m.id"
        )

    return work


async def test_unmatched_films_that_exchanged_keys_keep_their_ids(synced, sync, placed, keys) -> None:
    """Their guids are made of the keys, and go to others with them: the files decide."""
    unmatched = [synced.changes.add_movie("1", title, 1950) for title in ("Attic", "Barn", "Cellar")]
    for film in unmatched:
        synced.changes.edit(film.id, guid=f"local://{film.id}")
        synced.changes.replace_file(film.id, size=1_000_000 + film.id, duration=60_000)
    await sync(synced, options=AS_RUN)
    before, old_keys = placed(), keys("movies")
    reissue_keys(synced.world, *(film.id for film in unmatched))

    reports = await sync(synced, options=AS_RUN)

    assert placed() == before
    assert sum(old_keys[row_id] != key for row_id, key in keys("movies").items()) == len(unmatched)
    assert _pass(reports, "Movies").counts.moved == len(unmatched)


async def test_a_key_that_a_new_film_got_takes_no_id_along(synced, sync, named, rows, keys) -> None:
    """Its old owner comes back under a new key and has its old id; the new film gets a new one."""
    film = next(film for film in _matched(synced.world.movies("1")) if film.media)
    before = named()
    new = synced.changes.add_movie("1", "Newly Found", 1950)
    reissue_keys(synced.world, film.id, new.id)

    await sync(synced, options=AS_RUN)

    after = named()
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 1
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Newly Found",)]


async def test_a_film_whose_key_was_given_away_is_missing_if_it_is_gone(synced, sync, rows) -> None:
    """Its row is never the other film's; it comes back when the film does."""
    film, other = [film for film in _matched(synced.world.movies("1")) if film.media][:2]
    ((row_id,),) = rows("SELECT id FROM movies WHERE rating_key = ?", film.rating_key)
    reissue_keys(synced.world, film.id, other.id)
    gone = synced.changes.delete(other.id)  # where the first film is now

    await sync(synced, options=AS_RUN)

    assert rows("SELECT title, state FROM movies WHERE id = ?", row_id) == [(film.title, "missing")]
    assert rows("SELECT title, state FROM movies WHERE rating_key = ?", film.rating_key) == [(other.title, "active")]
    synced.changes.add_again(*gone)
    await sync(synced, options=AS_RUN)
    assert rows("SELECT title, state FROM movies WHERE id = ?", row_id) == [(film.title, "active")]


async def test_a_film_that_was_matched_anew_keeps_its_id(synced, sync, rows) -> None:
    """Same key, same file, another guid: Fix Match."""
    film = next(film for film in _matched(synced.world.movies("1")) if film.media)
    before = rows("SELECT id, media_file_id FROM movies WHERE rating_key = ?", film.rating_key)
    synced.changes.rematch(film.id, "plex://movie/5d7768ffffffffffffffffff")
    await sync(synced, options=FULL)
    assert rows("SELECT id, media_file_id FROM movies WHERE rating_key = ?", film.rating_key) == before


async def test_a_film_whose_file_was_upgraded_keeps_its_id(synced, sync, rows) -> None:
    """Same key, same guid, another file."""
    film = next(film for film in _matched(synced.world.movies("1")) if film.media)
    before = rows("SELECT id, media_file_id FROM movies WHERE rating_key = ?", film.rating_key)
    synced.changes.upgrade_file(film.id)
    await sync(synced, options=AS_RUN)
    assert rows("SELECT id, media_file_id FROM movies WHERE rating_key = ?", film.rating_key) == before


@pytest.mark.parametrize("level", ["episodes", "shows", "seasons", "all"])
async def test_shows_that_exchanged_keys_keep_their_ids(synced, sync, named, level) -> None:
    """At each level alone, and at all three at once: ids stay with what they stood for."""
    before = named()
    world = synced.world
    shows = [show for show in _matched(world.shows("3")) if world.leaves_of(show.id)][:2]
    seasons = [world.seasons_of(show.id)[0] for show in shows]
    episodes = [_matched(world.leaves_of(show.id))[0] for show in shows]
    if level in {"episodes", "all"}:
        reissue_keys(world, *(episode.id for episode in episodes))
    if level in {"seasons", "all"}:
        reissue_keys(world, *(season.id for season in seasons))
    if level in {"shows", "all"}:
        reissue_keys(world, *(show.id for show in shows))

    reports = await sync(synced, options=AS_RUN)

    assert named() == before
    run = _pass(reports, "TV Shows")
    assert (run.status, run.counts.added, run.counts.removed) == ("ok", 0, 0)
    await sync(synced, options=FULL)
    assert named() == before


@pytest.mark.parametrize("pages", [1, 2, 4, 7])
@pytest.mark.parametrize("how", ["exchanged", "given to a new one"])
async def test_a_pass_that_breaks_off_does_not_mix_up_shows(config, sync, named, rows, how, pages) -> None:
    """What it wrote of the episodes does not make the next pass take one show for the other."""
    async with SimulatedPlex(without_groups(generated_library(movies=0, shows=4, episodes=10))) as plex:
        settings = config(plex, sync={"page_size": 5})
        await sync(settings)
        before = named()
        first, second = list(plex.world.shows("2"))[:2]
        if how == "given to a new one":
            second = plex.changes.add_show("2", "Newly Found")
            for number in range(8):
                plex.changes.add_episode(second.id, 1, number, f"New {number}")
        reissue_keys(plex.world, first.id, second.id)
        plex.faults.fail("/library/sections/2/allLeaves", status=401, times=4, after=pages)
        assert _pass(await sync(settings), "TV Shows").status == "incomplete"
        plex.faults.clear()

        assert _pass(await sync(settings), "TV Shows").status == "ok"

        after = named()
        assert {key: value for key, value in after.items() if key in before} == before


@pytest.mark.parametrize("breaks_off", [False, True])
async def test_more_episodes_than_are_kept_do_not_mix_up_shows(config, sync, named, monkeypatch, breaks_off) -> None:
    """The next pass writes those for which there was no room; until then, nothing is removed."""
    monkeypatch.setattr(key_conflicts, "MOST_WAITING", 3)
    async with SimulatedPlex(without_groups(generated_library(movies=0, shows=4, episodes=10))) as plex:
        settings = config(plex, sync={"page_size": 5})
        await sync(settings)
        before = named()
        first, other = list(plex.world.shows("2"))[:2]
        second = plex.changes.add_show("2", "Newly Found")
        for number in range(8):
            plex.changes.add_episode(second.id, 1, number, f"New {number}")
        reissue_keys(plex.world, first.id, second.id)
        plex.changes.delete(plex.world.leaves_of(other.id)[-1].id)
        if breaks_off:
            plex.faults.fail("/library/sections/2/allLeaves", status=401, times=4, after=9)
        run = _pass(await sync(settings), "TV Shows")
        assert (run.status, run.counts.removed) == ("incomplete", 0)
        assert breaks_off or "wait for the next pass" in str(run.error)
        plex.faults.clear()

        runs = [_pass(await sync(settings, options=AS_RUN), "TV Shows") for _ in range(2)]

        after = named()
        assert {key: value for key, value in after.items() if key in before} == before
        assert len(after) == len(before) + 10
        assert [run.status for run in runs] == (["incomplete", "ok"] if breaks_off else ["ok", "ok"])


async def test_a_show_that_was_matched_anew_keeps_all_its_ids(synced, sync, named, rows) -> None:
    """A new agent gives a show, its seasons and episodes other guids; the files are the same."""
    world = synced.world
    show = next(show for show in _matched(world.shows("3")) if world.leaves_of(show.id))
    ids = {
        table: rows(f"SELECT id, rating_key FROM {table} ORDER BY id") for table in ("shows", "seasons", "episodes")
    }
    for item in (show, *world.seasons_of(show.id), *world.leaves_of(show.id)):
        synced.changes.edit(item.id, guid=item.guid.replace("plex://", "com.plexapp.agents.thetvdb://"))

    await sync(synced, options=FULL)

    for table, before in ids.items():
        assert rows(f"SELECT id, rating_key FROM {table} ORDER BY id") == before
    assert rows("SELECT source_id LIKE 'com.%' FROM shows WHERE rating_key = ?", show.rating_key) == [(1,)]


async def test_a_quick_pass_never_gives_a_show_another_ones_id(synced, sync, named, rows) -> None:
    """What it cannot decide from the updated items waits for a full listing, which comes next."""
    world = synced.world
    show = next(show for show in _matched(world.shows("3")) if world.leaves_of(show.id))
    ((row_id, guid),) = rows("SELECT id, source_id FROM shows WHERE rating_key = ?", show.rating_key)
    synced.changes.edit(show.id, guid="plex://show/another")

    reports = await sync(synced, options=AS_RUN)

    assert _pass(reports, "TV Shows").kind == "quick"
    assert rows("SELECT source_id FROM shows WHERE id = ?", row_id) == [(guid,)]
    reports = await sync(synced, options=AS_RUN)
    assert _pass(reports, "TV Shows").kind == "full"
    assert rows("SELECT source_id FROM shows WHERE id = ?", row_id) == [("plex://show/another",)]
    assert _pass(await sync(synced, options=AS_RUN), "TV Shows").kind == "quick"


@pytest.mark.parametrize("with_parts", [False, True])
@pytest.mark.parametrize("returns", [False, True])
async def test_a_films_key_that_an_episode_got_takes_no_file_along(
    synced, config, sync, named, rows, returns, with_parts
) -> None:
    """Keys are one series over all kinds: a film that leaves takes its own file along, and never an episode's."""
    settings = config(synced, sync={"retention": "0s"})
    world = synced.world
    film = next(film for film in _matched(world.movies("1")) if film.media and len(film.media[0].parts) == 1)
    ((film_id,),) = rows("SELECT id FROM movies WHERE rating_key = ?", film.rating_key)
    before = named()
    show = next(show for show in _matched(world.shows("3")) if world.leaves_of(show.id))
    episode = synced.changes.add_episode(show.id, 1, 77, "Found Again")
    world.drop(film.id)
    world.drop(episode.id)
    world.put(_under_key_of(film, episode, with_parts=with_parts))
    if returns:
        world.put(_under_key_of(episode, film, with_parts=with_parts))
    for library in ("1", "3"):
        Marks(world).scan_found(library)

    for _ in range(2):
        reports = await sync(settings)
        assert {done.run.status for report in reports for done in report.passes} == {"ok"}

    query = (
        "SELECT f.plex_path, f.state FROM episodes e JOIN media_files f ON f.id = e.media_file_id"
        " WHERE e.rating_key = ?"
    )
    assert rows(query, film.rating_key) == [(episode.media[0].parts[0].file, "active")]
    kept = {key: value for key, value in before.items() if returns or key != ("movies", film_id)}
    assert {key: value for key, value in named().items() if key in before} == kept
    assert rows("SELECT count(*) FROM media_files WHERE state <> 'active' AND rating_key = ?", film.rating_key) == [
        (0,)
    ]


def _under_key_of(owner, item, *, with_parts: bool):
    """Return an item under another one's rating key, and with the ids of its Media and Part, if wanted."""
    media = item.media
    if with_parts:
        (version,), like = item.media, owner.media[0]
        part = msgspec.structs.replace(version.parts[0], id=like.parts[0].id)
        media = (msgspec.structs.replace(version, id=like.id, parts=(part,)),)
    return msgspec.structs.replace(item, id=owner.id, media=media)


@pytest.mark.parametrize("batch_size", [1, 100])
async def test_films_that_exchanged_keys_and_kept_their_parts_keep_their_ids(
    plex, config, path, sync, named, batch_size
) -> None:
    """The first one listed takes its file along, also from the row that the second one is compared with."""
    films = [film for film in _matched(plex.world.movies("1")) if film.media][:2]
    second = plex.changes.split_file(films[1].id)  # so that Parts cannot go with the keys one by one
    settings = config(plex, database={"path": str(path), "batch_size": batch_size})
    await sync(settings)
    before = named()
    reissue_keys(plex.world, films[0].id, second.id)

    await sync(settings)

    assert named() == before


@pytest.mark.parametrize("matched", ["nothing", "shows"])
@pytest.mark.parametrize("level", ["episodes", "seasons", "shows"])
async def test_unmatched_shows_that_exchanged_keys_keep_their_ids(synced, sync, named, rows, level, matched) -> None:
    """A level goes with those below it: what is older than the backup keeps its key, and so does all above it.

    The guids of what is unmatched are made of the keys, and all titles but the shows' are the same.
    """
    shows = []
    for title in ("Attic", "Barn"):
        show = synced.changes.add_show("3", title, 1990)
        shows.append(
            show := synced.changes.edit(show.id, guid=show.guid if matched == "shows" else f"local://{show.id}")
        )
        for number in (1, 2):
            synced.changes.add_episode(show.id, 1, number, f"Episode {number}")
    world = synced.world
    seasons = [world.seasons_of(show.id)[0] for show in shows]
    episodes = [world.leaves_of(show.id) for show in shows]
    for item in (*seasons, *episodes[0], *episodes[1]):
        synced.changes.edit(item.id, guid=f"local://{item.id}")
    for episode in (*episodes[0], *episodes[1]):
        synced.changes.replace_file(episode.id, size=1_000_000 + episode.id, duration=60_000)
    await sync(synced, options=AS_RUN)
    before = _without_local_guids(named())
    for of_one_number in zip(*episodes, strict=True):
        reissue_keys(world, *(episode.id for episode in of_one_number))
    if level in {"seasons", "shows"}:
        reissue_keys(world, *(season.id for season in seasons))
    if level == "shows":
        reissue_keys(world, *(show.id for show in shows))

    reports = await sync(synced, options=AS_RUN)

    assert _without_local_guids(named()) == before
    run = _pass(reports, "TV Shows")
    assert (run.status, run.counts.added, run.counts.removed) == ("ok", 0, 0)
    assert run.counts.unchanged + run.counts.moved + run.counts.updated == run.counts.listed
    await sync(synced, options=FULL)
    assert _without_local_guids(named()) == before


async def test_an_unmatched_show_keeps_its_ids_where_it_is_renamed_or_numbered_anew(synced, sync, rows) -> None:
    """Its key and files are as before, or its files are moved to another folder."""
    show = synced.changes.add_show("3", "Attic", 1990)
    synced.changes.edit(show.id, guid=f"local://{show.id}")
    episode = synced.changes.add_episode(show.id, 1, 1, "Episode 1")
    synced.changes.replace_file(episode.id, size=1_234_567, duration=60_000)
    (season,) = synced.world.seasons_of(show.id)
    for item in (season, episode):
        synced.changes.edit(item.id, guid=f"local://{item.id}")
    ids = (
        "SELECT w.id, s.id, e.id, e.media_file_id FROM shows w JOIN seasons s ON s.show_id = w.id"
        " JOIN episodes e ON e.season_id = s.id WHERE w.title = ?"
    )
    await sync(synced, options=AS_RUN)
    before = rows(ids, "Attic")

    synced.changes.edit(show.id, title="Loft")
    synced.changes.edit(season.id, index=2)
    await sync(synced, options=FULL)
    assert rows(ids, "Loft") == before

    synced.changes.edit(show.id, title="Cellar")
    synced.changes.rename_file(episode.id, "/elsewhere/Cellar/e1.mkv")
    await sync(synced, options=FULL)
    assert rows(ids, "Cellar") == before
    assert rows("SELECT count(*) FROM shows WHERE state = 'missing'") == [(0,)]


def _without_local_guids(found):
    return {
        row: tuple(None if str(value).startswith("local://") else value for value in values)
        for row, values in found.items()
    }


async def test_a_pass_over_a_show_has_the_library_listed_where_keys_were_given_out_again(
    synced, sync, named, rows
) -> None:
    """Where the episode is whose key another one has can only be seen in a listing of all shows."""
    before = named()
    world = synced.world
    shows = [show for show in _matched(world.shows("3")) if world.leaves_of(show.id)][:2]
    reissue_keys(world, *(_matched(world.leaves_of(show.id))[0].id for show in shows))
    only = SyncOptions(selection=Selection(show=(shows[0].title, None)))

    await sync(synced, options=only)

    assert rows("SELECT list_again FROM libraries WHERE library_name = 'TV Shows'") == [(1,)]
    reports = await sync(synced, options=AS_RUN)
    assert _pass(reports, "TV Shows").kind == "full"
    assert named() == before
    assert rows("SELECT list_again FROM libraries WHERE library_name = 'TV Shows'") == [(0,)]


async def test_an_unlisted_show_with_the_key_of_one_that_left_has_an_id_of_its_own(synced, sync, rows) -> None:
    """It is requested by its key, and its guid is another one."""
    world = synced.world
    show = next(show for show in _matched(world.shows("3")) if world.leaves_of(show.id))
    ((row_id,),) = rows("SELECT id FROM shows WHERE rating_key = ?", show.rating_key)
    synced.changes.delete(show.id)
    await sync(synced, options=FULL)
    new = synced.changes.add_show("3", "Another Show", 1960)
    world.drop(new.id)
    world.put(msgspec.structs.replace(new, id=show.id))
    synced.changes.add_episode(show.id, 1, 1, "Pilot")
    synced.quirks.unlisted = {show.id}

    await sync(synced, options=FULL)

    assert rows("SELECT title, state FROM shows WHERE id = ?", row_id) == [(show.title, "missing")]
    query = "SELECT w.title, w.state FROM episodes e JOIN shows w ON w.id = e.show_id WHERE episode_title = 'Pilot'"
    assert rows(query) == [("Another Show", "active")]


# Listings with faults


async def test_an_entry_without_a_key_may_be_the_film_whose_key_is_in_another_library_now(
    synced, config, sync, rows
) -> None:
    """That the key belongs to another film proves nothing, so its row is not deleted."""
    other = synced.changes.add_movie("2", "Other", 1977)
    await sync(synced)
    film = next(synced.world.movies("1"))
    stored = "SELECT id, state FROM movies WHERE title = ? ORDER BY id LIMIT 1", film.title
    before = rows(*stored)
    reissue_keys(synced.world, film.id, other.id)
    synced.faults.keyless.add(next(each.id for each in synced.world.movies("1") if each.title == film.title))
    settings = config(synced, sync={"retention": "0s"})
    for library in ("Movies", "Movies", "Movies", "Movies 4K", "Movies"):
        await sync(settings, options=SyncOptions(selection=Selection(library=library, full=True)))
        assert rows(*stored) == before

    synced.faults.keyless.clear()
    await sync(settings)
    assert rows(*stored) == before
    assert rows("SELECT rating_key FROM movies WHERE id = ?", before[0][0]) == [(str(other.id),)]


async def test_rows_that_stay_undecided_cost_no_full_listing_for_ever(synced, sync, rows, monkeypatch) -> None:
    """Here three films whose keys went to another library may be the entries without keys; two are requested."""
    monkeypatch.setattr(confirmation, "MOST_AT_ONCE", 2)
    others = [synced.changes.add_movie("2", f"Other {number}", 1977) for number in range(3)]
    await sync(synced)
    films = list(synced.world.movies("1"))[:3]
    for film, other in zip(films, others, strict=True):
        reissue_keys(synced.world, film.id, other.id)
    synced.faults.keyless.update(other.id for other in others)
    here = SyncOptions(selection=Selection(library="Movies"))
    runs = [done.run for _ in range(4) for report in await sync(synced, options=here) for done in report.passes]
    assert [(run.kind, run.status) for run in runs] == [
        ("full", "incomplete"),
        ("full", "ok"),
        ("quick", "ok"),
        ("quick", "ok"),
    ]
    assert rows("SELECT count(*) FROM movies WHERE state = 'missing'") == [(0,)]


async def test_shows_are_decided_although_each_listing_has_another_fault(synced, sync, named, rows) -> None:
    """Otherwise the next quick pass would write their episodes below the wrong shows."""
    faulty = [episode.id for episode in synced.world.episodes("3")]
    shows = [synced.changes.add_show("3", title, 1960) for title in ("One", "Two")]
    for show in shows:
        synced.changes.add_episode(show.id, 1, 1, f"Part of {show.title}")
    await sync(synced)
    before = named()
    statuses = []
    for number in range(6):
        if number == 4:
            reissue_keys(synced.world, *(show.id for show in shows))
        synced.faults.keyless.clear()
        synced.faults.keyless.add(faulty[number])
        (report,) = await sync(synced, options=AS_RUN if number > 3 else FULL)
        statuses += [done.run.status for done in report.passes if done.library == "TV Shows"]
    assert statuses == ["incomplete", "incomplete", "ok", "ok", "ok", "ok"]
    assert named() == before
    for show, other in zip(shows, reversed(shows), strict=True):
        assert rows("SELECT rating_key FROM shows WHERE title = ?", show.title) == [(str(other.id),)]
