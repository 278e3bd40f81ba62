"""``/search``: the search of `items search`, page by page, with posters."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest

from retrovue_daemon.web.pages import search
from tests.support.web import check_accessibility, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.web import Served

pytestmark = pytest.mark.no_groups

HOSTILE = "<script>alert(1)</script> عنوان \u202e" + "Z\u0351\u0327\u0301\u0334" * 20 + "x" * 200
ITEM = re.compile(r'<a href="/items/(\w+)/(\d+)">')
NEXT = re.compile(r'<a href="(/search\?[^"]*after=[^"]*)" rel="next">')


async def _synced(serve_page, plex) -> Served:
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    return served


def _stored(path: Path) -> set[tuple[str, str]]:
    tables = {"movie": "movies", "show": "shows", "episode": "episodes"}
    return {(kind, str(row[0])) for kind, name in tables.items() for row in rows_of(path, f"SELECT id FROM {name}")}


async def test_pages_follow_each_other(serve_page, plex, path) -> None:
    """Until everything was shown once, in each order; a page of another search is refused."""
    served = await _synced(serve_page, plex)
    everything = _stored(path)
    assert len(everything) > 50
    for order in ("", "&sort=title", "&sort=-year", "&sort=series"):
        shown: list[tuple[str, str]] = []
        address: str | None = f"/search?view=list{order}"
        while address is not None:
            text = (await served.get(address)).text
            shown += ITEM.findall(text)
            match = NEXT.search(text)
            address = match[1].replace("&amp;", "&") if match else None
        assert len(shown) == len(everything), order
        assert set(shown) == everything
    first = (await served.get("/search?sort=title")).text
    match = NEXT.search(first)
    assert match is not None
    cursor = unquote(match[1].partition("after=")[2])
    for other in ("sort=year", "text=light&sort=title", "sort=title&kind=movie", "sort=title&genre=Drama", ""):
        refused = await served.get(f"/search?{other}&after={quote(cursor)}")
        assert (refused.status, "first page" in refused.text) == (400, True), other
    for wrong in ("", "x", "AAAA", "!", "W10", "bnVsbA", cursor[:-3], "9" * 3_000, "%00"):
        assert (await served.get(f"/search?sort=title&after={quote(wrong)}")).status == 400, wrong
    own = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for number in (2**63, -(2**63) - 1, 10**30):
        wrong = urlsafe_b64encode(json.dumps([*own[:-1], number]).encode()).decode().rstrip("=")
        assert (await served.get(f"/search?sort=title&after={wrong}")).status == 400, number


REFUSED = {
    "text": ("imdb://", "x" * 501, "a\nb"),
    "kind": ("film", "movie&kind=show"),
    "server": ("nowhere",),
    "library": ("Nothing",),
    "year": ("195x", "1960..1950", ".."),
    "genre": ("Dramma", "x&genre=" * 20 + "x"),
    "label": ("x",),
    "collection": ("x",),
    "actor": ("Nemo",),
    "director": ("Nemo",),
    "content_rating": ("XXX",),
    "min_rating": ("11", "x", "nan"),
    "min_duration": ("long", "90&max_duration=80"),
    "max_duration": ("-1",),
    "resolution": ("big",),
    "language": ("German",),
    "subtitle": ("!",),
    "added_since": ("soon",),
    "state": ("lost",),
    "sort": ("colour",),
}


async def test_each_mistake_is_shown_beside_its_field(serve_page, plex) -> None:
    """With what was typed, and in words that name no options of commands."""
    served = await _synced(serve_page, plex)
    for field, values in REFUSED.items():
        for value in values:
            response = await served.get(f"/search?{field}={quote(value, safe='&=')}")
            assert (response.status, ITEM.search(response.text)) == (422, None), (field, value)
            (message,) = re.findall(rf'<p class="error" id="{field}-error">([^<]+)</p>', response.text)
            assert "--" not in message
            assert len(re.findall(r'class="error"', response.text)) == 1
    assert (await served.get("/search?unknown=x&text=&kind=&year=")).status == 200


async def test_filters_are_those_of_the_command(serve_page, plex, path) -> None:
    """A repeated one, a guid, and states, too; the form keeps them."""
    served = await _synced(serve_page, plex)
    query = "SELECT min(provider || '://' || external_id), movie_id FROM movie_guids WHERE provider = 'imdb'"
    ((guid, film),) = rows_of(path, query)
    rows_of(path, "UPDATE movies SET state = 'missing' WHERE id = ?", film)
    for query, words in (
        (f"text={guid}", {("movie", str(film))}),
        ("state=missing", {("movie", str(film))}),
        ("genre=Comedy&genre=Horror", None),
        ("text=nothing+that+is+there", set()),
    ):
        text = (await served.get(f"/search?{query}")).text
        found = set(ITEM.findall(text))
        assert found == words if words is not None else not found
        assert ("Nothing found" in text) is (not found)
    assert text.count('name="genre"') == 1
    again = (await served.get("/search?genre=Comedy&genre=Horror")).text
    assert re.findall(r'name="genre" value="(\w+)"', again) == ["Comedy", "Horror"]


async def test_nothing_is_stored_yet(serve_page) -> None:
    """The page says so."""
    assert "Nothing is stored yet" in (await (await serve_page()).get("/search")).text


async def test_a_person_searches_and_comes_back(serve_page, page, complaints, plex, path, monkeypatch) -> None:
    """By keyboard; posters appear, and hostile titles are only text."""
    served = await _synced(serve_page, plex)
    rows_of(path, "UPDATE movies SET title = ? WHERE id = 1", HOSTILE)
    rows_of(path, "UPDATE movies SET thumb = NULL WHERE id = 2")
    rows_of(path, "UPDATE libraries SET library_name = ? WHERE id = 1", "L" * 200)
    monkeypatch.setattr(search, "HITS", 8)
    plex.faults.replace("/photo/*", b"<svg/>", times=2)
    await page.emulate_media(color_scheme="dark")
    await page.goto(f"{served.url}/search")
    await page.wait_for_function("[...document.images].every(each => each.naturalWidth > 0)")
    assert await page.get_by_role("list").filter(has_text="alert(1)").count() == 1
    await check_accessibility(page)
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.emulate_media(color_scheme="light")
    for address in ("/search", "/search?view=list", "/search?year=x"):
        await page.goto(served.url + address)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    assert ["422" in complaint for complaint in complaints] == [True]
    complaints.clear()
    await check_accessibility(page)
    await page.goto(f"{served.url}/search")
    await page.get_by_label("Title, person").focus()
    await page.keyboard.type("nosferatu")
    await page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Nosferatu").first
    await link.wait_for()
    await link.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Nosferatu").wait_for()
    await page.go_back()
    assert await page.get_by_label("Title, person").input_value() == "nosferatu"
    assert await page.get_by_role("link", name="Nosferatu").count() > 0
