"""Each fault and quirk does what its name says, on the given paths and as often as requested."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from retrovue_daemon.demo import link

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get

MOVIES = "/library/sections/1/all"


async def test_a_failure_occurs_as_often_as_requested(get: Get, plex: SimulatedPlex) -> None:
    """One passes, two fail, the next passes again; other paths are not touched."""
    plex.faults.fail(MOVIES, status=503, times=2, after=1, retry_after="7")
    assert [(await get(MOVIES)).status for _ in range(2)] == [200, 503]
    assert (await get("/library/sections")).status == 200
    failed = await get(MOVIES)
    assert failed.status == 503
    assert failed.headers["Retry-After"] == "7"
    assert failed.headers["Content-Type"].startswith("text/html")
    assert (await get(MOVIES)).status == 200


async def test_faults_wait_for_each_other(get: Get, plex: SimulatedPlex) -> None:
    """Several faults of one path come one after the other."""
    plex.faults.fail(MOVIES, status=500)
    plex.faults.fail("/library/*", status=429)
    assert [(await get(MOVIES)).status for _ in range(3)] == [500, 429, 200]


async def test_a_standing_failure_ends_when_it_is_cleared(get: Get, plex: SimulatedPlex) -> None:
    """times=None has no end of its own."""
    plex.faults.fail("*", status=500, times=None)
    assert [(await get("/identity")).status for _ in range(3)] == [500] * 3
    plex.faults.clear()
    assert (await get("/identity")).status == 200


async def test_maintenance_is_xml(get: Get, plex: SimulatedPlex) -> None:
    """A server that migrates its database says so in XML, with 503."""
    plex.faults.maintenance()
    answer = await get("/library/sections")
    assert answer.status == 503
    assert answer.body.startswith(b'<Response code="503" title="Maintenance" status="Plex Media Server is currently ')


async def test_a_redirect_leads_elsewhere(get: Get, plex: SimulatedPlex) -> None:
    """302 with the address given."""
    plex.faults.redirect("/identity", "http://127.0.0.1:9/identity")
    answer = await get("/identity")
    assert (answer.status, answer.headers["Location"]) == (302, "http://127.0.0.1:9/identity")


async def test_a_dropped_request_has_no_answer(get: Get, plex: SimulatedPlex) -> None:
    """The client sees the connection close."""
    plex.faults.drop("/identity", times=None)
    with pytest.raises(aiohttp.ClientConnectionError):
        await get("/identity")


async def test_a_hanging_request_waits_for_its_release(get: Get, plex: SimulatedPlex) -> None:
    """It has arrived, it is not answered, and then it is."""
    stuck = plex.faults.hang(MOVIES)
    waiting = asyncio.create_task(get(MOVIES))
    await stuck.reached.wait()
    assert (await get("/identity")).status == 200
    assert not waiting.done()
    stuck.release.set()
    assert (await waiting).status == 200


async def test_clearing_releases_what_hangs(get: Get, plex: SimulatedPlex) -> None:
    """Also requests that are already waiting."""
    stuck = plex.faults.hang(MOVIES)
    waiting = asyncio.create_task(get(MOVIES))
    await stuck.reached.wait()
    plex.faults.clear()
    assert (await waiting).status == 200


@pytest.mark.parametrize("accept_encoding", [None, "gzip"])
async def test_a_truncated_body_is_shorter_than_its_head_says(
    get: Get, plex: SimulatedPlex, accept_encoding: str | None
) -> None:
    """Content-Length promises more than comes."""
    plex.faults.truncate(MOVIES)
    with pytest.raises(aiohttp.ClientPayloadError):
        await get(MOVIES, Accept_Encoding=accept_encoding)
    assert (await get(MOVIES)).status == 200


async def test_a_garbled_body_is_complete_and_does_not_parse(get: Get, plex: SimulatedPlex) -> None:
    """200, the right length, and no JSON."""
    plex.faults.garble(MOVIES)
    answer = await get(MOVIES)
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    with pytest.raises(ValueError, match="truncated"):
        _ = answer.container


@pytest.mark.parametrize("accept", ["application/json", "text/xml"])
async def test_bad_bytes_are_no_utf8(get: Get, plex: SimulatedPlex, accept: str) -> None:
    """One byte in one title."""
    plex.faults.bad_bytes(MOVIES)
    body = (await get(MOVIES, Accept=accept)).body
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert body.replace(b"\xff", b"") == (await get(MOVIES, Accept=accept)).body


async def test_a_total_can_be_wrong_for_one_page(get: Get, plex: SimulatedPlex) -> None:
    """Body and header agree on the wrong number."""
    plex.faults.miscount(MOVIES, by=-2, after=1)
    pages = [await get(f"{MOVIES}?X-Plex-Container-Size=5") for _ in range(3)]
    assert [page.container["totalSize"] for page in pages] == [27, 25, 27]
    assert [page.headers["X-Plex-Container-Total-Size"] for page in pages] == ["27", "25", "27"]


@pytest.mark.parametrize("xml", [False, True])
async def test_a_damaged_item_has_a_number_that_no_database_holds(
    get: Get, plex: SimulatedPlex, *, xml: bool
) -> None:
    """In listings and details, in JSON and XML, until it is cleared."""
    plex.quirks.always_xml = xml
    film = next(plex.world.movies("1"))
    paths = (MOVIES, f"/library/metadata/{film.id}")
    whole = [(await get(path)).body for path in paths]
    plex.faults.damaged.add(film.id)
    mark = ('duration="%d"' if xml else '"duration":%d') % 2**64
    assert [(await get(path)).body.count(mark.encode()) for path in paths] == [1, 1]
    plex.faults.clear()
    assert [(await get(path)).body for path in paths] == whole


async def test_intruders_are_listed_and_counted(get: Get, plex: SimulatedPlex) -> None:
    """They stand at the end of the listing, whatever they are, and only in the listing named."""
    odd = {"type": "movie", "title": ["no", "text"], "year": 2**70}
    plex.faults.intrude(MOVIES, odd, b'{"ratingKey":null}')
    page = await get(f"{MOVIES}?X-Plex-Container-Start=26&X-Plex-Container-Size=5")
    assert page.container["totalSize"] == 29
    assert page.body.endswith(
        b'{"type":"movie","title":["no","text"],"year":1180591620717411303424},{"ratingKey":null}]}}'
    )
    assert (await get("/library/sections/2/all?X-Plex-Container-Size=0")).container["totalSize"] == 2
    assert (await get(MOVIES, Accept="text/xml")).status == 200


async def test_a_stopped_server_refuses_and_returns_to_its_port(get: Get, plex: SimulatedPlex) -> None:
    """The address survives a restart, and so does the content."""
    url = plex.url
    await plex.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get("/identity")
    await plex.start()
    assert plex.url == url
    assert (await get("/library/sections")).status == 200
    await plex.restart()
    assert (await get("/library/sections")).status == 200


async def test_requests_are_kept(get: Get, plex: SimulatedPlex) -> None:
    """In order of arrival, with arguments and headers, refused ones too."""
    await get("/identity", X_Plex_Token=None)
    await get(f"{MOVIES}?type=1&sort=id", X_Plex_Container_Size="5")
    await get("/nothing")
    assert [request.path for request in plex.requests] == ["/identity", MOVIES, "/nothing"]
    request = plex.requests_for("/library/sections/*/all")[0]
    assert request.query == {"type": "1", "sort": "id"}
    assert request.headers["x-plex-container-size"] == "5"
    assert request.headers["x-plex-token"] == plex.token


async def test_xml_whatever_is_accepted(get: Get, plex: SimulatedPlex) -> None:
    """A server or proxy that knows no JSON."""
    plex.quirks.always_xml = True
    assert (await get("/identity")).body.startswith(b"<?xml")


async def test_a_narrow_line_carries_one_answer_after_the_other(
    get: Get, plex: SimulatedPlex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it carries are the bytes that leave: compressed ones, where the client takes them."""
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    # Of the line alone: all others continue to sleep as they do.
    clock = SimpleNamespace(sleep=sleep, get_running_loop=asyncio.get_running_loop)
    monkeypatch.setattr(link, "asyncio", clock)
    plex.quirks.bandwidth = 1.0
    plain = len((await get(MOVIES, Accept_Encoding="identity")).body)
    packed = int((await get(MOVIES, Accept_Encoding="gzip")).headers["Content-Length"])
    assert packed < plain / 2
    assert [round(wait) for wait in waits if wait > 1] == [plain, plain + packed]


async def test_a_server_that_ignores_the_start(get: Get, plex: SimulatedPlex) -> None:
    """Every page is the first."""
    plex.quirks.ignores_start = True
    first = await get(f"{MOVIES}?X-Plex-Container-Start=0&X-Plex-Container-Size=5")
    second = await get(f"{MOVIES}?X-Plex-Container-Start=5&X-Plex-Container-Size=5")
    assert first.titles == second.titles


async def test_a_server_that_caps_pages(get: Get, plex: SimulatedPlex) -> None:
    """Fewer entries than requested, and the whole total."""
    plex.quirks.page_cap = 3
    container = (await get(f"{MOVIES}?X-Plex-Container-Size=10")).container
    assert (container["size"], container["totalSize"]) == (3, 27)


async def test_a_server_without_totals(get: Get, plex: SimulatedPlex) -> None:
    """Neither in the body nor in the head."""
    plex.quirks.no_totals = True
    page = await get(f"{MOVIES}?X-Plex-Container-Size=10")
    assert "totalSize" not in page.container
    assert "X-Plex-Container-Total-Size" not in page.headers


async def test_all_leaves_may_be_refused_or_poor(get: Get, plex: SimulatedPlex) -> None:
    """Refused with any status, or without guids; all?type=4 is not concerned."""
    plex.quirks.leaves_without_guids = True
    leaves = await get("/library/sections/3/allLeaves?includeGuids=1")
    assert leaves.entries
    assert all("Guid" not in entry for entry in leaves.entries)
    plex.quirks.refuses_all_leaves = 501
    assert (await get("/library/sections/3/allLeaves")).status == 501
    assert any("Guid" in entry for entry in (await get("/library/sections/3/all?type=4&includeGuids=1")).entries)


async def test_another_program_at_the_address(get: Get, plex: SimulatedPlex) -> None:
    """It answers 200 everywhere, and never with a MediaContainer."""
    for kind in ("html", "json"):
        plex.quirks.not_plex = kind
        for path in ("/identity", "/library/sections"):
            answer = await get(path)
            assert answer.status == 200
            assert answer.headers["Content-Type"].partition(";")[0].endswith(kind)
            assert b"MediaContainer" not in answer.body


async def test_a_library_can_seem_empty_or_gone(get: Get, plex: SimulatedPlex) -> None:
    """Empty: listed, with a total of 0. Hidden: not among the sections. The truth is not touched."""
    plex.quirks.empty_libraries.add("1")
    container = (await get(f"{MOVIES}?X-Plex-Container-Size=10")).container
    assert (container["size"], container["totalSize"]) == (0, 0)
    plex.quirks.hidden_libraries.add("1")
    assert "1" not in [section["key"] for section in (await get("/library/sections")).container["Directory"]]
    assert len(list(plex.world.movies("1"))) == 27


async def test_hidden_paths_are_shown_again(get: Get, plex: SimulatedPlex) -> None:
    """What was first listed without them has them afterwards."""

    def files(answer) -> list[object]:
        entries = answer.container["Metadata"]
        return [part.get("file") for entry in entries for media in entry.get("Media", ()) for part in media["Part"]]

    plex.quirks.hides = "paths"
    assert set(files(await get(MOVIES))) == {None}
    plex.quirks.hides = None
    assert None not in files(await get(MOVIES))


async def test_a_text_can_take_the_place_of_another(get: Get, plex: SimulatedPlex) -> None:
    """Of the same request next time it does not."""
    plex.faults.rewrite(MOVIES, '"size":27', '"size":NaN')
    assert b'"size":NaN' in (await get(MOVIES)).body
    assert (await get(MOVIES)).container["size"] == 27
