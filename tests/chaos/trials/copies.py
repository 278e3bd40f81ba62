"""Copies of the database at random moments, as a power cut or a copying backup program makes them."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import struct
from typing import TYPE_CHECKING

from tests.chaos import promises, worlds
from tests.chaos.processes import PATIENCE_S, start
from tests.chaos.results import Result
from tests.properties.mirror import read_mirror

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.worlds import TrialServer
    from tests.properties.mirror import Mirror

COPIES = 8
PAUSE_S = 0.12
WAL_HEADER, FRAME_HEADER = 32, 24
WAL_INDEX = 136
"""Bytes of the index that are read: its header, and which frames were copied into the database."""


async def trial(seed: int, home: Path) -> Result:
    """Copy the database while a daemon writes; each copy must be whole, and continue like the original."""
    chooser, result = random.Random(seed), Result("copies", seed)
    plex = worlds.small_server(chooser)
    servers = {"home": plex}
    async with plex:
        config = worlds.write_config(home, servers, sync='interval = "1s"')
        began = chooser.random() < 0.7
        if began:
            await worlds.sync_here(home, servers)
        before = read_mirror(home / "mirror.db", "home") if began else None
        plex.quirks.latency = chooser.choice((0.0, 0.02))
        plex.changes.edit(next(plex.world.movies()).id, title="Edited")  # else the daemon may list nothing
        process = await start(home, "run", "--config", config, CHAOS_SPEED="4")
        ended = asyncio.ensure_future(process.communicate())
        copies: list[Path] = []
        try:
            await _begun(plex, ended)
            for number in range(COPIES):
                await asyncio.wait([ended], timeout=chooser.uniform(0, PAUSE_S))
                if ended.done():
                    result.require(f"the daemon ended with {process.returncode}: {ended.result()[1].decode()[-800:]}")
                    break
                copies += _copy(home, number, process, chooser)
                worlds.change(plex, chooser, chooser.randrange(1, 6))
        finally:
            if process.returncode is None:
                process.kill()
            await ended
        plex.quirks.latency = 0.0
        for copy in copies:
            result.count("copies")
            result.require(*_check(copy, before, plex))
        for copy in chooser.sample(copies, min(2, len(copies))):
            await worlds.sync_here(home, servers, copy)
            result.count("passes on a copy")
            result.require(*promises.equal_to_servers(copy, servers))
            result.require(*_check(copy, before, plex))
    return result


async def _begun(plex: TrialServer, ended: asyncio.Future[tuple[bytes, bytes]]) -> None:
    """Wait until the daemon requests a listing: soon, it writes."""
    listing = plex.faults.hang("/library/sections/*/*")
    reached = asyncio.create_task(listing.reached.wait(), name="listing")
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait((reached, ended), return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    plex.faults.clear()


def _copy(home: Path, number: int, process: asyncio.subprocess.Process, chooser: random.Random) -> list[Path]:
    """Copy the files while the process stands still; lose some of what was not yet synced to the disk."""
    database, copy = home / "mirror.db", home / f"copy{number}.db"
    process.send_signal(signal.SIGSTOP)
    try:
        if not database.exists() or database.stat().st_size == 0:
            return []
        shutil.copyfile(database, copy)
        log, index = database.with_name("mirror.db-wal"), database.with_name("mirror.db-shm")
        if log.exists():
            content = log.read_bytes()
            if chooser.random() < 0.5 and index.exists():
                content = content[: _cut(content, index.read_bytes()[:WAL_INDEX], chooser)]
            copy.with_name(f"{copy.name}-wal").write_bytes(content)
    finally:
        process.send_signal(signal.SIGCONT)
    return [copy]


def _cut(log: bytes, index: bytes, chooser: random.Random) -> int:
    """Return where a power cut may end the log: what was copied into the database had been synced before.

    The offsets are those of the file format of SQLite's WAL-index (https://www.sqlite.org/walformat.html).
    """
    if len(log) <= WAL_HEADER or len(index) < WAL_INDEX:
        return len(log)
    (page_size,) = struct.unpack(">I", log[8:12])
    (attempted,) = struct.unpack("=I", index[128:132])
    synced = WAL_HEADER + attempted * (page_size + FRAME_HEADER)
    return chooser.randint(min(synced, len(log)), len(log))


def _check(copy: Path, before: Mirror | None, plex: TrialServer) -> list[str]:
    memory = promises.Memory(copy)
    if before is not None:
        memory.remember("home", before)
    return [f"{copy.name}: {text}" for text in memory.look({"home": plex})]
