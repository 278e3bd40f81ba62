"""The connection pool of one server, and the addresses that it never connects to."""

from __future__ import annotations

import ipaddress
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200",
            "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
        ),
    )
)  # fmt: skip
"""Where machines of cloud providers get their own credentials: no media server has such an address."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


class AddressRefused(OSError):
    """No connection is made to this address. It has no number, so its text is reported as it is."""

    def __init__(self) -> None:
        text = "connections to link-local addresses are refused"
        super().__init__(text)
        self.strerror = text


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool, without connections that received data before a request was sent.

    aiohttp takes a duplicate response for the response to the next request: that request would get the wrong page, or
    wait for an end that none of aiohttp's timeouts covers.

    Each address is checked when it is connected to, whatever name led to it: a name may resolve to another address
    from one moment to the next. Unless ``link_local``, all link-local addresses are refused.
    """

    def __init__(self, *, link_local: bool = True, **options: Any) -> None:
        super().__init__(socket_factory=partial(_socket_for, link_local), **options)

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


def _socket_for(
    link_local: bool,  # noqa: FBT001 -- bound before
    info: tuple[int, int, int, str, tuple[Any, ...]],
) -> socket.socket:
    """Return a socket to connect to an address. Raise AddressRefused."""
    family, kind, protocol, _, address = info
    if is_refused(str(address[0]), link_local=link_local):
        raise AddressRefused
    return socket.socket(family, kind, protocol)


def is_refused(text: str, *, link_local: bool) -> bool:
    """Return whether no connection is made to a numeric address."""
    address = _plain(ipaddress.ip_address(text.partition("%")[0]))
    return address in METADATA or (address.is_link_local and not link_local)


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
