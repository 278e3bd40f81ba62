"""The page over a real database, as the daemon serves it, with clients: aiohttp's, and a real browser.

All tests of `tests/web` share one event loop per worker, because Chromium is started once; `tests/web/conftest.py`
sees to that. So the fixtures here, and those that they need, belong to that loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.background import DaemonParts
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.store.database import open_database
from retrovue_daemon.sync.progress import ProgressBoard
from retrovue_daemon.web.service import WebService
from tests.support.clocks import SetClock
from tests.support.logs import Events, events_recorded
from tests.support.patience import IMPATIENT, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from playwright.async_api import Browser, Page, Request

    from retrovue_daemon.config import Config
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.web.context import Context

TOKEN = "page-t0ken-9qz7"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

EVERYWHERE = "192.0.2.7"
"""An address that other machines reach."""

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass(slots=True)
class Served:
    """A page that is served; ``client`` keeps cookies, as a browser does."""

    service: WebService
    parts: DaemonParts
    supervisor: Supervisor
    database: Database
    clock: SetClock
    events: Events
    client: aiohttp.ClientSession
    running: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is, without the last slash."""
        return self.service.addresses[0].rstrip("/")

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    @property
    def context(self) -> Context:
        assert self.service.context is not None
        return self.service.context

    async def get(self, address: str, *, method: str = "GET", **options: Any) -> Response:
        """Request an address, without following redirects."""
        async with self.client.request(method, self.url + address, allow_redirects=False, **options) as response:
            content = await response.read()
            return Response(response.status, response.headers, content.decode(errors="replace"), content)

    async def post(self, address: str, form: Any = None, **options: Any) -> Response:
        """Send a form."""
        return await self.get(address, method="POST", data=form or {}, **options)

    async def form_token(self, address: str = "/login") -> str:
        """Load a page, and return the token of its forms."""
        match = FORM_TOKEN.search((await self.get(address)).text)
        assert match is not None, f"{address} has no form"
        return match[1]

    async def sign_in(self, token: str = TOKEN, **options: Any) -> Response:
        """Send the token with the form of /login; ``client`` then has the session."""
        form = {"form_token": await self.form_token(), "token": token}
        return await self.post("/login", form, **options)

    async def sign_in_again(self) -> Response:
        """Send the token with a session that has begun already."""
        form = {"form_token": await self.form_token("/"), "token": TOKEN}
        return await self.post("/login", form)

    async def begin(self) -> None:
        """Let the daemon sync from now on."""
        self.running = asyncio.create_task(self.supervisor.run(), name="supervisor")
        await self.supervisor.started.wait()

    async def end(self) -> None:
        """Stop syncing, if the daemon does."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def has_synced(self) -> None:
        """Wait until the first round over all servers is over."""
        async with asyncio.timeout(PATIENCE_S):
            async for latest in self.supervisor.board.watch():
                if latest.libraries_total and latest.libraries_done == latest.libraries_total:
                    return


@dataclass(frozen=True, slots=True)
class Response:
    """A response that was read."""

    status: int
    headers: Any
    text: str
    content: bytes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest_asyncio.fixture(loop_scope="session")
async def plex() -> AsyncIterator[SimulatedPlex]:
    """A simulated server with the built-in library."""
    async with SimulatedPlex(built_in_library()) as server:
        yield server


@pytest.fixture
def configure(path: Path) -> Callable[..., Config]:
    """Make a configuration for some simulated servers; ``web`` holds keys of [web], other keywords are tables."""

    def make(*servers: SimulatedPlex, web: dict[str, object] | None = None, **sections: object) -> Config:
        tables = [
            {
                "name": f"server{number}" if number else "home",
                "url": each.url,
                "token": each.token,
                "details": False,
                "notifications": False,
            }
            for number, each in enumerate(servers)
        ]
        keys: dict[str, object] = {"listen": "127.0.0.1:0", "token": TOKEN} | (web or {})
        page = {name: value for name, value in keys.items() if value is not None}
        return parse_config({"database": {"path": str(path)}, "web": page, "servers": tables, **sections}, environ={})

    return make


@pytest.fixture
def events() -> Iterator[Events]:
    """What is logged."""
    with events_recorded() as recorder:
        yield recorder


@pytest_asyncio.fixture(loop_scope="session")
async def serve_page(
    path: Path, configure: Callable[..., Config], events: Events
) -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """Serve the page of a daemon for some simulated servers; keywords are those of ``configure``.

    With ``syncs=True`` the daemon's supervisor runs, too; otherwise nothing changes the database but the test.
    """
    async with AsyncExitStack() as stack:

        async def serve(*servers: SimulatedPlex, syncs: bool = False, **sections: Any) -> Served:
            config, clock, redactor = configure(*servers, **sections), SetClock(), Redactor()
            database = await stack.enter_async_context(open_database(path, serves=True))
            supervisor = Supervisor(database, config, ProgressBoard(), redactor, retry=IMPATIENT, clock=clock)
            service = WebService()
            stack.push_async_callback(service.stop)
            parts = DaemonParts(supervisor, redactor, clock)
            await service.start(parts)
            client = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), raise_for_status=False)
            )
            served = Served(service, parts, supervisor, database, clock, events, client)
            stack.push_async_callback(served.end)
            if syncs:
                await served.begin()
            return served

        yield serve


async def have_removals_held_back(served: Served, plex: SimulatedPlex) -> None:
    """Empty the film library of a server that was synced, and wait until the daemon has held that back."""
    for film in list(plex.world.movies("1")):
        plex.changes.delete(film.id)
    served.supervisor.sync_now()
    await served.events.next("sync.blocked")


def as_if_listening_on(served: Served, host: str) -> None:
    """Let the page believe that it is reached by another address: tests listen on this machine only."""
    config = served.supervisor.config
    assert config.web.listen is not None
    section = dataclasses.replace(config.web, listen=(host, config.web.listen[1]))
    served.supervisor.config = dataclasses.replace(config, web=section)


# -- the browser ----------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, started once per worker. Without it, tests are skipped; with CI=true, they fail."""
    if not os.access(CHROMIUM, os.X_OK):
        reason = f"{CHROMIUM} is missing: install the package chromium"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield started
        await started.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about; a test that expects that clears the list."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, complaints: list[str]) -> AsyncIterator[Page]:
    """An empty page in a context of its own. Errors on its console, and requests that fail, fail the test."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(1000 * PATIENCE_S)
    opened = await context.new_page()
    opened.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", lambda request: complaints.extend(_failure(request)))
    yield opened
    await context.close()
    assert complaints == []


def _failure(request: Request) -> list[str]:
    """Return what failed. What the browser gives up when its page is left did not."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.url}: {request.failure}"]


async def sign_in(page: Page, served: Served) -> None:
    """Sign in as a person does."""
    await page.goto(f"{served.url}/login")
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Sign out").wait_for()


async def check_accessibility(page: Page) -> None:
    """Check that axe finds nothing to improve on a page, in the colors that it has now."""
    results = await Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def rows_of(path: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Change or read the database as another program would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        return connection.execute(sql, values).fetchall()
