"""``python -m tests.screenshots``: take the pictures of the page in README.md from a real run (``make screenshots``).

A daemon syncs two simulated servers, of which one is slow, so that its first sync is still under way; a third one is
switched off. Chromium then shows the overview and a search.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import aiohttp
import msgspec
from playwright.async_api import async_playwright

from retrovue_daemon.demo import Quirks, SimulatedPlex, built_in_library, generated_library
from retrovue_daemon.sync.progress import Progress
from tests.support.web import CHROMIUM, OPTIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import ViewportSize

PICTURES = Path(__file__).parents[1] / "docs"
LARGEST = 150_000
"""Bytes of a picture."""

SIZE: ViewportSize = {"width": 1280, "height": 900}
WAIT_S = 90.0
SHOWS, EPISODES = 40, 6_000
PART = (0.35, 0.9)
"""How much of the slow server's episodes is listed when the overview is shown."""


class Shot(NamedTuple):
    """A picture of an address. A page that follows what happens is never idle, so its picture is taken before."""

    name: str
    path: str
    colors: Literal["light", "dark"]
    until: Literal["load", "networkidle"]


SHOTS = (
    Shot("page-overview.png", "/", "light", "load"),
    Shot("page-search.png", "/search?kind=movie&server=home&sort=year", "dark", "networkidle"),
)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _configuration(place: Path, port: int, servers: dict[str, str], token: str) -> str:
    tables = "".join(
        f'\n[[servers]]\nname = "{name}"\nurl = "{url}"\ntoken = "{token}"\n' for name, url in servers.items()
    )
    return f'[database]\npath = "{place / "mirror.db"}"\n\n[web]\nlisten = "127.0.0.1:{port}"\n{tables}'


@asynccontextmanager
async def _running(config: Path) -> AsyncIterator[None]:
    command = (sys.executable, "-m", "retrovue_daemon", "run", "--config", str(config))
    environment = {**os.environ, "HOME": str(config.parent)}
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=silent, stderr=silent, env=environment)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _is_under_way(address: str) -> None:
    """Wait until the slow server's library is listed in part, and all others wholly."""
    async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as client:
        while True:
            try:
                async with client.get(f"{address}/api/v1/progress") as response:
                    progress = msgspec.json.decode(await response.read(), type=Progress)
            except aiohttp.ClientConnectionError:  # it is starting
                progress = Progress()
            if len(progress.running) == 1 and progress.libraries_done > 2:
                (library,) = progress.running
                if library.total == EPISODES and PART[0] < library.done / library.total < PART[1]:
                    return
            await asyncio.sleep(0.1)


async def main() -> None:
    """Take both pictures."""
    slow = Quirks(latency=0.25, page_cap=200)
    async with (
        SimulatedPlex(built_in_library()) as home,
        SimulatedPlex(generated_library(movies=120, shows=SHOWS, episodes=EPISODES // SHOWS), quirks=slow) as attic,
        async_playwright() as playwright,
    ):
        with tempfile.TemporaryDirectory() as place:
            port, config = _free_port(), Path(place) / "config.toml"
            servers = {"home": home.url, "attic": attic.url, "cabin": f"http://127.0.0.1:{_free_port()}"}
            config.write_text(_configuration(Path(place), port, servers, home.token))
            address = f"http://127.0.0.1:{port}"
            async with _running(config):
                await _is_under_way(address)
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
                for each in SHOTS:
                    page = await browser.new_page(viewport=SIZE, color_scheme=each.colors)
                    await page.goto(address + each.path, wait_until=each.until)
                    picture = await page.screenshot(path=PICTURES / each.name)
                    print(f"docs/{each.name}: {len(picture):,} bytes")
                    if len(picture) > LARGEST:
                        sys.exit(f"docs/{each.name} has more than {LARGEST:,} bytes")
                await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
