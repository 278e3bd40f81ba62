"""Rows that take over younger ones: an item that got another rating key keeps its id."""

from __future__ import annotations

import pytest

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items import rekeying
from retrovue_daemon.store.items.lookup import TABLES
from retrovue_daemon.store.items.rekeying import ListingMoments, rekey
from retrovue_daemon.store.items.rows import Target
from retrovue_daemon.store.items.sweep import mark_missing
from retrovue_daemon.store.items.upserts import Change, write_items

NOW = 1_700_000_000
MOVIES, TV, FILMS_4K, CARTOONS, OTHER_SERVERS = 1, 2, 3, 4, 5
"""Ids of libraries: those of the fixture ``database``, a second one of each type, and one of another server."""


@pytest.fixture
async def libraries(database) -> None:
    await database.writer.run(
        lambda c: c.execute("INSERT INTO plex_servers (name, server_url) VALUES ('attic', 'http://127.0.0.1:2')")
    )
    await database.writer.run(
        lambda c: c.executemany(
            "INSERT INTO libraries (id, server_id, library_key, library_name, library_type) VALUES (?, ?, ?, ?, ?)",
            [
                (FILMS_4K, 1, "3", "4K", "movie"),
                (CARTOONS, 1, "4", "Cartoons", "show"),
                (OTHER_SERVERS, 2, "1", "Movies", "movie"),
            ],
        )
    )


@pytest.fixture
def put(database, libraries):
    """Store items of one kind as a pass of a library does at a moment."""

    async def work(*items, library: int = MOVIES, seen_in: int = 1, server: int = 1, now: int = NOW):
        target = Target(server, library, "…", lambda path: path, known=seen_in)
        changes = [Change(item, int(item.rating_key)) for item in items]
        return await database.writer.run(lambda c: write_items(c, target, items[0].kind, changes, now))

    return work


@pytest.fixture
def conclude(database):
    """Re-key as the end of a library's pass does; ``listed`` are the moments of its last complete listing."""

    async def work(
        leaving: dict[Kind, list[int]], library: int = MOVIES, listed: tuple[int, int] = (1, 1), server: int = 1
    ):
        target = Target(server, library, "…", lambda path: path)
        rekeyed = await database.writer.run(lambda c: rekey(c, target, ListingMoments(*listed), leaving))
        assert list(await database.reader.execute_fetchall("PRAGMA foreign_key_check")) == []
        return rekeyed

    return work


@pytest.fixture
def lose(database):
    """Mark rows missing as a pass does that began at a moment; the one before it saw them a moment earlier."""

    async def work(kind: Kind, *ids: int, library: int = MOVIES, seen_in: int = 2) -> None:
        target = Target(1, library, "…", lambda path: path)
        await database.writer.run(lambda c: mark_missing(c, target, kind, ids, NOW, NOW, seen_in - 1))

    return work


@pytest.fixture
def films(query):
    """Tell which films there are: id, rating key, state."""

    async def rows():
        return await query("SELECT id, rating_key, state FROM movies ORDER BY id")

    return rows


# Who is paired ---------------------------------------------------------------------------------------------------


async def test_an_equal_guid_pairs(put, conclude, films, make) -> None:
    """The older id lives on with the younger rating key, the younger row is gone."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), seen_in=2)

    rekeyed = await conclude({Kind.MOVIE: [1]})

    assert rekeyed.pairs == {Kind.MOVIE: {1: 2}}
    assert (rekeyed.total, dict(rekeyed.arrived)) == (1, {MOVIES: 1})
    assert await films() == [(1, "2", "active")]


async def test_what_is_known_of_damage_stays_with_its_rating_key(put, conclude, query, make, database) -> None:
    """That of the younger row is the item's, that of the abandoned key belongs to no item."""
    await put(make.movie("1", guid="plex://movie/x"), make.movie("3"))
    await put(make.movie("2", guid="plex://movie/x"), seen_in=2)
    insert = "INSERT INTO damaged_items (server_id, rating_key, digest) VALUES (1, '1', 5), (1, '2', 5), (1, '3', 5)"
    await database.writer.run(lambda c: c.execute(insert))

    await conclude({Kind.MOVIE: [1]})

    assert await query("SELECT rating_key FROM damaged_items ORDER BY rating_key") == [("2",), ("3",)]


@pytest.mark.parametrize(("edition", "paired"), [("Director's Cut", True), ("Another Cut", False), (None, False)])
async def test_a_guid_pairs_only_with_an_equal_edition(put, conclude, make, edition, paired) -> None:
    """Editions of a film are items of their own, which share its guid."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x", edition_title="Director's Cut"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x", edition_title=edition), seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).total == paired


@pytest.mark.parametrize(
    "guid", ["local://1", "com.plexapp.agents.none://1?lang=xn", "com.plexapp.agents.none://1/1/2?lang=xn", None]
)
async def test_a_guid_that_names_no_work_pairs_nothing(put, conclude, films, make, guid) -> None:
    """A local guid is a row number of the server's, and may be any other item's tomorrow."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid=guid))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid=guid), seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).total == 0
    assert await films() == [(1, "1", "active"), (2, "2", "active")]


async def test_an_equal_path_pairs(put, conclude, films, make) -> None:
    """Whatever the two are matched to: it is the same file."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="local://1"))
    await put(make.movie("2", make.part(20, "/a.mkv"), guid="plex://movie/x"), seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).pairs == {Kind.MOVIE: {1: 2}}
    assert await films() == [(1, "2", "active")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("S:\\Films\\a.mkv", "S:\\\\Films\\a.mkv"),
        ("S:\\Films\\a.mkv", "s:\\films\\A.mkv"),
        ("S:\\Films\\a.mkv", "S:/Films/a.mkv"),
        ("\\\\nas\\films\\a.mkv", "\\\\NAS\\films\\\\a.mkv"),
        ("/f/a.mkv", "/f//a.mkv"),
        ("/f/\u00e4.mkv", "/f/a\u0308.mkv"),
    ],
)
@pytest.mark.parametrize("guid", ["local://2", "plex://movie/another"])
async def test_an_equal_path_pairs_in_whatever_spelling(put, conclude, films, make, before, after, guid) -> None:
    """The file decides, also where the item was matched to another work when it was found again."""
    await put(make.movie("1", make.part(10, before), guid=guid.replace("2", "1").replace("another", "one")))
    await put(make.movie("2", make.part(20, after), guid=guid), seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).pairs == {Kind.MOVIE: {1: 2}}


@pytest.mark.parametrize(("before", "after"), [("/f/a.mkv", "/F/a.mkv"), ("/f/a\\b.mkv", "/f/a/b.mkv")])
async def test_paths_of_other_systems_keep_their_case_and_backslashes(put, conclude, make, before, after) -> None:
    """There these are two files."""
    await put(make.movie("1", make.part(10, before), guid="local://1"))
    await put(make.movie("2", make.part(20, after), guid="local://2"), seen_in=2)
    assert not (await conclude({Kind.MOVIE: [1]})).pairs


async def test_episodes_of_one_file_are_distinguished_by_their_numbers(put, conclude, query, make) -> None:
    """A double episode is two items with one path."""
    await put(make.show("1"), library=TV)
    for start, seen_in in ((10, 1), (20, 2)):
        await put(
            *(
                make.episode(
                    f"{start + n}", "1", None, n, make.part(start + n, "/e1e2.mkv"), guid=f"local://{start + n}"
                )
                for n in (1, 2)
            ),
            library=TV,
            seen_in=seen_in,
        )
    rekeyed = await conclude({Kind.SHOW: [], Kind.SEASON: [], Kind.EPISODE: [1, 2]}, library=TV)
    assert rekeyed.pairs == {Kind.EPISODE: {1: 3, 2: 4}}
    assert await query("SELECT id, rating_key, episode_number FROM episodes ORDER BY id") == [
        (1, "21", 1),
        (2, "22", 2),
    ]


async def test_editions_of_one_file_are_distinguished_by_their_titles(put, conclude, make) -> None:
    """Nothing else distinguishes them if no catalogue has them."""
    for key, edition, seen_in in (("1", "A", 1), ("2", "B", 1), ("3", "B", 2), ("4", "A", 2)):
        film = make.movie(key, make.part(int(key), "/a.mkv"), guid=f"local://{key}", edition_title=edition)
        await put(film, seen_in=seen_in)
    assert (await conclude({Kind.MOVIE: [1, 2]})).pairs == {Kind.MOVIE: {1: 4, 2: 3}}


@pytest.mark.parametrize(("olds", "youngs"), [(2, 1), (1, 2), (2, 2)])
async def test_what_is_ambiguous_is_not_paired(put, conclude, films, make, olds, youngs) -> None:
    """One-to-one or not at all: a wrong id is worse than a new one."""
    paths = iter("abcd")
    new = [make.part(n, f"/{next(paths)}.mkv") for n in range(olds + youngs)]
    keys = iter(range(1, 9))
    old = [make.movie(str(next(keys)), part, guid="plex://movie/x") for part in new[:olds]]
    young = [make.movie(str(next(keys)), part, guid="plex://movie/x") for part in new[olds:]]
    await put(*old)
    await put(*young, seen_in=2)
    assert (await conclude({Kind.MOVIE: list(range(1, olds + 1))})).total == 0
    assert len(await films()) == olds + youngs


async def test_a_path_distinguishes_what_a_guid_does_not(put, conclude, make) -> None:
    """Two copies of one film in a library, both of which got new rating keys."""
    for key, path, seen_in in (("1", "/a.mkv", 1), ("2", "/b.mkv", 1), ("3", "/b.mkv", 2), ("4", "/a.mkv", 2)):
        await put(make.movie(key, make.part(int(key), path), guid="plex://movie/x"), seen_in=seen_in)
    assert (await conclude({Kind.MOVIE: [1, 2]})).pairs == {Kind.MOVIE: {1: 4, 2: 3}}


async def test_a_guid_counts_before_a_path(put, conclude, films, make) -> None:
    """The film moved, and another one took its path."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(
        make.movie("2", make.part(20, "/a.mkv"), guid="plex://movie/y"),
        make.movie("3", make.part(30, "/b.mkv"), guid="plex://movie/x"),
        seen_in=2,
    )
    assert (await conclude({Kind.MOVIE: [1]})).pairs == {Kind.MOVIE: {1: 3}}
    assert await films() == [(1, "3", "active"), (2, "2", "active")]


# Where the younger one is ----------------------------------------------------------------------------------------


async def test_a_younger_row_of_another_library_counts(put, conclude, query, make) -> None:
    """The item was moved: its row moves too."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), library=FILMS_4K, seen_in=2)
    assert dict((await conclude({Kind.MOVIE: [1]})).arrived) == {FILMS_4K: 1}
    assert await query("SELECT id, library_id, rating_key FROM movies") == [(1, FILMS_4K, "2")]
    assert await query("SELECT library_id, rating_key FROM media_files") == [(FILMS_4K, "2")]


async def test_the_same_library_counts_before_another(put, conclude, query, make) -> None:
    """A film that was added again stays where it was, also where a copy was added elsewhere."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), library=FILMS_4K, seen_in=2)
    await put(make.movie("3", make.part(30, "/c.mkv"), guid="plex://movie/x"), seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).pairs == {Kind.MOVIE: {1: 3}}
    assert await query("SELECT id, library_id FROM movies ORDER BY id") == [(1, MOVIES), (2, FILMS_4K)]


async def test_another_servers_items_are_other_items(put, conclude, lose, films, make) -> None:
    """They are neither what an item became nor what it was, and their ages say nothing about it."""
    film = make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x")
    theirs = {"library": OTHER_SERVERS, "server": 2}
    await put(film)
    await put(make.movie("2", make.part(10, "/a.mkv"), guid="plex://movie/x"), seen_in=2, **theirs)
    assert (await conclude({Kind.MOVIE: [1]})).total == 0

    await lose(Kind.MOVIE, 2, library=OTHER_SERVERS)
    await put(make.movie("3", make.part(30, "/b.mkv"), guid="plex://movie/x"), seen_in=3)
    await put(make.movie("4", make.part(40, "/c.mkv"), guid="plex://movie/x"), seen_in=1, **theirs)
    assert (await conclude({Kind.MOVIE: []})).total == 0
    assert (await conclude({Kind.MOVIE: [1]})).pairs == {Kind.MOVIE: {1: 3}}
    assert await films() == [(1, "3", "active"), (2, "2", "missing"), (4, "4", "active")]


async def test_a_row_that_another_library_took_over_is_not_leaving(put, conclude, films, make) -> None:
    """It was judged as the first library's, and lives on under its own key."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"), library=FILMS_4K, seen_in=2)
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).total == 0
    assert await films() == [(1, "1", "active"), (2, "2", "active")]


# When the younger one came ---------------------------------------------------------------------------------------


async def test_long_standing_copies_never_merge(put, conclude, films, make) -> None:
    """One that was there while the other was still listed is another item, in whichever library."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), seen_in=5)
    await put(make.movie("3", make.part(30, "/a.mkv"), guid="plex://movie/x"), library=FILMS_4K, seen_in=5)
    assert (await conclude({Kind.MOVIE: [1]}, listed=(5, 5))).total == 0
    assert len(await films()) == 3


@pytest.mark.parametrize(
    ("library", "moment", "paired"),
    [(MOVIES, 3, False), (MOVIES, 6, False), (MOVIES, 7, True), (FILMS_4K, 3, False), (FILMS_4K, 4, True)],
)
async def test_the_younger_row_came_after_the_last_listing_of_the_older(
    put, conclude, make, library, moment, paired
) -> None:
    """In the same library after its end, for else it stood in it too; in another library after its beginning."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), library=library, seen_in=moment)
    assert (await conclude({Kind.MOVIE: [1]}, listed=(3, 6))).total == paired


async def test_a_pair_needs_an_older_and_a_younger_row(put, conclude, films, make) -> None:
    """Two rows of the library's first, unfinished listings are of one age: neither can be the other's past."""
    await put(
        make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"),
        make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"),
    )
    assert (await conclude({Kind.MOVIE: [1]}, listed=(0, 0))).total == 0
    assert len(await films()) == 2


async def test_only_what_is_there_can_be_what_an_item_became(put, conclude, lose, films, make) -> None:
    """A younger row that is missing, or leaving as well, pairs nothing."""
    for key in ("1", "2"):
        await put(make.movie(key, make.part(int(key), f"/{key}.mkv"), guid="plex://movie/x"), seen_in=int(key))
    await lose(Kind.MOVIE, 2, seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).total == 0

    await lose(Kind.MOVIE, 1, seen_in=2)
    await put(make.movie("2", make.part(2, "/2.mkv"), guid="plex://movie/x"), seen_in=2)
    assert (await conclude({Kind.MOVIE: [2]})).total == 0
    assert await films() == [(1, "1", "missing"), (2, "2", "active")]


async def test_a_missing_row_comes_back_under_a_new_key(put, conclude, lose, query, make) -> None:
    """It was deleted, its library was listed, and days later it was added again."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await lose(Kind.MOVIE, 1, seen_in=2)
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), seen_in=3)
    assert (await conclude({Kind.MOVIE: []}, listed=(2, 2))).pairs == {Kind.MOVIE: {1: 2}}
    assert await query("SELECT id, rating_key, state, missing_since, missing_observed, last_moment FROM movies") == [
        (1, "2", "active", None, None, None)
    ]
    assert await query("SELECT plex_path, rating_key, state FROM media_files") == [("/b.mkv", "2", "active")]


async def test_a_missing_row_comes_back_in_another_library(put, conclude, lose, query, make) -> None:
    """At that library's pass, which knows that its row is new; the first library's pass leaves it alone."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await lose(Kind.MOVIE, 1, seen_in=2)
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), library=FILMS_4K, seen_in=3)
    assert (await conclude({Kind.MOVIE: []}, listed=(2, 2))).total == 0
    assert (await conclude({Kind.MOVIE: []}, library=FILMS_4K, listed=(2, 2))).total == 1
    assert await query("SELECT id, library_id, rating_key FROM movies") == [(1, FILMS_4K, "2")]


async def test_of_missing_rows_that_of_the_same_library_comes_back(put, conclude, lose, films, make) -> None:
    """The film was lost in two libraries, and comes back in one."""
    for key, library in (("1", FILMS_4K), ("2", MOVIES)):
        await put(make.movie(key, make.part(int(key), f"/{key}.mkv"), guid="plex://movie/x"), library=library)
        await lose(Kind.MOVIE, int(key), library=library)
    await put(make.movie("3", make.part(30, "/3.mkv"), guid="plex://movie/x"), seen_in=3)
    assert (await conclude({Kind.MOVIE: []}, listed=(2, 2))).pairs == {Kind.MOVIE: {2: 3}}
    assert await films() == [(1, "1", "missing"), (2, "3", "active")]


async def test_a_copy_older_than_the_loss_is_not_what_was_lost(put, conclude, lose, films, make) -> None:
    """It was first seen before the other went missing, so both were there at one time."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), library=FILMS_4K, seen_in=2)
    await lose(Kind.MOVIE, 1, seen_in=3)
    assert (await conclude({Kind.MOVIE: []}, library=FILMS_4K, listed=(0, 0))).total == 0
    assert await films() == [(1, "1", "missing"), (2, "2", "active")]


async def test_what_is_leaving_counts_before_what_is_missing(put, conclude, lose, films, make) -> None:
    """The one that was there yesterday is the likelier past of the one that came today."""
    for key in ("1", "2"):
        await put(make.movie(key, make.part(int(key), f"/{key}.mkv"), guid="plex://movie/x"))
    await lose(Kind.MOVIE, 1, seen_in=2)
    await put(make.movie("3", make.part(30, "/3.mkv"), guid="plex://movie/x"), seen_in=3)
    assert (await conclude({Kind.MOVIE: [2]}, listed=(2, 2))).pairs == {Kind.MOVIE: {2: 3}}
    assert await films() == [(1, "1", "missing"), (2, "3", "active")]


# What the older row takes over -----------------------------------------------------------------------------------


async def test_the_older_row_takes_over_all_that_the_younger_has(put, conclude, query, make) -> None:
    """Fields, files, external ids and digest; only the time of its first appearance stays."""
    await put(make.movie("1", make.part(10, "/a.mkv"), make.part(11, "/a2.mkv"), guid="plex://movie/x", title="Old"))
    young = make.movie("2", make.part(20, "/a.mkv"), guid="plex://movie/x", title="New", guids=(("tmdb", "99"),))
    await put(young, seen_in=2, now=NOW + 100)

    await conclude({Kind.MOVIE: [1]})

    assert await query("SELECT id, title, rating_key, digest, created_at, synced_at, first_moment FROM movies") == [
        (1, "New", "2", 2, NOW, NOW + 100, 1)
    ]
    assert await query("SELECT movie_id, provider, external_id FROM movie_guids") == [(1, "tmdb", "99")]
    assert await query("SELECT part_id, rating_key FROM media_files") == [(20, "2")]
    assert await query("SELECT f.part_id FROM movies m JOIN media_files f ON f.id = m.media_file_id") == [(20,)]


@pytest.mark.parametrize(
    ("olds", "youngs", "kept", "primary"),
    [
        ([(10, "/a.mkv")], [(20, "/a.mkv")], {20: 1}, 1),
        ([(10, "/a.mkv")], [(20, "/b.mkv")], {20: 1}, 1),
        ([(10, "/a.mkv"), (11, "/b.mkv")], [(20, "/b.mkv"), (21, "/a.mkv")], {20: 2, 21: 1}, 1),
        ([(10, "/a.mkv"), (11, "/b.mkv")], [(20, "/c.mkv"), (21, "/b.mkv")], {20: 1, 21: 2}, 1),
        ([(10, "/a.mkv"), (11, "/b.mkv")], [(20, "/b.mkv")], {20: 2}, 2),
        ([(10, "/a.mkv")], [(20, "/c.mkv"), (21, "/d.mkv")], {20: 1, 21: 3}, 1),
        ([(10, "/a.mkv")], [(20, "/c.mkv"), (21, "/a.mkv")], {20: 2, 21: 1}, 1),
    ],
)
async def test_files_keep_their_rows(put, conclude, query, make, olds, youngs, kept, primary) -> None:
    """As within one item: by path, then what is left on both sides; the primary file stays the primary."""
    await put(make.movie("1", *(make.part(*file) for file in olds), guid="plex://movie/x"))
    await put(make.movie("2", *(make.part(*file) for file in youngs), guid="plex://movie/x"), seen_in=2)

    assert (await conclude({Kind.MOVIE: [1]})).pairs == {Kind.MOVIE: {1: 2}}

    rows = await query("SELECT part_id, id, plex_path, rating_key FROM media_files ORDER BY part_id")
    assert {part: row_id for part, row_id, *_ in rows} == kept
    assert [(part, path, key) for part, _, path, key in rows] == [(part, path, "2") for part, path in youngs]
    assert await query("SELECT media_file_id FROM movies") == [(primary,)]


async def test_a_show_takes_its_seasons_and_episodes_along(put, conclude, query, make) -> None:
    """A show that was added again: ids of all three levels live on, and hang together as before."""
    for start, seen_in in ((10, 1), (20, 2)):
        show, season = str(start), str(start + 1)
        await put(make.show(show, guid="plex://show/x"), library=TV, seen_in=seen_in)
        await put(make.season(season, show, 1, guid="plex://season/x"), library=TV, seen_in=seen_in)
        episode = make.episode(
            f"{start + 2}", show, season, 1, make.part(start, f"/{start}.mkv"), guid="plex://episode/x"
        )
        await put(episode, library=TV, seen_in=seen_in)

    rekeyed = await conclude({Kind.SHOW: [1], Kind.SEASON: [1], Kind.EPISODE: [1]}, library=TV)

    assert rekeyed.pairs == {Kind.SHOW: {1: 2}, Kind.SEASON: {1: 2}, Kind.EPISODE: {1: 2}}
    assert await query("SELECT id, rating_key, show_id, season_id FROM episodes") == [(1, "22", 1, 1)]
    assert await query("SELECT id, rating_key, show_id FROM seasons") == [(1, "21", 1)]
    assert await query("SELECT id, rating_key FROM shows") == [(1, "20")]
    assert await query("SELECT show_id, external_id FROM show_guids") == [(1, "20")]


async def test_children_that_are_new_stay_with_the_show_that_lives_on(put, conclude, query, make, reader) -> None:
    """A show came back with another episode than before: it keeps its own id, below the older show and season."""
    await put(make.show("10", guid="plex://show/x"), library=TV)
    await put(make.season("11", "10", 1, guid="plex://season/x"), library=TV)
    await put(make.episode("12", "10", "11", 1, make.part(12, "/12.mkv")), library=TV)
    await put(make.show("20", guid="plex://show/x"), library=TV, seen_in=2)
    await put(make.season("21", "20", 1, guid="plex://season/x"), library=TV, seen_in=2)
    await put(make.episode("22", "20", "21", 1, make.part(22, "/22.mkv")), library=TV, seen_in=2)
    reader.follow()
    await conclude({Kind.SHOW: [1], Kind.SEASON: [1], Kind.EPISODE: [1]}, library=TV)
    assert await query("SELECT id, rating_key, show_id, season_id FROM episodes ORDER BY id") == [
        (1, "12", 1, 1),
        (2, "22", 1, 1),
    ]
    assert reader.follow() == []


def _unmatched(make, start: int, *paths: str, show: str):
    """Make episodes that no catalogue knows."""
    return [
        make.episode(f"{start + n}", show, None, n, make.part(start + n, path), guid=f"local://{start + n}")
        for n, path in enumerate(paths, start=1)
    ]


async def test_shows_that_no_catalogue_knows_follow_their_episodes(put, conclude, query, make) -> None:
    """Their guids are local, and they have no file: they follow their episodes."""
    for start, seen_in in ((10, 1), (20, 2)):
        show, season = str(start), str(start + 1)
        await put(make.show(show, guid=f"local://{show}"), library=TV, seen_in=seen_in)
        await put(make.season(season, show, 1, guid=f"local://{season}"), library=TV, seen_in=seen_in)
        await put(*_unmatched(make, start + 1, "/1.mkv", "/2.mkv", show=show), library=TV, seen_in=seen_in)

    rekeyed = await conclude({Kind.SHOW: [1], Kind.SEASON: [1], Kind.EPISODE: [1, 2]}, library=TV)

    assert rekeyed.pairs == {Kind.SHOW: {1: 2}, Kind.SEASON: {1: 2}, Kind.EPISODE: {1: 3, 2: 4}}
    assert await query("SELECT id, rating_key, show_id, season_id FROM episodes ORDER BY id") == [
        (1, "22", 1, 1),
        (2, "23", 1, 1),
    ]


async def test_a_show_whose_episodes_went_two_ways_follows_neither(put, conclude, query, make) -> None:
    """Which of the two it became is undecidable."""
    await put(make.show("10", guid="local://10"), library=TV)
    await put(*_unmatched(make, 10, "/1.mkv", "/2.mkv", show="10"), library=TV)
    await put(make.show("20", guid="local://20"), make.show("30", guid="local://30"), library=TV, seen_in=2)
    await put(*_unmatched(make, 20, "/1.mkv", show="20"), library=TV, seen_in=2)
    await put(*_unmatched(make, 30, "/2.mkv", show="30"), library=TV, seen_in=2)

    rekeyed = await conclude({Kind.SHOW: [1], Kind.SEASON: [], Kind.EPISODE: [1, 2]}, library=TV)

    assert rekeyed.pairs == {Kind.EPISODE: {1: 3, 2: 4}}
    assert await query("SELECT id, show_id FROM episodes ORDER BY id") == [(1, 2), (2, 3)]
    assert await query("SELECT id FROM shows ORDER BY id") == [(1,), (2,), (3,)]


async def test_shows_that_became_one_show_do_not_follow(put, conclude, query, make) -> None:
    """Which of the two the one had been is undecidable too; their episodes live on in it."""
    await put(make.show("10", guid="local://10"), make.show("20", guid="local://20"), library=TV)
    await put(*_unmatched(make, 10, "/1.mkv", show="10"), *_unmatched(make, 20, "/2.mkv", show="20"), library=TV)
    await put(make.show("30", guid="local://30"), library=TV, seen_in=2)
    await put(*_unmatched(make, 30, "/1.mkv", "/2.mkv", show="30"), library=TV, seen_in=2)

    rekeyed = await conclude({Kind.SHOW: [1, 2], Kind.SEASON: [], Kind.EPISODE: [1, 2]}, library=TV)

    assert rekeyed.pairs == {Kind.EPISODE: {1: 3, 2: 4}}
    assert await query("SELECT id, show_id FROM episodes ORDER BY id") == [(1, 3), (2, 3)]


async def test_other_rows_are_not_touched(put, conclude, lose, query, make) -> None:
    """Neither the library's other films, nor other missing ones, nor another library's."""
    await put(*(make.movie(str(n), make.part(n, f"/{n}.mkv")) for n in range(1, 6)))
    await put(*(make.movie(str(n), make.part(n, f"/{n}.mkv")) for n in (6, 7)), library=FILMS_4K)
    await lose(Kind.MOVIE, 4, seen_in=1)
    await put(make.movie("8", make.part(80, "/8.mkv"), guid="plex://movie/1"), seen_in=2)
    films = "SELECT * FROM movies WHERE id NOT IN (1, 8) ORDER BY id"
    files = "SELECT * FROM media_files WHERE id NOT IN (1, 8) ORDER BY id"
    guids = "SELECT * FROM movie_guids WHERE movie_id NOT IN (1, 8)"
    before = [await query(sql) for sql in (films, files, guids)]

    assert (await conclude({Kind.MOVIE: [1]})).pairs == {Kind.MOVIE: {1: 6 + 2}}

    assert [await query(sql) for sql in (films, files, guids)] == before
    assert [len(rows) for rows in before] == [6, 6, 12]


async def test_one_pass_leaves_nothing_behind_for_the_next(put, conclude, make) -> None:
    """What was collected for one library says nothing about another, on the same connection."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="plex://movie/x"))
    await put(make.movie("2", make.part(20, "/b.mkv"), guid="plex://movie/x"), seen_in=2)
    assert (await conclude({Kind.MOVIE: [1]})).total == 1
    again = await conclude({Kind.MOVIE: []})
    assert (again.total, dict(again.arrived)) == (0, {})


async def test_thousands_of_items_change_their_keys_at_once(put, conclude, query, make) -> None:
    """A library that was deleted and made anew, while another library's rows stand between the ids."""
    number = 3_000
    for start, seen_in in ((0, 1), (10_000, 2)):
        show = str(start + 9_001)
        await put(make.show(show, guid="plex://show/x"), library=TV, seen_in=seen_in)
        await put(
            *(
                make.episode(
                    f"{start + n}", show, None, n, make.part(start + n, f"/{n}.mkv"), guid=f"plex://episode/{n}"
                )
                for n in range(1, number + 1)
            ),
            library=TV,
            seen_in=seen_in,
        )
        await put(make.movie(f"{start + 9_999}"), library=MOVIES, seen_in=seen_in)

    rekeyed = await conclude({Kind.SHOW: [1], Kind.SEASON: [], Kind.EPISODE: list(range(1, number + 1))}, library=TV)

    assert rekeyed.total == number + 1
    assert await query("SELECT count(*), min(id), max(id), count(DISTINCT show_id) FROM episodes") == [
        (number, 1, number, 1)
    ]
    assert await query("SELECT count(*) FROM episodes WHERE rating_key <> 10000 + episode_number") == [(0,)]
    assert await query("SELECT count(*) FROM media_files") == [(number,)]


@pytest.mark.parametrize("trashed", [True, False])
async def test_an_item_that_was_unavailable_when_it_left_is_known_by_its_file(
    put, conclude, lose, films, query, make, trashed
) -> None:
    """Its drive was away: it was in the trash, or listed without a file, then it left, and is found again."""
    await put(make.movie("1", make.part(10, "/a.mkv"), guid="local://1"))
    files = [make.part(10, "/a.mkv", trashed=True)] if trashed else []
    await put(make.movie("1", *files, guid="local://1", trashed=trashed, title="Renamed"))
    assert await query("SELECT media_file_id, state FROM movies") == [(None, "unavailable")]
    await lose(Kind.MOVIE, 1)
    await put(make.movie("2", make.part(20, "/a.mkv"), guid="local://2"), seen_in=3)

    await conclude({Kind.MOVIE: []}, listed=(2, 2))

    assert await films() == [(1, "2", "active")]
    assert await query("SELECT media_file_id FROM movies") == [(1,)]
    assert await query("SELECT id, rating_key, part_id, state FROM media_files") == [(1, "2", 20, "active")]


async def test_an_optimized_version_that_stays_keeps_no_film_from_keeping_its_file(
    put, conclude, query, make
) -> None:
    """The film is added anew with two files instead of its one; what Plex made of that is where it was."""
    old, new = (make.part(number, "/Plex Versions/TV/a.mp4", optimized=True) for number in (11, 21))
    await put(make.movie("1", make.part(10, "/a.mkv"), old, guid="plex://movie/x"))
    await put(
        make.movie("2", make.part(20, "/b.mkv"), make.part(22, "/c.mkv"), new, guid="plex://movie/x"), seen_in=2
    )
    assert (await conclude({Kind.MOVIE: [1]})).total == 1
    assert await query("SELECT media_file_id FROM movies") == [(1,)]
    assert await query("SELECT plex_path FROM media_files WHERE id = 1") == [("/b.mkv",)]


@pytest.mark.parametrize("kind", list(Kind))
async def test_no_table_is_read_once_per_row(query, kind) -> None:
    """Of a million files, each season would read all: the re-keying of such a library would take days."""
    plan = await query(
        f"EXPLAIN QUERY PLAN SELECT f.plex_path FROM {TABLES[kind]} AS i {rekeying._SHAPES[kind].file}"
    )
    assert not [step for *_, step in plan if step.startswith("SCAN f")]
