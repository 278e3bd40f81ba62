"""Addresses that are never connected to, whatever name leads to them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import ServerUnreachable
from retrovue_daemon.service.management.server_check import check_server, machine_at
from retrovue_daemon.service.refusals import checked_server
from retrovue_daemon.sources.plex.connector import is_refused
from tests.support.patience import IMPATIENT

LINK_LOCAL = ("169.254.0.1", "169.254.255.255", "fe80::1", "fe80::1%eth0", "::ffff:169.254.1.1", "::169.254.1.1")
METADATA = (
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fd00:ec2::254",
    "fd00:0ec2:0:0:0:0:0:0254",
    "100.100.100.200",
)
OTHERS = ("192.168.1.10", "10.0.0.1", "127.0.0.1", "::1", "fd00::1", "100.64.0.1", "::ffff:192.168.1.1", "8.8.8.8")


def test_which_addresses_are_refused() -> None:
    """Those of metadata services always, other link-local ones where the page asks; private ones never."""
    assert all(is_refused(address, link_local=True) for address in METADATA)
    assert all(is_refused(address, link_local=False) for address in (*METADATA, *LINK_LOCAL))
    assert not any(is_refused(address, link_local=True) for address in (*OTHERS, *LINK_LOCAL))
    assert not any(is_refused(address, link_local=False) for address in OTHERS)


async def test_an_address_is_refused_in_any_spelling() -> None:
    """Without a packet. Numbers that only the system reads as addresses are no host names to begin with."""
    for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "169.254.10.1", "2852039166", "0xa9fea9fe"):
        section = checked_server("home", f"http://{host}:32400", "t")
        result = await check_server(section, None, link_local=False, retry=IMPATIENT)
        assert isinstance(result.error, ServerUnreachable), host
        assert "link-local addresses are refused" in str(result.error) or "." not in host, host


async def test_a_name_may_not_lead_elsewhere_later(monkeypatch) -> None:
    """DNS rebinding: what counts is the address of each connection, not what the name meant before."""
    loop = asyncio.get_running_loop()
    found: list[str] = []

    async def resolve(host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        return [(*kind, "", (address, port)) for address in found]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    async with SimulatedPlex(built_in_library()) as plex:
        section = checked_server("home", plex.url.replace("127.0.0.1", "media.example"), plex.token)
        found = ["127.0.0.1"]
        assert (await check_server(section, None, link_local=False, retry=IMPATIENT)).error is None
        found = ["169.254.169.254", "169.254.169.254"]
        with pytest.raises(ServerUnreachable, match="link-local addresses are refused"):
            await machine_at(section, retry=IMPATIENT)
        # Where a name also has a permitted address, that one is used.
        found = ["169.254.1.1", "127.0.0.1"]
        assert (await check_server(section, None, link_local=False, retry=IMPATIENT)).error is None
