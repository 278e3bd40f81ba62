"""What the API returns: as the description says, page by page, and problem documents for everything else."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from retrovue_daemon.service.item_search import FIELDS
from retrovue_daemon.web.api import events
from retrovue_daemon.web.api.addresses import ADDRESSES, PREFIX
from retrovue_daemon.web.api.items import ItemsQuery
from tests.support.patience import PATIENCE_S
from tests.support.web import BEARER, rows_of

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from tests.support.web import Served

pytestmark = pytest.mark.no_groups

REFUSED = [
    ("/items?genres=Drama", 422, ["genres"]),
    ("/items?text=a&text=b&kind=film&limit=0", 422, ["text", "kind", "limit"]),
    ("/items?limit=ten", 422, ["limit"]),
    ("/items?min_rating=11", 422, ["min_rating"]),
    ("/items?year=later", 422, []),
    ("/items?text=" + "x" * 501, 422, ["text"]),
    ("/items?" + "&".join(["genre=x"] * 21), 422, ["genre"]),
    ("/items?genre=Unknown", 404, []),
    ("/items?server=unknown", 404, []),
    ("/items?cursor=bm90IG9uZQ", 400, []),
    ("/items/movie/999999", 404, []),
    ("/items/movie/one", 404, []),
    ("/items/movie/0", 404, []),
    (f"/items/movie/{2**63}", 404, []),
    ("/items/film/1", 404, []),
    ("/items/movie/1?by=id", 422, ["by"]),
    ("/changes?since=-1", 422, ["since"]),
    ("/changes?since=99999999", 410, []),
    ("/changes?since=0&feed_id=another", 410, []),
    (f"/changes?since={2**63}", 422, ["since"]),
    ("/changes?limit=1001", 422, ["limit"]),
    ("/passes?library=Unknown", 404, []),
    ("/passes?before=null", 422, ["before"]),
    ("/mappings?server=", 422, ["server"]),
    ("/events?only=everything", 422, ["only"]),
    ("/nothing", 404, []),
]


async def _synced(serve_page, plex) -> Served:
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    return served


async def _answer(served: Served, address: str):
    response = await served.get(PREFIX + address)
    assert response.status == 200, response.text
    return json.loads(response.text)


def test_a_search_takes_what_the_command_takes() -> None:
    """And what pages need."""
    assert {field.name for field in msgspec.structs.fields(ItemsQuery)} == {*FIELDS, "cursor", "limit"}


async def test_every_answer_is_as_described(serve_page, plex, path) -> None:
    """Of the whole API, over a mirror with everything in it."""
    served = await _synced(serve_page, plex)
    kinds = {"movie": "movies", "show": "shows", "season": "seasons", "episode": "episodes"}
    ids = {kind: rows_of(path, f"SELECT min(id) FROM {table}")[0][0] for kind, table in kinds.items()}
    past = {"server": "home", "type": "ServerUnreachable", "message": "refused", "since": 1, "until": 2}
    stored = json.dumps([{**past, "server_id": 1}, {**past, "server_id": 1, "since": 3}, {**past, "server_id": 99}])
    rows_of(path, "INSERT OR REPLACE INTO daemon_state (key, value) VALUES ('outages', ?)", stored)
    assert (await _answer(served, "/outages?server=HOME"))["outages"] == [{**past, "since": 3}, past]
    served.context.file_counts._patience_s = 0
    counting = await served.get(f"{PREFIX}/mappings/coverage")
    assert (counting.status, counting.headers["Retry-After"]) == (503, "2")
    served.context.file_counts._patience_s = PATIENCE_S
    for address in ADDRESSES:
        if address.get is None or address.is_stream or address.path.startswith("/syncs"):
            continue
        filled = [address.path.format(kind=kind, id=ids[kind]) for kind in kinds if "{kind}" in address.path]
        for each in filled or [address.path.format(id=1)]:
            response = await served.get(PREFIX + each)
            assert (response.status, response.headers["Content-Type"]) == (200, "application/json"), response.text
            msgspec.json.decode(response.text, type=address.get.answers)
    movie = await _answer(served, f"/items/movie/{ids['movie']}")
    assert (movie["kind"], movie["files"][0]["streams"] != []) == ("movie", True)
    assert (await _answer(served, "/mappings/coverage"))["uncovered"][0]["samples_found"] == 0


async def test_what_is_not_as_described_is_refused(serve_page) -> None:
    """By a problem document that names each parameter."""
    served = await serve_page()
    for address, status, names in REFUSED:
        response = await served.get(PREFIX + address, headers=BEARER)
        assert (response.status, response.headers["Content-Type"]) == (status, "application/problem+json"), address
        problem = json.loads(response.text)
        assert (problem["status"], [each["name"] for each in problem.get("errors", [])]) == (status, names), address
        assert problem["detail"], address
    assert "web.crashed" not in str(served.events.lines)


async def test_lists_go_on_page_by_page(serve_page, plex, path) -> None:
    """Each item, change and pass is there once; a cursor of another search is refused."""
    served = await _synced(serve_page, plex)
    found: list[tuple[str, int]] = []
    page = await _answer(served, "/items?sort=title&limit=40")
    cursor = page["cursor"]
    refused = await served.get(f"{PREFIX}/items?sort=year&limit=40&cursor={cursor}")
    assert refused.status == 400
    while True:
        found += [(item["kind"], item["id"]) for item in page["items"]]
        if page["cursor"] is None:
            break
        page = await _answer(served, f"/items?sort=title&limit=40&cursor={page['cursor']}")
    expected = sum(rows_of(path, f"SELECT count(*) FROM {name}")[0][0] for name in ("movies", "shows", "episodes"))
    assert len(found) == len({*found}) == expected

    feed = await _answer(served, "/changes?since=0&limit=1")
    changes = feed["changes"]
    while feed["more"]:
        feed = await _answer(served, f"/changes?since={feed['last_seq']}&feed_id={feed['feed_id']}&limit=1")
        changes += feed["changes"]
    assert sorted((each["seq"], each["id"]) for each in changes) == rows_of(
        path, "SELECT seq, value FROM change_batches, json_each(ids) ORDER BY seq, value"
    )

    passes = await _answer(served, "/passes?limit=2")
    runs = [each["run_id"] for each in passes["passes"]]
    while passes["before"] is not None:
        passes = await _answer(served, f"/passes?limit=2&before={passes['before']}")
        runs += [each["run_id"] for each in passes["passes"]]
    assert runs == [row_id for (row_id,) in rows_of(path, "SELECT id FROM sync_runs ORDER BY id DESC")]


async def _event(content: StreamReader) -> dict[str, str]:
    async with asyncio.timeout(PATIENCE_S):
        text = (await content.readuntil(b"\r\n\r\n")).decode()
    return dict(line.split(": ", 1) for line in text.strip().split("\r\n"))


async def test_events_go_on_where_a_client_was(serve_page, plex, path, monkeypatch) -> None:
    """Changes that happened meanwhile are sent; after a restore, the client is told to read everything anew."""
    monkeypatch.setattr(events, "LOOK_S", 0.01)
    served = await serve_page(plex)
    address = f"{served.url}{PREFIX}/events"
    rename = "INSERT INTO plex_servers (name, server_url, created_at, updated_at) VALUES (?, 'y', 1, 1)"
    async with served.client.get(address) as stream:
        first = {(event := await _event(stream.content))["event"]: event for _ in range(2)}
        assert json.loads(first["progress"]["data"])["libraries_total"] == 0
        assert json.loads(first["problems"]["data"])["problems"] == []
        rows_of(path, rename, "one")
        change = await _event(stream.content)
        assert (change["event"], json.loads(change["data"])["title"]) == ("change", "one")
    rows_of(path, rename, "two")
    ids = {"Last-Event-ID": change["id"]}
    async with served.client.get(f"{address}?only=change", headers=ids) as stream:
        assert json.loads((await _event(stream.content))["data"])["title"] == "two"
    for lost in ("another:1", f"{change['id'].partition(':')[0]}:999"):
        async with served.client.get(f"{address}?only=change", headers={"Last-Event-ID": lost}) as stream:
            assert (await _event(stream.content))["event"] == "resync"
            rows_of(path, rename, lost)
            assert json.loads((await _event(stream.content))["data"])["title"] == lost
    for nonsense in ("", "x", ":1", "a:b", f"a:{'9' * 400}"):
        async with served.client.get(f"{address}?only=problems", headers={"Last-Event-ID": nonsense}) as stream:
            assert (await _event(stream.content))["event"] == "problems"
