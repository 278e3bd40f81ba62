"""A token that the server refuses is read from its file again."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING

import pytest
import structlog
from aiohttp import web

from retrovue_daemon.config import Secret, parse_config
from retrovue_daemon.errors import Unauthorized
from retrovue_daemon.logs.setup import configure_logging
from retrovue_daemon.sources.plex.client import PlexClient
from tests.support.logs import logging_kept
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.sources.plex.conftest import FakePlex

OLD, NEW = "old-tok-Pgx8vUPyLQ", "new-tok-Zk3mW9rTqa"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "home.token"


@pytest.fixture
def write(token_file: Path) -> Callable[[str], None]:
    """Replace the content of the token's file."""

    def work(content: str) -> None:
        token_file.touch(mode=0o600)
        token_file.write_text(content)

    return work


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What the daemon's log contains."""
    stream = io.StringIO()
    with logging_kept():
        configure_logging(level="info", format="json", stream=stream)
        yield stream


@pytest.fixture
async def client(plex: FakePlex, token_file: Path, write: Callable[[str], None]) -> AsyncIterator[PlexClient]:
    """A client whose server accepts only the new token; the file has the old one."""
    write(OLD + "\n")

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("X-Plex-Token") != NEW:
            return web.Response(status=401)
        return web.json_response({"MediaContainer": {"size": 0, "Directory": []}})

    plex.answer("/library/sections", answer)
    table = {"name": "home", "url": plex.url, "token_file": str(token_file)}
    (server,) = parse_config({"servers": [table]}).servers
    async with PlexClient(server, client_identifier="x", version="1", retry=IMPATIENT) as client:
        yield client


async def test_a_newer_token_in_the_file_is_used_at_once(
    plex: FakePlex, client: PlexClient, write: Callable[[str], None], logged: io.StringIO
) -> None:
    """Before the server counts as unauthorized; all requests in flight go on, and one line says so."""
    write(NEW)
    await asyncio.gather(client.libraries(), client.libraries())
    await client.libraries()
    structlog.get_logger().info("test.repeats", url=f"http://plex.test/{NEW}")
    events = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [line["event"] for line in events] == ["server.token_renewed", "test.repeats"]
    assert events[1]["url"] == "http://plex.test/***"
    assert [request.headers["X-Plex-Token"] for request in plex.requests] == [OLD, OLD, NEW, NEW, NEW]


async def test_the_same_token_in_the_file_is_refused_as_before(plex: FakePlex, client: PlexClient) -> None:
    """After one confirming request; once the file has another token, the next request uses it."""
    with pytest.raises(Unauthorized):
        await client.libraries()
    assert [request.headers["X-Plex-Token"] for request in plex.requests] == [OLD, OLD]


@pytest.mark.parametrize("content", ["two words", ""])
async def test_a_file_that_holds_no_token_is_named_in_the_hint(
    client: PlexClient, write: Callable[[str], None], content: str
) -> None:
    """It may be replaced at this very moment: the next refusal looks again."""
    write(content)
    with pytest.raises(Unauthorized) as caught:
        await client.libraries()
    assert "check the token; " in (caught.value.hint or "")
    assert "; token_file: " in (caught.value.hint or "")
    write(NEW)
    assert await client.libraries() == ()


@pytest.mark.parametrize(
    "repeat",
    [
        "{}",
        "{0}/{0}",
        "".join(f"\\u{ord(letter):04x}" for letter in "old-tok") + "-Pgx8vUPyLQ",
    ],
    ids=["plain", "twice", "escaped"],
)
async def test_a_token_that_the_server_repeats_is_hidden_in_all_that_comes_from_it(
    plex: FakePlex, client: PlexClient, repeat: str
) -> None:
    """Keys become parts of paths, ids are stored and printed: none of them may hold the token."""
    repeated = repeat.format(OLD)
    entry = f'{{"key": "7{repeated}", "uuid": "u-{repeated}", "title": "{repeated}", "type": "movie"}}'
    body = f'{{"MediaContainer": {{"size": 1, "Directory": [{entry}]}}}}'

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    plex.answer("/library/sections", answer)
    (library,) = await client.libraries()
    hidden = repeat.format("***") if "{" in repeat else "***"
    assert (library.key, library.uuid, library.title) == (f"7{hidden}", f"u-{hidden}", hidden)


async def test_a_token_repeated_in_xml_is_hidden_too(plex: FakePlex, client: PlexClient) -> None:
    """In any way to write its letters; other references stay."""
    decimal = "".join(f"&#{ord(letter)};" for letter in OLD)
    hexadecimal = "".join(f"&#x{ord(letter):X};" for letter in OLD)
    entry = f'<Directory key="7" type="movie" title="{decimal} &#38; {hexadecimal}"/>'
    body = f'<MediaContainer size="1">{entry}</MediaContainer>'

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/xml")

    plex.answer("/library/sections", answer)
    (library,) = await client.libraries()
    assert library.title == "*** & ***"


async def test_a_token_from_elsewhere_stays(plex: FakePlex, client: PlexClient) -> None:
    """Only a file can change while the process runs."""
    server = parse_config({"servers": [{"name": "home", "url": plex.url, "token": OLD}]}).servers[0]
    async with PlexClient(server, client_identifier="x", version="1", retry=IMPATIENT) as other:
        with pytest.raises(Unauthorized) as caught:
            await other.libraries()
    assert caught.value.hint == Unauthorized.hint
    assert server.token == Secret(OLD)
