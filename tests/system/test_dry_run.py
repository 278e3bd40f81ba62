"""``sync --dry-run`` shows what would change, item by item, and changes nothing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import tempfile
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


pytestmark = pytest.mark.commands("here")


@pytest.fixture
async def synced(plex, sync):
    await sync(plex)
    return plex


def _content(path: Path) -> dict[str, str]:
    """Return what stands in the directory of the database, byte for byte."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.parent.glob("mirror.db*")}


async def test_it_names_every_change_and_writes_nothing(synced, config_file, commands, path, tmp_path) -> None:
    """An edit, a new film, a removed one, one that moved: each is named, and the file stays as it is."""
    movies = list(synced.world.movies("1"))
    synced.changes.edit(movies[0].id, title="Edited")
    synced.changes.delete(movies[1].id)
    synced.changes.move(movies[2].id, "2")
    synced.changes.add_movie("1", "Added", 1999)
    file, before = config_file(synced), _content(path)
    copies = tmp_path / "copies"
    copies.mkdir()

    done = await commands.run("sync", "--config", file, "--dry-run", "--json", TMPDIR=str(copies))

    assert done.code == 0
    answer = json.loads(done.out)
    assert answer["dry_run"] is True
    assert {(each["change"], each["title"]) for each in answer["changes"]} == {
        ("updated", f"Edited ({movies[0].year})"),
        ("removed", f"{movies[1].title} ({movies[1].year})"),
        ("moved", f"{movies[2].title} ({movies[2].year})"),
        ("added", "Added (1999)"),
    }
    assert _content(path) == before
    assert not list(copies.iterdir())
    # The copy was put nowhere, and readers of the change feed need not begin anew.
    assert not [line for line in done.err.splitlines() if "feed.epoch_began" in line or "warning" in line]


async def test_it_shows_what_the_guard_would_hold_back(synced, config_file, commands, path) -> None:
    """Each item with the reason; the exit code is that of the sync, and with --accept-removals they would go."""
    for movie in list(synced.world.movies("1")):
        synced.changes.delete(movie.id)
    file, before = config_file(synced), _content(path)

    held = await commands.run("sync", "--config", file, "--dry-run", "--json")
    accepted = await commands.run("sync", "--config", file, "--dry-run", "--accept-removals", "--json")

    assert (held.code, accepted.code) == (1, 0)
    assert json.loads(held.out)["changes"] == []
    waiting = json.loads(held.out)["held_back"]
    assert {each["reason"] for each in waiting} == {"the server lists none of the 27 known items"}
    assert len(waiting) == 27
    assert {each["change"] for each in json.loads(accepted.out)["changes"]} == {"removed"}
    assert {each["id"] for each in json.loads(accepted.out)["changes"]} == {each["id"] for each in waiting}
    assert json.loads(accepted.out)["held_back"] == []
    assert len(json.loads(accepted.out)["changes"]) == 27
    assert _content(path) == before


async def test_it_shows_what_mappings_would_do(synced, config_file, commands, rows) -> None:
    """How many files would get another path, and which mappings no file is under; no server is needed for that."""
    file = config_file(synced)
    file.write_text(
        file.read_text()
        + '[[servers.path_mappings]]\nplex_path = "/srv/media"\nlocal_path = "/mnt/nas"\n'
        + '[[servers.path_mappings]]\nplex_path = "/srv/elsewhere"\nlocal_path = "/mnt/other"\n'
    )
    await synced.stop()

    done = await commands.run("sync", "--config", file, "--dry-run", "--json")

    assert done.code == 3
    paths = json.loads(done.out)["paths"]
    ((files,),) = rows("SELECT count(*) FROM media_files WHERE plex_path LIKE '/srv/media/%'")
    assert paths["changed"] == files > 0
    assert [each["plex_path"] for each in paths["unmatched_mappings"]] == ["/srv/elsewhere"]
    assert rows("SELECT count(*) FROM media_files WHERE file_path <> plex_path") == [(0,)]


async def test_a_mapping_by_a_former_title_is_not_reported_as_idle(synced, sync, config_file, commands) -> None:
    """It continues to apply to the library that was renamed."""
    synced.changes.rename_library("1", "Films")
    await sync(synced)
    file = config_file(synced)
    mapping = 'plex_path = "/srv/media"\nlocal_path = "/mnt/nas"\nlibrary_name = "Movies"\n'
    file.write_text(f"{file.read_text()}[[servers.path_mappings]]\n{mapping}")

    done = await commands.run("sync", "--config", file, "--dry-run", "--json")

    assert json.loads(done.out)["paths"]["unmatched_mappings"] == []


async def test_it_works_where_there_is_no_database_yet(plex, config_file, commands, path) -> None:
    """Everything would be added, and no file is made."""
    done = await commands.run("sync", "--config", config_file(plex), "--dry-run", "--json")
    answer = json.loads(done.out)
    assert done.code == 0
    assert {each["change"] for each in answer["changes"]} == {"added"}
    assert len(answer["changes"]) == sum(each["added"] for each in answer["servers"][0]["libraries"])
    assert not path.exists()


PLACES: dict[str, Callable[[Path], object]] = {
    "no directory": lambda path: path.parent.rmdir(),
    "pipe": os.mkfifo,
    "loop": lambda path: path.symlink_to(path),
    "link to nowhere": lambda path: path.symlink_to(path.parent / "none" / "x.db"),
    "one byte": lambda path: path.write_bytes(b"x"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_place_that_a_sync_cannot_use_has_its_exit_code(plex, config_file, commands, tmp_path, place) -> None:
    """There is nothing that would be added."""
    path = tmp_path / "place" / "mirror.db"
    path.parent.mkdir()
    PLACES[place](path)
    arguments = ("--config", config_file(plex), "--database", path, "--library", "Movies")
    tried = await commands.run("sync", *arguments, "--dry-run")
    done = await commands.run("sync", *arguments)
    assert tried.code == done.code
    assert (done.code == 0) == (place == "one byte")


async def test_without_a_temporary_directory_it_says_what_to_set(plex, config_file, commands, path) -> None:
    """It needs room for two copies."""
    with patch.object(tempfile, "mkdtemp", side_effect=OSError(errno.ENOSPC, "No space left on device")):
        done = await commands.run("sync", "--config", config_file(plex), "--dry-run")
    assert done.code == 1
    assert "cannot be copied for a dry run: No space left on device\nhint: set $TMPDIR" in done.err


async def test_an_interrupted_one_deletes_its_copies(config_file, commands, tmp_path) -> None:
    """Also while its changes are printed into a full pipe."""
    copies = tmp_path / "copies"
    copies.mkdir()
    async with SimulatedPlex(generated_library(movies=2_000, shows=0, episodes=0)) as plex:
        process = await commands.start(
            *("sync", "--config", config_file(plex), "--dry-run", "--json", "--quiet"), TMPDIR=str(copies)
        )
        assert await process.stdout.readline() == b"{\n"
        assert list(copies.iterdir())
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert out.count(b'"added"') < 2_000
    assert not list(copies.iterdir())
