"""Damage of all kinds, wherever it is met: in quick passes and shows, inside files, in what is requested by key."""

from __future__ import annotations

import msgspec
import pytest
from structlog.testing import capture_logs

from retrovue_daemon.demo.world import media_of
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from tests.support.rounds import FEW_LIBRARIES

pytestmark = [pytest.mark.no_groups, FEW_LIBRARIES]

AS_RUN = SyncOptions()
LISTING = "/library/sections/1/all"
EPISODES = "/library/sections/3/*"


@pytest.fixture
def film(plex):
    return next(film for film in plex.world.movies("1") if film.media and film.duration)


@pytest.fixture
def episode(plex):
    return next(episode for episode in plex.world.episodes("3") if episode.media)


def _contents(rows):
    """Return all that rows say of items and files, but when."""
    return {
        table: rows(f"SELECT {columns} FROM {table} ORDER BY id")
        for table, columns in {
            "movies": "id, rating_key, title, duration, year, summary, state, media_file_id",
            "episodes": "id, rating_key, episode_title, duration, summary, state, media_file_id, show_id, season_id",
            "shows": "id, rating_key, title, year, state",
            "seasons": "id, rating_key, title, state, show_id",
            "media_files": "id, rating_key, plex_path, size, duration, video_codec, width, state, part_id",
        }.items()
    }


def _library(rows, name="Movies"):
    return rows("SELECT list_again, last_error IS NOT NULL FROM libraries WHERE library_name = ?", name)[0]


def _kinds(reports, name="Movies"):
    return [done.run.kind for report in reports for done in report.passes if done.library == name]


def _warnings(logs):
    return [log for log in logs if log["event"] == "page.mended"]


# Whole passes


@pytest.mark.parametrize("what", ["duration", "title", "size", "file", "codec"])
async def test_each_damaged_value_keeps_the_whole_item(plex, sync, rows, film, what) -> None:
    """Numbers that are none, bytes that are no text; of the item, of its versions, of its files: one warning."""
    await sync(plex)
    good = _contents(rows)
    part = media_of(film)[0].parts[0]
    old, new = {
        "duration": (f'"duration":{film.duration}', '"duration":NaN'),
        "title": (f'"title":"{film.title}"', f'"title":"{film.title[:-1]}\xff"'),
        "size": (f'"size":{part.size}', '"size":123456789012345678901234567890'),
        "file": (f'"file":"{part.file}"', f'"file":"{part.file}\xff"'),
        "codec": ('"videoCodec":"', '"videoCodec":"\xff'),
    }[what]
    plex.changes.edit(film.id, summary="changed as well")
    plex.faults.rewrite(LISTING, old, new)

    with capture_logs() as logs:
        await sync(plex)

    assert _contents(rows) == good
    (warning,) = _warnings(logs)
    assert (warning["server"], warning["library"], warning["kind"]) == ("home", "Movies", "movie")
    assert (warning["log_level"], warning["stored"]) == ("warning", 0)
    assert warning["kept"] >= 1
    assert any(item.startswith(f"{film.rating_key}: ") for item in warning["items"])
    assert _library(rows) == (1, 1)

    with capture_logs() as logs:
        assert _kinds(await sync(plex, options=AS_RUN)) == ["full"]
    assert _warnings(logs) == []
    assert rows("SELECT summary FROM movies WHERE rating_key = ?", film.rating_key) == [("changed as well",)]
    assert _library(rows) == (0, 0)
    assert _kinds(await sync(plex, options=AS_RUN)) == ["quick"]


async def test_damage_that_changes_is_stored_the_third_time(plex, sync, rows, film) -> None:
    """Twice the good values stay; a warning each time; afterwards nothing is listed again for it."""
    await sync(plex)
    title: list[str] = []
    warnings: list[list[tuple[int, int]]] = []
    for end in ("\xff", "\xff\xff", "\xff?\xff", "\xff!\xff"):
        plex.faults.rewrite(LISTING, f'"title":"{film.title}"', f'"title":"{film.title}{end}"')
        with capture_logs() as logs:
            await sync(plex, options=AS_RUN if title else None)
        warnings.append([(log["kept"], log["stored"]) for log in _warnings(logs)])
        title += [each for (each,) in rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key)]
        if len(title) == 3:
            assert _library(rows) == (0, 0)
            plex.changes.edit(film.id, summary="so that it is read once more")
    assert [text.replace(film.title, "").count("\N{REPLACEMENT CHARACTER}") for text in title] == [0, 0, 2, 2]
    assert warnings[:3] == [[(1, 0)], [(1, 0)], [(0, 1)]]


async def test_a_new_film_that_arrives_damaged_is_read_again(plex, sync, rows) -> None:
    """There is nothing to keep: it is stored as it came, and mended by the next pass."""
    await sync(plex)
    film = plex.changes.add_movie("1", "Newly Found", 1950)
    plex.faults.rewrite(LISTING, '"title":"Newly Found"', '"title":"Newly \xff"')
    with capture_logs() as logs:
        await sync(plex)
    stored = "SELECT title FROM movies WHERE rating_key = ?"
    assert rows(stored, film.rating_key) == [("Newly \N{REPLACEMENT CHARACTER}",)]
    (warning,) = _warnings(logs)
    assert (warning["kept"], warning["stored"]) == (0, 1)
    assert _library(rows)[0] == 1
    assert _kinds(await sync(plex, options=AS_RUN)) == ["full"]
    assert rows(stored, film.rating_key) == [("Newly Found",)]
    assert _library(rows) == (0, 0)


async def test_a_new_film_that_stays_damaged_costs_one_listing(plex, sync, rows) -> None:
    """The second time is how the server has it; no warning is repeated after it."""
    await sync(plex)
    plex.changes.add_movie("1", "Newly Found", 1950)
    plex.faults.rewrite(LISTING, '"title":"Newly Found"', '"title":"Newly \xff"', times=None)
    with capture_logs() as logs:
        kinds = [_kinds(await sync(plex, options=AS_RUN)) for _ in range(4)]
    assert kinds[2:] == [["quick"], ["quick"]]
    assert len(_warnings(logs)) <= 2


# Quick passes, and passes over shows


async def test_a_quick_pass_keeps_values_and_has_the_library_listed(plex, sync, rows, film) -> None:
    """What it met damaged is read again by a full pass, which comes next."""
    await sync(plex)
    good = _contents(rows)
    plex.changes.edit(film.id, summary="new")
    plex.faults.rewrite(LISTING, f'"duration":{film.duration}', '"duration":NaN')
    with capture_logs() as logs:
        assert _kinds(await sync(plex, options=AS_RUN)) == ["quick"]
    assert _contents(rows) == good
    assert len(_warnings(logs)) == 1
    assert _library(rows)[0] == 1
    assert _kinds(await sync(plex, options=AS_RUN)) == ["full"]
    assert rows("SELECT summary FROM movies WHERE rating_key = ?", film.rating_key) == [("new",)]


async def test_a_pass_over_a_show_keeps_values_and_has_the_library_listed(plex, sync, rows, episode) -> None:
    """Its episodes keep theirs, and the next pass lists the library."""
    await sync(plex)
    good = _contents(rows)
    show = plex.world.item(episode.show_id)
    plex.changes.edit(episode.id, title="Retold")
    plex.faults.rewrite("/library/metadata/*/allLeaves", '"title":"Retold"', '"title":"\xff"')
    with capture_logs() as logs:
        await sync(plex, options=SyncOptions(selection=Selection(show=(show.title, None))))
    assert _contents(rows) == good
    assert len(_warnings(logs)) == 1
    assert _library(rows, "TV Shows")[0] == 1
    assert _kinds(await sync(plex, options=AS_RUN), "TV Shows") == ["full"]
    titles = rows("SELECT episode_title FROM episodes WHERE rating_key = ?", episode.rating_key)
    assert titles == [("Retold",)]


# What is requested by key


@pytest.mark.parametrize("times", [1, None])
async def test_a_show_that_returns_damaged_by_its_key_keeps_its_values(plex, sync, rows, episode, times) -> None:
    """It is requested twice; damage that stays is warned of, and costs one listing."""
    await sync(plex)
    show = plex.world.item(episode.show_id)
    title = "SELECT title, state FROM shows WHERE rating_key = ?"
    below = [item for item in plex.world.items.values() if getattr(item, "show_id", None) == show.id]
    for item in (*below, show):
        plex.world.drop(item.id)
    await sync(plex)
    for item in (show, *below):
        plex.world.put(item)
    plex.quirks.unlisted = {show.id}
    _damage_details(plex, show, times)

    with capture_logs() as logs:
        await sync(plex)
    assert rows(title, show.rating_key) == [(show.title, "active")]
    assert len(_warnings(logs)) == (0 if times else 1)

    with capture_logs() as logs:
        kinds = [_kinds(await sync(plex, options=AS_RUN), "TV Shows") for _ in range(2)]
    assert (kinds[1], _warnings(logs)) == (["quick"], [])
    assert rows(title, show.rating_key) == [(show.title, "active")]
    tree = "SELECT count(*) FROM episodes WHERE rating_key = ? AND show_id IS NULL"
    assert rows(tree, episode.rating_key) == [(0,)]


@pytest.mark.parametrize("times", [1, None])
async def test_a_new_show_that_is_read_damaged_by_its_key_is_requested_again(plex, sync, rows, times) -> None:
    """Damage that stays is stored, with a warning."""
    await sync(plex)
    show = plex.changes.add_show("3", "New Show", 1960)
    plex.changes.add_episode(show.id, 1, 1, "Pilot")
    plex.quirks.unlisted = {show.id}
    _damage_details(plex, show, times)
    with capture_logs() as logs:
        await sync(plex)
    ending, warnings = ("", 0) if times else ("\N{REPLACEMENT CHARACTER}", 1)
    assert rows("SELECT title FROM shows WHERE rating_key = ?", show.rating_key) == [(f"New Show{ending}",)]
    assert len(_warnings(logs)) == warnings
    kinds = [_kinds(await sync(plex, options=AS_RUN), "TV Shows") for _ in range(2)]
    assert kinds[1] == ["quick"]


async def test_damage_of_a_show_is_forgotten_when_its_key_brings_it_undamaged(plex, sync, rows) -> None:
    """What would be stored as the second damage of the same kind is the first again."""
    await sync(plex)
    show = plex.changes.add_show("3", "New Show", 1960)
    plex.changes.add_episode(show.id, 1, 1, "Pilot")
    plex.quirks.unlisted = {show.id}
    _damage_details(plex, show, None)
    await sync(plex)
    known = "SELECT count(*) FROM damaged_items WHERE rating_key = ?"
    assert rows(known, show.rating_key) == [(1,)]
    plex.faults.clear()
    items = [show, *(item for item in plex.world.items.values() if getattr(item, "show_id", None) == show.id)]
    for item in reversed(items):
        plex.world.drop(item.id)
    await sync(plex)
    for item in items:
        plex.world.put(item)

    await sync(plex)

    assert rows("SELECT title, state FROM shows WHERE rating_key = ?", show.rating_key) == [("New Show", "active")]
    assert rows(known, show.rating_key) == [(0,)]


async def test_details_requested_for_external_ids_change_only_these(plex, sync, rows, episode) -> None:
    """Their other values may arrive damaged where the listing's were not."""
    for each in plex.world.leaves_of(episode.show_id):
        plex.world.put(msgspec.structs.replace(each, external_guids=()))
    await sync(plex)
    good = _contents(rows)
    plex.faults.rewrite("/library/metadata/*,*", f'"title":"{episode.title}"', '"title":"\xff"', times=None)
    plex.requests.clear()
    show = plex.world.item(episode.show_id)
    await sync(plex, options=SyncOptions(selection=Selection(show=(show.title, None))))
    assert plex.requests_for("/library/metadata/*,*")
    assert _contents(rows) == good


def _damage_details(plex, item, times) -> None:
    path = f"/library/metadata/{item.id}"
    plex.faults.rewrite(path, f'"title":"{item.title}"', f'"title":"{item.title}\xff"', times=times)
