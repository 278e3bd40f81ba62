"""Collections: which are stored, when their members are read, and what never costs one."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from retrovue_daemon.demo import SimulatedPlex, World, generated_library
from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.service.after_passes import MOST_REQUESTS
from retrovue_daemon.service.selection import Selection
from tests.support.groups import groups_of, labels_of, stored_groups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


FULL = Selection(full=True)
HOURS_7 = 7 * 3_600
LIBRARIES = ("1", "2")
WRITTEN = "SELECT id, rating_key, state, synced_at FROM collections ORDER BY id"


@pytest.fixture
def world() -> World:
    """Six films and two shows of two episodes."""
    world = World(name="Roxy", machine_identifier="machine of Roxy")
    changes = Changes(world)
    films = changes.add_library("movie", "Films", "/srv/films")
    for number in range(6):
        changes.add_movie(films.key, f"Film {number}", 1920 + number)
    shows = changes.add_library("show", "Shows", "/srv/shows")
    for number in range(2):
        show = changes.add_show(shows.key, f"Show {number}", 1950)
        for episode in (1, 2):
            changes.add_episode(show.id, 1, episode, f"Episode {episode}")
    return world


@pytest.fixture
async def plex(world) -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(world) as server:
        yield server


def films(plex) -> list[int]:
    return [film.id for film in plex.world.movies("1")]


def asked(plex, pattern: str) -> int:
    return sum(fnmatchcase(request.path, pattern) for request in plex.requests)


async def test_collections_are_stored_with_their_members_in_order(plex, engine, path) -> None:
    """Plain and smart ones, of films, shows, seasons and episodes; an empty one has no members."""
    one, two, three, *_ = films(plex)
    plex.rich.add_collection("1", "By hand", [three, one, two], sort=2)
    plex.rich.add_smart_collection("1", "Newest", "sort=year:desc&limit=2")
    plex.rich.add_collection("1", "Empty", [])
    plex.rich.add_collection("2", "Shows", [show.id for show in plex.world.shows("2")])
    plex.rich.add_collection("2", "Seasons", [season.id for season in plex.world.seasons("2")])
    plex.rich.add_collection("2", "Episodes", [episode.id for episode in plex.world.episodes("2")])
    running = await engine(plex)
    await running.round()
    stored = stored_groups(path)
    assert stored == groups_of(plex.world, LIBRARIES)
    assert {group.title: len(group.members) for group in stored.values()} == {
        "By hand": 3, "Newest": 2, "Empty": 0, "Shows": 2, "Seasons": 2, "Episodes": 4,
    }  # fmt: skip


async def test_an_unchanged_poll_takes_one_request_and_writes_nothing(plex, engine, rows) -> None:
    """However many collections there are."""
    for number in range(5):
        plex.rich.add_collection("1", f"Collection {number}", films(plex)[:number])
    running = await engine(plex)
    await running.round()
    before = rows(WRITTEN)
    plex.requests.clear()
    running.live(60)
    await running.round()
    paths = Counter(request.path for request in plex.requests)
    assert paths["/library/all"] == 1
    assert asked(plex, "/library/collections/*") == 0
    assert sum(paths.values()) == 2 + 1 + 3 + 1
    assert rows(WRITTEN) == before


async def test_a_member_more_or_less_is_found_by_the_next_poll(plex, engine, path) -> None:
    """No time moves, but the number of members does: only that collection is read."""
    first, second, third, *_ = films(plex)
    changed = plex.rich.add_collection("1", "Changed", [first, second])
    plex.rich.add_collection("1", "Unchanged", [first])
    running = await engine(plex)
    await running.round()
    for change in (plex.rich.add_to_collection, plex.rich.remove_from_collection):
        change(changed.id, third)
        plex.requests.clear()
        await running.round()
        assert asked(plex, "/library/collections/*") == 1
        assert stored_groups(path) == groups_of(plex.world, LIBRARIES)


async def test_what_shows_nowhere_is_found_after_the_next_full_listing(plex, engine, path) -> None:
    """An exchanged member, another order by hand, and other results of a filter."""
    first, second, third, *_ = films(plex)
    plain = plex.rich.add_collection("1", "Plain", [first, second], sort=2)
    plex.rich.add_smart_collection("1", "Smart", "sort=year:desc&limit=2")
    running = await engine(plex)
    await running.round()
    plex.rich.remove_from_collection(plain.id, second)
    plex.rich.add_to_collection(plain.id, third)
    plex.rich.sort_collection(plain.id, third, first)
    film = plex.world.item(first)
    plex.world.put(replace(film, year=1999))
    running.live(HOURS_7)
    await running.round()
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)


@pytest.mark.parametrize("pattern", ["/library/all", "/library/collections/*"])
async def test_a_page_that_fails_is_no_empty_collection(plex, engine, path, pattern) -> None:
    """What is stored stays; it is read once the server can send it."""
    collection = plex.rich.add_collection("1", "Kept", films(plex)[:2])
    running = await engine(plex)
    await running.round()
    before = stored_groups(path)
    plex.rich.add_to_collection(collection.id, films(plex)[3])
    plex.faults.fail(pattern, status=500, times=None)
    await running.round()
    assert {key: group.members for key, group in stored_groups(path).items()} == {
        key: group.members for key, group in before.items()
    }
    plex.faults.clear()
    await running.round(FULL)
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES) != before


async def test_what_was_read_before_the_server_failed_is_stored(plex, engine, path) -> None:
    """Collections are written together, but none waits for those that the server does not send."""
    for number in range(3):
        plex.rich.add_collection("1", f"Collection {number}", films(plex)[: number + 1])
    running = await engine(plex)
    plex.faults.fail("/library/collections/*", status=503, times=None, after=2)
    await running.round()
    assert [len(group.members) for group in stored_groups(path).values()] == [1, 2]
    plex.faults.clear()
    running.live(60)
    await running.round()
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)


async def test_a_removed_collection_goes_missing_and_is_deleted_later(plex, engine, rows, path) -> None:
    """One that is created again under its title is another one."""
    collection = plex.rich.add_collection("1", "Title", films(plex)[:2])
    running = await engine(plex)
    await running.round()
    plex.rich.remove_collection(collection.id)
    again = plex.rich.add_collection("1", "Title", films(plex)[3:5])
    plex.world.put_collection(replace(plex.world.collections[again.id], guid="collection://another"))
    await running.round()
    assert [(row_id, state) for row_id, _, state, _ in rows(WRITTEN)] == [(1, "missing"), (2, "active")]
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)
    running.live(31 * 86_400)
    await running.round()
    assert [row_id for row_id, *_ in rows(WRITTEN)] == [2]


async def test_a_collection_keeps_its_id_under_a_new_key_and_loses_it_to_no_other(plex, engine, rows, path) -> None:
    """As after Plex's database was put back from a backup: the guid says which one it is."""
    first = plex.rich.add_collection("1", "First", films(plex)[:2])
    second = plex.rich.add_collection("1", "Second", films(plex)[3:5])
    running = await engine(plex)
    await running.round()
    titles = dict(rows("SELECT source_id, id FROM collections"))
    one, two = plex.world.collections[first.id], plex.world.collections[second.id]
    plex.world.put_collection(replace(two, id=first.id))
    plex.world.put_collection(replace(one, id=second.id))
    await running.round()
    assert dict(rows("SELECT source_id, id FROM collections")) == titles
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)


async def test_a_collection_that_a_list_lacks_stays_if_the_server_has_it(plex, engine, rows) -> None:
    """A server that is just starting may list none."""
    plex.rich.add_collection("1", "Kept", films(plex)[:2])
    running = await engine(plex)
    await running.round()
    plex.quirks.empty_libraries = {"1"}
    await running.round()
    assert [state for _, _, state, _ in rows(WRITTEN)] == ["active"]


async def test_a_collection_that_the_server_cannot_tell_about_keeps_no_other(plex, engine, rows) -> None:
    """The others that are gone are missing at once."""
    for title in ("Broken", "Gone"):
        plex.rich.add_collection("1", title, films(plex)[:2])
    running = await engine(plex)
    await running.round()
    keys = [key for _, key, _, _ in rows(WRITTEN)]
    for key in keys:
        plex.rich.remove_collection(int(key))
    plex.faults.fail(f"/library/collections/{keys[0]}", status=500, times=5)
    await running.round()
    assert [state for _, _, state, _ in rows(WRITTEN)] == ["active", "missing"]


@pytest.mark.parametrize("status", [400, 404, 501])
async def test_a_server_that_refuses_the_whole_list_is_asked_for_each_library(plex, engine, path, status) -> None:
    """That is remembered."""
    plex.rich.add_collection("1", "One", films(plex)[:2])
    plex.faults.fail("/library/all", status=status, times=1)
    running = await engine(plex)
    await running.round()
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)
    plex.requests.clear()
    await running.round()
    assert asked(plex, "/library/all") == 0
    assert asked(plex, "/library/sections/*/collections") == 2


async def test_what_is_no_member_is_skipped(plex, engine, rows, path) -> None:
    """The collection itself, a kind that is not mirrored, the same item twice, an item of another library."""
    show = next(iter(plex.world.shows("2")))
    first, second, *_ = films(plex)
    collection = plex.rich.add_collection("1", "Odd", [first, second])
    entries = [
        ({"ratingKey": collection.rating_key, "type": "collection", "title": "Odd"}),
        ({"ratingKey": "9001", "type": "track", "title": "Song"}),
        ({"ratingKey": str(first), "type": "movie", "title": "Film 0"}),
        ({"ratingKey": show.rating_key, "type": "show", "title": "Show 0"}),
    ]
    plex.faults.intrude(f"/library/collections/{collection.id}/children", *entries)
    running = await engine(plex)
    await running.round()
    assert stored_groups(path)[collection.rating_key].members == (str(first), str(second))


async def test_a_member_that_was_not_stored_is_added_once_it_is(plex, engine, path) -> None:
    """By the poll whose pass stores it."""
    hidden = films(plex)[2]
    plex.quirks.unlisted = {hidden}
    plex.rich.add_collection("1", "Waiting", films(plex)[:3])
    running = await engine(plex)
    await running.round()
    assert len(next(iter(stored_groups(path).values())).members) == 2
    plex.quirks.unlisted = set()
    await running.round(Selection(full=True, library="Films"))
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)


async def test_a_page_without_entries_is_no_empty_collection(plex, engine, path) -> None:
    """Of a plain one and of a smart one, whose total need not be the number of its members."""
    plex.rich.add_collection("1", "Plain", films(plex)[:3])
    plex.rich.add_smart_collection("1", "Smart", "sort=year:desc&limit=2")
    running = await engine(plex)
    await running.round()
    plex.faults.empty("/library/collections/*/children", times=None)
    await running.round(FULL)
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)
    plex.rich.add_to_collection(next(iter(plex.world.collections)), films(plex)[4])
    await running.round()
    plex.faults.clear()
    await running.round()
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)


async def test_a_member_without_a_key_costs_no_stored_one(plex, engine, path) -> None:
    """It may be one of them."""
    first, second, third, *_ = films(plex)
    collection = plex.rich.add_collection("1", "Plain", [first, second])
    running = await engine(plex)
    await running.round()
    before = stored_groups(path)
    plex.faults.keyless = {first}
    await running.round(FULL)
    assert stored_groups(path) == before
    plex.faults.clear()
    plex.rich.add_to_collection(collection.id, third)
    await running.round()
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES) != before


async def test_a_key_that_two_collections_had_costs_neither(plex, engine, path, rows) -> None:
    """One has the other's old key now, and its own old key is gone."""
    first = plex.rich.add_collection("1", "First", films(plex)[:2])
    second = plex.rich.add_collection("1", "Second", films(plex)[2:4])
    running = await engine(plex)
    await running.round()
    before = rows("SELECT id, title FROM collections ORDER BY id")
    plex.world.drop_collection(first.id)
    plex.world.put_collection(replace(first, id=second.id))
    await running.round()
    assert stored_groups(path) == groups_of(plex.world, LIBRARIES)
    assert rows("SELECT id, title FROM collections ORDER BY id") == before


async def test_a_renamed_collection_keeps_its_row(plex, engine, rows) -> None:
    """As does one whose picture changes."""
    collection = plex.rich.add_collection("1", "Old", films(plex)[:2])
    running = await engine(plex)
    await running.round()
    plex.rich.edit_collection(collection.id, title="New", summary="Text")
    await running.round()
    assert rows("SELECT id, title, summary FROM collections") == [(1, "New", "Text")]


# Cost --------------------------------------------------------------------------------------------------------------


async def test_collections_and_labels_cost_a_bounded_number_of_requests(engine) -> None:
    """One per collection and label at first, then few: with 45 pages, 50 collections and 5 labels, 110 and 70."""
    world = generated_library(movies=0, shows=60, episodes=4)
    collections = len(world.collections)
    labels = len({(kind, name) for kind, _, name in labels_of(world, "2")})
    async with SimulatedPlex(world) as plex:
        running = await engine(plex)
        await running.round()
        pages = 1 + 3  # of the empty film library, and of shows, seasons and episodes
        assert collections > 22
        assert len(plex.requests) == 2 + pages + 1 + collections + 1 + 3 + labels
        plex.requests.clear()
        running.live(HOURS_7)
        (report,) = await running.round()
        assert {done.run.kind for done in report.passes} == {"full"}
        smart = sum(collection.filter is not None for collection in world.collections.values())
        assert smart < len(plex.requests_for("/library/collections/*"))
        assert len(plex.requests) <= 2 + pages + 1 + MOST_REQUESTS
