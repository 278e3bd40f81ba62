"""What belongs to a re-keyed row besides its own columns and files."""

from __future__ import annotations

from typing import Any

import pytest

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items import inheritance
from retrovue_daemon.store.items.rekeying import ListingMoments, rekey
from retrovue_daemon.store.items.rows import Target
from retrovue_daemon.store.items.upserts import Change, write_items

NOW = 1_700_000_000


@pytest.fixture
def put(database):
    async def work(*items, library: int = 1, seen_in: int = 1):
        target = Target(1, library, "…", lambda path: path, known=seen_in)
        changes = [Change(item, int(item.rating_key)) for item in items]
        return await database.writer.run(lambda c: write_items(c, target, items[0].kind, changes, NOW))

    return work


@pytest.fixture
def run(database):
    async def work(*statements: str) -> None:
        for statement in statements:
            await database.writer.run(lambda c, text=statement: c.execute(text))

    return work


@pytest.fixture
def conclude(database):
    async def work(kind: Kind, *leaving: int, library: int = 1) -> None:
        target = Target(1, library, "…", lambda path: path)
        await database.writer.run(lambda c: rekey(c, target, ListingMoments(1, 1), {kind: list(leaving)}))
        assert list(await database.reader.execute_fetchall("PRAGMA foreign_key_check")) == []

    return work


def _details(item: int, prefix: str, read_at: int, stamp: int) -> tuple[str, ...]:
    """Return the statements that store details of a film."""
    read = (
        f"UPDATE movies SET genre = '{prefix}', director = '{prefix}', details_read_at = {read_at},"
        f" details_read_stamp = {stamp}, details_again = 2 WHERE id = {item}"
    )
    return (
        f"INSERT INTO tags (id, kind, name) VALUES ({item}1, 'genre', '{prefix}')",
        f"INSERT INTO movie_tags VALUES ({item}, {item}1, 0)",
        f"INSERT INTO people (id, name) VALUES ({item}, '{prefix}')",
        f"INSERT INTO movie_credits VALUES ({item}, 'actor', 0, {item}, NULL)",
        f"INSERT INTO chapters VALUES ({item}, NULL, 0, '{prefix}', 0, 5)",
        f"INSERT INTO markers VALUES ({item}, NULL, '{prefix}', 0, 5, 0)",
        read,
    )


CHILDREN = (
    "SELECT movie_id, 't', (SELECT name FROM tags WHERE id = tag_id) FROM movie_tags"
    " UNION ALL SELECT movie_id, 'c', (SELECT name FROM people WHERE id = person_id) FROM movie_credits"
    " UNION ALL SELECT movie_id, 'h', title FROM chapters UNION ALL SELECT movie_id, 'm', kind FROM markers"
)
TIMES = "SELECT id, rating_key, genre, director, details_read_at, details_read_stamp, details_again FROM movies"


@pytest.fixture
async def pair(put, make) -> None:
    """An older row that leaves and a younger one, of the same film and file."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x", genre="A, B"))
    await put(make.movie("2", make.part(20, "/a.mkv"), guid="plex://movie/x", genre="C"), seen_in=2)


async def test_details_that_were_read_stay(pair, run, conclude, query) -> None:
    """Until they are read for the new key: the stamps differ, because the file has another id."""
    await run(*_details(1, "old", 7, 70))
    await conclude(Kind.MOVIE, 1)
    assert {row[:1] + row[2:] for row in await query(CHILDREN)} == {(1, "old")}
    assert len(await query(CHILDREN)) == 4
    assert await query(TIMES) == [(1, "2", "old", "old", 7, 70, 2)]
    assert await query("SELECT details_stamp = details_read_stamp FROM movies") == [(0,)]


async def test_details_of_the_younger_row_replace_the_older_ones(pair, run, conclude, query) -> None:
    """They were read for the key that the film has now."""
    await run(*_details(1, "old", 7, 70), *_details(2, "new", 8, 80))
    await conclude(Kind.MOVIE, 1)
    assert {row[:1] + row[2:] for row in await query(CHILDREN)} == {(1, "new")}
    assert len(await query(CHILDREN)) == 4
    assert await query(TIMES) == [(1, "2", "new", "new", 8, 80, 2)]


async def test_without_details_the_listing_counts(pair, conclude, query) -> None:
    """What the listing shows of the younger row is all that is known."""
    await conclude(Kind.MOVIE, 1)
    assert await query(TIMES) == [(1, "2", "C", "A. Nobody", None, None, 0)]


async def test_places_in_collections_follow(pair, run, conclude, query, reader) -> None:
    """The younger row's place counts where both have one."""
    await run(
        "INSERT INTO collections (id, server_id, library_id, rating_key, title, created_at, synced_at)"
        " VALUES (1, 1, 1, '8', 'both', 1, 1), (2, 1, 1, '9', 'old', 1, 1)",
        "INSERT INTO collection_items (collection_id, position, movie_id) VALUES (1, 0, 1), (1, 4, 2), (2, 3, 1)",
    )
    reader.follow()
    await conclude(Kind.MOVIE, 1)
    assert reader.follow() == []
    assert await query("SELECT collection_id, position, movie_id FROM collection_items") == [(1, 4, 1), (2, 3, 1)]


async def test_a_film_whose_primary_file_was_the_younger_rows_is_entered(
    pair, put, make, run, conclude, query, reader
) -> None:
    """That file's row leaves with the younger row."""
    await put(make.movie("3", make.part(30, "/b.mkv")), seen_in=2)
    await run("UPDATE movies SET media_file_id = 2 WHERE id = 3")
    reader.follow()
    await conclude(Kind.MOVIE, 1)
    assert await query("SELECT id, media_file_id FROM movies ORDER BY id") == [(1, 1), (3, None)]
    assert reader.follow() == []


async def test_a_label_of_the_younger_row_is_added(pair, run, conclude, query) -> None:
    """Labels are read with listings, so they may be there before the details."""
    await run(
        *_details(1, "old", 7, 70),
        "INSERT INTO tags (id, kind, name) VALUES (1, 'label', 'Kids'), (2, 'label', 'Late')",
        "INSERT INTO movie_tags VALUES (1, 1, 0), (2, 1, 0), (2, 2, 1)",
    )
    await conclude(Kind.MOVIE, 1)
    found = await query("SELECT t.name FROM movie_tags JOIN tags AS t ON t.id = tag_id WHERE movie_id = 1")
    assert {name for (name,) in found} == {"old", "Kids", "Late"}


@pytest.mark.parametrize("kind", [Kind.SHOW, Kind.SEASON, Kind.EPISODE])
async def test_other_kinds_keep_theirs(put, run, conclude, query, make, kind) -> None:
    """Tags of shows, and places of shows, seasons and episodes in collections."""
    items: dict[Kind, Any] = {
        Kind.SHOW: lambda key: make.show(key, guid="plex://show/x"),
        Kind.SEASON: lambda key: make.season(key, None, 1, guid="plex://season/x"),
        Kind.EPISODE: lambda key: make.episode(key, None, None, 1, make.part(int(key)), guid="plex://episode/x"),
    }
    await put(items[kind]("1"), library=2)
    await put(items[kind]("2"), library=2, seen_in=2)
    column = f"{kind.value}_id"
    await run(
        "INSERT INTO collections (id, server_id, library_id, rating_key, title, created_at, synced_at)"
        " VALUES (1, 1, 2, '8', '…', 1, 1)",
        f"INSERT INTO collection_items (collection_id, position, {column}) VALUES (1, 0, 2)",
        f"UPDATE {kind.value}s SET details_read_at = 5 WHERE id = 1",
    )
    await conclude(kind, 1, library=2)
    assert await query(f"SELECT {column} FROM collection_items") == [(1,)]
    assert await query(f"SELECT id, rating_key, details_read_at FROM {kind.value}s") == [(1, "2", 5)]


async def test_streams_of_a_file_follow_it(pair, run, conclude, query) -> None:
    """Those of the younger row's file if they are known, else the older ones while the file is the same."""
    await run(
        "INSERT INTO streams (media_file_id, kind, codec, is_default, is_forced, is_external, is_hearing_impaired)"
        " VALUES (1, 'audio', 'old', 0, 0, 0, 0)",
        "UPDATE media_files SET streams_digest = 5, hdr = 'sdr' WHERE id = 1",
    )
    await conclude(Kind.MOVIE, 1)
    assert await query("SELECT media_file_id, codec FROM streams") == [(1, "old")]
    assert await query("SELECT id, part_id, hdr, streams_digest FROM media_files") == [(1, 20, "sdr", 5)]


async def test_streams_of_the_younger_file_replace_the_older_ones(pair, run, conclude, query) -> None:
    """They describe the file as it is now."""
    await run(
        "INSERT INTO streams (media_file_id, kind, codec, is_default, is_forced, is_external, is_hearing_impaired)"
        " VALUES (1, 'audio', 'old', 0, 0, 0, 0), (2, 'audio', 'new', 0, 0, 0, 0)",
        "UPDATE media_files SET streams_digest = id, hdr = 'sdr'",
    )
    await conclude(Kind.MOVIE, 1)
    assert await query("SELECT media_file_id, codec FROM streams") == [(1, "new")]
    assert await query("SELECT id, streams_digest FROM media_files") == [(1, 2)]


async def test_many_pairs_are_merged_in_parts(put, make, run, conclude, query, monkeypatch) -> None:
    """Deleting the streams of a million files at once would take 100 MiB."""
    monkeypatch.setattr(inheritance, "PAIRS_AT_ONCE", 2)
    for first, seen_in in ((1, 1), (11, 2)):
        films = [
            make.movie(str(first + n), make.part(first + n, f"/{n}.mkv"), guid=f"plex://movie/{n}") for n in range(5)
        ]
        await put(*films, seen_in=seen_in)
    await run(
        "INSERT INTO streams (media_file_id, kind, codec, is_default, is_forced, is_external, is_hearing_impaired)"
        " SELECT id, 'audio', iif(id > 5, 'new', 'old'), 0, 0, 0, 0 FROM media_files",
        "UPDATE media_files SET streams_digest = id",
    )
    await conclude(Kind.MOVIE, 1, 2, 3, 4, 5)
    assert await query("SELECT media_file_id, codec FROM streams ORDER BY 1") == [(n, "new") for n in range(1, 6)]
    assert await query("SELECT id FROM media_files ORDER BY 1") == [(n,) for n in range(1, 6)]
    assert await query("SELECT id, rating_key FROM movies ORDER BY 1") == [(n, str(n + 10)) for n in range(1, 6)]


async def test_streams_of_another_file_are_forgotten(pair, run, conclude, query) -> None:
    """A file of another size is another file, and its streams are not known yet."""
    await run(
        "INSERT INTO streams (media_file_id, kind, codec, is_default, is_forced, is_external, is_hearing_impaired)"
        " VALUES (1, 'audio', 'old', 0, 0, 0, 0)",
        "UPDATE media_files SET streams_digest = 5, hdr = 'sdr' WHERE id = 1",
        "UPDATE media_files SET size = 77 WHERE id = 2",
    )
    await conclude(Kind.MOVIE, 1)
    assert await query("SELECT * FROM streams") == []
    assert await query("SELECT id, hdr, streams_digest FROM media_files") == [(1, None, None)]
