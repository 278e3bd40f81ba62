"""Signing in as a person does: in a browser, with several tabs, and from links elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.web import EVERYWHERE, TOKEN, as_if_listening_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.no_groups


@pytest_asyncio.fixture(loop_scope="session")
async def linking() -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Return a function that makes another website with a link, and returns its address."""
    servers = []

    async def link(to: str) -> str:
        async def respond(_request: web.Request) -> web.Response:
            return web.Response(text=f'<a href="{to}">follow</a>', content_type="text/html")

        application = web.Application()
        application.router.add_get("/", respond)
        server = TestServer(application, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return f"http://elsewhere.localhost:{server.port}/"

    yield link
    for server in servers:
        await server.close()


async def test_tabs_share_a_sign_in(serve_page, page, linking) -> None:
    """The form works in the tab that was opened first, too. Then no tab needs it, nor after a link elsewhere."""
    served = await serve_page()
    as_if_listening_on(served, EVERYWHERE)
    other = await page.context.new_page()
    await page.goto(f"{served.url}/search?text=night")
    await other.goto(f"{served.url}/")
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Search").wait_for()
    assert page.url == f"{served.url}/search?text=night"
    await other.reload()
    await other.get_by_role("heading", name="Overview").wait_for()
    await other.goto(await linking(f"{served.url}/search?text=day"))
    await other.get_by_text("follow").click()
    await other.get_by_role("heading", name="Search").wait_for()
    assert other.url == f"{served.url}/search?text=day"


async def test_a_link_of_another_website_leads_to_the_form(serve_page) -> None:
    """By a page of this one: behind a redirect, the browser would send no session. It keeps the whole address."""
    served = await serve_page()
    as_if_listening_on(served, EVERYWHERE)
    site = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    response = await served.get('/search?text="><script>', headers=site)
    form = "/login?next=/search%3Ftext%3D%2522%253E%253Cscript%253E"
    assert (response.status, response.headers["Refresh"]) == (200, f"0; url={form}")
    assert f'<a href="{form}">' in response.text
    await served.sign_in()
    assert (await served.get(form)).headers["Location"] == "/search?text=%22%3E%3Cscript%3E"


async def test_a_person_who_signs_in_returns_to_the_same_address(serve_page) -> None:
    """With its search; after a refused form, to the overview."""
    served = await serve_page()
    assert 'href="/login?next=/search%3Ftext%3Dnight"' in (await served.get("/search?text=night")).text
    assert 'href="/login?next=/"' in (await served.post("/logout")).text
