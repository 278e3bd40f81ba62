"""Posters on the page: from their server once, then from the disk; a placeholder while there is none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.web import posters as posters_module
from retrovue_daemon.web.posters import POSTER_RESTS_S, SERVER_RESTS_S
from tests.support.web import rows_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.no_groups

PNG = b"\x89PNG\r\n\x1a\n"
TRANSCODER = "/photo/*"


def _films(path: Path) -> list[int]:
    return [row_id for (row_id,) in rows_of(path, "SELECT id FROM movies ORDER BY id")]


async def test_a_poster_is_requested_once(serve_page, plex, path) -> None:
    """Browsers keep it as long as its address stays; it is sent while the server is away, and without a request."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    film = _films(path)[0]
    first = await served.get(f"/posters/movie/{film}")
    assert (first.status, first.headers["Content-Type"], first.content[:8]) == (200, "image/png", PNG)
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert len(plex.requests_for(TRANSCODER)) == 1
    assert "x-plex-token" in plex.requests_for(TRANSCODER)[0].headers
    await plex.stop()
    again = await served.get(f"/posters/movie/{film}")
    assert (again.status, again.content) == (200, first.content)
    same = await served.get(f"/posters/movie/{film}", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status, same.content) == (304, b"")
    rows_of(path, "UPDATE movies SET thumb = replace(thumb, 'thumb/', 'thumb/9') WHERE id = ?", film)
    changed = await served.get(f"/posters/movie/{film}", headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status, changed.headers["Cache-Control"]) == (302, "no-store")
    assert (await served.get(changed.headers["Location"])).headers["Content-Type"].startswith("image/svg+xml")


async def test_a_server_that_fails_is_left_alone(serve_page, plex, path) -> None:
    """For half a minute; a poster that is none, for longer. The other posters are there at once."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    films = _films(path)
    plex.faults.fail("/photo/*", status=503, times=None)
    for film in films[:5]:
        assert (await served.get(f"/posters/movie/{film}")).status == 302
    assert len(plex.requests_for(TRANSCODER)) == 1
    plex.faults.clear()
    served.clock.lived += SERVER_RESTS_S + 1
    plex.faults.replace("/photo/*", b"<svg/>")
    assert (await served.get(f"/posters/movie/{films[0]}")).status == 302
    assert (await served.get(f"/posters/movie/{films[1]}")).status == 200
    before = len(plex.requests_for(TRANSCODER))
    assert (await served.get(f"/posters/movie/{films[0]}")).status == 302
    assert len(plex.requests_for(TRANSCODER)) == before
    served.clock.lived += POSTER_RESTS_S + 1
    assert (await served.get(f"/posters/movie/{films[0]}")).status == 200


async def test_a_slow_poster_comes_with_the_next_page(serve_page, plex, path, monkeypatch) -> None:
    """It does not keep one of the few connections of a browser busy."""
    monkeypatch.setattr(posters_module, "WAIT_S", 0.01)
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    film = _films(path)[0]
    stuck = plex.faults.hang(TRANSCODER)
    assert (await served.get(f"/posters/movie/{film}")).status == 302
    monkeypatch.undo()
    stuck.release.set()
    assert (await served.get(f"/posters/movie/{film}")).status == 200
    assert len(plex.requests_for(TRANSCODER)) == 1


async def test_only_items_have_posters(serve_page, plex, path) -> None:
    """Nothing in an address leads anywhere else, and no stored address to another server."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    for address in (
        *(
            "movie/0",
            "movie/-1",
            "movie/x",
            "movie/1e3",
            "movie/999999",
            f"movie/{'9' * 5_000}",
            "film/1",
            "movies/1",
        ),
        *("movie/..%2f..%2fetc%2fpasswd", "movie/%2e%2e", "..%2f/1", "movie/1%00", "movie/1/2", "movie/\u0663"),
    ):
        assert (await served.get(f"/posters/{address}")).status in {400, 404}, address
    film = _films(path)[0]
    for thumb in (
        f"http://127.0.0.1:{served.port}/x",
        "//evil.example/x",
        "/library/metadata/3/thumb/../x",
        None,
    ):
        rows_of(path, "UPDATE movies SET thumb = ? WHERE id = ?", thumb, film)
        assert (await served.get(f"/posters/movie/{film}")).status == 302
    assert not plex.requests_for(TRANSCODER)
    assert served.supervisor.client_of(1) is not None
    assert served.supervisor.client_of(2) is None


async def test_without_space_posters_are_requested_each_time(serve_page, plex, path) -> None:
    """As with ``poster_cache = "0"``, which removes those that are there."""
    directory = path.with_name(f"{path.name}-posters")
    directory.write_text("in the way")
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    film = _films(path)[0]
    for _ in range(2):
        assert (await served.get(f"/posters/movie/{film}")).status == 200
    assert len(plex.requests_for(TRANSCODER)) == 2
    assert len(served.events.of("web.posters_not_kept")) == 1
    directory.unlink()
    assert (await served.get(f"/posters/movie/{film}")).status == 200
    stored = [each for each in directory.rglob("*") if each.is_file()]
    assert len(stored) == 1
    stored[0].write_bytes(b"")  # as a power cut leaves it
    assert (await served.get(f"/posters/movie/{film}")).content[:8] == PNG
    assert stored[0].read_bytes()[:8] == PNG
    config = served.supervisor.config
    config = dataclasses.replace(config, web=dataclasses.replace(config.web, poster_cache=0))
    served.supervisor.config = config
    await served.service.reload(config)
    assert served.context.posters.clearing is not None
    await served.context.posters.clearing
    assert not stored[0].exists()
    assert (await served.get(f"/posters/movie/{film}")).status == 200
    assert not [each for each in directory.rglob("*") if each.is_file()]


async def test_a_page_without_a_cache_starts_whatever_is_in_its_place(serve_page, path) -> None:
    """It has nothing to remove."""
    path.with_name(f"{path.name}-posters").write_text("in the way")
    served = await serve_page(web={"poster_cache": "0"})
    assert served.context.posters.clearing is not None
    await served.context.posters.clearing
    assert (await served.get("/")).status == 200
