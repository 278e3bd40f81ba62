"""The page starts, follows reloads and ends with the daemon."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from retrovue_daemon.errors import PageUnavailable
from retrovue_daemon.web.service import WebService
from tests.support.web import TOKEN

pytestmark = pytest.mark.no_groups


async def test_it_is_served_where_the_configuration_says(serve_page) -> None:
    """With port 0, the system chooses a port; the log has the address."""
    served = await serve_page()
    started = await served.events.next("web.started")
    assert started["addresses"] == [f"http://127.0.0.1:{served.port}/"]
    assert (await served.get("/")).status == 200


@pytest.mark.parametrize(("listen", "host"), [("[::1]:0", "[::1]"), ("localhost:0", "127.0.0.1")])
async def test_it_is_served_on_names_and_ipv6(serve_page, monkeypatch, listen, host) -> None:
    """A name may have several addresses; they have the same port."""
    if listen.startswith("localhost"):
        both = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 0)), (socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    served = await serve_page(web={"listen": listen})
    ports = {address.rstrip("/").rpartition(":")[2] for address in served.service.addresses}
    assert len(ports) == 1
    async with served.client.get(f"http://{host}:{ports.pop()}/healthz") as response:
        assert response.status == 200


async def test_a_port_in_use_is_an_error_with_a_hint(serve_page) -> None:
    """The daemon then ends, with a code that is worth a restart."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PageUnavailable) as caught:
            await serve_page(web={"listen": f"127.0.0.1:{port}"})
    assert str(caught.value).endswith(f"cannot serve the page at http://127.0.0.1:{port}/: address already in use")
    assert caught.value.exit_code == 75
    assert "another program" in (caught.value.hint or "")


async def test_an_address_of_another_machine_is_an_error(serve_page) -> None:
    """As one that the network does not have yet."""
    with pytest.raises(PageUnavailable, match="cannot assign requested address"):
        await serve_page(web={"listen": "192.0.2.1:0"})


async def test_it_ends_within_two_seconds_whatever_clients_do(serve_page) -> None:
    """One is silent, one has sent half a request, one half a body."""
    served = await serve_page()
    port = served.port
    head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
    writers = []
    for sent in ("", head, head + form):
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(sent.encode())
        await writer.drain()
        writers.append(writer)
    await served.get("/healthz")
    began = time.monotonic()
    await served.service.stop()
    assert time.monotonic() - began < 2
    for writer in writers:
        writer.close()
    with pytest.raises(OSError, match="111"):
        await asyncio.open_connection("127.0.0.1", port)
    await served.events.next("web.stopped")


async def test_it_can_start_again(serve_page) -> None:
    """After `database restore`, the daemon opens the database anew, and the page with it."""
    served = await serve_page()
    for _ in range(2):
        await served.service.stop()
        assert served.service.addresses == []
        await served.service.start(served.parts)
        assert (await served.get("/")).status == 200


async def test_a_reload_applies_a_new_token_and_ends_all_sessions(serve_page, configure) -> None:
    """The old token is worth nothing at once."""
    served = await serve_page()
    assert (await served.sign_in()).status == 303
    config = configure(web={"token": "another-t0ken-1"})
    served.supervisor.config = config
    await served.service.reload(config)
    assert "Sign out" not in (await served.get("/")).text
    assert (await served.sign_in(TOKEN)).status == 403
    assert (await served.sign_in("another-t0ken-1")).status == 303
    assert served.context.redactor.text("another-t0ken-1") == "***"


async def test_a_service_that_was_not_started_can_be_stopped() -> None:
    """As where the port was in use."""
    await WebService().stop()
