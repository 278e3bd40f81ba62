"""Details behind the passes: what is read, when, at which cost, and what servers may do meanwhile."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from math import ceil
from typing import TYPE_CHECKING

import msgspec
import pytest
from structlog.testing import capture_logs

from retrovue_daemon.demo import SimulatedPlex, World, generated_library
from retrovue_daemon.demo.items import Media, Part
from retrovue_daemon.demo.timeline import Chapter, Marker
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sources.plex import details_requests
from tests.support.details import details_of, stored_details

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.config import Config

QUICKLY = SyncOptions(selection=Selection())
HOUR = 3_600


@pytest.fixture
def rich(config) -> Callable[..., Config]:
    """Configure servers whose details are read."""

    def make(*plexes: SimulatedPlex, **server: object) -> Config:
        return config(*plexes, server={"details": True, **server})

    return make


def batches(plex: SimulatedPlex) -> list[str]:
    """The requests for details, by what they ask for."""
    return [each.path.rsplit("/", 1)[1] for each in plex.requests if each.path.startswith("/library/metadata/")]


def with_times(plex: SimulatedPlex) -> None:
    """Give films and episodes chapters and markers, some of them odd."""
    chapters = (Chapter(0, 60_000, "One"), Chapter(90_000, None, "Three"), Chapter(60_000, 90_000), Chapter(5, 5))
    markers = (Marker("credits", 40_000, 1, final=True, from_end=True), Marker("intro", 1_000, 31_000))
    for item in [*plex.world.movies(), *plex.world.episodes()]:
        if item.id % 3:
            plex.changes.edit(item.id, chapters=chapters, chapter_source="media", markers=markers[item.id % 2 :])


async def test_all_details_are_there_after_a_sync(sync, rich, plex, path) -> None:
    """Every tag, credit, chapter and marker that the server has, and nothing else."""
    with_times(plex)
    (report,) = await sync(rich(plex))
    expected = details_of(plex.world)
    assert len(expected) > 20
    assert {kind for lists in expected.values() for kind in lists} >= {"genre", "actor", "chapters", "markers"}
    assert stored_details(path) == expected
    assert sum(each.read for each in report.details.values()) >= len(expected)
    assert {each.pending for each in report.details.values()} == {0}


async def test_heavy_details_are_stored_bit_by_bit(sync, rich, plex, path, monkeypatch) -> None:
    """After each request the rest is requested, and each item is written by itself: all of them arrive."""
    monkeypatch.setattr("retrovue_daemon.sources.plex.details_requests.MOST_BYTES_OF_IDS", 5)
    monkeypatch.setattr("retrovue_daemon.sources.plex.details_requests.HEAVY", 0)
    monkeypatch.setattr("retrovue_daemon.store.items.details.MOST_ELEMENTS", 1)
    with_times(plex)
    await sync(rich(plex))
    assert stored_details(path) == details_of(plex.world)


@pytest.mark.parametrize(
    ("stored", "lengths", "end"),
    [
        (5_000_000, [[4_000_000]], 5_000_000),
        (None, [[4_000_000], [1_000_000, 3_500_000], [9_000_000, None]], 4_500_000),
        (None, [[None]], 9_000_000),
        (None, [], 9_000_000),
    ],
    ids=["the item's", "the longest version's", "no file's", "no file"],
)
async def test_chapters_end_with_the_item_though_its_details_have_no_duration(
    sync, rich, path, stored, lengths, end
) -> None:
    """By what its listing said, or its files; a version counts if the duration of each of its files is known."""
    async with SimulatedPlex(World()) as plex:
        library = plex.changes.add_library("movie", "Movies", "/srv/movies")
        film = plex.changes.add_movie(library.key, "Film")
        number = itertools.count(1)
        versions = [
            [Part(id=(part := next(number)), file=f"/srv/movies/{part}.mkv", stamp=1, duration=each) for each in one]
            for one in lengths
        ]
        media = tuple(Media(id=next(number), parts=tuple(parts)) for parts in versions)
        plex.changes.edit(film.id, duration=stored, media=media)
        plex.rich.set_chapters(film.id, Chapter(0, 60_000, "One"), Chapter(60_000, 9_000_000, "Two"))
        await sync(rich(plex), SyncOptions(selection=Selection(details=False)))
        plex.faults.damaged.add(film.id)
        plex.changes.edit(film.id, summary="Edited")
        await sync(rich(plex))
    ((_, lists),) = stored_details(path).items()
    assert [times for _, *times in lists["chapters"]] == [[0, 60_000], [60_000, end]]


async def test_the_texts_of_films_come_from_the_complete_lists(sync, rich, plex, rows) -> None:
    """And later listings, which have two genres, leave them."""
    await sync(rich(plex))
    await sync(rich(plex))
    for item in plex.world.movies():
        ((genre, director),) = rows("SELECT genre, director FROM movies WHERE rating_key = ?", item.rating_key)
        assert genre == (", ".join(item.tags.genres) or None)
        assert director == (", ".join(item.tags.directors) or None)


async def test_what_details_cost(sync, rich, monkeypatch) -> None:
    """A request per hundred items of a kind; nothing where nothing changed, in quick passes and in full ones.

    Here a tenth of the items, ten per request.
    """
    assert details_requests.MOST_IDS == 100
    monkeypatch.setattr(details_requests, "MOST_IDS", 10)
    world = generated_library(movies=15, shows=12, episodes=26)
    count = [len(list(items)) for items in (world.movies(), world.shows(), world.episodes())]
    async with SimulatedPlex(world) as plex:
        with_times(plex)
        await sync(rich(plex))
        assert len(batches(plex)) == sum(ceil(number / 10) for number in count)
        for options in (QUICKLY, None):
            plex.requests.clear()
            await sync(rich(plex), options=options)
            assert batches(plex) == []


async def test_a_large_first_sync_keeps_the_promised_numbers_of_requests(sync, config, monkeypatch) -> None:
    """500 shows, 2,000 seasons, 20,000 episodes, 50 collections and 5 labels take 125 requests, with details 360.

    Here a tenth of the items in pages of a tenth of the size: as many requests.
    """
    monkeypatch.setattr("retrovue_daemon.sources.plex.details_requests.MOST_IDS", 10)
    world = generated_library(movies=0, shows=50, episodes=40, season=13)
    world.drop_library("1")
    (library,) = world.libraries
    async with SimulatedPlex(world) as plex:
        shows = [show.id for show in world.shows()]
        for number in range(50 - len(world.collections)):
            plex.rich.add_collection(library, f"Collection {number}", shows[number : number + 9])
        for number in range(5):
            plex.rich.add_label(shows[number], f"Label {number}")
        settings = config(plex, server={"details": True}, sync={"page_size": 50})
        await sync(settings)
        listed = [each.path for each in plex.requests if not each.path.startswith("/library/metadata/")]
        assert len(batches(plex)) >= 205
        assert len(listed) <= 125
        assert len(plex.requests) <= 360


async def test_a_changed_item_is_read_again_and_no_other(sync, rich, plex, path) -> None:
    await sync(rich(plex))
    film = next(iter(plex.world.movies()))
    plex.changes.edit(film.id, tags=msgspec.structs.replace(film.tags, genres=("Western", "Noir", "Farce", "Horror")))
    plex.requests.clear()
    await sync(rich(plex), options=QUICKLY)
    assert batches(plex) == [film.rating_key]
    assert stored_details(path) == details_of(plex.world)


async def test_details_may_be_off(sync, config, plex, path, rows) -> None:
    """By the configuration, or for one sync; a later sync makes up for it."""
    (report,) = await sync(config(plex, server={"details": False}))
    assert (batches(plex), report.details) == ([], {})
    assert rows("SELECT count(*) FROM tags WHERE kind <> 'label'") == [(0,)]
    on = config(plex, server={"details": True})
    await sync(on, options=SyncOptions(selection=Selection(details=False)))
    assert batches(plex) == []
    await sync(on)
    assert stored_details(path) == details_of(plex.world)


async def test_the_length_of_the_cast_is_configured(sync, rich, plex, path) -> None:
    await sync(rich(plex, cast=2))
    assert stored_details(path) == details_of(plex.world, cast=2)


# Servers that send less -----------------------------------------------------------------------------------------


async def test_a_server_whose_batches_have_no_times_is_found_out_once(sync, rich, plex, rows) -> None:
    """Tags and credits come in batches; chapters and markers wait for requests of single items."""
    with_times(plex)
    plex.quirks.plain_batches = True
    await sync(rich(plex))
    assert rows("SELECT count(*) FROM movies WHERE details_read_at IS NULL") == [(0,)]
    ((abilities,),) = rows("SELECT abilities FROM plex_servers")
    assert '"many_with_chapters":false' in abilities
    assert '"many_with_markers":false' in abilities
    probes = Counter(len(keys.split(",")) for keys in batches(plex))[1]
    assert 0 < probes <= 10
    assert rows("SELECT count(*) FROM movies WHERE details_again > 0") != [(0,)]


async def test_an_item_that_cannot_be_sent_is_skipped_for_a_while(engine, rich, plex, path) -> None:
    """It is named once, and the others are read."""
    film = next(iter(plex.world.movies()))
    running = await engine(rich(plex))
    await running.round(Selection(details=False))
    plex.faults.poison(film.id, "error")
    with capture_logs() as logs:
        await running.round()
    (skipped,) = [entry for entry in logs if entry["event"] == "details.skipped"]
    assert [each["rating_key"] for each in skipped["items"]] == [film.rating_key]
    expected = details_of(plex.world)
    del expected["movies", film.rating_key]
    assert stored_details(path) == expected
    plex.requests.clear()
    await running.round()
    assert batches(plex) == []


async def test_a_sync_reads_what_could_not_be_sent_before(sync, rich, plex, rows, path, monkeypatch) -> None:
    """A quarter of an hour later, as one bad answer is often the only one, then a day later; no daemon has to run."""
    film = next(iter(plex.world.movies()))
    unread = f"SELECT details_read_at IS NULL FROM movies WHERE rating_key = '{film.rating_key}'"
    await sync(rich(plex), options=SyncOptions(selection=Selection(details=False)))
    plex.faults.poison(film.id, "error")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    for seconds, requests in ((0, True), (800, False), (110, True), (HOUR, False), (25 * HOUR, True)):
        now += seconds
        if seconds == 25 * HOUR:
            plex.faults.clear()
        plex.requests.clear()
        await sync(rich(plex), options=QUICKLY)
        assert (film.rating_key in batches(plex)) == requests
    assert rows(unread) == [(0,)]
    assert stored_details(path) == details_of(plex.world)


async def test_a_server_that_fails_loses_nothing(sync, rich, plex, path) -> None:
    """The pass says so; the items still want their details, and get them with the next sync."""
    plex.faults.fail("/library/metadata/*", status=503, times=None)
    with capture_logs() as logs:
        (report,) = await sync(rich(plex))
    assert "details.interrupted" in [entry["event"] for entry in logs]
    assert sum(each.pending for each in report.details.values()) > 20
    assert {kind for lists in stored_details(path).values() for kind in lists} == {"label"}
    plex.faults.clear()
    await sync(rich(plex))
    assert stored_details(path) == details_of(plex.world)
