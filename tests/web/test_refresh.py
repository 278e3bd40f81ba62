"""Pages that stay open: they are brought up to date, and say if they cannot be."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.web import rows_of, sign_in

pytestmark = pytest.mark.no_groups

HIDE = """is_hidden => {
    Object.defineProperty(document, "hidden", { value: is_hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def _streams_are(served, number: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(served.context.streams) != number:
            served.supervisor.board.begin("home", "Else").finish()
            await asyncio.sleep(0.01)


async def _hide(page, *, hidden: bool = True) -> None:
    await page.evaluate(HIDE, hidden)


async def _load(page) -> None:
    """Let the page load itself again: as much later as it waits."""
    async with page.expect_response(lambda response: response.request.resource_type == "xhr"):
        await page.clock.run_for(16_000)


async def test_a_page_says_that_the_daemon_is_gone_and_goes_on_when_it_is_back(serve_page, page, complaints) -> None:
    """With bars that move: after a response that is no stream, browsers do not connect again by themselves."""
    served = await serve_page()
    await page.clock.install()
    await page.goto(f"{served.url}/")
    await page.context.set_offline(True)
    await page.clock.run_for(16_000)
    await page.get_by_role("alert").filter(has_text="The daemon does not respond.").wait_for()
    await _hide(page)
    await _streams_are(served, 0)
    await page.context.set_offline(False)
    await page.route("**/*", lambda route: route.fulfill(status=502, body="no"))
    await _hide(page, hidden=False)
    await page.clock.run_for(1_000)
    await page.get_by_role("alert").filter(has_text="an error (502)").wait_for()
    await page.unroute("**/*")
    await page.clock.run_for(4_000)
    await _streams_are(served, 1)
    await page.get_by_role("alert").wait_for(state="detached")
    complaints.clear()


async def test_a_hidden_page_keeps_no_connection(serve_page, page) -> None:
    """A browser has six for all its tabs; a seventh tab could not be opened."""
    served = await serve_page()
    await page.goto(f"{served.url}/")
    await _streams_are(served, 1)
    await _hide(page)
    await _streams_are(served, 0)
    await _hide(page, hidden=False)
    await _streams_are(served, 1)


async def test_a_page_that_is_loaded_again_stays_as_it_was(serve_page, page, path, plex, complaints) -> None:
    """Times are the daemon's, and marked text stays. An upgrade, and another tab's sign-out, are noticed."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await page.clock.install()
    await sign_in(page, served)
    await page.goto(f"{served.url}/")
    facts = page.locator(".server .hint").first
    await page.clock.run_for(2_000)
    assert "in 4 min 5" in await facts.inner_text()
    served.clock.seconds += 3600
    await _load(page)
    await facts.filter(has_text="contacted 1 h ago").wait_for()
    await facts.evaluate("facts => getSelection().selectAllChildren(facts)")
    rows_of(path, "UPDATE plex_servers SET version = '2.0'")
    await _load(page)
    assert "version 2.0" not in await facts.inner_text()
    await page.evaluate("getSelection().removeAllRanges()")
    await _load(page)
    await facts.filter(has_text="version 2.0").wait_for()
    await page.evaluate("document.querySelector('link[rel=stylesheet]').href = '/static/page.css?v=old'")
    async with page.expect_navigation():
        await _load(page)
    other = await page.context.new_page()
    await other.goto(f"{served.url}/")
    await other.get_by_role("button", name="Sign out").click()
    await other.get_by_label("Token").wait_for()
    await _load(page)
    await page.get_by_role("link", name="Sign in").wait_for()
    complaints.clear()  # the stream has ended with the session


async def test_what_is_said_once_is_said_to_a_person(serve_page) -> None:
    """A script that loads a page again does not use it up."""
    served = await serve_page()
    await served.sign_in()
    (session,) = served.context.sessions._sessions.values()
    session.note("The sync was requested.")
    assert "was requested" not in (await served.get("/changes", headers={"Sec-Fetch-Dest": "empty"})).text
    assert "was requested" in (await served.get("/", headers={"Sec-Fetch-Dest": "document"})).text
    assert "was requested" not in (await served.get("/")).text


async def test_a_keyboard_keeps_its_place(serve_page, page, path, plex) -> None:
    """At the same link of a list that has grown."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await page.goto(f"{served.url}/changes")
    link = page.locator("[data-key] a").last
    await link.focus()
    words = await link.inner_text()
    rows_of(path, "INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'deleted', '[999999]')")
    await page.locator("[data-key]").get_by_text("999999").wait_for()
    assert await page.evaluate("document.activeElement.innerText") == words
