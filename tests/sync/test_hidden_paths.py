"""A token that cannot see file paths never overwrites stored ones."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from retrovue_daemon.demo.versions import without_folders
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from tests.support.rounds import FEW_LIBRARIES

pytestmark = [pytest.mark.commands("here"), pytest.mark.no_groups, FEW_LIBRARIES]

STORED = "SELECT id, plex_path, file_path, state FROM media_files ORDER BY id"
DOUBT = "SELECT doubt, last_error FROM libraries WHERE library_name = 'Movies'"


@pytest.mark.parametrize("hides", ["folders", "paths"])
async def test_known_paths_are_kept_and_the_pass_says_so(plex, sync, rows, hides) -> None:
    """Nothing is written; one warning when it begins; the doubt stays until paths are seen again."""
    await sync(plex)
    before = rows(STORED)
    plex.quirks.hides = hides
    with capture_logs() as logs:
        (report,) = await sync(plex)
        await sync(plex, options=SyncOptions())
        await sync(plex)
    assert {(done.run.status, done.run.counts.updated) for done in report.passes} == {("ok", 0)}
    assert rows(STORED) == before
    told = [log["library"] for log in logs if log["event"] == "library.paths_hidden"]
    assert len(told) == len(set(told))
    assert "Movies" in told
    ((doubt, error),) = rows(DOUBT)
    assert "the token cannot see file paths; the stored paths of" in doubt
    assert error == doubt

    plex.quirks.hides = None
    await sync(plex)
    assert (rows(STORED), rows(DOUBT)) == (before, [(None, None)])


async def test_quick_and_edited_items_keep_their_paths_too(plex, sync, rows) -> None:
    """All else of them is written."""
    await sync(plex)
    before = rows(STORED)
    plex.quirks.hides = "folders"
    film = plex.changes.edit(next(plex.world.movies("1")).id, title="Edited")
    await sync(plex, options=SyncOptions())
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Edited",)]
    assert rows(STORED) == before


async def test_new_items_are_stored_as_they_come(plex, sync, rows) -> None:
    """And a first sync says that paths are hidden."""
    plex.quirks.hides = "folders"
    await sync(plex)
    assert rows("SELECT count(*) FROM media_files WHERE plex_path LIKE '%/%'") == [(0,)]
    assert "the token cannot see" in str(rows(DOUBT)[0][0])


async def test_one_name_in_two_folders_is_no_file_in_common(plex, sync, rows) -> None:
    """A film that left and one that came are two, though the token sees the same bare name of both."""
    old = plex.changes.add_movie("1", "Old", 1950, guid="local://old")
    plex.changes.rename_file(old.id, "/media/movies/Old/movie.mkv")
    plex.quirks.hides = "folders"
    await sync(plex)
    ((row_id,),) = rows("SELECT id FROM movies WHERE title = 'Old'")
    plex.changes.delete(old.id)
    new = plex.changes.add_movie("1", "New", 1960, guid="local://new")
    plex.changes.rename_file(new.id, "/media/movies/New/movie.mkv")

    await sync(plex)

    assert rows("SELECT title, state FROM movies WHERE id = ?", row_id) == [("Old", "missing")]
    assert rows("SELECT count(*) FROM movies WHERE title = 'New' AND id <> ?", row_id) == [(1,)]


async def test_a_quick_pass_that_meets_hidden_paths_says_so_and_has_all_listed(plex, sync, rows) -> None:
    """The next pass is a full one, once: it finds out how many there are, and what it says is shown."""
    await sync(plex)
    plex.quirks.hides = "folders"
    film = next(plex.world.movies("1"))
    kinds = []
    for title in ("One", "Two", "Three", "Four"):
        plex.changes.edit(film.id, title=title)
        (report,) = await sync(plex, options=SyncOptions())
        ((kind, error),) = [(done.run.kind, done.run.error) for done in report.passes if done.library == "Movies"]
        assert "the token cannot see file paths; the stored paths of" in error
        kinds.append(kind)
    assert kinds == ["quick", "full", "quick", "quick"]
    assert "the stored paths of 29 files were kept" in str(rows(DOUBT)[0][0])


async def test_a_single_film_that_never_had_a_path_proves_nothing(plex, sync) -> None:
    """An owner's server lists such, too, and a quick pass may see no other."""
    film = next(plex.world.movies("1"))
    plex.world.put(replace(film, media=without_folders(film.media, names=False)))
    await sync(plex)
    plex.changes.edit(film.id, title="Edited")
    await sync(plex, options=SyncOptions())
    plex.changes.edit(film.id, title="Edited again")
    with capture_logs() as logs:
        (report,) = await sync(plex, options=SyncOptions())
    ((run, error),) = [(done.run, done.run.error) for done in report.passes if done.library == "Movies"]
    assert (run.kind, run.counts.listed, run.counts.updated, error) == ("quick", 1, 1, None)
    assert not [log for log in logs if log["event"] == "library.paths_hidden"]


async def test_a_pass_over_one_show_says_so(plex, sync) -> None:
    """And keeps its paths."""
    await sync(plex)
    plex.quirks.hides = "folders"
    show = next(iter(plex.world.shows("3"))).title
    (report,) = await sync(plex, options=SyncOptions(selection=Selection(show=(show, None))))
    (done,) = report.passes
    assert "the token cannot see file paths" in str(done.run.error)


async def test_files_are_kept_where_a_token_sees_none_at_all(plex, sync, rows) -> None:
    """Their rows stay, with their ids: other programs refer to them."""
    await sync(plex)
    before, films = rows(STORED), rows("SELECT id, media_file_id, state, digest FROM movies ORDER BY id")
    _take_all_files(plex)
    (report,) = await sync(plex)
    assert {done.run.status for done in report.passes} == {"ok"}
    assert (rows(STORED), rows("SELECT id, media_file_id, state, digest FROM movies ORDER BY id")) == (before, films)
    assert "the token cannot see file paths; the stored paths of 29 files were kept" in str(rows(DOUBT)[0][0])


async def test_a_first_sync_that_sees_no_files_at_all_says_so(plex, sync, rows) -> None:
    """There is nothing to keep."""
    _take_all_files(plex)
    await sync(plex)
    assert rows(DOUBT) == [("the token cannot see file paths; the paths of 27 files are unknown",) * 2]


async def test_a_film_that_loses_its_file_beside_others_has_none(plex, sync, rows) -> None:
    """The token sees the others' files. A quick pass may see no others, so it leaves that to the next full one."""
    film = next(plex.world.movies("1"))
    plex.changes.edit(film.id, title="Edited")
    await sync(plex)
    stored = "SELECT count(*) FROM media_files WHERE rating_key = ? AND state = 'active'", film.rating_key
    assert rows(*stored) == [(1,)]
    plex.changes.edit(film.id, title="Edited again", media=())
    kinds = []
    with capture_logs() as logs:
        for _ in range(6):
            (report,) = await sync(plex, options=SyncOptions())
            kinds += [done.run.kind for done in report.passes if done.library == "Movies"]
    assert kinds == ["quick", "full", "quick", "quick", "quick", "quick"]
    assert rows(*stored) == [(0,)]
    assert rows("SELECT state FROM movies WHERE rating_key = ?", film.rating_key) == [("unavailable",)]
    assert not [log for log in logs if log["event"] == "library.paths_hidden"]


async def test_a_film_without_a_file_that_is_edited_needs_no_full_pass(plex, sync, rows) -> None:
    """Its row already says that it has none, and its file's row waits."""
    film = next(plex.world.movies("1"))
    await sync(plex)
    ((file_id,),) = rows("SELECT media_file_id FROM movies WHERE rating_key = ?", film.rating_key)
    plex.changes.edit(film.id, media=())
    await sync(plex)
    kinds = []
    for title in ("One", "Two", "Three"):
        plex.changes.edit(film.id, title=title)
        (report,) = await sync(plex, options=SyncOptions())
        kinds += [done.run.kind for done in report.passes if done.library == "Movies"]
        assert rows("SELECT title, state FROM movies WHERE rating_key = ?", film.rating_key) == [
            (title, "unavailable")
        ]
    assert kinds == ["quick", "quick", "quick"]
    plex.changes.edit(film.id, media=film.media)
    await sync(plex, options=SyncOptions())
    assert rows("SELECT media_file_id, state FROM movies WHERE rating_key = ?", film.rating_key) == [
        (file_id, "active")
    ]


async def test_a_second_listing_of_shows_keeps_the_count_of_files(plex, sync, path, rows) -> None:
    """Without totals, and with a row that cannot be requested, shows are listed twice, but episodes once."""
    plex.quirks.no_totals = True
    await sync(plex)
    show = next(iter(plex.world.shows("3")))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE shows SET rating_key = rating_key || ' (once, row ' || id || ')' WHERE rating_key = ?",
            (show.rating_key,),
        )
    ((name,),) = rows("SELECT library_name FROM libraries WHERE library_key = '3'")
    plex.quirks.hides = "folders"
    plex.requests.clear()
    (report,) = await sync(plex)
    queries = [request.query for request in plex.requests_for("/library/sections/3/all")]
    listed = [query for query in queries if "label" not in query]
    assert [(query["type"], query["X-Plex-Container-Start"]) for query in listed].count(("2", "0")) == 2
    ((files,),) = rows("SELECT count(*) FROM media_files WHERE library_name = ?", name)
    (error,) = [done.run.error for done in report.passes if done.library == name]
    assert f"the stored paths of {files} files were kept" in error


async def test_check_knows_a_token_that_sees_no_files_at_all(plex, commands, config_file) -> None:
    """It lists items, and none of them has a file."""
    _take_all_files(plex)
    finished = await commands.run("check", "--config", config_file(plex), "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, server["sees_paths"]) == (1, False)


def _take_all_files(plex) -> None:
    for item in [*plex.world.movies(), *plex.world.episodes()]:
        plex.world.put(replace(item, media=()))


# -- what commands say of it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hides", "word"), [("folders", ", only file names"), ("paths", " or file names")])
async def test_check_fails_where_a_token_does_not_see_paths(plex, commands, config_file, hides, word) -> None:
    """With what to do; before anything was synced, too."""
    plex.quirks.hides = hides
    file = config_file(plex)
    finished = await commands.run("check", "--config", file)
    assert finished.code == 1
    assert f"the token cannot see file paths{word}" in finished.out
    assert "use the token of the server's owner" in finished.out
    finished = await commands.run("check", "--config", file, "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, server["sees_paths"]) == (1, False)


async def test_check_requests_only_a_few_files(plex, commands, config_file) -> None:
    """One request per library that is selected."""
    file = config_file(plex)
    file.write_text(file.read_text() + 'libraries = ["TV Shows", "Movies"]\n')
    finished = await commands.run("check", "--config", file, "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, server["sees_paths"]) == (0, True)
    requests = [request for request in plex.requests if request.path.endswith("/all")]
    assert [request.query["X-Plex-Container-Size"] for request in requests] == ["20", "20"]


async def test_an_unreadable_library_says_nothing_of_paths(plex, commands, config_file) -> None:
    """The others are used instead; without any, it is unknown. A sync would fail, and so does the check."""
    plex.faults.fail("/library/sections/1/all", status=500, times=None)
    file = config_file(plex)
    finished = await commands.run("check", "--config", file, "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, server["sees_paths"]) == (1, True)

    file.write_text(file.read_text() + 'libraries = ["Movies"]\n')
    finished = await commands.run("check", "--config", file, "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, server["sees_paths"], server["error"]) == (1, None, None)


async def test_a_library_without_files_says_nothing_of_paths(plex, commands, config_file) -> None:
    """It is empty."""
    plex.quirks.empty_libraries = set(plex.world.libraries)
    finished = await commands.run("check", "--config", config_file(plex), "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, server["sees_paths"]) == (0, None)


@pytest.mark.parametrize("versions", [1, 2])
@pytest.mark.parametrize("hides", ["folders", "paths"])
async def test_an_item_that_was_added_again_keeps_its_paths(plex, sync, rows, hides, versions) -> None:
    """It is found by its guid; its files are where they were, keep their ids, and can be played at once."""
    await sync(plex)
    stored = "SELECT id, plex_path, file_path FROM media_files ORDER BY id"
    before = rows(stored)
    films = [film for film in plex.world.movies("1") if film.guid.startswith("plex://")]
    film = next(film for film in films if len(film.media) == versions)
    playable = "SELECT media_file_id, state FROM movies WHERE source_id = ? AND library_id = 1", film.guid
    ((file_id, _),) = rows(*playable)
    plex.quirks.hides = hides
    plex.changes.recreate(film.id)
    (report,) = await sync(plex)
    assert sum(done.run.counts.moved for done in report.passes) == 1
    for _ in range(2):
        assert rows(stored) == before
        assert rows(*playable) == [(file_id, "active")]
        assert rows("SELECT state FROM media_files WHERE id = ?", file_id) == [("active",)]
        await sync(plex)


async def test_a_replaced_file_does_not_keep_the_path_of_the_one_before(plex, sync, rows) -> None:
    """It has another size; its row keeps its id."""
    await sync(plex)
    film = next(film for film in plex.world.movies("1") if film.guid.startswith("plex://") and len(film.media) == 1)
    ((file_id,),) = rows("SELECT media_file_id FROM movies WHERE rating_key = ?", film.rating_key)
    plex.quirks.hides = "paths"
    (again,) = plex.changes.recreate(film.id)
    plex.changes.replace_file(again.id, size=7, duration=film.duration)
    await sync(plex)
    assert rows("SELECT id, plex_path, state FROM media_files WHERE rating_key = ?", again.rating_key) == [
        (file_id, None, "unavailable")
    ]


async def test_a_file_that_got_another_part_keeps_its_path(plex, sync, rows) -> None:
    """Its item and its name are as before."""
    await sync(plex)
    stored = "SELECT id, plex_path, file_path FROM media_files ORDER BY id"
    before = rows(stored)
    film = next(film for film in plex.world.movies("1") if film.media)
    plex.changes.rename_file(film.id, film.media[0].parts[0].file)
    plex.quirks.hides = "folders"
    await sync(plex)
    assert rows(stored) == before
