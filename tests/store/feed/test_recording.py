"""What a batch of items enters into the change feed."""

from __future__ import annotations

from typing import Any

import pytest

from retrovue_daemon.records import Collection, Kind
from retrovue_daemon.store.feed.reading import batches_since, feed_state, position_at
from retrovue_daemon.store.feed.recording import IDS_PER_BATCH, last_entry, name_run
from retrovue_daemon.store.items.damage import return_kept
from retrovue_daemon.store.items.local_paths import recompute_paths
from retrovue_daemon.store.items.rows import Target
from retrovue_daemon.store.items.shared_files import replace_parent
from retrovue_daemon.store.items.sweep import mark_missing, purge
from retrovue_daemon.store.items.upserts import Change, write_items
from retrovue_daemon.store.reinstalling import accept_identity
from retrovue_daemon.store.tables.collections import ReadCollection, purge_collections, write_collections
from retrovue_daemon.store.tables.servers import delete_server, read_servers

ENTRIES = "SELECT op, ids FROM change_batches WHERE kind = ? AND seq > ? ORDER BY seq"


async def test_operations_are_told_apart(database, write, query, make, target) -> None:
    """New, changed, in another library, missing, back, deleted: one entry each, and none for what stays."""
    ((last,),) = await query("SELECT last_seq FROM feed_state")
    await write(make.movie("1"), make.movie("2"))
    await write(make.movie("1"), digest=2)
    await write(make.movie("1"), digest=2)
    moved = Target(1, 2, "TV", lambda path: path)
    await database.writer.run(lambda c: write_items(c, moved, Kind.MOVIE, [Change(make.movie("1"), 2)], 1))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [1, 2], 5, 5))
    await write(make.movie("2"))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [2], 6, 6))
    await database.writer.run(lambda c: purge(c, 1, 7))
    assert await query(ENTRIES, "movie", last) == [
        ("added", "[1,2]"),
        ("updated", "[1]"),
        ("moved", "[1]"),
        ("missing", "[2]"),
        ("restored", "[2]"),
        ("missing", "[2]"),
        ("deleted", "[2]"),
    ]


async def test_episodes_that_find_their_season_are_entered(write, query, make, reader) -> None:
    """They waited for the season with their number; those of other seasons are as before."""
    await write(make.show("1"))
    await write(make.episode("3", "1", None, 1), make.episode("4", "1", None, 2, season_number=2))
    assert reader.follow() == []
    await write(make.season("2", "1", 1))
    assert await query("SELECT rating_key FROM episodes WHERE season_id IS NOT NULL") == [("3",)]
    assert reader.follow() == []


@pytest.mark.parametrize("kind", [Kind.SHOW, Kind.SEASON])
async def test_children_of_a_row_that_gives_up_its_key_are_entered(
    database, write, query, make, target, reader, kind
) -> None:
    """Those that were listed under the key move to the new row."""
    await write(make.show("1"))
    await write(make.season("2", "1", 1))
    await write(make.episode("3", "1", "2", 1), make.episode("4", "1", "2", 2))
    assert reader.follow() == []
    item = make.show("1", title="Another") if kind is Kind.SHOW else make.season("2", "1", 7, title="Another")
    await database.writer.run(
        lambda c: replace_parent(c, target, kind, 1, Change(item, 2), 5, lambda _kind, row_id: row_id == 1)
    )
    column = "show_id" if kind is Kind.SHOW else "season_id"
    assert await query(f"SELECT id, {column} FROM episodes ORDER BY id") == [(1, 2), (2, 1)]
    assert reader.follow() == []


COLLECTION = (
    "INSERT INTO collections (server_id, library_id, rating_key, title, source_id, created_at, synced_at)"
    " VALUES (1, 1, '9', 'Films', 'collection://old', 1, 1)"
)
MEMBER = "INSERT INTO collection_items (collection_id, position, movie_id) VALUES (1, 0, 1)"


@pytest.fixture
async def stored(database, write, make, reader) -> None:
    """A film with a file, in a collection."""
    await write(make.movie("1", make.part(1)))
    for statement in (COLLECTION, MEMBER):
        await database.writer.run(lambda c, each=statement: c.execute(each).close())
    reader.follow()


async def test_a_collection_that_loses_a_member_is_entered(database, stored, target, reader) -> None:
    """When the film is deleted, not while it is missing."""
    await database.writer.run(mark_missing, target, Kind.MOVIE, [1], 5, 5)
    assert reader.follow() == []
    await database.writer.run(purge, 1, 7)
    assert reader.follow() == []
    assert reader.copy["movie"] == {}


async def test_what_happens_to_collections_is_entered(database, stored, reader) -> None:
    """Another one gets the key, and the one that lost it is deleted."""
    values: dict[str, Any] = dict.fromkeys(Collection.__struct_fields__)
    values |= {"rating_key": "9", "title": "Other", "is_smart": False, "guid": "collection://new"}
    other = Collection(**values)
    await database.writer.run(write_collections, 1, [ReadCollection(1, other, None, 1, (), True)], 5, 5)  # noqa: FBT003
    assert reader.follow() == []
    await database.writer.run(purge_collections, 1, 5)
    assert reader.follow() == []
    assert list(reader.copy["collection"]) == [2]


async def test_local_paths_that_change_are_entered(database, stored, query, reader) -> None:
    """Those of files, as changes of their items."""
    await recompute_paths(database, Target(1, 1, "Movies", lambda path: f"/elsewhere{path}"))
    assert reader.follow() == []
    assert await query("SELECT kind, item_id, op FROM changes ORDER BY seq DESC LIMIT 1") == [
        ("movie", 1, "path_changed")
    ]


async def test_a_damaged_item_that_is_back_is_entered(database, stored, make, target, reader) -> None:
    """Although none of its values is written."""
    await database.writer.run(mark_missing, target, Kind.MOVIE, [1], 5, 5)
    reader.follow()
    assert await database.writer.run(return_kept, Kind.MOVIE, [(1, make.movie("1"))]) == 1
    assert reader.follow() == []


async def test_a_reinstalled_server_and_its_deletion_are_entered(database, stored, tmp_path, reader) -> None:
    """All of its items get other keys; later it is deleted in small transactions, each with its entries."""
    await database.writer.run(lambda c: c.execute("UPDATE plex_servers SET machine_identifier = 'old'").close())
    (server,) = await database.reader.run(read_servers)
    assert await database.writer.run(accept_identity, server, "new", 5) == 1
    assert reader.follow() == []
    for _ in delete_server(tmp_path / "mirror.db", 1, 5):
        assert reader.follow() == []
    assert reader.follow() == []
    assert not any(reader.copy.values())


async def test_large_batches_are_split(write, query, make) -> None:
    """So that no reader gets more than a thousand rows at once."""
    await write(*(make.movie(str(number)) for number in range(IDS_PER_BATCH + 1)))
    counts = await query("SELECT count(*) FROM changes WHERE kind = 'movie' GROUP BY seq ORDER BY seq")
    assert counts == [(IDS_PER_BATCH,), (1,)]


async def test_entries_name_their_pass_once_it_has_ended(database, write, query, make) -> None:
    """Those of other passes, and of triggers, stay as they are."""
    first = await write(make.movie("1"))
    await write(make.movie("2"))
    third = await write(make.movie("3"))
    assert third.entries == (first.entries[1] + 1, first.entries[1] + 2)
    await database.writer.run(name_run, 77, [first.entries], third.entries[0])
    assert await query("SELECT run_id FROM changes WHERE kind = 'movie' ORDER BY seq") == [(77,), (None,), (77,)]
    assert await query("SELECT DISTINCT run_id FROM changes WHERE kind <> 'movie'") == [(None,)]
    assert await database.reader.run(last_entry) == third.entries[1]


async def test_entries_are_read_after_a_position(database, write, query, make) -> None:
    """By number, or by time; all of them carry their ids."""
    await write(make.movie("1"), make.movie("2"))
    await write(make.movie("1"), digest=2)
    state = await database.reader.run(feed_state)
    assert [tuple(state)] == await query("SELECT feed_id, floor, last_seq FROM feed_state")
    entries = await database.reader.run(batches_since, state.last_seq - 2)
    assert [(each.seq, each.kind, each.op, each.ids) for each in entries] == [
        (state.last_seq - 1, "movie", "added", [1, 2]),
        (state.last_seq, "movie", "updated", [1]),
    ]
    assert await database.reader.run(batches_since, state.last_seq - 2, 1) == entries[:1]
    await database.writer.run(lambda c: c.execute("UPDATE change_batches SET at = seq * 10").close())
    assert await database.reader.run(position_at, 20) == 1
    assert await database.reader.run(position_at, 21) == 2
    assert await database.reader.run(position_at, 10_000) == state.last_seq
