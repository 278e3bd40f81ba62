"""``/items/{kind}/{id}``: one item with all that is stored about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.web.time_line import time_line
from tests.support.web import check_accessibility, rows_of

if TYPE_CHECKING:
    from retrovue_daemon.store.items.catalog import Row
    from tests.support.web import Served

pytestmark = pytest.mark.no_groups


async def _synced(serve_page, plex) -> Served:
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    return served


async def test_everything_about_an_item_is_there(serve_page, plex, path) -> None:
    """Both paths, streams, external ids, and links up and down; names cannot become elements."""
    served = await _synced(serve_page, plex)
    rows_of(path, "UPDATE media_files SET file_path = '/mnt/<b>films</b>/x.mkv' WHERE id = 1")
    rows_of(path, "UPDATE media_files SET file_path = NULL WHERE id = 2")
    film = (await served.get("/items/movie/1")).text
    for words in (
        *(
            "/mnt/&lt;b&gt;films&lt;/b&gt;/x.mkv",
            "/srv/media/movies/A Trip to the Moon (1902)",
            "h264 high",
            "23.976 fps",
        ),
        *("plex://movie/", "1902", "<h2>History</h2>", "added ", "MiB"),
    ):
        assert words in film, words
    assert "a path mapping may be missing" in (await served.get("/items/movie/2")).text
    ((episode, season, show),) = rows_of(path, "SELECT id, season_id, show_id FROM episodes LIMIT 1")
    below = (await served.get(f"/items/episode/{episode}")).text
    assert (f'href="/items/season/{season}"' in below, f'href="/items/show/{show}"' in below) == (True, True)
    assert f'href="/items/episode/{episode}"' in (await served.get(f"/items/season/{season}")).text
    assert f'href="/items/season/{season}"' in (await served.get(f"/items/show/{show}")).text
    for kind, table in (("movie", "movies"), ("show", "shows"), ("season", "seasons"), ("episode", "episodes")):
        for (row_id,) in rows_of(path, f"SELECT id FROM {table} LIMIT 5"):
            assert (await served.get(f"/items/{kind}/{row_id}")).status == 200


async def test_an_item_that_left_says_so(serve_page, plex, path) -> None:
    """Also one whose row was deleted, as long as the change feed knows."""
    served = await _synced(serve_page, plex)
    rows_of(path, "UPDATE movies SET state = 'missing', missing_since = 1799990000 WHERE id = 1")
    text = (await served.get("/items/movie/1")).text
    assert "no longer lists this movie (noticed" in text
    rows_of(path, "INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'deleted', '[1000, 21]')")
    gone = await served.get("/items/movie/1000")
    assert (gone.status, "was deleted" in gone.text) == (404, True)
    for number in ("100", "0", "2000", "00000000000000000000001", "-1", "9" * 19, "x"):
        never = await served.get(f"/items/movie/{number}")
        assert (never.status, "was deleted" in never.text) == (404, False), number
    assert "deleted" in (await served.get("/items/movie/21")).text
    rows_of(path, "UPDATE feed SET floor = 5")
    assert "no longer in the change feed" in (await served.get("/items/movie/1")).text


async def test_a_browser_shows_films_and_shows(serve_page, page, plex, path) -> None:
    """With chapters and markers on a time line, accessible, on a phone, too."""
    served = await _synced(serve_page, plex)
    rows_of(path, "DELETE FROM chapters")
    rows_of(path, "DELETE FROM markers")
    ((duration,),) = rows_of(path, "SELECT duration FROM movies WHERE id = 1")
    chapter = "INSERT INTO chapters (movie_id, position, title, starts_at, ends_at) VALUES (1, ?, ?, ?, ?)"
    rows_of(path, chapter, 0, "One", 0, duration // 2)
    rows_of(path, chapter, 1, "\u05d1" * 90, duration // 2, duration)
    marker = "INSERT INTO markers (movie_id, kind, starts_at, ends_at, is_final) VALUES (1, ?, ?, ?, 0)"
    rows_of(path, marker, "intro", 0, 9_000)
    rows_of(path, marker, "x y", 9_000, 99_000)
    rows_of(path, "UPDATE movies SET summary = ?, title = ? WHERE id = 1", "y" * 3_000, "t" * 300)
    ((show,),) = rows_of(path, "SELECT show_id FROM episodes LIMIT 1")
    for scheme, width in (("light", 1280), ("dark", 390)):
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 800})
        for address in ("/items/movie/1", f"/items/show/{show}"):
            await page.goto(served.url + address)
            await page.wait_for_function("[...document.images].every(each => each.naturalWidth > 0)")
            for summary in await page.locator("summary").all():
                await summary.press("Enter")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (address, width)
            await check_accessibility(page)
    await page.goto(f"{served.url}/items/movie/1")
    line = page.get_by_role("img", name="2 chapters and 2 markers")
    assert await line.locator("line").count() == 2
    assert re.fullmatch(r"500(\.0)?", await line.locator("line").nth(1).get_attribute("x1") or "")


def test_what_lies_outside_a_film_is_drawn_at_its_ends() -> None:
    """Servers send anything."""
    chapter: Row = {"title": "x", "position": 0, "starts_at": 50, "ends_at": None}
    marker: Row = {"kind": "credits", "starts_at": -5, "ends_at": 1 << 62, "is_final": 1}
    assert time_line(None, [], []) is None
    assert time_line(0, [{**chapter, "starts_at": 0}], []) is None
    line = time_line(100, [chapter], [])
    assert line is not None
    assert (line.duration, line.chapters) == (100, [500.0])
    line = time_line(100, [chapter], [marker])
    assert line is not None
    assert [(span.start, span.length, span.color) for span in line.spans] == [(0.0, 1000.0, "credits")]
