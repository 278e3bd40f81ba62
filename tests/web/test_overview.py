"""``/`` over HTTP and in a browser."""

from __future__ import annotations

import asyncio

import pytest

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.store.overview import PassRecord
from retrovue_daemon.web.charts import HEIGHT, MOST_BARS, chart_of
from tests.support.patience import PATIENCE_S
from tests.support.web import check_accessibility, have_removals_held_back, rows_of, sign_in

pytestmark = pytest.mark.no_groups

LONG = "A library with a long name " * 8
ARABIC = "أفلام (2024)"


async def test_servers_are_listed_with_their_condition(serve_page, plex) -> None:
    """As `status` does."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    text = (await served.get("/")).text
    assert '<bdi>home</bdi> <span class="state good">polled</span>' in text
    assert '<time datetime="2027-' in text
    assert "27 films, 2 unavailable" in text
    assert "entries 1 to " in text


async def test_titles_are_data(serve_page, plex, path) -> None:
    """A name cannot become an element, an attribute or a script."""
    served = await serve_page()
    name = """"><script>alert('1')</script>"""
    sql = "INSERT INTO plex_servers (name, server_url, created_at, updated_at) VALUES (?, 'http://x', 1, 1)"
    rows_of(path, sql, name)
    text = (await served.get("/")).text
    assert name not in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


async def test_what_is_wrong_stands_with_its_server(serve_page, plex) -> None:
    """With the error, what to do, and when the daemon tries again; a library says whether removals are held back."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await have_removals_held_back(served, plex)
    text = (await served.get("/")).text
    assert '<span class="state warn">held back</span> <a href="/manage/libraries/' in text
    assert "the server lists none of the" in text
    assert "--accept-removals" in text
    plex.token = "another"
    served.supervisor.sync_now()
    await served.events.next("server.unauthorized")
    text = (await served.get("/")).text
    assert '<span class="state bad">failing</span>' in text
    assert "next try <time" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_browser_shows_it(serve_page, page, plex, scheme) -> None:
    """Without a complaint, and accessible, also with awkward names and after signing in.

    A phone scrolls down only.
    """
    plex.changes.add_library("movie", LONG, "/srv/long")
    plex.changes.add_library("show", ARABIC, "/srv/arabic")
    async with SimulatedPlex(built_in_library(), token="refused") as other:
        served = await serve_page(plex, other, syncs=True)
        other.token = "another"
        await served.has_synced()
        await page.emulate_media(color_scheme=scheme)
        await page.goto(f"{served.url}/")
        assert await page.get_by_role("row").filter(has_text=ARABIC).count() == 1
        await check_accessibility(page)
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.get_by_role("row").filter(has_text=LONG.strip()).count() == 1
        await sign_in(page, served)
        await check_accessibility(page)


async def test_bars_move_while_passes_run_and_nothing_else_does(serve_page, page, plex) -> None:
    """For each library and for the round; the parts of the page stay where they are."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await page.goto(f"{served.url}/")
    row = page.get_by_role("row").filter(has_text="Anime")
    bar, place = page.get_by_label("Progress of Anime"), await page.locator("#daemon").bounding_box()
    assert not await bar.is_visible()
    meter = served.supervisor.board.begin("home", "Anime")
    meter.advance("episodes", 1_000, 4_000)
    await row.get_by_text("1,000 of 4,000").wait_for()
    assert await bar.is_visible()
    assert await bar.evaluate("bar => [bar.value, bar.max]") == [1_000, 4_000]
    assert await page.get_by_text("Syncing:").is_visible()
    assert await page.locator("#daemon").bounding_box() == place
    meter.advance("episodes", 3_000, 4_000)
    await row.get_by_text("3,000 of 4,000").wait_for()
    rows_of(served.database.path, "UPDATE libraries SET library_name = 'Animation' WHERE library_name = 'Anime'")
    meter.finish()
    await page.get_by_text("No pass is running").wait_for()
    assert not await bar.is_visible()
    # Loaded again because a pass has ended, and not after a while.
    await page.get_by_role("row").filter(has_text="Animation").wait_for(timeout=9_000)


async def test_a_real_sync_is_shown_while_it_runs(serve_page, page, plex) -> None:
    """From the first page that the server sends to the last."""
    plex.quirks.latency = 0.02
    served = await serve_page(plex, sync={"page_size": 2})
    await page.goto(f"{served.url}/")
    await served.begin()
    await page.locator("progress:visible").first.wait_for()
    await page.get_by_text("No pass is running").wait_for()
    await page.get_by_role("row").filter(has_text="27 films").wait_for()


async def test_without_scripts_it_shows_how_far_passes_are(serve_page) -> None:
    """As they were when the page was requested."""
    served = await serve_page()
    rows_of(
        served.database.path,
        "INSERT INTO plex_servers (id, name, server_url, created_at, updated_at)"
        " VALUES (1, 'home', 'http://x', 1, 1)",
    )
    rows_of(
        served.database.path,
        "INSERT INTO libraries (server_id, library_key, library_name, library_type, created_at, updated_at)"
        " VALUES (1, '1', 'Films', 'movie', 1, 1)",
    )
    served.supervisor.board.begin("home", "Films").advance("films", 500, None)
    text = (await served.get("/")).text
    assert "<span>500</span>" in text
    served.supervisor.board.begin("home", "Else").advance("films", 1, 2)
    assert "0 of 2 libraries done" in (await served.get("/")).text


async def test_a_stream_of_progress_ends_with_its_client(serve_page) -> None:
    """A client that is gone costs nothing."""
    served = await serve_page()
    response = await served.client.get(f"{served.url}/progress")
    assert response.headers["Content-Type"] == "text/event-stream"
    assert (await response.content.readline()).startswith(b'data: {"libraries_done":0')
    assert len(served.context.streams) == 1
    response.close()
    async with asyncio.timeout(PATIENCE_S):
        while len(served.context.streams):
            served.supervisor.board.begin("home", "Films").finish()
            await asyncio.sleep(0)


def _pass(status: str, **counts: int) -> PassRecord:
    return PassRecord(1, "home", "Films", "full", status, 1_800_000_000, None, counts, None)


def test_a_chart_shows_the_number_of_changes_and_the_ending_of_each_pass() -> None:
    """The newest pass is on the right; more changes make a higher bar."""
    chart = chart_of([_pass("ok", added=10_000), _pass("failed"), _pass("ok", updated=5, removed=5)])
    first, second, third = chart.bars
    assert (first.height, first.y, first.kind) == (HEIGHT, 0, "good")
    assert second.height < third.height < first.height
    assert (second.kind, third.x) == ("bad", chart.width - chart.width // MOST_BARS)
    assert chart.text == "3 passes: 2 ok, 1 failed"
    assert third.text.endswith("full pass ok, 10 changes")
    assert chart_of([_pass("ok", added=-7)]).bars[0].height < HEIGHT  # as a damaged row may say


async def test_a_feed_without_entries_is_said(serve_page, path) -> None:
    """Before the first sync, and after another content was restored."""
    served = await serve_page()
    assert "<dd>no entry after 0</dd>" in (await served.get("/")).text
    rows_of(path, "INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'added', '[1]')")
    (last,) = rows_of(path, "SELECT max(seq) FROM change_batches")[0]
    rows_of(path, "UPDATE feed SET floor = ?", last)
    assert f"<dd>no entry after {last}</dd>" in (await served.get("/")).text
