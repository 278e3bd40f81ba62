"""The rows of files: which one a file keeps, and which file stands for its item."""

from __future__ import annotations

import pytest


@pytest.fixture
def files(query):
    """Tell all files: id, part id, path."""

    async def rows():
        return await query("SELECT id, part_id, plex_path FROM media_files ORDER BY id")

    return rows


@pytest.fixture
def primary(query):
    """Tell the id of a film's primary file."""

    async def row(key: str):
        ((row_id,),) = await query("SELECT media_file_id FROM movies WHERE rating_key = ?", key)
        return row_id

    return row


async def test_a_file_that_was_replaced_by_another_keeps_its_row(write, files, primary, make) -> None:
    """An upgrade: another Part with another path, and one file before and after."""
    await write(make.movie("7", make.part(70, "/plex/sd.avi")))
    await write(make.movie("7", make.part(71, "/plex/uhd.mkv")), digest=2)
    assert await files() == [(1, 71, "/plex/uhd.mkv")]
    assert await primary("7") == 1


async def test_a_file_is_found_by_its_part_then_by_its_path(write, files, make) -> None:
    """A renamed file keeps its Part; a file that was scanned anew keeps its path, in whatever spelling."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv"), make.part(71, "/plex/b.mkv")))
    await write(make.movie("7", make.part(72, "/plex//b.mkv"), make.part(70, "/plex/c.mkv")), digest=2)
    assert await files() == [(1, 70, "/plex/c.mkv"), (2, 72, "/plex//b.mkv")]


async def test_of_several_versions_the_one_that_was_replaced_keeps_its_row(write, files, primary, make) -> None:
    """One is left on both sides: they belong together."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv"), make.part(71, "/plex/b.mkv")))
    await write(make.movie("7", make.part(72, "/plex/c.mkv"), make.part(71, "/plex/b.mkv")), digest=2)
    assert await files() == [(1, 72, "/plex/c.mkv"), (2, 71, "/plex/b.mkv")]
    assert await primary("7") == 1


@pytest.mark.parametrize(
    "removal", ["DELETE FROM movies WHERE id = 1", "UPDATE movies SET rating_key = 'x' WHERE id = 1"]
)
async def test_files_without_an_item_are_those_of_the_new_item_with_their_key(
    write, files, primary, query, database, make, removal
) -> None:
    """Another program deleted a film's row, or changed its key, but not its files: the film keeps them."""
    both = make.part(70, "/plex/a.mkv"), make.part(71, "/plex/b.mkv")
    await write(make.movie("7", *both), make.movie("8", make.part(80, "/plex/c.mkv")))
    await database.writer.run(lambda connection: connection.execute(removal))
    written = await write(
        make.movie("7", both[0], make.part(72, "/plex/d.mkv")), make.movie("9", make.part(90)), digest=2
    )
    assert written.added == 2
    assert await files() == [
        (1, 70, "/plex/a.mkv"), (2, 72, "/plex/d.mkv"), (3, 80, "/plex/c.mkv"), (4, 90, "/plex/a.mkv")
    ]  # fmt: skip
    assert await primary("7") == 1
    assert await query("SELECT max(id) FROM movies") == [(4,)]


async def test_parts_that_exchange_their_ids_are_written(write, files, make) -> None:
    """A Part is unique at every moment of a write, too."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv")), make.movie("8", make.part(80, "/plex/b.mkv")))
    await write(
        make.movie("7", make.part(80, "/plex/a.mkv")), make.movie("8", make.part(70, "/plex/b.mkv")), digest=2
    )
    assert await files() == [(1, 80, "/plex/a.mkv"), (2, 70, "/plex/b.mkv")]


async def test_a_known_file_takes_over_a_part_id_from_an_item_outside_the_batch(write, files, make) -> None:
    """A restored server scans the file of an old film anew: the other film's row gives the Part id up."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv")), make.movie("8", make.part(80, "/plex/b.mkv")))
    await write(make.movie("7", make.part(80, "/plex/a.mkv")), digest=2)
    assert await files() == [(1, 80, "/plex/a.mkv"), (2, None, "/plex/b.mkv")]


async def test_a_part_id_that_was_given_out_again_takes_no_row_along(write, files, primary, make) -> None:
    """Another item with another file got it: the old owner keeps its row, without the Part."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv")))
    await write(make.movie("8", make.part(70, "/plex/b.mkv")))
    assert await files() == [(1, None, "/plex/a.mkv"), (2, 70, "/plex/b.mkv")]
    assert (await primary("7"), await primary("8")) == (1, 2)


async def test_the_primary_file_stays_whatever_the_order(write, primary, make) -> None:
    """Plex lists its versions in another order, or finds a better one."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv"), make.part(71, "/plex/b.mkv")))
    await write(make.movie("7", make.part(71, "/plex/b.mkv"), make.part(70, "/plex/a.mkv")), digest=2)
    assert await primary("7") == 1
    uhd = make.part(72, "/plex/uhd.mkv", video_resolution="4k")
    await write(make.movie("7", uhd, make.part(71, "/plex/b.mkv"), make.part(70, "/plex/a.mkv")), digest=3)
    assert await primary("7") == 1


async def test_another_version_that_stays_follows_a_primary_that_left(write, primary, files, make) -> None:
    """The one exception: a version that leaves while others stay."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv"), make.part(71, "/plex/b.mkv")))
    await write(make.movie("7", make.part(71, "/plex/b.mkv")), digest=2)
    assert await primary("7") == 2
    assert await files() == [(2, 71, "/plex/b.mkv")]


@pytest.mark.parametrize("parts", [2, 3])
async def test_a_file_that_was_split_keeps_the_primary_row(write, primary, files, make, parts) -> None:
    """No version stays, so the first of what came stands in its place."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv")))
    split = [make.part(71 + n, f"/plex/cd{n}.mkv", part_index=n) for n in range(parts)]
    await write(make.movie("7", *split), digest=2)
    assert await primary("7") == 1
    assert (await files())[0] == (1, 71, "/plex/cd0.mkv")


async def test_an_optimized_version_takes_no_place_of_another(write, primary, files, make) -> None:
    """It comes while the only file leaves: nothing stands for the film."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv")))
    await write(make.movie("7", make.part(71, "/plex/mobile.mp4", optimized=True)), digest=2)
    assert await primary("7") is None
    assert await files() == [(1, 70, "/plex/a.mkv"), (2, 71, "/plex/mobile.mp4")]


async def test_a_part_that_is_listed_twice_is_one_file(write, files, make) -> None:
    """By one item, or by two."""
    await write(
        make.movie("7", make.part(70, "/plex/a.mkv"), make.part(70, "/plex/a.mkv")),
        make.movie("8", make.part(70, "/plex/a.mkv")),
    )
    assert await files() == [(1, 70, "/plex/a.mkv")]
    await write(make.movie("8", make.part(70, "/plex/a.mkv"), make.part(70, "/plex/a.mkv")), digest=2)
    assert await files() == [(1, 70, "/plex/a.mkv")]


@pytest.mark.parametrize(
    ("guid", "path", "is_another"),
    [
        ("plex://movie/y", "/plex/b.mkv", True),
        ("plex://movie/y", "/plex/a.mkv", False),
        ("plex://movie/y", "/plex//a.mkv", False),
        ("plex://movie/7", "/plex/b.mkv", False),
        (None, "/plex/b.mkv", False),
        ("plex://movie/y", None, False),
    ],
)
async def test_guid_and_files_together_reveal_another_item(write, query, make, guid, path, is_another) -> None:
    """What is absent does not differ; another item leaves the row, and its file, to its own."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv")))
    result = await write(make.movie("7", make.part(71, path), guid=guid, title="Other"), digest=2)
    assert result.displaced == is_another
    films = await query("SELECT id, rating_key, title FROM movies ORDER BY id")
    if is_another:
        assert films == [(1, "7 (once, row 1)", "Film 7"), (2, "7", "Other")]
        assert result.ids == [2]
        assert await query("SELECT id, rating_key, part_id, plex_path FROM media_files ORDER BY id") == [
            (1, "7 (once, row 1)", None, "/plex/a.mkv"),
            (2, "7", 71, path),
        ]
    else:
        assert films == [(1, "7", "Other")]
        assert await query("SELECT id, part_id FROM media_files") == [(1, 71)]


KEY_ONLY = ["local://7", "com.plexapp.agents.none://7?lang=xn", "tv.plex.agents.none://7", None]
"""Guids of an item that no catalogue knows: they say its rating key once more, or nothing."""


@pytest.mark.parametrize("guid", KEY_ONLY)
@pytest.mark.parametrize(
    ("title", "path", "size", "is_another"),
    [
        ("Other", "/plex/b.mkv", 2_000, True),
        ("Film 7", "/plex/b.mkv", 2_000, False),
        ("Other", "/plex/b.mkv", 1_000, False),
        ("Other", "/plex//a.mkv", 2_000, False),
        ("Other", None, 2_000, False),
    ],
)
async def test_a_guid_made_of_the_key_does_not_make_two_films_one(
    write, query, make, guid, title, path, size, is_another
) -> None:
    """A title that stays, or a file that was only renamed, does: the key alone may be reassigned."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv"), guid=guid))
    result = await write(make.movie("7", make.part(71, path, size=size), guid=guid, title=title), digest=2)
    assert result.displaced == is_another
    assert len(await query("SELECT id FROM movies")) == 1 + is_another


async def test_a_hash_of_the_agent_none_names_a_film(write, make) -> None:
    """It stays where keys do not."""
    guid = "com.plexapp.agents.none://40e51a2ae1d656a14c866cf1c0e40d39677b8f07?lang=xn"
    await write(make.movie("7", make.part(70, "/plex/a.mkv"), guid=guid))
    result = await write(make.movie("7", make.part(71, "/plex/b.mkv", size=2), guid=guid, title="Other"), digest=2)
    assert result.displaced == 0


@pytest.mark.parametrize(
    ("number", "path", "is_another"),
    [
        (1, "/tv/a/e1.mp4", False),
        (1, "/tv/b/e1.mkv", True),
        (2, "/tv/a/e2.mkv", True),
    ],
)
async def test_unmatched_episodes_of_one_title_are_distinguished_by_number_and_place(
    write, make, number, path, is_another
) -> None:
    """All shows have an "Episode 1", in a file of the same name: it is the same one in the same folder."""
    each = {"guid": "local://7", "episode_title": "Episode 1"}
    await write(make.episode("7", None, None, 1, make.part(70, "/tv/a/e1.mkv"), **each))
    moved = make.episode("7", None, None, number, make.part(71, path, size=2_000), **each)
    assert (await write(moved, digest=2)).displaced == is_another


@pytest.mark.parametrize(("show", "is_another"), [("1", False), ("2", True), (None, False)])
async def test_unmatched_episodes_in_one_folder_are_distinguished_by_their_shows(
    write, make, show, is_another
) -> None:
    """Where all files are in one folder, and the key of an episode was given to one of another show."""
    each = {"guid": "local://7", "episode_title": "Episode 1"}
    await write(make.show("1"), make.show("2"))
    await write(make.episode("7", "1", None, 1, make.part(70, "/tv/a e1.mkv"), **each))
    moved = make.episode("7", show, None, 1, make.part(71, "/tv/b e1.mkv", size=2_000), **each)
    assert (await write(moved, digest=2)).displaced == is_another


@pytest.mark.parametrize("upgraded", [1, 2])
@pytest.mark.parametrize("between", ["nothing", "an optimized version", "an optimized version that stays"])
async def test_a_film_that_is_listed_without_a_file_for_a_while_keeps_the_row_of_its_file(
    write, query, primary, make, between, upgraded
) -> None:
    """As between the old file and its upgrade, or while the new one is not analysed yet."""
    mobile = make.part(79, "/plex/mobile.mp4", optimized=True)
    meanwhile = [] if between == "nothing" else [mobile]
    await write(make.movie("7", make.part(70, "/plex/sd.avi")))
    await write(make.movie("7", *meanwhile), digest=2)
    await write(make.movie("7", *meanwhile), digest=3)
    assert await primary("7") is None
    assert await query("SELECT state, part_id FROM media_files WHERE id = 1") == [("unavailable", 70)]

    files = [make.part(71 + number, f"/plex/uhd{number}.mkv") for number in range(upgraded)]
    await write(make.movie("7", *files, *([mobile] if "stays" in between else [])), digest=4)
    assert await primary("7") == 1
    assert await query("SELECT state, part_id FROM media_files WHERE id = 1") == [("active", 71)]
    assert len(await query("SELECT id FROM media_files")) == upgraded + ("stays" in between)


async def test_a_file_that_waits_goes_with_its_part_to_another_film(write, query, make, reader) -> None:
    """A film whose version was split off before the next one came."""
    await write(make.movie("7", make.part(70, "/plex/a.mkv")))
    await write(make.movie("7"), digest=2)
    reader.follow()
    await write(make.movie("8", make.part(70, "/plex/a.mkv")))
    assert await query("SELECT id, rating_key, state FROM media_files") == [(1, "8", "active")]
    assert reader.follow() == []


async def test_an_optimized_version_keeps_no_film_from_keeping_its_file(write, primary, make) -> None:
    """The file is replaced by two others while an optimized version of it stays."""
    mobile = make.part(79, "/plex/mobile.mp4", optimized=True)
    await write(make.movie("7", make.part(70, "/plex/a.mkv"), mobile))
    await write(make.movie("7", make.part(71, "/plex/b.mkv"), make.part(72, "/plex/c.mkv"), mobile), digest=2)
    assert await primary("7") == 1
