"""``/changes`` over HTTP and in a browser."""

from __future__ import annotations

import pytest

from retrovue_daemon.web.pages.changes import ENTRIES
from tests.support.web import check_accessibility, rows_of

pytestmark = pytest.mark.no_groups


async def test_entries_are_listed_newest_first(serve_page, plex) -> None:
    """With links to the items, of one kind or operation if one asks for it."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    text = (await served.get("/changes?kind=movie&op=added")).text
    assert "<strong>20 films</strong>" not in text
    assert "<strong>27 films</strong> added" in text
    assert "and 22 more" in text
    assert 'href="/items/movie/' in text
    assert "episode" not in text.partition("<ol")[2]
    entries = [int(part.split('"')[0]) for part in (await served.get("/changes")).text.split('data-key="')[1:]]
    assert entries == sorted(entries, reverse=True)
    assert "The feed holds no such changes." in (await served.get("/changes?kind=movie&op=deleted")).text


async def test_earlier_entries_stand_on_further_pages(serve_page, path) -> None:
    """Each page goes on where the last one ended, by entry: what comes meanwhile moves nothing."""
    served = await serve_page()
    sql = "INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'deleted', '[1]')"
    for _ in range(ENTRIES + 1):
        rows_of(path, sql)
    first = (await served.get("/changes?op=deleted")).text
    address = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    rows_of(path, sql)
    second = (await served.get(address)).text
    assert second.count("data-key=") == 1
    assert "no longer stored" in second
    assert 'rel="next"' not in second
    assert 'href="/changes?op=deleted" rel="start"' in second


@pytest.mark.parametrize("query", ["kind=film", "op=x", "before=x", "before=-1", "before=1.5", "before=" + "9" * 30])
async def test_what_cannot_be_asked_is_refused(serve_page, query) -> None:
    """By name."""
    served = await serve_page()
    response = await served.get(f"/changes?{query}")
    assert response.status == 400
    assert query.partition("=")[0] in response.text


async def test_the_list_fills_as_things_change(serve_page, page, plex, path) -> None:
    """What is new is marked. Titles are data."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await page.goto(f"{served.url}/changes")
    await check_accessibility(page)
    item = next(item for item in plex.world.items.values() if item.library == "1")
    plex.changes.edit(item.id, title="<b>Bold</b> \u202etitle")
    served.supervisor.sync_now()
    line = page.locator("li.new").filter(has_text="<b>Bold</b>")
    await line.wait_for()
    assert await line.get_by_role("link").count() == 1
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await line.get_by_role("link").click()
    await page.get_by_role("heading", level=1).filter(has_text="<b>Bold</b>").wait_for()


async def test_a_restored_database_is_said(serve_page, path) -> None:
    """Entries before its epoch are not there."""
    served = await serve_page()
    rows_of(path, "INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'added', '[1]')")
    rows_of(path, "UPDATE feed SET floor = (SELECT max(seq) FROM change_batches)")
    assert "are no longer stored" in (await served.get("/changes")).text
