"""Labels, which move no time and stand in no listing: a short listing of each, after complete ones."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from math import ceil
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.records import folded
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync.labels import MOST_LABELS
from tests.support.groups import labels_of, stored_labels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FULL = Selection(full=True, details=False)
FILMS = Selection(library="Movies", full=True, details=False)
SYNCED = "1234567"


@pytest.fixture
async def plex() -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(built_in_library()) as server:
        yield server


def film(plex, number: int = 0) -> int:
    return list(plex.world.movies("1"))[number].id


async def test_labels_follow_complete_listings(plex, engine, path, rows) -> None:
    """Of films, shows and episodes; an edit arrives with the next one, and only that item is written."""
    episode = next(iter(plex.world.episodes("3")))
    plex.rich.add_label(episode.id, "Pilot")
    running = await engine(plex)
    await running.round(FULL)
    assert stored_labels(path) == labels_of(plex.world, SYNCED)
    plex.rich.add_label(film(plex), "New")
    plex.rich.remove_label(episode.id, "Pilot")
    await running.round(FULL)
    assert stored_labels(path) == labels_of(plex.world, SYNCED)
    assert ("New",) in (names := rows("SELECT name FROM tags"))
    assert ("Pilot",) not in names
    before = await running.changes()
    await running.round(FILMS)
    assert await running.changes() - before < 10


async def test_other_tags_stay(plex, engine, config, rows) -> None:
    """Only labels are replaced; details, which have them too, agree."""
    tags = (
        "SELECT x.movie_id, t.kind, t.name, x.position FROM movie_tags AS x JOIN tags AS t ON t.id = x.tag_id"
        " WHERE t.kind <> 'label' ORDER BY 1, 2, 4"
    )
    running = await engine(config(plex, server={"details": True}))
    await running.round(replace(FILMS, details=True))
    before = rows(tags)
    plex.rich.add_label(film(plex), "New")
    await running.round(FILMS)
    assert before
    assert rows(tags) == before


async def test_of_labels_in_different_case_an_item_has_one(plex, engine, rows) -> None:
    """As its details store it; the next listing changes nothing."""
    for label in ("Kids", "kids", "ÉCOLE", "école", "e\u0301cole"):
        plex.rich.add_label(film(plex), label)
    plex.rich.add_label(film(plex, 1), "kids")
    query = "SELECT x.movie_id, t.name FROM movie_tags AS x JOIN tags AS t ON t.id = x.tag_id WHERE t.kind = 'label'"
    running = await engine(plex)
    for _ in range(2):
        await running.round(FILMS)
        found = sorted((movie_id, folded(name)) for movie_id, name in rows(query))
        assert [name for movie_id, name in found if movie_id == found[0][0]] == ["kids", "école"]
        assert ("kids",) in rows("SELECT name FROM tags")


@pytest.mark.parametrize("pattern", ["/library/sections/1/label", "/library/sections/1/all"])
async def test_a_list_that_fails_changes_nothing(plex, engine, path, pattern) -> None:
    """Absent is not empty."""
    running = await engine(plex)
    await running.round(FULL)
    before = stored_labels(path)
    for number in range(len(list(plex.world.movies("1")))):
        for label in plex.world.item(film(plex, number)).tags.labels:
            plex.rich.remove_label(film(plex, number), label)
    # The listing of the library itself is the first one.
    plex.faults.fail(pattern, status=500, times=None, after=1 if pattern.endswith("all") else 0)
    await running.round(FILMS)
    assert before
    if pattern.endswith("label"):
        assert stored_labels(path) == before
    plex.faults.clear()
    await running.round(FULL)
    assert stored_labels(path) == labels_of(plex.world, SYNCED) != before


async def test_a_server_that_ignores_the_filter_labels_nothing(plex, engine, path) -> None:
    """It lists all items for each label; the details of one of them tell."""
    plex.rich.add_label(film(plex), "One")
    plex.quirks.ignores_filters = True
    running = await engine(plex)
    await running.round(FILMS)
    assert not any(kind == "movie" for kind, _, _ in stored_labels(path))


async def test_a_label_that_all_items_have_is_stored(plex, engine, path) -> None:
    """The same listing, but true."""
    for item in list(plex.world.movies("1")):
        plex.rich.add_label(item.id, "All")
    running = await engine(plex)
    await running.round(FILMS)
    assert stored_labels(path) == labels_of(plex.world, "1")


async def test_too_many_labels_are_left_to_details(plex, engine, path) -> None:
    """A request for each would be many."""
    for number in range(MOST_LABELS + 1):
        plex.rich.add_label(film(plex), f"Label {number}")
    running = await engine(plex)
    plex.requests.clear()
    await running.round(FILMS)
    assert sum(fnmatchcase(request.path, "/library/sections/1/label") for request in plex.requests) == 1
    assert not any("label" in request.query for request in plex.requests)
    assert not stored_labels(path)


def unlabelled(plex) -> None:
    for item in [*plex.world.items.values()]:
        for label in item.tags.labels:
            plex.rich.remove_label(item.id, label)


def asked_for_labels(plex) -> list[str]:
    """Return the paths of requests for lists of labels, in their order."""
    return [each.path for each in plex.requests if each.path.endswith("/label") or each.path == "/library/tags"]


async def test_a_server_without_labels_is_asked_once(plex, engine, path) -> None:
    """However many libraries and kinds of items it has; the first label is noticed."""
    unlabelled(plex)
    for collection in [*plex.world.collections.values()]:
        plex.world.put_collection(replace(collection, tags=replace(collection.tags, labels=())))
    running = await engine(plex)
    for _ in range(2):
        plex.requests.clear()
        await running.round(FULL)
        assert asked_for_labels(plex) == ["/library/tags"]
    plex.rich.add_label(film(plex), "First")
    await running.round(FULL)
    assert stored_labels(path) == labels_of(plex.world, SYNCED) != set()
    plex.requests.clear()
    await running.round(FILMS)
    assert asked_for_labels(plex) == ["/library/sections/1/label"]


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_a_server_that_does_not_list_its_tags_is_asked_for_each_library(plex, engine, path, status) -> None:
    """That it refuses says nothing of its labels, nor of its token."""
    running = await engine(plex)
    plex.faults.fail("/library/tags", status=status, times=None)
    plex.requests.clear()
    await running.round(FILMS)
    assert asked_for_labels(plex) == ["/library/tags", "/library/sections/1/label"]
    assert stored_labels(path) == labels_of(plex.world, "1") != set()


async def test_an_item_that_slips_between_pages_keeps_its_label(plex, engine, config, path) -> None:
    """Its own details decide: a film that left and came again while pages were read makes the list no shorter."""
    for item in list(plex.world.movies("1")):
        plex.rich.add_label(item.id, "All")
    running = await engine(config(plex, sync={"page_size": 2}))
    await running.round(FILMS)
    before = stored_labels(path)
    pages = ceil(len(list(plex.world.movies("1"))) / 2)
    stuck = plex.faults.hang("/library/sections/1/all", after=pages + 1)
    plex.rich.remove_label(film(plex, 5), "All")
    reading = asyncio.create_task(running.round(FILMS))
    await stuck.reached.wait()
    plex.changes.recreate(film(plex))
    stuck.release.set()
    await reading
    assert stored_labels(path) == before - {("movie", str(film(plex, 4)), "All")}


async def test_a_library_whose_removals_are_held_back_keeps_its_labels(plex, engine, path) -> None:
    """Its lists of labels are as empty as it is, and its keys may belong to other items."""
    items = list(plex.world.movies("1"))
    labelled = next(item for item in items if item.tags.labels)
    other = next(item for item in items if not item.tags.labels)
    running = await engine(plex)
    await running.round(FILMS)
    before = stored_labels(path)
    plex.quirks.empty_libraries = {"1"}
    reissue_keys(plex.world, labelled.id, other.id)
    (report,) = await running.round(FILMS)
    assert [done.run.status for done in report.passes] == ["blocked"]
    assert stored_labels(path) == before
