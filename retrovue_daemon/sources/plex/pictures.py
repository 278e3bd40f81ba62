"""Pictures of items, requested from their server: only at its own addresses, of few types and a bounded size."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.errors import BadAnswer, RequestRefused, ServerTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from retrovue_daemon.sources.plex.transport import Transport

LARGEST_PICTURE: Final = 2 * 1024 * 1024
"""Bytes; a poster as an agent provides it has up to a megabyte."""

LONGEST_S: Final = 15.0
"""Seconds for one request, including its wait for a slot."""

AT_ONCE: Final = 2
"""Requests for pictures of one server; the sync needs the server, too."""

_ADDRESS: Final = re.compile(r"/library/metadata/[0-9]{1,20}/(?:thumb|art)/-?[0-9]{1,20}")
_TRANSCODER: Final = "/photo/:/transcode"
_NOT_THERE: Final = frozenset({400, 404, 405, 501})


class Picture(msgspec.Struct, frozen=True):
    """A picture, and its type as its first bytes say."""

    content: bytes
    content_type: str


def is_picture_address(address: str | None) -> bool:
    """Return whether a stored address is a path of the server at which it keeps an item's picture.

    Anything else is never requested: with a scheme, a host or a way out of the server's path, it would send the token
    elsewhere.
    """
    return address is not None and _ADDRESS.fullmatch(address) is not None


def type_of(content: bytes) -> str | None:
    """Return the type of a picture by its first bytes; None for other types, as for SVG, which may hold scripts."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return None


class PictureRequests:
    """Requests pictures from one server. ``confirm`` makes sure that it is still the known machine."""

    def __init__(self, transport: Transport, confirm: Callable[[str | None], Awaitable[object]], name: str) -> None:
        self._transport = transport
        self._confirm = confirm
        self._name = name
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._has_transcoder = True

    async def picture(self, address: str, size: tuple[int, int], machine: str | None) -> Picture:
        """Return the picture at an address, made as small as a size where the server can do that.

        ``machine`` is the machineIdentifier that the server must have. Raise PlexError; ValueError if
        `is_picture_address` does not accept the address.
        """
        if not is_picture_address(address):
            raise ValueError(address)
        try:
            async with asyncio.timeout(LONGEST_S), self._slots:
                await self._confirm(machine)
                return await self._smaller(address, size)
        except TimeoutError:
            raise ServerTimeout(self._name, f"no picture within {LONGEST_S:g} s") from None

    async def _smaller(self, address: str, size: tuple[int, int]) -> Picture:
        if not self._has_transcoder:
            return await self._request(address)
        width, height = size
        parameters = {"width": str(width), "height": str(height), "upscale": "0", "url": address}
        try:
            return await self._request(_TRANSCODER, parameters)
        except RequestRefused as refusal:
            if refusal.status not in _NOT_THERE:
                raise
        picture = await self._request(address)
        # The picture is there, so it is the transcoder that is missing: proxies may pass on only a library.
        self._has_transcoder = False
        return picture

    async def _request(self, path: str, parameters: Mapping[str, str] | None = None) -> Picture:
        async for attempt in self._transport.attempts(tries=1):
            with attempt, self._transport.bodies.share(self._name, largest=LARGEST_PICTURE) as share:
                await self._transport.send(path, share, parameters)
                content = bytes(share.content)
                content_type = type_of(content)
                if content_type is None:
                    raise BadAnswer(self._name, "no JPEG, PNG or WebP where a picture should be", hint="")
                return Picture(content, content_type)
        raise AssertionError("the last attempt returns or raises")
