"""What receivers respond, and what a hook makes of it."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config.hooks import HookUrl
from retrovue_daemon.errors import HookFailed
from retrovue_daemon.publish.hooks.requests import HEADERS, post
from tests.publish.hooks.conftest import hook, sections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TIMEOUT_S = 10.0


def target(url: str) -> HookUrl:
    (section,) = sections(hook(url=url))
    assert isinstance(section.target, HookUrl)
    return section.target


@asynccontextmanager
async def responding(
    *parts: bytes, resets: bool = False, seen: Callable[[bytes], object] = len
) -> AsyncIterator[str]:
    """Start a server that sends some bytes after the headers of a request, and closes; yield its host and port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen(await reader.readuntil(b"\n"))
        if not resets:
            seen(await reader.readuntil(b"\r\n\r\n"))
        writer.writelines(parts)
        await writer.drain()
        if resets:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


async def failure(url: str, body: bytes = b"{}") -> HookFailed:
    with pytest.raises(HookFailed) as failed:
        await post(target(url), body, HEADERS, TIMEOUT_S)
    return failed.value


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nbad",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["204", "a broken body", "a body that is not gzip", "103 before"],
)
async def test_a_status_is_enough(response: bytes) -> None:
    """Whatever follows it."""
    async with responding(response) as place:
        await post(target(f"http://{place}/"), b"{}", HEADERS, TIMEOUT_S)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "the response is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "the response is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "the connection was closed before a response"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "the receiver responded with 101, which ends no request",
        ),
    ],
    ids=["another protocol", "an endless header", "half a header", "another protocol, in HTTP"],
)
async def test_other_responses_are_retried(response: bytes, text: str) -> None:
    """With an error that says which they are."""
    async with responding(response) as place:
        failed = await failure(f"http://{place}/")
    assert (str(failed), failed.lasting) == (text, False)


async def test_a_request_that_is_cut_off_may_have_been_too_large() -> None:
    """Some receivers close the connection while they are sent too much, and their response gets lost."""
    async with responding(resets=True) as place:
        failed = await failure(f"http://{place}/", b"x" * 4_000_000)
    assert (str(failed), failed.is_slow) == ("the connection was closed before a response", True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0.376", 0.376),
        ("Wed, 01 Dec 2100 00:00:00 GMT", 4_131_302_400),
        ("Mon, 01 Jan 1968 00:00:00 GMT", None),
        ("nan", None),
        ("-1", None),
        ("soon", None),
    ],
)
async def test_retry_after_has_many_forms(monkeypatch, value: str, seconds: float | None) -> None:
    """Seconds, fractions of them, or a date; anything else is ignored."""
    monkeypatch.setattr("time.time", lambda: 0.0)
    response = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    async with responding(response.encode()) as place:
        failed = await failure(f"http://{place}/")
    assert failed.retry_after == seconds


async def test_tls_to_a_port_without_it_is_named() -> None:
    """As what it is, not as a missing permission."""
    async with responding(b"HTTP/1.1 400 Bad Request\r\n\r\n", resets=True) as place:
        failed = await failure(f"https://{place}/")
    assert str(failed) in {"the TLS handshake failed", "cannot connect"}


async def test_a_host_that_cannot_have_an_address_is_named() -> None:
    """Labels have 63 characters at most."""
    failed = await failure(f"http://{'a' * 70}.example/")
    assert str(failed) == "cannot resolve the host: a part of its name is empty or too long"


async def test_credentials_are_sent_in_utf_8() -> None:
    """Decoded as they stand in the address, as other clients do."""
    seen: list[bytes] = []
    async with responding(b"HTTP/1.1 204 No Content\r\n\r\n", seen=seen.append) as place:
        await post(target(f"http://m%3Ae:%E2%82%AC%40@{place}/x%40y?a=%20"), b"{}", HEADERS, TIMEOUT_S)
    request = b"".join(seen)
    (line,) = [line for line in request.split(b"\r\n") if line.startswith(b"Authorization: ")]
    assert b"\r\nContent-Length: 2\r\n" in request
    assert base64.b64decode(line.removeprefix(b"Authorization: Basic ")).decode() == "m:e:€@"
    assert request.startswith(b"POST /x%40y?a=%20 HTTP/1.1\r\n")
