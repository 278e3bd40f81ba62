"""The control side does over HTTP what tests do in Python, and never on the Plex paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from retrovue_daemon.demo import Control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get

    Call = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def call(plex: SimulatedPlex) -> AsyncIterator[Call]:
    async with Control(plex) as control, aiohttp.ClientSession() as session:

        async def call(method: str, path: str, /, **body: object) -> tuple[int, Any]:
            async with session.request(method, control.url + path, json=body or None) as response:
                good = response.status == 200
                return response.status, await response.json() if good else await response.text()

        yield call


async def test_it_changes_the_world(call: Call, get: Get, plex: SimulatedPlex) -> None:
    """A change by its name and arguments; what it returns comes back."""
    status, movie = await call("POST", "/changes/add_movie", library="1", title="The Bat", year=1926)
    assert status == 200
    assert movie["type"] == "movie"
    assert plex.world.item(movie["id"]).title == "The Bat"
    assert (await get(f"/library/metadata/{movie['id']}")).titles == ["The Bat"]
    status, gone = await call("POST", "/changes/delete", item_id=movie["id"])
    assert [item["title"] for item in gone] == ["The Bat"]


async def test_it_sets_faults_and_quirks(call: Call, get: Get, plex: SimulatedPlex) -> None:
    """They hit the Plex side and leave the control side alone."""
    await call("POST", "/faults/fail", path="*", status=503, times=None)
    assert (await get("/identity")).status == 503
    assert (await call("POST", "/faults/clear"))[0] == 200
    assert (await get("/identity")).status == 200
    _, quirks = await call("POST", "/quirks", page_cap=3, empty_libraries=["1"])
    assert quirks["page_cap"] == plex.quirks.page_cap == 3
    assert (await get("/library/sections/1/all")).entries == []


async def test_it_tells_the_truth(call: Call, plex: SimulatedPlex) -> None:
    """Libraries with their numbers, and items with everything."""
    _, libraries = await call("GET", "/truth")
    assert libraries[0]["items"] == {"movie": 27, "show": 0, "season": 0, "episode": 0}
    _, episodes = await call("GET", "/truth/episode?library=4")
    assert sorted(e["guid"] for e in episodes) == sorted(e.guid for e in plex.world.episodes("4"))
    assert episodes[0]["media"][0]["parts"][0]["file"].startswith("/srv/media/anime/")


async def test_it_restarts_the_server(call: Call, get: Get) -> None:
    """The Plex side answers again at the same address."""
    assert (await get("/identity")).status == 200
    assert (await call("POST", "/restart"))[0] == 200
    assert (await get("/identity")).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/changes/nonsense", {}, 404),
        ("/changes/_tick", {}, 404),
        ("/faults/__init__", {}, 404),
        ("/changes/delete", {"item_id": 99999}, 400),
        ("/changes/delete", {"nonsense": 1}, 400),
        ("/quirks", {"page_cap": "three"}, 400),
    ],
)
async def test_it_says_what_it_cannot_do(call: Call, path: str, body: dict[str, object], status: int) -> None:
    """Unknown names are 404, unfit arguments 400 with a reason."""
    assert (await call("POST", path, **body))[0] == status


async def test_the_plex_side_knows_none_of_it(get: Get) -> None:
    """There the control paths do not exist."""
    assert (await get("/truth")).status == 404
