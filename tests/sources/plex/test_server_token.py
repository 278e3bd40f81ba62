"""A token that the server refuses is read from its file again."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import TYPE_CHECKING

import pytest
import structlog
from aiohttp import web

from retrovue_daemon.config import Secret, parse_config
from retrovue_daemon.errors import Unauthorized, WrongServer
from retrovue_daemon.logs.setup import configure_logging
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.sources.plex.repeated_token import RepeatedTokens
from tests.support.logs import logging_kept
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from retrovue_daemon.records import LibraryListing
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


@pytest.mark.parametrize("notifications", [False, True], ids=["request", "notifications"])
async def test_a_newer_token_is_not_sent_to_another_machine(
    plex: FakePlex, client: PlexClient, write: Callable[[str], None], *, notifications: bool
) -> None:
    """A machine that took the address in the meantime refuses the old one, and would get the new one, too."""
    machines = iter(["known", "another"])

    async def identify(_request: web.Request) -> web.Response:
        return web.json_response({"MediaContainer": {"size": 0, "machineIdentifier": next(machines)}})

    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=401)

    plex.answer("/identity", identify)
    plex.answer("/:/eventsource/notifications", refuse)
    await client.confirm_machine("known")
    write(NEW)
    with pytest.raises(WrongServer):
        await (client.notifications.connect("event stream").__aenter__() if notifications else client.libraries())
    sent = [request.headers.get("X-Plex-Token") for request in plex.requests]
    assert set(sent) == {None, OLD}
    assert sent[-1] is None


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


def _each(form: str) -> str:
    return "".join(form.format(ord(letter)) for letter in OLD)


SPELLINGS = {
    "plain": OLD,
    "JSON": "".join(f"\\u{ord(letter):04x}" for letter in "old-tok") + "-Pgx8vUPyLQ",
    "JSON, twice": _each("\\\\u{:04X}"),
    "address": _each("%{:02x}"),
    "address, upper case": _each("%{:02X}"),
    "address, one letter": OLD.replace("x", "%78"),
    "address, twice": _each("%25{:02X}"),
    "address, five times": _each("%25252525{:02x}"),
    "address in JSON": _each("\\u0025{:02x}"),
    "HTML": _each("&#{};"),
    "HTML, hexadecimal": _each("&#x{:X};"),
    "HTML, twice": _each("&amp;#x00{:x};"),
    "HTML in JSON": _each("\\u0026#{};"),
    "HTML in an address": _each("%26#{};"),
    "base64": base64.b64encode(OLD.encode()).decode().rstrip("="),
    "hexadecimal": OLD.encode().hex(),
    "hexadecimal, upper case": OLD.encode().hex().upper(),
}


@pytest.fixture
async def sent_back(plex: FakePlex, client: PlexClient) -> Callable[[str], Awaitable[LibraryListing]]:
    """Return a library as it is read from a response with this text in its key, uuid and title."""

    async def work(repeated: str) -> LibraryListing:
        entry = f'{{"key": "7{repeated}", "uuid": "u-{repeated}", "title": "{repeated}", "type": "movie"}}'
        body = f'{{"MediaContainer": {{"size": 1, "Directory": [{entry}]}}}}'

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(text=body, content_type="application/json")

        plex.answer("/library/sections", answer)
        (library,) = await client.libraries()
        return library

    return work


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
async def test_a_token_that_the_server_repeats_is_hidden_in_all_that_comes_from_it(
    sent_back: Callable[[str], Awaitable[LibraryListing]], spelling: str
) -> None:
    """Keys become parts of paths, ids are stored and printed: none of them may hold the token."""
    library = await sent_back(f"{spelling}/{spelling}")
    assert (library.key, library.uuid, library.title) == ("7***/***", "u-***/***", "***/***")


@pytest.mark.parametrize("dropped", ["\\u0000", "\0", "\\u0001", "\\u0085", "\x7f", "\x85"], ids=ascii)
async def test_a_token_is_hidden_if_dropped_characters_split_it(
    sent_back: Callable[[str], Awaitable[LibraryListing]], dropped: str
) -> None:
    """Without them, it would be whole again; they are dropped from texts, or from names only."""
    assert (await sent_back(dropped.join(OLD))).title == "***"


@pytest.mark.parametrize(
    "dropped", ["\1", "&#1;", "&#xFFFE;", "&#xd800;", "&#99999999;", "\uffff", "\x7f"], ids=ascii
)
async def test_a_token_is_hidden_if_characters_that_xml_forbids_split_it(dropped: str) -> None:
    """They are dropped before it is read; a reference by name may stand for a letter."""
    tokens = RepeatedTokens()
    tokens.learn("old_tok-Pgx8vUPyLQ")
    for token in ("old_tok-Pgx8vUPyLQ", "old&lowbar;tok-Pgx8vUPyLQ"):
        title = token.replace("t", f"{dropped}t")
        hidden = await tokens.hidden_in(f'<MediaContainer title="{title}" name="&#228;&amp;"/>'.encode())
        assert hidden == b'<MediaContainer title="***" name="&#228;&amp;"/>'


async def test_escapes_of_other_texts_stay(sent_back: Callable[[str], Awaitable[LibraryListing]]) -> None:
    """They are part of a path or a title; only where the token is escaped, its letters are not."""
    for text in ("a%2Fb 100% &amp; &#228; %zz", "%6F%6C%64 &#65;"):
        assert (await sent_back(text)).title == text


def test_escapes_are_found_wherever_a_large_response_is_cut() -> None:
    """It is unescaped piece by piece; a piece must not end within an escape."""
    tokens = RepeatedTokens()
    tokens.learn(OLD)
    for escaped in (_each("%25{:02x}"), _each("\\\\u{:04x}"), _each("&amp;#{};")):
        for before in range(65_536 - len(escaped), 65_537, 3):
            body = (" " * before + escaped + " " * 100).encode()
            assert b"***" in tokens.hidden_at_once(body)


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
