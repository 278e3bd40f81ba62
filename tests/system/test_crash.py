"""A sync may be killed at any point: the database stays sound, and the next ends where an undisturbed one does."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pytest

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex, World, generated_library
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync.progress import ProgressBoard
from tests.properties.happenings import Happening, Happenings
from tests.properties.mirror import Mirror, read_mirror
from tests.support.servers import few_groups

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Commands

WHAT_HAPPENS = {
    "film_edited": 12, "film_deleted": 6, "film_recreated": 6, "film_moved": 6, "film_copied": 2, "films_merged": 2,
    "film_split": 2, "show_recreated": 3, "show_moved": 1, "show_edited": 1, "episode_edited": 6,
    "episode_deleted": 6, "episode_moved": 4, "deleted_came_again": 2, "file_replaced": 6, "file_upgraded": 3,
    "file_renamed": 3, "analysed": 3, "trashed": 3, "library_renamed": 1,
}  # fmt: skip
"""Between the two syncs, and how often: updates, removals, and items that get another rating key."""

PAGE_SIZE = 25
FIRST, LATER = 8, 18
"""Kills of a first sync, and of a later one: spread over its requests, and some right after a library's end."""

IN_A_ROW = {FIRST: 2, LATER: 3}
"""So many syncs are killed one after the other before one is left to end."""


class Kill(NamedTuple):
    """When a sync is killed: as a request arrives, or when a library is said to be done; ``number`` counts from 0."""

    at: str
    number: int


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """The database's content after uninterrupted syncs, before and after the changes."""

    old_file: Path
    old: Mirror
    new: Mirror
    requests: int
    """How many a sync makes at least."""
    libraries: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return asyncio.run(_undisturbed(tmp_path_factory.mktemp("undisturbed")))


async def _undisturbed(home: Path) -> Undisturbed:
    old, new = home / "old.db", home / "new.db"
    async with SimulatedPlex(_world()) as plex:
        await _sync(plex, old)
        requests = len(plex.requests)
        shutil.copy(old, new)
        _change(plex)
        await _sync(plex, new)
    return Undisturbed(old, read_mirror(old, "home"), read_mirror(new, "home"), requests, len(plex.world.libraries))


def _world() -> World:
    plex = SimulatedPlex(few_groups(generated_library(movies=120, shows=5, episodes=24)))
    for kind, title in (("movie", "Films"), ("show", "Series")):
        library = plex.changes.add_library(kind, title, f"/data/{title}").key
        for number in range(12):
            if kind == "movie":
                plex.changes.add_movie(library, f"Another Film {number}", 1960)
            else:
                plex.changes.add_episode(plex.changes.add_show(library, f"Series {number}").id, 1, 1, "Pilot")
    return plex.world


def _change(plex: SimulatedPlex) -> None:
    chooser = random.Random("what happens")  # noqa: S311 -- the same every time
    names = [name for name, times in WHAT_HAPPENS.items() for _ in range(times)]
    chooser.shuffle(names)
    Happenings(plex).happen(*(Happening(name, chooser.randrange(200), chooser.randrange(200)) for name in names))


async def _sync(plex: SimulatedPlex, path: Path) -> None:
    """Sync to the end, in this process."""
    server = {"name": "home", "url": plex.url, "token": plex.token, "details": False}
    tables = {"database": {"path": str(path)}, "sync": {"page_size": PAGE_SIZE}, "servers": [server]}
    config = parse_config(tables, environ={})
    options = SyncOptions(selection=Selection(full=True))
    (report,) = await sync_once(config, options, ProgressBoard(), Redactor())
    assert {done.run.status for done in report.passes} == {"ok"}


def _kills(number: int, chain: int, undisturbed: Undisturbed) -> list[Kill]:
    """Choose when the syncs of one chain are killed; all chains together cover a sync from beginning to end."""
    chooser = random.Random(number)  # noqa: S311 -- the same every time
    spread = (undisturbed.requests - 1) / number
    kills = [Kill("request", 1 + int(spread * (n + chooser.random()))) for n in range(number)]
    for n in range(number // 6):
        kills[n * 6 + 3] = Kill("finished", n % (undisturbed.libraries - 1))
    chooser.shuffle(kills)
    return kills[chain :: number // IN_A_ROW[number]]


async def _killed(commands: Commands, config: Path, plex: SimulatedPlex, kill: Kill) -> None:
    """Start a sync, and kill it."""
    stuck = plex.faults.hang("*", after=kill.number) if kill.at == "request" else None
    process = await commands.start("sync", "--full", "--config", config)
    async with asyncio.timeout(30):
        await (stuck.reached.wait() if stuck else _finished(process, kill.number))
        process.kill()
        await process.communicate()
    assert process.returncode == -signal.SIGKILL
    plex.faults.clear()


async def _finished(process: asyncio.subprocess.Process, number: int) -> None:
    """Wait until the process says that so many libraries and one are done."""
    assert process.stderr is not None
    while number >= 0:
        event = json.loads(await process.stderr.readline())
        number -= event["event"] == "sync.finished"


def _listed(mirror: Mirror, plex: SimulatedPlex) -> set[tuple[str, str]]:
    """Return which items that the server has are there, and not missing."""
    return {key for key, row in mirror.items.items() if row.present and int(key[1]) in plex.world.items}


def _assert_the_same(found: Mirror, wanted: Mirror, old: Mirror) -> None:
    """Compare all but new ids and times; items that had an id before must have it still, or have lost it alike."""
    assert {key: (row.library, row.state, row.digest, row.content) for key, row in found.items.items()} == {
        key: (row.library, row.state, row.digest, row.content) for key, row in wanted.items.items()
    }
    assert found.files == wanted.files
    for mine, theirs in zip(_libraries(found), _libraries(wanted), strict=True):
        assert mine == theirs
    kept = [{name: row.key for name, row in mirror.by_id.items() if name in old.by_id} for mirror in (found, wanted)]
    assert kept[0] == kept[1]


def _libraries(mirror: Mirror) -> list[dict[str, object]]:
    names = (
        "library_key",
        "uuid",
        "library_name",
        "library_root",
        "state",
        "content_changed_at",
        "last_error",
    )
    return [{name: library[name] for name in names} for _, library in sorted(mirror.libraries.items())]


@pytest.fixture
def killable(config_file, path):
    """Write a configuration by which a sync makes many transactions and requests."""
    return lambda plex: config_file(plex, extra=f"batch_size = 3\n[sync]\npage_size = {PAGE_SIZE}\nconcurrency = 2")


@pytest.mark.parametrize("chain", range(FIRST // IN_A_ROW[FIRST]))
async def test_a_first_sync_may_be_killed(commands, killable, path, undisturbed, chain) -> None:
    """Again and again; nothing that it wrote is half of something."""
    async with SimulatedPlex(_world()) as plex:
        file = killable(plex)
        for kill in _kills(FIRST, chain, undisturbed):
            await _killed(commands, file, plex, kill)
            if path.exists():
                assert read_mirror(path, "home").mistakes == []
        await _sync(plex, path)
    _assert_the_same(read_mirror(path, "home"), undisturbed.old, Mirror.empty())


@pytest.mark.parametrize("chain", range(LATER // IN_A_ROW[LATER]))
async def test_a_later_sync_may_be_killed(commands, killable, path, undisturbed, chain) -> None:
    """While it updates, removes, and gives items that came again their old ids: nothing that is there gets lost."""
    shutil.copy(undisturbed.old_file, path)
    async with SimulatedPlex(_world()) as plex:
        _change(plex)
        file = killable(plex)
        for kill in _kills(LATER, chain, undisturbed):
            await _killed(commands, file, plex, kill)
            left = read_mirror(path, "home")
            assert left.mistakes == []
            assert _listed(undisturbed.old, plex) <= _listed(left, plex)
        await _sync(plex, path)
    _assert_the_same(read_mirror(path, "home"), undisturbed.new, undisturbed.old)
