"""Collections: plain ones, whose members name them, and smart ones, which are filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.demo import RELEASE_2023, Memberships, SimulatedPlex, generated_library
from retrovue_daemon.demo.items import Episode, Movie, Tags

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Collection
    from tests.demo.conftest import Get

FILMS = [5, 3, 8]


@pytest.fixture
def collection(plex: SimulatedPlex) -> Collection:
    return plex.rich.add_collection("1", "A Handful", FILMS, sort=2)


def members(entries: list[dict[str, Any]]) -> list[int]:
    return [int(entry["ratingKey"]) for entry in entries]


@pytest.mark.parametrize(
    ("path", "located"),
    [
        ("/library/sections/1/collections?title=handful", False),
        ("/library/sections/1/all?type=18&title=handful", False),
        ("/library/all?type=18&title=handful", True),
        ("/library/collections/{}", True),
    ],
)
async def test_a_collection_is_listed(
    plex: SimulatedPlex, get: Get, collection: Collection, path: str, *, located: bool
) -> None:
    """In its library, with those of the whole server, and by itself; its tag has an id of its own."""
    (entry,) = (await get(path.format(collection.id))).entries
    assert entry["ratingKey"] == str(collection.id)
    assert entry["key"] == f"/library/collections/{collection.id}/children"
    assert (entry["type"], entry["subtype"], entry["childCount"], entry["collectionSort"]) == (
        "collection",
        "movie",
        3,
        2,
    )
    years = sorted(year for number in FILMS if (year := plex.world.item(number).year))
    assert (entry["minYear"], entry["maxYear"]) == (str(years[0]), str(years[-1]))
    assert not entry.keys() & {"smart", "content", "collectionMode"}
    assert ("librarySectionID" in entry) == located
    film = (await get("/library/metadata/3")).entries[0]
    (tag,) = [tag for tag in film["Collection"] if tag["tag"] == "A Handful"]
    assert (tag["id"], tag["guid"]) == (entry["index"], entry["guid"])
    by_tag = (await get(f"/library/sections/1/all?collection={entry['index']}")).entries
    assert sorted(members(by_tag)) == sorted(FILMS)


@pytest.mark.parametrize("path", ["children", "items"])
async def test_members_come_in_pages_in_the_collections_order(
    plex: SimulatedPlex, get: Get, collection: Collection, path: str
) -> None:
    """By hand, by release or by title."""
    address = f"/library/collections/{collection.id}/{path}"
    pages = [
        await get(f"{address}?X-Plex-Container-Start={start}&X-Plex-Container-Size=2&includeGuids=1")
        for start in (0, 2)
    ]
    assert [(page.container["size"], page.container["totalSize"]) for page in pages] == [(2, 3), (1, 3)]
    assert [key for page in pages for key in members(page.entries)] == FILMS
    assert all("Guid" in entry for page in pages for entry in page.entries)
    films = [film for number in FILMS if isinstance(film := plex.world.item(number), Movie)]
    plex.rich.edit_collection(collection.id, sort=0)
    by_release = sorted(films, key=lambda film: film.originally_available_at or "")
    assert members((await get(address)).entries) == [film.id for film in by_release]
    plex.rich.edit_collection(collection.id, sort=1)
    by_title = sorted(films, key=lambda film: film.title_sort or film.title)
    assert members((await get(address)).entries) == [film.id for film in by_title]


async def test_members_change_without_a_trace_on_them(plex: SimulatedPlex, get: Get, collection: Collection) -> None:
    """No updatedAt moves: neither theirs nor the collection's."""
    before = {number: plex.world.item(number).updated_at for number in (*FILMS, 9)}
    plex.rich.add_to_collection(collection.id, 9)
    plex.rich.remove_from_collection(collection.id, 3)
    assert members((await get(f"/library/collections/{collection.id}/children")).entries) == [5, 8, 9]
    plex.rich.sort_collection(collection.id, 9, 8, 5)
    assert members((await get(f"/library/collections/{collection.id}/children")).entries) == [9, 8, 5]
    assert {number: plex.world.item(number).updated_at for number in (*FILMS, 9)} == before
    assert plex.world.collections[collection.id].updated_at == collection.updated_at
    listed = (await get("/library/sections/1/all?id=9")).entries[0]
    assert "A Handful" in [tag["tag"] for tag in listed["Collection"]]
    for number in (9, 8, 5):
        plex.rich.remove_from_collection(collection.id, number)
    empty = (await get(f"/library/collections/{collection.id}/children")).container
    assert empty["size"] == 0
    assert "Metadata" not in empty
    (entry,) = (await get(f"/library/collections/{collection.id}")).entries
    assert entry["childCount"] == 0


async def test_a_renamed_or_removed_collection_takes_its_tags_along(
    plex: SimulatedPlex, get: Get, collection: Collection
) -> None:
    """A rename moves the collection's updatedAt."""
    renamed = plex.rich.edit_collection(collection.id, title="A Few")
    assert (renamed.updated_at or 0) > (collection.updated_at or 0)
    assert [item.id for item in Memberships(plex.world).of(renamed)] == FILMS
    plex.rich.remove_collection(collection.id)
    assert (await get(f"/library/collections/{collection.id}")).status == 404
    assert not [number for number in FILMS if "A Few" in plex.world.item(number).tags.collections]


async def test_a_smart_collection_is_a_filter(plex: SimulatedPlex, get: Get) -> None:
    """Its members do not name it, and its childCount ignores its limit."""
    smart = plex.rich.add_smart_collection("1", "Oldest", "genre=Comedy&sort=year&limit=2")
    comedies = sorted((f for f in plex.world.movies("1") if "Comedy" in f.tags.genres), key=lambda f: (f.year, f.id))
    (entry,) = (await get(f"/library/collections/{smart.id}")).entries
    assert (entry["smart"], entry["childCount"]) == (True, len(comedies))
    assert entry["content"].startswith(f"server://{plex.world.machine_identifier}/com.plexapp.plugins.library%2F")
    address = f"/library/collections/{smart.id}/children"
    assert members((await get(address)).entries) == [film.id for film in comedies[:2]]
    assert "Metadata" not in (await get(f"/library/sections/1/all?collection={entry['index']}")).container
    plex.changes.edit(comedies[0].id, tags=Tags(genres=("Drama",)))
    assert members((await get(address)).entries) == [film.id for film in comedies[1:3]]
    plex.rich.edit_filter(smart.id, "genre=Comedy&sort=year:desc&limit=1")
    assert members((await get(address)).entries) == [comedies[-1].id]
    with pytest.raises(ValueError, match="nonsense"):
        plex.rich.edit_filter(smart.id, "nonsense>=5")
    assert members((await get(address)).entries) == [comedies[-1].id]


async def test_old_servers_count_members_in_text(plex: SimulatedPlex, get: Get, collection: Collection) -> None:
    """Since 1.41 it is a number."""
    plex.world.release = RELEASE_2023
    (entry,) = (await get(f"/library/collections/{collection.id}")).entries
    assert entry["childCount"] == "3"


async def test_episodes_in_a_collection_lack_guids_and_ratings(plex: SimulatedPlex, get: Get) -> None:
    """Though listings of the library have them."""
    episodes = [e for e in plex.world.episodes("3") if e.external_guids and e.audience_rating][:3]
    assert all(isinstance(episode, Episode) for episode in episodes)
    collection = plex.rich.add_collection("3", "Best of", [e.id for e in episodes])
    listed = (await get(f"/library/collections/{collection.id}/children?includeGuids=1")).entries
    assert sorted(members(listed)) == sorted(e.id for e in episodes)
    assert not {name for entry in listed for name in entry} & {"Guid", "rating", "audienceRating"}


async def test_collections_follow_deletions(plex: SimulatedPlex, get: Get, collection: Collection) -> None:
    """Of a member or of the library."""
    plex.changes.delete(5)
    assert members((await get(f"/library/collections/{collection.id}/children")).entries) == [3, 8]
    plex.changes.remove_library("1")
    assert (await get(f"/library/collections/{collection.id}")).status == 404


async def test_what_cannot_be_is_refused(plex: SimulatedPlex, collection: Collection) -> None:
    """Members of other types and libraries, two collections of one name, a filter edited into a plain one."""
    show = next(plex.world.shows("3"))
    other = next(plex.world.movies("2"))
    for refused in (
        lambda: plex.rich.add_to_collection(collection.id, show.id),
        lambda: plex.rich.add_to_collection(collection.id, other.id),
        lambda: plex.rich.add_collection("1", "A Handful", []),
        lambda: plex.rich.add_collection("1", "Mixed", [3, show.id]),
        lambda: plex.rich.edit_filter(collection.id, "year=1922"),
        lambda: plex.rich.add_smart_collection("1", "Bad", "sort=nonsense"),
    ):
        before = dict(plex.world.items), dict(plex.world.collections)
        with pytest.raises(ValueError):  # noqa: PT011  # any of them
            refused()
        assert (dict(plex.world.items), dict(plex.world.collections)) == before


async def test_thousands_of_members_are_paged() -> None:
    """As any listing."""
    async with SimulatedPlex(generated_library(movies=300, shows=0, episodes=0)) as plex:
        collection = plex.rich.add_collection("1", "All", [movie.id for movie in plex.world.movies()])
        assert len(Memberships(plex.world).of(collection)) == 300


async def test_a_film_that_moves_leaves_its_collections(plex: SimulatedPlex, collection: Collection) -> None:
    """They belong to the library."""
    moved = plex.changes.move(3, "2")
    assert not moved.tags.collections
    assert [item.id for item in Memberships(plex.world).of(plex.world.collections[collection.id])] == [5, 8]
