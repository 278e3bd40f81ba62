"""The control side does over HTTP what tests do in Python, and never on the Plex paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest

from retrovue_daemon.demo import Control
from retrovue_daemon.demo.timeline import Chapter

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


async def test_what_it_deleted_it_can_add_again(call: Call, plex: SimulatedPlex) -> None:
    """By the ids of the items, which come back from the deletion."""
    _, gone = await call("POST", "/changes/delete", item_id=1)
    status, again = await call("POST", "/changes/add_again", args=[item["id"] for item in gone])
    assert status == 200
    assert [item["guid"] for item in again] == [item["guid"] for item in gone]
    assert plex.world.item(again[0]["id"]).title == gone[0]["title"]


async def test_it_edits_whatever_json_can_say(call: Call, get: Get) -> None:
    """Lists and objects, too; listings show it at once."""
    await call("POST", "/changes/edit", item_id=1, tags={"genres": ["Horror"]}, external_guids=["imdb://tt1"])
    entry = (await get("/library/sections/1/all?includeGuids=1&id=1")).entries[0]
    assert (entry["Genre"], entry["Guid"]) == ([{"tag": "Horror"}], [{"id": "imdb://tt1"}])


async def test_it_lists_what_it_can_do(call: Call) -> None:
    """Names, arguments and what they are for."""
    _, names = await call("GET", "/")
    assert names["changes"]["delete"]["arguments"] == "item_id: int"
    assert names["changes"]["delete"]["does"].startswith("Delete an item")
    assert not [name for name in (*names["changes"], *names["faults"]) if name.startswith("_")]
    assert "page_cap" in names["quirks"]


async def test_it_sets_faults_and_quirks(call: Call, get: Get, plex: SimulatedPlex) -> None:
    """They hit the Plex side and leave the control side alone."""
    await call("POST", "/faults/fail", path="*", status=503, times=None)
    assert (await get("/identity")).status == 503
    assert (await call("POST", "/faults/clear"))[0] == 200
    assert (await get("/identity")).status == 200
    _, quirks = await call("POST", "/quirks", page_cap=3, empty_libraries=["1"])
    assert quirks["page_cap"] == plex.quirks.page_cap == 3
    assert (await get("/library/sections/1/all")).entries == []


async def test_it_reports_the_real_state(call: Call, plex: SimulatedPlex) -> None:
    """Libraries with their numbers, and items with everything."""
    _, libraries = await call("GET", "/truth")
    assert libraries[0]["items"] == {"movie": 27, "show": 0, "season": 0, "episode": 0}
    _, episodes = await call("GET", "/truth/episode?library=4")
    assert sorted(e["guid"] for e in episodes) == sorted(e.guid for e in plex.world.episodes("4"))
    assert episodes[0]["media"][0]["parts"][0]["file"].startswith("/srv/media/anime/")


async def test_it_changes_what_channels_are_scheduled_by(call: Call, plex: SimulatedPlex) -> None:
    """Tags, labels, collections, chapters and markers, by the methods of `plex.rich`."""
    _, listed = await call("GET", "/")
    assert {"add_label", "add_to_collection", "add_movie"} <= listed["changes"].keys()
    await call("POST", "/changes/add_label", item_id=16, label="Late night")
    await call("POST", "/changes/edit_tags", item_id=16, genres=["Horror", "Noir"])
    await call("POST", "/changes/set_chapters", args=[16, {"start": 0, "end": 5, "title": "First"}, {"start": 5}])
    film = plex.world.movies("1")
    changed = next(each for each in film if each.id == 16)
    assert (changed.tags.labels, changed.tags.genres) == (("Late night",), ("Horror", "Noir"))
    assert changed.chapters == (Chapter(0, 5, "First"), Chapter(5))
    _, made = await call("POST", "/changes/add_collection", library="1", title="Two", item_ids=[16, 3], sort=2)
    _, after = await call("POST", "/changes/remove_from_collection", args=[made["id"], 3])
    assert (after["title"], after["order"]) == ("Two", [16])
    _, collections = await call("GET", "/truth/collection?library=1")
    assert next(each["members"] for each in collections if each["title"] == "Two") == [16]
    for name, wrong in (("add_label", {"item_id": 99999, "label": "x"}), ("add_to_collection", {"args": [1, 3]})):
        assert (await call("POST", f"/changes/{name}", **wrong))[0] == 400


async def test_arguments_with_names_come_before_those_in_the_list(call: Call, plex: SimulatedPlex) -> None:
    """As the list of all changes shows them: `library_type: str, title: str, *paths: str`."""
    status, made = await call(
        "POST", "/changes/add_library", library_type="movie", title="Shorts", args=["/srv/a", "/srv/b"]
    )
    assert (status, made["title"], len(made["locations"])) == (200, "Shorts", 2)
    _, pair = await call("POST", "/changes/add_collection", library="1", title="Two", item_ids=[16, 3], sort=2)
    _, after = await call("POST", "/changes/sort_collection", collection_id=pair["id"], args=[3, 16])
    assert after["order"] == [3, 16]
    assert (await call("POST", "/notify/frame", type_="timeline", args=[{"itemID": 5}]))[0] == 200
    for wrong in ({"title": "X", "args": ["movie", "/srv/a"]}, {"library_type": "movie", "args": []}):
        assert (await call("POST", "/changes/add_library", **wrong))[0] == 400


async def test_it_sends_notifications(call: Call, plex: SimulatedPlex) -> None:
    """By the methods of `plex.notify`, in the form that quirks of their own choose."""
    _, listed = await call("GET", "/")
    assert {"entry", "lie", "flood", "drop"} <= listed["notify"].keys()
    assert listed["notifications"]["envelope"] == "wrapped"
    _, quirks = await call("POST", "/notifications", envelope="bare", states=[0, 5])
    assert (quirks["envelope"], plex.notifications.quirks.states) == ("bare", (0, 5))
    url = f"{plex.url}/:/websockets/notifications?X-Plex-Token={plex.token}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await plex.notifications.connected()
        for path, body in (
            ("lie", {"kind": "deleted", "item_id": 3}),
            ("malformed", {"kind": "id_float"}),
            ("frame", {"args": ["timeline", {"itemID": 5}]}),
            ("raw", {"body": "{"}),
        ):
            assert await call("POST", f"/notify/{path}", **body) == (200, {})
        received = [await socket.receive() for _ in range(4)]
        assert received[0].json()["TimelineEntry"][0]["state"] == 9
        assert received[1].json()["TimelineEntry"][0]["itemID"] == 3.5
        assert received[2].json()["TimelineEntry"] == [{"itemID": 5}]
        assert received[3].data == "{"
        _, connections = await call("GET", "/notifications")
        assert connections == [{"kind": "websocket", "sent": 4, "waiting": 0, "pings": 0}]


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
        ("/changes/edit", {"item_id": 1, "title": 5}, 400),
        ("/changes/split_file", {"item_id": 30}, 400),
        ("/changes/add_again", {"args": [5]}, 400),
        ("/changes/add_movie", {"library": "1", "title": "X", "year": "abc"}, 400),
        ("/changes/add_movie", {"library": "3", "title": "X"}, 400),
        ("/changes/add_show", {"library": "1", "title": "X"}, 400),
        ("/changes/add_episode", {"show_id": 30, "season_index": 77, "index": "a", "title": "x"}, 400),
        ("/changes/add_library", {"args": ["movie", "NoPath"]}, 400),
        ("/changes/add_library", {"args": ["cinema", "X", "/x"]}, 400),
        ("/changes/add_library", {"args": "movie"}, 400),
        ("/changes/rename_library", {"key": "1", "title": 7}, 400),
        ("/changes/edit", {"item_id": 33, "season_id": 1}, 400),
        ("/changes/edit", {"item_id": 33, "show_id": 1}, 400),
        ("/changes/edit", {"item_id": 31, "show_id": 62}, 400),
        ("/changes/start_scan", {"key": "99"}, 400),
        ("/changes/add_again", {"args": [{"id": 4, "library": "1", "guid": "", "title": "", "added_at": 0}]}, 400),
        ("/faults/fail", {"path": "*", "status": "x"}, 400),
        ("/faults/fail", {"path": "*", "status": 299}, 400),
        ("/faults/fail", {"path": "*", "status": 200}, 400),
        ("/faults/fail", {"path": "*", "status": 999}, 400),
        ("/faults/fail", {"path": "*", "status": 503, "retry_after": 5}, 400),
        ("/faults/drop", {"path": "*", "times": 0}, 400),
        ("/faults/drop", {"path": "*", "after": -1}, 400),
        ("/faults/take", {"path": "*"}, 404),
        ("/faults/intruders", {"path": "*"}, 404),
        ("/notify/nonsense", {}, 404),
        ("/notify/entry", {"item_id": 99999}, 400),
        ("/notify/lie", {"kind": "nonsense", "item_id": 3}, 400),
        ("/notify/malformed", {"kind": "nonsense"}, 400),
        ("/notify/flood", {"count": -1}, 400),
        ("/notify/flood", {"count": 5, "library": "99"}, 400),
        ("/notify/generate", {"item_id": 3, "what": "nonsense"}, 400),
        ("/notify/close", {"code": 5000}, 400),
        ("/notifications", {"envelope": "nonsense"}, 400),
        ("/notifications", {"states": [10]}, 400),
        ("/notifications", {"nonsense": 1}, 400),
        ("/quirks", {"page_cap": "three"}, 400),
        ("/quirks", {"page_cap": -3}, 400),
        ("/quirks", {"latency": -5}, 400),
        ("/quirks", {"refuses_all_leaves": 299}, 400),
        ("/quirks", {"page_cop": 3}, 400),
    ],
)
async def test_it_says_what_it_cannot_do(
    call: Call, get: Get, plex: SimulatedPlex, path: str, body: dict[str, object], status: int
) -> None:
    """Unknown names are 404, unfit arguments 400 with a reason; and nothing is changed, nor goes wrong."""
    before = dict(plex.world.items), msgspec.to_builtins(plex.world.libraries), msgspec.to_builtins(plex.quirks)
    assert (await call("POST", path, **body))[0] == status
    after = dict(plex.world.items), msgspec.to_builtins(plex.world.libraries), msgspec.to_builtins(plex.quirks)
    assert after == before
    assert (await get("/identity")).status == 200


async def test_what_was_added_again_is_not_added_twice(call: Call, plex: SimulatedPlex) -> None:
    """Nor what was moved: its files are somewhere else now. Nor does one call bring the same item back twice."""
    films = len(list(plex.world.movies()))
    await call("POST", "/changes/delete", item_id=4)
    assert (await call("POST", "/changes/add_again", args=[4, 4]))[0] == 400
    assert [(await call("POST", "/changes/add_again", args=[4]))[0] for _ in range(2)] == [200, 400]
    assert (await call("POST", "/changes/move", item_id=3, library="2"))[0] == 200
    assert (await call("POST", "/changes/add_again", args=[3]))[0] == 400
    assert len(list(plex.world.movies())) == films


@pytest.mark.parametrize("body", [b"{", b"[]", b"5"])
async def test_a_body_that_is_no_object_is_refused(plex: SimulatedPlex, body: bytes) -> None:
    """With 400, and nothing is changed."""
    before = plex.world.revision
    async with Control(plex) as control, aiohttp.ClientSession() as session:
        for path in ("/changes/empty_trash", "/faults/clear", "/quirks"):
            async with session.post(control.url + path, data=body) as response:
                assert response.status == 400
    assert plex.world.revision == before


async def test_the_plex_side_knows_none_of_it(get: Get) -> None:
    """There the control paths do not exist."""
    assert (await get("/truth")).status == 404
