"""Pages of a search: together they are the whole search, in its order, whatever is unknown or equal in it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import BadCursor
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.chosen import Chosen
from retrovue_daemon.store.items.columns import SORT_KEYS
from retrovue_daemon.store.items.filters import Filters
from retrovue_daemon.store.items.word_index import build_step
from retrovue_daemon.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.store.items.chosen import Place

STORED = """
INSERT INTO plex_servers (id, name, server_url) VALUES (1, 'home', 'http://127.0.0.1:1');
INSERT INTO libraries (id, server_id, library_key, library_name, library_type) VALUES (1, 1, '1', 'All', 'movie');
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 40)
INSERT INTO movies (server_id, library_id, rating_key, title, year, duration, added_at, audience_rating, created_at,
                    synced_at)
SELECT 1, 1, 'm' || n, iif(n % 2, 'Moon ', 'moon ') || (n % 7), iif(n % 5, 1920 + n % 3, NULL), nullif(n % 4, 0),
       nullif(n % 6, 0), nullif(n % 3, 0) / 2.0, 1, 1 FROM n;
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 9)
INSERT INTO shows (server_id, library_id, rating_key, title, year, created_at, synced_at)
SELECT 1, 1, 's' || n, 'Moon ' || (n % 4), iif(n % 2, NULL, 1921), 1, 1 FROM n;
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 30)
INSERT INTO episodes (server_id, library_id, rating_key, show_id, season_number, episode_number, episode_title,
                      originally_available_at, created_at, synced_at)
SELECT 1, 1, 'e' || n, 1 + n % 3, n % 4, nullif(n % 5, 0), 'Moon ' || n,
       iif(n % 3, '1922-01-0' || (n % 3), NULL), 1, 1 FROM n;
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, 0)
    connection.executescript(STORED)
    while build_step(connection):
        pass
    yield connection
    connection.close()


@pytest.mark.parametrize("text", [None, "moon", "moon 3", "%"])
def test_pages_are_the_whole(connection, text) -> None:
    """Nothing twice, nothing left out, in both directions."""
    sorts = [None, *(direction + name for name in SORT_KEYS for direction in ("", "-") if name != "random")]
    for sort in sorts:
        chosen = Chosen(connection, Filters(), text, counts=False)
        whole = [(item.kind, item.id) for item in chosen.found(sort=sort)]
        paged: list[tuple[str, int]] = []
        after: Place | None = None
        for _ in range(100):
            hits, after = chosen.page(sort=sort, after=after, limit=7)
            paged += [(hit.kind, hit.id) for hit in hits]
            if after is None:
                break
            assert len(hits) == 7
        assert paged == whole, sort
        assert len(whole) == (79 if text in {None, "moon"} else len(whole))
        connection.rollback()


def test_a_place_of_another_search_is_refused(connection) -> None:
    """It names other keys."""
    for text, sort, after in (
        (None, "year", ("movie", 3)),
        (None, None, ("film", 3)),
        (None, None, ("movie", "3")),
        ("moon", None, ("movie", 3)),
        ("moon", None, (1, 0, 0, "moon", 0, 3)),
        (None, None, ()),
    ):
        with pytest.raises(BadCursor):
            Chosen(connection, Filters(), text, counts=False).page(sort=sort, after=after, limit=7)


def test_a_page_of_a_random_order_has_no_next_one(connection) -> None:
    """It would show items twice."""
    hits, after = Chosen(connection, Filters(kinds=(Kind.MOVIE,)), counts=False).page(
        sort="random", after=None, limit=5
    )
    assert (len({hit.id for hit in hits}), after) == (5, None)
