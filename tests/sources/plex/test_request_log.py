"""The log line of each request, at level debug."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.errors import PlexError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from retrovue_daemon.sources.plex.transport import Response, Transport
    from tests.sources.plex.conftest import FakePlex

    Connect = Callable[..., Awaitable[Transport]]

PATH = "/library/sections/1/all"


def _read(response: Response) -> bytes:
    return response.body


def _requests(lines: list[Any]) -> list[Mapping[str, Any]]:
    found = [line for line in lines if line["event"] == "http.request"]
    assert {(line["log_level"], line["server"], line["path"]) for line in found} == {("debug", "home", PATH)}
    assert all(0 <= line["duration_s"] < 60 for line in found)
    return found


async def test_a_request_is_logged_with_what_was_asked_and_what_came(plex: FakePlex, transport: Connect) -> None:
    """One line per attempt."""
    plex.answer(PATH, plex.reply(status=503), plex.reply({"a": "b"}))
    connection = await transport()
    with capture_logs() as lines:
        body = await connection.get(PATH, _read, params={"type": "1", "X-Plex-Container-Start": "0"})
    first, second = _requests(lines)
    assert (first["status"], first["bytes"]) == (503, 0)
    assert "503" in first["error"]
    assert (second["status"], second["bytes"], second["error"]) == (200, len(body), None)
    assert second["query"] == {"type": "1", "X-Plex-Container-Start": "0"}


async def test_a_request_without_a_response_says_why(plex: FakePlex, transport: Connect) -> None:
    """In the words of the error that is reported in the end."""
    connection = await transport()
    await plex.stop()
    with capture_logs() as lines, pytest.raises(PlexError) as raised:
        await connection.get(PATH, _read)
    found = _requests(lines)
    assert len(found) == 4
    assert {(line["status"], line["error"], str(line["query"])) for line in found} == {
        (None, str(raised.value), "{}")
    }


async def test_a_request_that_is_cancelled_is_logged_too(plex: FakePlex, transport: Connect) -> None:
    """A hanging request is the one that is looked for."""
    plex.answer(PATH, plex.hold)
    connection = await transport()
    with capture_logs() as lines:
        request = asyncio.create_task(connection.get(PATH, _read))
        await plex.held.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    (line,) = _requests(lines)
    assert (line["status"], line["bytes"], line["error"]) == (None, 0, "cancelled")


async def test_a_compressed_body_counts_as_it_was_sent(plex: FakePlex, transport: Connect) -> None:
    """The bytes are those of the network, also if the content cannot be used."""
    packed = gzip.compress(b"x" * 30_000)
    plex.answer(PATH, plex.reply(packed, Content_Encoding="gzip"))
    connection = await transport(max_body=10_000, compression=True)
    with capture_logs() as lines, pytest.raises(PlexError):
        await connection.get(PATH, _read, tries=1)
    (line,) = _requests(lines)
    assert (line["status"], line["bytes"]) == (200, len(packed))
    assert line["error"]


async def test_no_request_shows_the_token(plex: FakePlex, transport: Connect) -> None:
    """It is in a header, and headers are not logged."""
    plex.answer(PATH, plex.reply(status=401), plex.reply({"token": plex.TOKEN}))
    connection = await transport()
    with capture_logs() as lines:
        await connection.get(PATH, _read)
    assert len(_requests(lines)) == 2
    assert plex.TOKEN not in json.dumps(lines)
