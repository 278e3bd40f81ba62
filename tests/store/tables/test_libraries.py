"""Libraries' rows follow what the server lists, and cost no write where nothing changed."""

from __future__ import annotations

from typing import Any

import pytest

from retrovue_daemon.records import LibraryListing
from retrovue_daemon.store.tables.libraries import reconcile_libraries

NOW = 1_700_000_000


@pytest.fixture
def reconcile(database):
    async def work(*listed: LibraryListing, priorities: dict[str, int] | None = None):
        return await database.writer.run(lambda c: reconcile_libraries(c, 1, listed, priorities or {}, NOW))

    return work


def listing(key: str = "9", uuid: str | None = "u9", title: str = "Films", **changes: Any) -> LibraryListing:
    return LibraryListing(key, title, "movie", uuid, locations=("/plex/a", "/plex/b"), **changes)


async def test_a_new_library_is_stored_with_all_its_roots(reconcile, query) -> None:
    """The first location is its root, every one stands in library_locations."""
    rows = await reconcile(listing(), priorities={"9": 3})
    assert (rows["9"].id, rows["9"].sync_enabled, rows["9"].priority) == (3, True, 3)
    assert await query("SELECT library_name, library_root, uuid FROM libraries WHERE id = 3") == [
        ("Films", "/plex/a", "u9")
    ]
    assert await query("SELECT path FROM library_locations ORDER BY path") == [("/plex/a",), ("/plex/b",)]


async def test_a_library_with_a_new_key_keeps_its_row(reconcile) -> None:
    """Its uuid shows that it is the same one."""
    first = await reconcile(listing(key="9"))
    second = await reconcile(listing(key="12"))
    assert second["12"].id == first["9"].id


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ('[["a", "b"], ["c"]]', (("a", "b"), ("c",))),
        ('["a", "b"]', (("a", "b"),)),
        ("[]", ()),
        ("[[1]]", ()),
        ("nonsense", ()),
    ],
)
async def test_faults_are_read_by_listing(reconcile, database, stored, read) -> None:
    """Former releases stored those of the last listing only."""
    await reconcile(listing())
    await database.writer.run(lambda c: c.execute("UPDATE libraries SET fault = ? WHERE id = 3", (stored,)))
    assert (await reconcile(listing()))["9"].fault == read


async def test_a_key_that_another_library_got_is_not_taken_over(reconcile, query) -> None:
    """The new library gets a row of its own; the old one's row, roots and all, only gives up the key."""
    first = await reconcile(listing(uuid="u9"))
    second = await reconcile(listing(uuid="other", title="Stranger"))
    assert second["9"].id != first["9"].id
    assert await query("SELECT library_key, uuid, library_name FROM libraries WHERE id = 3") == [
        ("9 (once, row 3)", "u9", "Films")
    ]
    assert await query("SELECT count(*) FROM library_locations WHERE library_id = 3") == [(2,)]


async def test_libraries_may_exchange_their_keys(reconcile) -> None:
    """Each keeps its row, and no moment of it offends the uniqueness of keys."""
    first = await reconcile(listing("8", "a"), listing("9", "b"))
    second = await reconcile(listing("8", "b"), listing("9", "a"))
    assert (second["9"].id, second["8"].id) == (first["8"].id, first["9"].id)
    third = await reconcile(listing("8", "b"), listing("9", "a"))
    assert {key: row.id for key, row in third.items()} == {key: row.id for key, row in second.items()}


async def test_a_switch_or_priority_in_the_table_is_kept(reconcile, database) -> None:
    """The server's listing says nothing about them, and no order in the configuration leaves the table's."""
    await reconcile(listing())
    await database.writer.run(lambda c: c.execute("UPDATE libraries SET sync_enabled = 0, priority = 7 WHERE id = 3"))
    rows = await reconcile(listing(title="Renamed"))
    assert (rows["9"].name, rows["9"].sync_enabled, rows["9"].priority) == ("Renamed", False, 7)


async def test_an_unchanged_library_is_not_written(reconcile, database) -> None:
    """Rounds without news leave the table alone."""
    await reconcile(listing())
    ((before,),) = await database.writer.run(lambda c: c.execute("SELECT total_changes()").fetchall())
    await reconcile(listing())
    ((after,),) = await database.writer.run(lambda c: c.execute("SELECT total_changes()").fetchall())
    assert after == before


async def test_a_location_that_left_goes(reconcile, query) -> None:
    """library_locations holds what the server says now."""
    await reconcile(listing())
    await reconcile(LibraryListing("9", "Films", "movie", "u9", locations=("/plex/b",)))
    assert await query("SELECT path FROM library_locations") == [("/plex/b",)]
    assert await query("SELECT library_root FROM libraries WHERE id = 3") == [("/plex/b",)]
