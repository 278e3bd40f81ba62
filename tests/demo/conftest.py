"""A simulated server and a client that knows nothing of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import msgspec
import pytest

from retrovue_daemon.demo import SimulatedPlex, built_in_library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Answer(msgspec.Struct):
    """A whole answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def container(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body)["MediaContainer"]

    @property
    def entries(self) -> list[dict[str, Any]]:
        return self.container.get("Metadata", [])

    @property
    def titles(self) -> list[str]:
        return [entry["title"] for entry in self.entries]


class Get(Protocol):
    async def __call__(self, path: str, *, method: str = "GET", **headers: str | None) -> Answer: ...


@pytest.fixture
async def plex() -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(built_in_library()) as plex:
        yield plex


@pytest.fixture
async def get(plex: SimulatedPlex) -> AsyncIterator[Get]:
    """Requests with the owner's token for JSON, without compression; a header of None is left away."""
    timeout = aiohttp.ClientTimeout(total=10)  # nothing here takes that long unless it is broken
    async with aiohttp.ClientSession(skip_auto_headers=["Accept-Encoding"], timeout=timeout) as session:

        async def request(path: str, *, method: str = "GET", **headers: str | None) -> Answer:
            wanted: dict[str, str | None] = {"Accept": "application/json", "X-Plex-Token": plex.token}
            wanted |= {name.replace("_", "-"): value for name, value in headers.items()}
            sent = {name: value for name, value in wanted.items() if value is not None}
            async with session.request(method, plex.url + path, headers=sent, allow_redirects=False) as response:
                return Answer(response.status, response.headers, await response.read())

        yield request
