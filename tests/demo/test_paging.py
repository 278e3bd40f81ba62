"""Pages: what is counted, what is cut, and when it is said at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get

MOVIES = "/library/sections/1/all?type=1&sort=id"


async def test_an_unpaged_listing_has_no_total(get: Get) -> None:
    """`totalSize`, `offset` and the headers are there only when paging was mentioned."""
    answer = await get(MOVIES)
    assert not answer.container.keys() & {"totalSize", "offset"}
    assert answer.container["size"] == len(answer.entries)
    assert "X-Plex-Container-Total-Size" not in answer.headers


async def test_a_page_counts_itself_and_the_whole(get: Get) -> None:
    """`size` is the page's, `totalSize` the library's, `offset` the first entry's place; the header agrees."""
    whole = await get(MOVIES)
    page = await get(f"{MOVIES}&X-Plex-Container-Start=3&X-Plex-Container-Size=5")
    assert page.titles == whole.titles[3:8]
    assert page.container["size"] == 5
    assert page.container["totalSize"] == len(whole.entries)
    assert page.container["offset"] == 3
    assert page.headers["X-Plex-Container-Total-Size"] == str(len(whole.entries))
    assert page.headers["X-Plex-Container-Start"] == "3"


async def test_headers_page_as_arguments_do(get: Get) -> None:
    """Both forms of the same question have the same answer."""
    by_header = await get(MOVIES, X_Plex_Container_Start="3", X_Plex_Container_Size="5")
    by_query = await get(f"{MOVIES}&X-Plex-Container-Start=3&X-Plex-Container-Size=5")
    assert by_header.body == by_query.body


async def test_a_size_of_zero_counts(get: Get, plex: SimulatedPlex) -> None:
    """No entries, but the total."""
    container = (await get("/library/sections/3/all?type=4&X-Plex-Container-Size=0")).container
    assert container["size"] == 0
    assert container["totalSize"] == len(list(plex.world.episodes("3")))
    assert "Metadata" not in container


async def test_beyond_the_end_is_an_empty_page(get: Get) -> None:
    """The total stays what it is."""
    container = (await get(f"{MOVIES}&X-Plex-Container-Start=1000&X-Plex-Container-Size=5")).container
    assert (container["size"], container["offset"]) == (0, 1000)
    assert container["totalSize"] == 27


async def test_pages_make_up_the_whole(get: Get) -> None:
    """Page after page gives every entry once."""
    whole = (await get(MOVIES)).titles
    pages = [
        (await get(f"{MOVIES}&X-Plex-Container-Start={n}&X-Plex-Container-Size=4")).titles for n in range(0, 40, 4)
    ]
    assert [title for page in pages for title in page] == whole


@pytest.mark.parametrize("path", [MOVIES, "/library/all?type=1", "/library/metadata/30/allLeaves?"])
async def test_a_limit_cuts_the_total_too(get: Get, path: str) -> None:
    """`limit` is no page size: the listing itself ends there."""
    container = (await get(f"{path}&limit=4&X-Plex-Container-Start=0&X-Plex-Container-Size=50")).container
    assert (container["size"], container["totalSize"]) == (4, 4)


async def test_head_answers_with_the_total(get: Get) -> None:
    """HEAD has the headers of GET and no body."""
    answer = await get(f"{MOVIES}&X-Plex-Container-Size=0", method="HEAD")
    assert answer.headers["X-Plex-Container-Total-Size"] == "27"
    assert answer.body == b""


@pytest.mark.parametrize(("start", "seasons", "pseudo"), [(0, [0], 1), (1, [0, 1], 0), (3, [2], 0)])
async def test_the_pseudo_entry_takes_a_place(
    get: Get, plex: SimulatedPlex, start: int, seasons: list[int], pseudo: int
) -> None:
    """The entry "All episodes" is the first entry of a show's children, also for paging."""
    show = next(show for show in plex.world.shows() if show.title == "The Lighthouse Keepers")
    path = f"/library/metadata/{show.id}/children?X-Plex-Container-Start={start}&X-Plex-Container-Size=2"
    container = (await get(path)).container
    assert [season["index"] for season in container["Metadata"]] == seasons
    assert len(container.get("Directory", [])) == pseudo
    assert container["totalSize"] == 4
