"""The details of a running daemon: killed while it reads them, reloaded meanwhile, and shown by commands."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from tests.support.details import details_of, stored_details
from tests.support.logs import Log
from tests.support.patience import PATIENCE_S
from tests.support.servers import few_groups

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.commands("here")

DETAILS = "/library/metadata/*"
KINDS = ("movies", "shows", "episodes")
LIVES = 4
"""So often the daemon is killed."""

SLOWLY = '[sync]\ninterval = "7d"'
"""One poll per start."""


@pytest.fixture
async def plex():
    """A server whose details take a dozen requests."""
    async with SimulatedPlex(few_groups(generated_library(movies=320, shows=6, episodes=110))) as server:
        yield server


def requested(plex: SimulatedPlex) -> list[list[str]]:
    """The rating keys of each request for details."""
    paths = [each.path for each in plex.requests]
    return [path.rsplit("/", 1)[1].split(",") for path in paths if path.startswith("/library/metadata/")]


def read(path: Path) -> tuple[dict[tuple[str, str], int], set[str]]:
    """Return the ids of all items, and the rating keys of those whose details were read."""
    ids, done = {}, set()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for table in KINDS:
            query = f"SELECT rating_key, id, details_read_at IS NOT NULL FROM {table}"
            for key, row_id, is_read in connection.execute(query):
                ids[table, key] = row_id
                done |= {key} if is_read else set()
    return ids, done


async def all_read(log: Log, path: Path) -> None:
    """Wait until no item waits for its details."""
    while True:
        ids, done = read(path)
        if len(done) == len(ids):
            return
        await log.next("details.finished")


@pytest.mark.parametrize("seed", range(2))
async def test_a_daemon_may_be_killed_while_it_reads_details(commands, config_file, plex, path, seed) -> None:
    """As a request arrives or its response is read. Every item has its details once, and ids stay.

    What was stored is not requested again.
    """
    chooser = random.Random(seed)  # noqa: S311 -- the same every time
    file = config_file(plex, details=True, extra=SLOWLY)
    ids: dict[tuple[str, str], int] = {}
    done: set[str] = set()
    for _ in range(LIVES):
        plex.requests.clear()
        stuck = plex.faults.hang(DETAILS, after=chooser.randrange(3))
        process = await commands.start("run", "--config", file)
        async with asyncio.timeout(PATIENCE_S):
            await stuck.reached.wait()
            if chooser.randrange(3):
                following = plex.faults.hang(DETAILS)
                stuck.release.set()
                if chooser.randrange(2):
                    await following.reached.wait()
                # Until the response has been sent, read, or stored.
                for _ in range(chooser.randrange(600)):
                    await asyncio.sleep(0)
            process.kill()
            await process.communicate()
        assert process.returncode == -signal.SIGKILL
        plex.faults.clear()
        assert not {key for keys in requested(plex) if len(keys) > 1 for key in keys} & done
        now, done = read(path)
        assert now == (ids or now)
        ids = now
    assert 0 < len(done) < len(ids)
    log = Log(await commands.start("run", "--config", file))
    await all_read(log, path)
    assert (await log.end())[0] == 0
    assert stored_details(path) == details_of(plex.world)
    assert read(path)[0] == ids
    assert (await commands.run("database", "check", "--config", file)).code == 0


async def test_a_reload_neither_disturbs_nor_outlasts_details(commands, config_file, plex, path) -> None:
    """They are read on under other settings, and stop at the next request once they are turned off."""
    held = plex.faults.hang(DETAILS)
    file = config_file(plex, details=True, extra=SLOWLY)
    process = await commands.start("run", "--config", file)
    log = Log(process)

    async def reload(*, details: bool, cast: int = 20) -> None:
        nonlocal file
        file = config_file(plex, details=details, extra=f"{SLOWLY}\ncast = {cast}")
        process.send_signal(signal.SIGHUP)
        await log.next("config.reloaded")

    async with asyncio.timeout(PATIENCE_S):
        await held.reached.wait()
        await reload(details=True, cast=19)
        following = plex.faults.hang(DETAILS, after=1)
        held.release.set()
        await following.reached.wait()
        assert len(requested(plex)) == 3
        await reload(details=False)
        following.release.set()
        await log.next("details.finished", kind="new")
    process.send_signal(signal.SIGUSR1)
    await log.next("round.finished")
    assert len(requested(plex)) == 3
    ids, done = read(path)
    assert await _pending(commands, "--database", path) == len(ids) - len(done) > 0
    text = (await commands.run("status", "--database", path)).out
    assert f"details of {len(ids) - len(done)} items not read yet" in text
    # By the configuration, none are read any more, so nothing waits.
    assert await _pending(commands, "--config", file) == 0

    await reload(details=True)
    process.send_signal(signal.SIGUSR1)
    await all_read(log, path)
    assert await log.end() == (0, "")
    assert await _pending(commands, "--database", path) == 0
    assert "not read yet" not in (await commands.run("status", "--database", path)).out
    assert stored_details(path) == details_of(plex.world)


async def _pending(commands, *place: object) -> int:
    status = json.loads((await commands.run("status", "--json", *place)).out)
    return sum(library["details_pending"] for server in status["servers"] for library in server["libraries"])


async def test_sync_reports_what_was_read_and_what_waits(commands, config_file, plex) -> None:
    """Per library: here of a server that fails from the second request on. Null if it did not wait for details."""

    async def counts(*options: str) -> list[tuple[int | None, int | None]]:
        finished = await commands.run("sync", "--json", "--config", file, *options)
        (server,) = json.loads(finished.out)["servers"]
        return [(each["details_read"], each["details_pending"]) for each in server["libraries"]]

    file = config_file(plex, details=True)
    assert await counts("--no-details") == [(None, None)] * 2
    plex.faults.fail(DETAILS, status=503, times=None, after=1)
    assert await counts() == [(100, 220), (0, 666)]
    plex.faults.clear()
    assert await counts() == [(220, 0), (666, 0)]
