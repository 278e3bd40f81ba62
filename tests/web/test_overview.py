"""``/`` over HTTP and in a browser."""

from __future__ import annotations

import pytest

from tests.support.web import check_accessibility, rows_of, sign_in

pytestmark = pytest.mark.no_groups


async def test_servers_are_listed_with_their_condition(serve_page, plex) -> None:
    """As `status` does."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    text = (await served.get("/")).text
    assert "<bdi>home</bdi>" in text
    assert '<span class="state good">polled</span>' in text
    assert '<time datetime="2027-' in text


async def test_titles_are_data(serve_page, plex, path) -> None:
    """A name cannot become an element."""
    served = await serve_page()
    name = "<script>alert(1)</script>"
    sql = "INSERT INTO plex_servers (name, server_url, created_at, updated_at) VALUES (?, 'http://x', 1, 1)"
    rows_of(path, sql, name)
    text = (await served.get("/")).text
    assert name not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_browser_shows_it(serve_page, page, plex, scheme) -> None:
    """Without a complaint, and accessible; after signing in, too."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await page.emulate_media(color_scheme=scheme)
    await page.goto(f"{served.url}/")
    assert await page.get_by_role("row").filter(has_text="home").count() == 1
    await check_accessibility(page)
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await sign_in(page, served)
    await check_accessibility(page)
