"""Notifications through real reverse proxies, configured as docs/live.md says."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import Secret
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import NotificationsRefused
from retrovue_daemon.records import Changed
from retrovue_daemon.sources.plex.frames import read_frame
from tests.support.patience import PATIENCE_S
from tests.support.proxies import free_port, nginx_running, running, snippet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sources.plex.notifications import Channel

PAGE = (Path(__file__).parents[3] / "docs" / "live.md").read_text("utf-8")

CADDY = """
{{
    admin off
    auto_https off
}}
{site}
"""

both = pytest.mark.parametrize("channel", ["websocket", "event stream"])


@pytest.fixture
async def simulated() -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(built_in_library()) as server:
        server.notifications.quirks.ping_interval = 3600.0  # what follows would push out what a proxy keeps back
        yield server


@asynccontextmanager
async def nginx(plex: SimulatedPlex, place: Path, *without: str) -> AsyncIterator[str]:
    """Run nginx as the page says, without these lines."""
    lines = snippet(PAGE, "nginx").replace("http://127.0.0.1:32400", plex.url).splitlines()
    location = "\n".join(line for line in lines if not any(word in line for word in without))
    async with nginx_running(location, place) as url:
        yield url


@asynccontextmanager
async def caddy(plex: SimulatedPlex, place: Path) -> AsyncIterator[str]:
    program, port, file = shutil.which("caddy"), free_port(), place / "Caddyfile"
    if program is None:
        pytest.skip("caddy is not installed")  # not every distribution has it
    site = snippet(PAGE, "caddy").replace("plex.example.org", f"http://127.0.0.1:{port}")
    file.write_text(CADDY.format(site=site.replace("127.0.0.1:32400", plex.url.removeprefix("http://"))))
    command = (program, "run", "--config", file, "--adapter", "caddyfile")
    async with running(port, *command, home=place) as url:
        yield url


async def edit_through(client: PlexClient, plex: SimulatedPlex, channel: Channel) -> None:
    """Connect, edit a film, and wait for the frame that says so."""
    film = next(iter(plex.world.movies()))
    async with asyncio.timeout(PATIENCE_S), client.notifications.connect(channel) as frames:
        await plex.notifications.connected()
        plex.changes.edit(film.id, title="Another Title")
        async for frame in frames:
            if Changed(str(film.id), film.library) in read_frame(frame.data, frame.event).hints:
                return
    raise AssertionError


@both
@pytest.mark.parametrize("proxy", [nginx, caddy])
async def test_the_documented_proxies_pass_both_channels_at_once(
    simulated, connect: Callable[..., Awaitable[PlexClient]], tmp_path, proxy, channel
) -> None:
    """Nothing is buffered: the frame arrives although no other follows."""
    async with proxy(simulated, tmp_path) as url:
        client = await connect(url=url, token=Secret(simulated.token))
        await edit_through(client, simulated, channel)


async def test_a_proxy_that_passes_no_upgrade_leaves_the_event_stream(simulated, connect, tmp_path) -> None:
    """As nginx does without the two headers."""
    async with nginx(simulated, tmp_path, "Upgrade", "upgrade") as url:
        client = await connect(url=url, token=Secret(simulated.token))
        with pytest.raises(NotificationsRefused):
            await edit_through(client, simulated, "websocket")
        await edit_through(client, simulated, "event stream")
