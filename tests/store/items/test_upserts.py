"""Batches of items become rows: ids stay, children follow, nothing is doubled."""

from __future__ import annotations

import pytest

from retrovue_daemon.store.items.digests import digests
from retrovue_daemon.store.items.parents import orphaned
from tests.store.conftest import NOW


async def test_a_new_movie_is_stored_with_its_files_and_guids(write, query, make) -> None:
    """Title, guids, paths on both sides and the primary file all arrive."""
    result = await write(make.movie("7", make.part(70), make.part(71, "/plex/b.mkv", part_index=1)))

    assert (result.added, result.updated, result.restored) == (1, 0, 0)
    assert await query("SELECT title, year, guid_primary, source_id, state, digest FROM movies") == [
        ("Film 7", 1931, "imdb://tt7", "plex://movie/7", "active", 1)
    ]
    assert await query("SELECT provider, external_id FROM movie_guids ORDER BY provider") == [
        ("imdb", "tt7"),
        ("tmdb", "7"),
    ]
    assert await query("SELECT part_id, plex_path, file_path, part_index FROM media_files ORDER BY part_id") == [
        (70, "/plex/a.mkv", "/local/a.mkv", 0),
        (71, "/plex/b.mkv", "/local/b.mkv", 1),
    ]
    assert await query("SELECT f.part_id FROM movies m JOIN media_files f ON f.id = m.media_file_id") == [(70,)]


async def test_an_update_keeps_the_ids_of_the_movie_and_of_its_files(write, query, make) -> None:
    """Other programs hold these ids; only what changed changes, and created_at stays."""
    await write(make.movie("7", make.part(70)))
    before = await query("SELECT m.id, f.id, m.created_at FROM movies m JOIN media_files f ON f.id = m.media_file_id")

    result = await write(make.movie("7", make.part(70, size=2_000), title="Renamed"), digest=2, now=make.now + 9)

    assert (result.added, result.updated) == (0, 1)
    after = await query("SELECT m.id, f.id, m.created_at FROM movies m JOIN media_files f ON f.id = m.media_file_id")
    assert after == before
    assert await query("SELECT title, digest, synced_at FROM movies") == [("Renamed", 2, make.now + 9)]
    assert await query("SELECT size FROM media_files") == [(2_000,)]


async def test_files_and_guids_that_left_go_with_the_update(write, query, make) -> None:
    """A removed version and a removed external id disappear in the transaction that changes their item."""
    await write(make.movie("7", make.part(70), make.part(71, "/plex/b.mkv")))

    await write(make.movie("7", make.part(71, "/plex/b.mkv"), guids=(("tmdb", "99"),)), digest=2)

    assert await query("SELECT part_id FROM media_files") == [(71,)]
    assert await query("SELECT provider, external_id FROM movie_guids") == [("tmdb", "99")]
    assert await query("SELECT f.part_id FROM movies m JOIN media_files f ON f.id = m.media_file_id") == [(71,)]


async def test_an_id_is_never_used_again(write, query, make, database) -> None:
    """Also after the row with the highest id is gone."""
    await write(make.movie("7", make.part(70)))
    await database.writer.run(lambda c: c.execute("DELETE FROM movies"))
    await database.writer.run(lambda c: c.execute("DELETE FROM media_files"))

    await write(make.movie("8", make.part(80)))

    assert await query("SELECT id FROM movies") == [(2,)]
    assert await query("SELECT id FROM media_files") == [(2,)]


async def test_a_file_that_moves_between_items_of_a_batch_is_kept(write, query, make) -> None:
    """Splitting a merged film gives one of its parts to another rating key; the part's row goes along."""
    await write(make.movie("7", make.part(70), make.part(71, "/plex/b.mkv")))

    await write(make.movie("7", make.part(70)), make.movie("8", make.part(71, "/plex/b.mkv")), digest=2)

    assert await query("SELECT id, part_id, rating_key FROM media_files ORDER BY id") == [(1, 70, "7"), (2, 71, "8")]


async def test_two_episodes_may_share_a_file(write, query, make) -> None:
    """A double episode is two parts with one path, and both rows stay."""
    await write(make.show("1"))
    await write(make.season("2", "1", 1))
    await write(
        make.episode("3", "1", "2", 1, make.part(30, "/plex/e1e2.mkv")),
        make.episode("4", "1", "2", 2, make.part(40, "/plex/e1e2.mkv")),
    )

    assert await query("SELECT part_id, plex_path FROM media_files ORDER BY part_id") == [
        (30, "/plex/e1e2.mkv"),
        (40, "/plex/e1e2.mkv"),
    ]


async def test_parts_without_an_id_are_distinguished_by_path(write, query, make) -> None:
    """A server that sends no part id still gets stable rows."""
    await write(make.movie("7", make.part(None, "/plex/a.mkv"), make.part(None, "/plex/b.mkv")))
    before = await query("SELECT id, plex_path FROM media_files ORDER BY id")

    await write(make.movie("7", make.part(None, "/plex/a.mkv"), make.part(None, "/plex/b.mkv")), digest=2)
    assert await query("SELECT id, plex_path FROM media_files ORDER BY id") == before

    await write(make.movie("7", make.part(None, "/plex/b.mkv")), digest=3)
    assert await query("SELECT id, plex_path FROM media_files") == [before[1]]


async def test_an_item_twice_in_a_batch_is_written_once(write, query, make) -> None:
    """A listing that shifts while it is read shows an entry twice; the later one holds."""
    result = await write(make.movie("7", make.part(70)), make.movie("7", make.part(70), title="Later"))

    assert result.added == 1
    assert await query("SELECT title FROM movies") == [("Later",)]


async def test_an_item_that_is_stored_just_so_already_is_not_written_again(write, query, make) -> None:
    """Another batch of a listing that moves, or another pass, was first; what differs in any way is written."""
    first, second, third = (make.movie(str(number)) for number in (1, 2, 3))
    before = await write(first, second, digest=7)
    again = await write(first, second, third, digest=7, now=NOW + 1)
    assert (again.added, again.updated, again.restored) == (1, 0, 0)
    assert set(again.ids) > set(before.ids)
    assert await query("SELECT synced_at - ? FROM movies ORDER BY id", NOW) == [(0,), (0,), (1,)]
    assert (await write(first, digest=8)).updated == 1


async def test_episodes_find_their_show_and_season(write, query, make) -> None:
    """By rating key, or by show and number where seasons are hidden; season 0 and episode 0 are real."""
    await write(make.show("1"))
    await write(make.season("2", "1", 1), make.season("3", "1", 0))
    await write(
        make.episode("4", "1", "2", 1),
        make.episode("5", "1", None, 0, season_number=0),
        make.episode("6", "1", None, None, season_number=None),
    )

    assert await query(
        "SELECT e.rating_key, w.rating_key, s.rating_key, e.season_number, e.episode_number, e.digest IS NULL"
        " FROM episodes e JOIN shows w ON w.id = e.show_id LEFT JOIN seasons s ON s.id = e.season_id"
        " ORDER BY e.rating_key"
    ) == [("4", "1", "2", 1, 1, 0), ("5", "1", "3", 0, 0, 0), ("6", "1", None, None, None, 0)]


async def test_an_episode_of_an_unknown_show_gets_another_digest(write, query, make) -> None:
    """It is not lost, and each pass finds it different, until its show is there."""
    await write(make.episode("4", "1", "2", 1))
    assert await query("SELECT show_id, season_id, digest <> 1 FROM episodes") == [(None, None, 1)]

    await write(make.show("1"))
    await write(make.season("2", "1", 1))
    await write(make.episode("4", "1", "2", 1))
    assert await query("SELECT show_id, season_id, digest FROM episodes") == [(1, 1, 1)]


async def test_an_item_whose_parents_are_still_unknown_is_not_written_again(write, query, make) -> None:
    """Neither an episode nor a season; a change of its own, or one parent of two, is written."""
    for item in (make.episode("4", "1", "2", 1), make.season("3", "1", 1)):
        assert (await write(item)).added == 1
        again = await write(item, now=NOW + 1)
        assert (again.updated, again.ids) == (0, [1])
        assert (await write(item, digest=2)).updated == 1
        assert (await write(item, digest=2)).updated == 0

    await write(make.show("1"))
    assert (await write(make.episode("4", "1", "2", 1), digest=2)).updated == 1
    assert await query("SELECT show_id, season_id FROM episodes") == [(1, None)]
    assert (await write(make.episode("4", "1", "2", 1), digest=2)).updated == 0


async def test_state_follows_the_files(write, query, make) -> None:
    """Without a playable file, or in the trash, an item is unavailable and has no primary file."""
    await write(
        make.movie("1"),
        make.movie("2", make.part(20, None)),
        make.movie("3", make.part(30, trashed=True)),
        make.movie("4", make.part(40), trashed=True),
        make.movie("5", make.part(50)),
    )

    assert await query("SELECT rating_key, state, media_file_id IS NULL FROM movies ORDER BY rating_key") == [
        ("1", "unavailable", 1),
        ("2", "unavailable", 1),
        ("3", "unavailable", 1),
        ("4", "unavailable", 1),
        ("5", "active", 0),
    ]
    assert await query("SELECT part_id, state FROM media_files ORDER BY part_id") == [
        (20, "unavailable"),
        (30, "unavailable"),
        (40, "unavailable"),
        (50, "active"),
    ]


async def test_an_optimized_version_is_never_the_primary_file(write, query, make) -> None:
    """It is stored and flagged, wherever it stands in the listing."""
    await write(make.movie("7", make.part(70, optimized=True), make.part(71, "/plex/b.mkv")))

    assert await query("SELECT f.part_id FROM movies m JOIN media_files f ON f.id = m.media_file_id") == [(71,)]
    assert await query("SELECT optimized FROM media_files WHERE part_id = 70") == [(1,)]


async def test_a_missing_item_that_is_listed_again_is_restored(write, query, make, database) -> None:
    """It keeps its id and loses the mark; the result counts it apart from updates."""
    await write(make.movie("7", make.part(70)))
    gone = "UPDATE movies SET state = 'missing', missing_since = 1, missing_observed = 2"
    await database.writer.run(lambda c: c.execute(gone))

    result = await write(make.movie("7", make.part(70)))

    assert (result.added, result.updated, result.restored) == (0, 0, 1)
    assert await query("SELECT id, state, missing_since, missing_observed FROM movies") == [(1, "active", None, None)]


# -- tags of which a listing has only the first ---------------------------------------------------------------------


async def test_a_truncated_list_never_replaces_a_complete_one(write, query, database, make) -> None:
    """Once the details of an item were read, its tags come from them; the listing only causes another reading."""
    await write(make.movie("1", genre="A, B", director="X"))
    await write(make.show("5", genre="A, B"))
    stamp = await query("SELECT details_stamp FROM movies UNION ALL SELECT details_stamp FROM shows")
    read = (
        "UPDATE {} SET genre = 'A, B, C', {} = 'all', details_read_at = 9, details_read_stamp = details_stamp",
        (("movies", "director"), ("shows", "network")),
    )
    for each in read[1]:
        await database.writer.run(lambda c, each=each: c.execute(read[0].format(*each)))

    await write(make.movie("1", genre="A, B", director="X", title="Other"), digest=2)
    await write(make.show("5", genre="A, B", title="Other"), digest=2)
    kept = "SELECT title, genre, {}, details_stamp, details_stamp = details_read_stamp FROM {}"
    assert await query(kept.format("director", "movies")) == [("Other", "A, B, C", "all", *stamp[0], 1)]
    assert await query(kept.format("network", "shows")) == [("Other", "A, B, C", "all", *stamp[1], 1)]

    await write(make.movie("1", genre="Z, B", director="X", title="Other"), digest=3)
    assert await query("SELECT genre, details_stamp = details_read_stamp FROM movies") == [("A, B, C", 0)]


async def test_a_listing_fills_tags_until_details_are_read(write, query, make) -> None:
    """A change of the listing is stored at once."""
    await write(make.movie("1", genre="A"))
    await write(make.movie("1", genre="B", director=None), digest=2)
    assert await query("SELECT genre, director FROM movies") == [("B", None)]


@pytest.mark.parametrize(
    "changes",
    [{"updated_at": 6}, {"genre": "B"}, {"director": "B"}, {"files": ()}],
    ids=lambda changes: next(iter(changes)),
)
async def test_details_are_wanted_if_what_they_depend_on_changes(write, query, make, changes) -> None:
    """The item's time, its files and the tags that the listing shows."""
    file = make.part(10)
    await write(make.movie("1", file), make.movie("2", make.part(11, "/b.mkv")))
    ((before,), (other,)) = await query("SELECT details_stamp FROM movies ORDER BY id")
    assert before != other
    await write(make.movie("1", file, title="Other"), digest=2)
    assert await query("SELECT details_stamp FROM movies WHERE id = 1") == [(before,)]
    item = {"files": (file,)} | changes
    await write(make.movie("1", **item), digest=3)
    assert await query("SELECT details_stamp = ? FROM movies WHERE id = 1", before) == [(0,)]


def test_no_digest_of_an_item_is_that_of_a_row_without_its_parents(make) -> None:
    """The lowest bit tells them apart, so that a reader of the database can, too."""
    own = digests([make.movie(str(key), make.part(key)) for key in range(100)])
    assert len(set(own)) == 100
    assert not any(digest & 1 for digest in own)
    assert all(orphaned(digest) & 1 for digest in own)
