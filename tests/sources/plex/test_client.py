"""The client's requests to a server, and their results."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from retrovue_daemon.config import Secret, ServerSection
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import (
    BadAnswer,
    PagingIgnored,
    PlexError,
    RequestRefused,
    ServerBusy,
    ServerTimeout,
    WrongServer,
)
from retrovue_daemon.records import Episode, LibraryListing, Movie, ServerIdentity
from retrovue_daemon.sources.plex.client import Listing, PlexClient
from retrovue_daemon.sources.plex.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioresponses import aioresponses

    from retrovue_daemon.records import Item, Page
    from tests.sources.plex.conftest import FakePlex

    Connect = Callable[..., Awaitable[PlexClient]]

ALL = "/library/sections/1/all"
LEAVES = "/library/sections/2/allLeaves"
BY_TYPE = "/library/sections/2/all"
START, SIZE = "X-Plex-Container-Start", "X-Plex-Container-Size"
NOT_STORED = "Country,Rating,Collection,Writer,Role,Producer,Similar,Image,UltraBlurColors"


def movies(count: int) -> list[dict[str, Any]]:
    return [{"ratingKey": str(number), "type": "movie", "title": f"Film {number}"} for number in range(1, count + 1)]


def episodes(count: int, guid: str = "plex://episode/{}", external: str | None = "tvdb://{}") -> list[dict[str, Any]]:
    ids = [] if external is None else [external]
    return [
        {
            "ratingKey": str(number),
            "type": "episode",
            "guid": guid.format(number),
            "Guid": [{"id": form.format(number)} for form in ids],
        }
        for number in range(1, count + 1)
    ]


async def listed(client: PlexClient, key: str, listing: Listing, page_size: int = 100) -> list[Page]:
    async with aclosing(client.pages(key, listing, page_size=page_size)) as pages:
        return [page async for page in pages]


async def keys(client: PlexClient, key: str, listing: Listing, page_size: int = 100) -> list[str]:
    return [item.rating_key for page in await listed(client, key, listing, page_size) for item in page.items]


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


# -- identity and libraries -----------------------------------------------------------------------------------------


async def test_identity(plex: FakePlex, connect: Connect) -> None:
    """The identity is requested without the token."""
    plex.answer("/identity", plex.reply({"MediaContainer": {"machineIdentifier": "9f", "version": "1.43"}}))
    assert await (await connect()).identity() == ServerIdentity("9f", "1.43")
    assert "X-Plex-Token" not in plex.requests[0].headers


async def test_a_listing_stops_while_another_machine_is_at_the_address(plex: FakePlex, connect: Connect) -> None:
    """No request with the token is sent until the known machine is back."""
    machines = ["9f", "another", "9f"]

    async def identify(_request: web.Request) -> web.Response:
        return web.json_response({"MediaContainer": {"machineIdentifier": machines.pop(0)}})

    plex.answer("/identity", identify)
    plex.answer("/library/sections", plex.reply({"MediaContainer": {"size": 0, "Directory": []}}))
    client = await connect()
    await client.confirm_machine("9f")
    assert await client.libraries() == ()
    with pytest.raises(WrongServer):
        await client.confirm_machine("9f")
    plex.requests.clear()
    with pytest.raises(WrongServer, match="'another' instead of '9f'"):
        await client.libraries()
    assert plex.requests == []
    await client.confirm_machine("9f")
    assert await client.libraries() == ()


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html></html>", {"status": "ok"}, {"MediaContainer": {"size": 0}}])
async def test_identity_of_something_else(plex: FakePlex, connect: Connect, body: object) -> None:
    """A router's web page or another program's JSON is no Plex Media Server."""
    plex.answer("/identity", plex.reply(body))
    with pytest.raises(BadAnswer):
        await (await connect()).identity()


async def test_libraries(plex: FakePlex, connect: Connect) -> None:
    """All libraries come, of every type; one that cannot be used is logged when it begins to be so."""
    sections = [
        {"key": "1", "type": "movie", "title": "Movies"},
        {"key": "4", "type": "artist", "title": "Music"},
        {"title": "?"},
    ]
    whole, usable = ({"MediaContainer": {"Directory": listed}} for listed in (sections, sections[:2]))
    plex.answer("/library/sections", *map(plex.reply, (whole, whole, usable, whole)))
    client = await connect()
    with capture_logs() as logs:
        found = await client.libraries()
        await client.libraries()
    assert found == (LibraryListing("1", "Movies", "movie"), LibraryListing("4", "Music", "artist"))
    assert [line for line in logs if line["event"] != "http.request"] == [
        {"event": "library.skipped", "log_level": "warning", "server": "home", "library": "?", "reason": "no key"}
    ]
    with capture_logs() as logs:
        for _ in range(2):
            await client.libraries()
    assert [line["event"] for line in logs if line["event"] != "http.request"] == ["library.skipped"]


# -- listings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listing", "path", "by_type", "left_out"),
    [
        (Listing.MOVIES, ALL, {"type": "1", **STREAMS}, NOT_STORED),
        (Listing.SHOWS, ALL, {"type": "2"}, NOT_STORED),
        (Listing.SEASONS, ALL, {"type": "3"}, f"{NOT_STORED},Genre,Director"),
        (Listing.EPISODES, "/library/sections/1/allLeaves", {**STREAMS}, f"{NOT_STORED},Genre,Director"),
    ],
)
async def test_the_requests(
    plex: FakePlex, connect: Connect, listing: Listing, path: str, by_type: dict[str, str], left_out: str
) -> None:
    """A listing is requested by id, in pages, with external ids and streams, without what is not stored."""
    plex.answer(path, plex.listing(*movies(3)))
    await listed(await connect(), "1", listing, page_size=50)
    (request,) = plex.requests
    assert dict(request.query) == {
        **by_type,
        "sort": "id",
        "includeGuids": "1",
        "includeCollections": "0",
        "excludeElements": left_out,
        START: "0",
        SIZE: "50",
    }


async def test_pages(plex: FakePlex, connect: Connect) -> None:
    """A listing comes page by page, in order, with its total and its library."""
    plex.answer(ALL, plex.listing(*movies(250), librarySectionUUID="u-1"))
    client = await connect()
    pages = await listed(client, "1", Listing.MOVIES)
    assert [(page.offset, page.entries, page.total, page.library_uuid) for page in pages] == [
        (0, 100, 250, "u-1"),
        (100, 100, 250, "u-1"),
        (200, 50, 250, "u-1"),
    ]
    assert [item.rating_key for page in pages for item in page.items] == numbers(250)
    assert len(plex.requests) == 3


async def test_quoted_key(plex: FakePlex, connect: Connect) -> None:
    """A library's key is a text like any other and does not lead elsewhere."""
    plex.answer("/library/sections/../1?x/all", plex.listing(*movies(1)))
    assert await keys(await connect(), "../1?x", Listing.MOVIES) == ["1"]


async def test_total_of_the_header_counts_first(plex: FakePlex, connect: Connect) -> None:
    """The total of the header takes precedence over that of the body; `size` is never used."""

    async def answer(request: web.Request) -> web.StreamResponse:
        start = int(request.query[START])
        body = {"MediaContainer": {"size": 100, "totalSize": 100, "Metadata": movies(300)[start : start + 100]}}
        return web.json_response(body, headers={"X-Plex-Container-Total-Size": "300"})

    plex.answer(ALL, answer)
    assert await keys(await connect(), "1", Listing.MOVIES) == numbers(300)


async def test_server_that_ignores_start(plex: FakePlex, connect: Connect) -> None:
    """A server, or a proxy before it, that always sends the first page is found out."""
    page = {"MediaContainer": {"size": 100, "totalSize": 300, "Metadata": movies(100)}}
    plex.answer(ALL, plex.reply(page))
    with pytest.raises(PagingIgnored):
        await listed(await connect(), "1", Listing.MOVIES)


async def test_server_without_paging(plex: FakePlex, connect: Connect) -> None:
    """A server that ignores the page size has sent everything."""
    plex.answer(ALL, plex.reply({"MediaContainer": {"size": 300, "Metadata": movies(300)}}))
    (page,) = await listed(await connect(), "1", Listing.MOVIES)
    assert (page.entries, page.total) == (300, 300)


async def test_slow_server(plex: FakePlex, connect: Connect) -> None:
    """A page that takes too long is not tried again as it is, but smaller."""
    answer = plex.listing(*movies(100))

    async def slow_when_large(request: web.Request) -> web.StreamResponse:
        return await (plex.hold if int(request.query[SIZE]) > 50 else answer)(request)

    plex.answer(ALL, slow_when_large)
    client = await connect(timeout=0.3)
    assert await keys(client, "1", Listing.MOVIES, page_size=200) == numbers(100)
    assert [request.query[SIZE] for request in plex.requests] == ["200", "100", "50", "50"]


async def test_server_that_is_too_slow(plex: FakePlex, connect: Connect) -> None:
    """Requests get smaller; after the third single entry the listing fails: the server hangs, not an entry."""
    plex.answer(ALL, plex.hold)
    client = await connect(timeout=0.05)
    with pytest.raises(ServerTimeout):
        await listed(client, "1", Listing.MOVIES, page_size=25)
    sizes = [request.query[SIZE] for request in plex.requests]
    assert sizes == ["25", "12", "6", "3", "1", "1", "1"]


async def test_failing_page(plex: FakePlex, connect: Connect) -> None:
    """A page that fails for good ends the listing; the pages before it were given."""
    answer = plex.listing(*movies(500))

    async def fail_at_200(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503) if request.query[START] == "200" else await answer(request)

    plex.answer(ALL, fail_at_200)
    async with aclosing((await connect()).pages("1", Listing.MOVIES, page_size=100)) as pages:
        assert [(await anext(pages)).offset, (await anext(pages)).offset] == [0, 100]
        with pytest.raises(ServerBusy):
            await anext(pages)


async def test_pages_are_fetched_ahead(plex: FakePlex, connect: Connect) -> None:
    """The second page is requested while the reader has the first; leaving then leaves nothing behind."""
    answer = plex.listing(*movies(500))

    async def hold_the_second(request: web.Request) -> web.StreamResponse:
        return await (answer if request.query[START] == "0" else plex.hold)(request)

    plex.answer(ALL, hold_the_second)
    async with aclosing((await connect()).pages("1", Listing.MOVIES, page_size=100)) as pages:
        await anext(pages)
        await plex.held.wait()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("plex:")]


async def test_leaving_the_client_ends_its_fetches(plex: FakePlex, section: Callable[..., ServerSection]) -> None:
    """A client that is closed while a listing is open ends the fetches of that listing."""
    answer = plex.listing(*movies(500))

    async def hold_the_second(request: web.Request) -> web.StreamResponse:
        return await (answer if request.query[START] == "0" else plex.hold)(request)

    plex.answer(ALL, hold_the_second)
    async with PlexClient(section(), client_identifier="c", version="1") as client:
        pages = client.pages("1", Listing.MOVIES, page_size=100)
        await anext(pages)
        await plex.held.wait()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("plex:")]
    await pages.aclose()


async def test_one_bad_entry(plex: FakePlex, connect: Connect) -> None:
    """An entry that cannot be used costs neither its page nor the pages after it."""
    entries = movies(150)
    entries[7] = {"ratingKey": "8", "type": "collection", "year": 2**70}
    plex.answer(ALL, plex.listing(*entries))
    pages = await listed(await connect(), "1", Listing.MOVIES)
    assert [len(page.items) for page in pages] == [99, 50]
    assert [skipped.reason for page in pages for skipped in page.skipped] == ["type 'collection'"]


async def test_an_entry_whose_pages_are_reset(plex: FakePlex, connect: Connect) -> None:
    """A server that cannot send an entry may reset the connection: the entry is found, all others are listed."""
    listing = plex.listing(*movies(40))

    async def answer(request: web.Request) -> web.StreamResponse:
        start = int(request.query[START])
        bad = start <= 17 < start + int(request.query[SIZE])
        return await (plex.reset if bad else listing)(request)

    plex.answer(ALL, answer)
    pages = await listed(await connect(), "1", Listing.MOVIES)
    assert sum(len(page.items) for page in pages) == 39
    assert [page.offset for page in pages if page.unreadable is not None] == [17]


async def test_xml(plex: FakePlex, connect: Connect) -> None:
    """A server that responds in XML gets requests for few entries, because XML takes long to read."""

    async def answer(request: web.Request) -> web.StreamResponse:
        start, size = int(request.query[START]), int(request.query[SIZE])
        entries = movies(1200)[start : start + size]
        videos = "".join(f'<Video ratingKey="{entry["ratingKey"]}" type="movie"/>' for entry in entries)
        text = f'<MediaContainer size="{len(entries)}" totalSize="1200" offset="{start}">{videos}</MediaContainer>'
        return web.Response(text=text, content_type="text/xml")

    plex.answer("/library/sections", plex.reply(b'<MediaContainer size="0"/>'))
    plex.answer(ALL, answer)
    client = await connect()
    await client.libraries()
    assert await keys(client, "1", Listing.MOVIES, page_size=1000) == numbers(1200)
    assert {request.query[SIZE] for request in plex.asked(ALL)} == {"250"}


async def test_first_page_of_an_unknown_server(plex: FakePlex, connect: Connect) -> None:
    """Before the server has answered anything it may turn out to answer in XML."""
    plex.answer(ALL, plex.listing(*movies(600)))
    await listed(await connect(), "1", Listing.MOVIES, page_size=1000)
    assert plex.requests[0].query[SIZE] == "500"


async def test_large_pages_of_json(plex: FakePlex, connect: Connect) -> None:
    """A server that has responded in JSON gets requests of any size."""
    plex.answer("/library/sections", plex.reply({"MediaContainer": {"size": 0}}))
    plex.answer(ALL, plex.listing(*movies(1200)))
    client = await connect()
    await client.libraries()
    await listed(client, "1", Listing.MOVIES, page_size=1000)
    assert {request.query[SIZE] for request in plex.asked(ALL)} == {"1000"}


# -- episodes -------------------------------------------------------------------------------------------------------


async def test_episodes(plex: FakePlex, connect: Connect) -> None:
    """Episodes come by `allLeaves`, which needs no type."""
    plex.answer(LEAVES, plex.listing(*episodes(150)))
    assert await keys(await connect(), "2", Listing.EPISODES) == numbers(150)
    assert {request.path for request in plex.requests} == {LEAVES}
    assert "type" not in plex.requests[0].query
    assert plex.requests[0].query["includeGuids"] == "1"


@pytest.mark.parametrize("status", [400, 404, 501])
async def test_leaves_refused(plex: FakePlex, connect: Connect, status: int) -> None:
    """Where `allLeaves` is refused the listing by type serves, and is requested first the next time.

    A 400 may also mean that nothing can be omitted: that is tried once.
    """
    plex.answer(LEAVES, plex.reply(status=status))
    plex.answer(BY_TYPE, plex.listing(*episodes(150)))
    client = await connect()
    assert await keys(client, "2", Listing.EPISODES) == numbers(150)
    assert await keys(client, "2", Listing.EPISODES) == numbers(150)
    assert len(plex.asked(LEAVES)) == (2 if status == 400 else 1)
    assert {request.query["type"] for request in plex.asked(BY_TYPE)} == {"4"}


async def test_both_refused(plex: FakePlex, connect: Connect) -> None:
    """A library that is gone is refused either way."""
    with pytest.raises(RequestRefused):
        await listed(await connect(), "2", Listing.EPISODES)
    assert [request.path for request in plex.requests][:2] == [LEAVES, BY_TYPE]
    assert len(plex.asked(LEAVES)) == 1


async def test_leaves_refused_in_the_middle(plex: FakePlex, connect: Connect) -> None:
    """Once a page was given, another way would give its entries twice: the listing fails."""
    answer = plex.listing(*episodes(150))

    async def refuse_the_second(request: web.Request) -> web.StreamResponse:
        return await answer(request) if request.query[START] == "0" else web.Response(status=404)

    plex.answer(LEAVES, refuse_the_second)
    with pytest.raises(RequestRefused):
        await listed(await connect(), "2", Listing.EPISODES)
    assert plex.asked(BY_TYPE) == []


async def test_leaves_busy(plex: FakePlex, connect: Connect) -> None:
    """If a server is temporarily unavailable, the other path is not tried."""
    plex.answer(LEAVES, plex.reply(status=503))
    with pytest.raises(ServerBusy):
        await listed(await connect(), "2", Listing.EPISODES)
    assert plex.asked(BY_TYPE) == []


async def test_leaves_without_external_ids(plex: FakePlex, connect: Connect) -> None:
    """Where `allLeaves` holds no external ids of episodes that Plex knows, the listing by type is read instead."""
    plex.answer(LEAVES, plex.listing(*episodes(150, external=None)))
    plex.answer(BY_TYPE, plex.listing(*episodes(150)))
    client = await connect()
    pages = await listed(client, "2", Listing.EPISODES)
    items = [item for page in pages for item in page.items if isinstance(item, Episode)]
    assert [item.rating_key for item in items] == numbers(150)
    assert items[149].guids == (("plex", "episode/150"), ("tvdb", "150"))
    asked = len(plex.asked(LEAVES))
    await listed(client, "2", Listing.EPISODES)
    assert len(plex.asked(LEAVES)) == asked


async def test_no_external_ids_either_way(plex: FakePlex, connect: Connect) -> None:
    """If the listing by type has none either, it is used, and the comparison is not repeated."""
    for path in (LEAVES, BY_TYPE):
        plex.answer(path, plex.listing(*episodes(50, external=None)))
    client = await connect()
    assert await keys(client, "2", Listing.EPISODES) == numbers(50)
    assert await keys(client, "2", Listing.EPISODES) == numbers(50)
    assert len(plex.asked(LEAVES)) == 1


@pytest.mark.parametrize(
    "guid", ["local://{}", "com.plexapp.agents.thetvdb://268592/1/{}?lang=en", "tv.plex.agents.none://{}"]
)
async def test_agents_without_external_ids(plex: FakePlex, connect: Connect, guid: str) -> None:
    """Episodes that no agent matched, or another than Plex's own, have no external ids anywhere."""
    plex.answer(LEAVES, plex.listing(*episodes(50, guid=guid, external=None)))
    await listed(await connect(), "2", Listing.EPISODES)
    assert plex.asked(BY_TYPE) == []


async def test_some_external_ids(plex: FakePlex, connect: Connect) -> None:
    """One episode with external ids shows that the listing holds them."""
    plex.answer(LEAVES, plex.listing(*episodes(50, external=None)[:49], episodes(50)[49]))
    await listed(await connect(), "2", Listing.EPISODES)
    assert plex.asked(BY_TYPE) == []


# -- against the simulated server -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "quirks", [{}, {"always_xml": True}, {"page_cap": 7}, {"no_totals": True}, {"leaves_without_guids": True}]
)
async def test_everything_of_a_server(quirks: dict[str, object]) -> None:
    """Every film, show, season and episode of a server comes once, with its files, whatever the server's habits."""
    world = built_in_library()
    found: list[Item] = []
    async with SimulatedPlex(world) as plex:
        for name, value in quirks.items():
            setattr(plex.quirks, name, value)
        section = ServerSection(name="home", url=plex.url, token=Secret(plex.token))
        async with PlexClient(section, client_identifier="c", version="1") as client:
            for library in await client.libraries():
                for listing in {"movie": [Listing.MOVIES], "show": list(Listing)[1:]}.get(library.kind, []):
                    for page in await listed(client, library.key, listing, page_size=20):
                        assert page.skipped == ()
                        found += page.items
    truth = [*world.movies(), *world.shows(), *world.seasons(), *world.episodes()]
    assert sorted(item.rating_key for item in found) == sorted(str(item.rating_key) for item in truth)
    files = [file.part_id for item in found if isinstance(item, Movie | Episode) for file in item.files]
    assert Counter(files) == Counter(part.id for _, _, part in world.parts())


# -- without a socket -----------------------------------------------------------------------------------------------


@pytest.fixture
def offline() -> ServerSection:
    return ServerSection(name="home", url="http://plex.test:32400/p", token=Secret("tok-1"))


async def test_identity_not_found(plex: FakePlex, connect: Connect) -> None:
    """Something else has the port, or a proxy has the server below a path."""
    plex.answer("/identity", plex.reply("not found", status=404))
    with pytest.raises(RequestRefused, match="HTTP 404 for /identity") as caught:
        await (await connect()).identity()
    assert "https://example.org/plex" in (caught.value.hint or "")


@pytest.mark.parametrize("status", [401, 403])
async def test_identity_refused(plex: FakePlex, connect: Connect, status: int) -> None:
    """It was requested without the token, so this does not mean that the token is refused."""
    plex.answer("/identity", plex.reply(status=status))
    with pytest.raises(RequestRefused, match=f"HTTP {status} for /identity") as caught:
        await (await connect()).identity()
    assert "no token was sent" in (caught.value.hint or "")
    assert len(plex.requests) == 2, "a refusal may be a mistake, so there is a second try"


async def test_identity_offline(responses: aioresponses, offline: ServerSection) -> None:
    """The whole address of a request: prefix, path, nothing else."""
    responses.get("http://plex.test:32400/p/identity", payload={"MediaContainer": {"machineIdentifier": "9f"}})
    async with PlexClient(offline, client_identifier="c", version="1") as client:
        assert await client.identity() == ServerIdentity("9f", None)


async def test_page_offline(responses: aioresponses, offline: ServerSection) -> None:
    """The whole address of a page."""
    address = (
        f"http://plex.test:32400/p/library/sections/1/all?{START}=0&{SIZE}=30"
        f"&excludeElements={NOT_STORED}&includeCollections=0&includeGuids=1&sort=id&type=2"
    )
    show = {"ratingKey": "5", "type": "show", "title": "Dark"}
    responses.get(address, payload={"MediaContainer": {"size": 1, "totalSize": 1, "Metadata": [show]}})
    async with PlexClient(offline, client_identifier="c", version="1") as client:
        assert await keys(client, "1", Listing.SHOWS, page_size=30) == ["5"]


async def test_error_offline(responses: aioresponses, offline: ServerSection) -> None:
    """What a server refuses names the path without prefix, arguments or token."""
    responses.get("http://plex.test:32400/p/library/sections", status=404)
    async with PlexClient(offline, client_identifier="c", version="1") as client:
        with pytest.raises(PlexError) as raised:
            await client.libraries()
    assert str(raised.value) == "server 'home' rejected a request: HTTP 404 for /library/sections"


async def test_a_server_that_refuses_exclusions_gets_requests_without_them(plex: FakePlex, connect: Connect) -> None:
    """It refuses the argument once; from then on it is not sent."""
    whole = plex.listing(*movies(120))

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400) if "excludeElements" in request.query else await whole(request)

    plex.answer(ALL, refuse)
    client = await connect(concurrency=1)
    assert await keys(client, "1", Listing.MOVIES, page_size=50) == numbers(120)
    assert ["excludeElements" in request.query for request in plex.requests] == [True, False, False, False]
