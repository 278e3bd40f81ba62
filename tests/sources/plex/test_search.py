"""Searching for shows in all libraries at once: two ways, and answers that say where each show is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from retrovue_daemon.config import Secret, ServerSection
from retrovue_daemon.demo import SimulatedPlex, built_in_library, generated_library
from retrovue_daemon.errors import EndlessListing, RequestRefused, Unauthorized
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.sources.plex.parse import parse_found_shows
from retrovue_daemon.sources.plex.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.sources.plex.conftest import FakePlex

    Connect = Callable[..., Awaitable[PlexClient]]

OLD, NEW = "/library/sections/all", "/library/all"
SHOW = {"ratingKey": "30", "type": "show", "title": "The Lighthouse Keepers", "year": 2019}
LIBRARIES = {"size": 1, "Directory": [{"key": "3", "type": "show", "title": "TV Shows", "uuid": "u-3"}]}


def body(*entries: dict[str, Any], **container: object) -> bytes:
    return json.dumps({"MediaContainer": {"size": len(entries), **container, "Metadata": list(entries)}}).encode()


@pytest.mark.parametrize("section", [3, "3"])
def test_an_item_says_which_library_it_is_in(section: object) -> None:
    """As a number or as a text; the container's word fills gaps only."""
    placed = {**SHOW, "librarySectionID": section, "librarySectionTitle": "TV Shows"}
    numbered = {**placed, "ratingKey": 32}
    first, second, third = parse_found_shows(
        body(placed, {**SHOW, "ratingKey": 31}, numbered, librarySectionID=4, librarySectionTitle="Anime")
    ).shows
    assert (first.library_key, first.library) == ("3", "TV Shows")
    assert (second.show.rating_key, second.library_key, second.library) == ("31", "4", "Anime")
    assert (third.show.rating_key, third.library_key, third.library) == ("32", "3", "TV Shows")


def test_a_library_that_is_not_named_is_unknown() -> None:
    """The show is found nevertheless."""
    (found,) = parse_found_shows(body(SHOW)).shows
    assert (found.show.title, found.library_key, found.library) == ("The Lighthouse Keepers", None, None)


def test_odd_values_cost_themselves_only() -> None:
    """A section id that is no number of any kind leaves the show."""
    (found,) = parse_found_shows(body({**SHOW, "librarySectionID": {"odd": 1}, "year": "none"})).shows
    assert (found.show.rating_key, found.show.year, found.library_key) == ("30", None, None)


def test_xml_says_the_same() -> None:
    """Shows and libraries are both directories there: only shows have a rating key."""
    found = parse_found_shows(
        b'<MediaContainer size="2">'
        b'<Directory ratingKey="30" type="show" title="Odd" librarySectionID="3" librarySectionTitle="TV Shows"/>'
        b'<Directory key="3" type="show" title="TV Shows"/></MediaContainer>'
    ).shows
    assert [(each.show.rating_key, each.library_key, each.library) for each in found] == [("30", "3", "TV Shows")]


def test_libraries_and_films_are_no_shows() -> None:
    """Nothing is found in an answer to another question."""
    assert parse_found_shows(json.dumps({"MediaContainer": LIBRARIES}).encode()).shows == ()
    assert parse_found_shows(body({**SHOW, "type": "movie"})).shows == ()


async def test_the_old_way_comes_first(plex: FakePlex, connect: Connect) -> None:
    """Where it finds something, one request is enough; the title and the year are the server's to compare."""
    plex.answer(OLD, plex.reply({"MediaContainer": {"size": 1, "totalSize": 1, "Metadata": [SHOW]}}))
    client = await connect()
    assert [found.show.rating_key for found in await client.shows_called("light & house", 2019)] == ["30"]
    (request,) = plex.requests
    expected = {"type": "2", "title": "light & house", "year": "2019", "includeGuids": "1"}
    assert {name: request.query.get(name) for name in expected} == expected
    assert "X-Plex-Token" not in request.query


@pytest.mark.parametrize(
    "first",
    [
        pytest.param({"body": {"MediaContainer": LIBRARIES}}, id="the libraries"),
        pytest.param({"body": {"MediaContainer": {"size": 0}}}, id="nothing"),
        *(pytest.param({"status": status}, id=str(status)) for status in (400, 404, 501)),
    ],
)
async def test_the_new_way_comes_where_the_old_one_finds_none(
    plex: FakePlex, connect: Connect, first: dict[str, Any]
) -> None:
    """Servers list their libraries there, or refuse the request."""
    plex.answer(OLD, plex.reply(**first))
    plex.answer(NEW, plex.reply({"MediaContainer": {"size": 1, "Metadata": [SHOW]}}))
    client = await connect()
    assert [found.show.rating_key for found in await client.shows_called("light")] == ["30"]
    assert "year" not in plex.asked(NEW)[0].query


async def test_what_both_ways_refuse_is_refused(plex: FakePlex, connect: Connect) -> None:
    """An empty result differs from a failed request."""
    client = await connect()
    with pytest.raises(RequestRefused, match=NEW):
        await client.shows_called("light")
    plex.answer(NEW, plex.reply({"MediaContainer": {"size": 0}}))
    assert await client.shows_called("light") == ()


async def test_a_rejected_token_is_no_reason_to_try_the_other_path(plex: FakePlex, connect: Connect) -> None:
    """It would be refused there as well."""
    plex.answer(OLD, plex.reply(status=401))
    client = await connect()
    with pytest.raises(Unauthorized):
        await client.shows_called("light")
    assert plex.asked(NEW) == []


@pytest.mark.parametrize("odd", [{}, {"no_legacy_search": True}, {"always_xml": True}])
async def test_the_simulated_server_is_searched(odd: dict[str, bool]) -> None:
    """Whichever way it answers, and in whichever format, the answer is the same."""
    async with SimulatedPlex(built_in_library()) as server:
        for name, value in odd.items():
            setattr(server.quirks, name, value)
        section = ServerSection(name="home", url=server.url, token=Secret(server.token))
        async with PlexClient(section, client_identifier="c", version="1", retry=RetryPolicy(attempts=1)) as client:
            (found,) = await client.shows_called("lighthouse")
            assert (found.show.title, found.show.year) == ("The Lighthouse Keepers", 2019)
            assert (found.library_key, found.library) == ("3", "TV Shows")
            assert found.show.guid_primary is not None
            assert await client.shows_called("lighthouse", 1950) == ()
            titles = {(each.library, each.show.title) for each in await client.shows_called("tan")}
            assert ("Anime", "Sakana no Tantei") in titles


@pytest.mark.parametrize(
    "odd", [{}, {"page_cap": 300, "no_totals": True}, {"ignores_filters": True}, {"always_xml": True}]
)
async def test_more_shows_than_fit_on_a_page_are_all_found(odd: dict[str, object]) -> None:
    """Over all libraries and in one, each once, whatever the server makes of pages."""
    async with SimulatedPlex(generated_library(movies=0, shows=1_100, episodes=0)) as server:
        for name, value in odd.items():
            setattr(server.quirks, name, value)
        section = ServerSection(name="home", url=server.url, token=Secret(server.token))
        async with PlexClient(section, client_identifier="c", version="1", retry=RetryPolicy(attempts=1)) as client:
            everywhere = [found.show.rating_key for found in await client.shows_called("e")]
            (library,) = [each for each in await client.libraries() if each.kind == "show"]
            listed = [item.rating_key async for page in client.shows_titled(library.key, "e") for item in page.items]
    assert len(everywhere) > 1_000
    assert len(set(everywhere)) == len(everywhere)
    assert set(listed) == set(everywhere)


@pytest.mark.parametrize(("summary", "pages"), [("", 21), ("s" * 9_000, 4)])
async def test_a_search_without_an_end_ends_with_an_error(
    plex: FakePlex, connect: Connect, summary: str, pages: int
) -> None:
    """It is as long as its 10,000 shows, or as 16 MiB of them."""

    async def endless(request: web.Request) -> web.StreamResponse:
        start, size = (int(request.query[f"X-Plex-Container-{name}"]) for name in ("Start", "Size"))
        shows = [
            {"ratingKey": str(number), "type": "show", "title": f"The {number}", "summary": summary}
            for number in range(start, start + size)
        ]
        return web.json_response({"MediaContainer": {"size": size, "Metadata": shows}})

    plex.answer(OLD, endless)
    with pytest.raises(EndlessListing, match="more than 10,000 shows or 16 MiB for one title"):
        await (await connect()).shows_called("the")
    assert len(plex.asked(OLD)) == pages
