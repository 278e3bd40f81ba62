"""Faults of disk and files: no space, and a database that is deleted or replaced under the daemon."""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.chaos import promises, worlds
from tests.chaos.processes import Gone, Service, finish, start
from tests.chaos.requests import sync_fully
from tests.chaos.results import Result

if TYPE_CHECKING:
    from pathlib import Path

REPLACED = 78
NOTICED_S = 10.0
FULL = frozenset({0, 1, 3, 75, 78})
LOSSES = ("mv", "unlink", "unlink all", "cp", "unlink wal")
"""How a database is lost to a daemon that has it open."""

WAYS = ("full sync", "full run", *LOSSES)


OFTEN = 'interval = "1s"\ninterval_live = "1s"\n[logging]\nlevel = "debug"'
"""Passes each second, also over a server that announces its changes; those without news are logged, too."""


async def trial(seed: int, home: Path) -> Result:
    """Play one fault of a disk or file."""
    chooser, result = random.Random(seed), Result("files", seed)
    plex = worlds.small_server(chooser)
    servers = {"home": plex}
    memory = promises.Memory(home / "mirror.db")
    async with plex:
        config = worlds.write_config(home, servers, sync=OFTEN)
        await worlds.sync_here(home, servers)
        result.require(*memory.look_at_equal(servers))
        worlds.change(plex, chooser, 12)
        way = chooser.choice(WAYS)
        result.count(f"files: {way}")
        try:
            if way.startswith("full"):
                await _full(way, home, config, chooser, result)
            else:
                await _replaced(way, home, config, chooser, result)
        except Gone as gone:
            result.require(str(gone))
        if way in {"mv", "cp", "unlink", "unlink all"}:
            memory.forget()
        result.require(*memory.look(servers))
        await worlds.sync_here(home, servers)
        result.require(*memory.look_at_equal(servers))
    return result


async def _full(way: str, home: Path, config: Path, chooser: random.Random, result: Result) -> None:
    """No file may grow beyond a size near that of the database: a sync fails with a reason, a daemon stays.

    As soon as there is space again, the daemon goes on.
    """
    size = (home / "mirror.db").stat().st_size
    limit = str(int(size * chooser.uniform(0.01, 1.1)))
    if way == "full sync":
        finished = await finish(await start(home, "sync", "--full", "--config", config, CHAOS_FILE_SIZE=limit))
        if finished.code not in FULL or "Traceback" in finished.err:
            result.require(f"a sync on a full disk ended with {finished.code}: {finished.err[-1500:]}")
        return
    service, passes = await Service.run(home, config, CHAOS_FILE_SIZE=limit), chooser.randint(1, 5)
    try:
        # Where not even a poll can be written, it is logged once, and the next one waits longer and longer.
        await service.wait_or_end(
            lambda: len(service.of("sync.finished", *promises.TROUBLE)) >= passes or bool(service.of("store.failed"))
        )
        if not service.is_alive:
            code, complaints = service.process.returncode, await service.complaints()
            if code not in FULL or "Traceback" in complaints:
                result.require(f"a daemon on a full disk ended with {code}: {complaints[-1500:]}")
            return
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await sync_fully(service, home / "mirror.db")
        code, complaints = await service.end()
        if code or "Traceback" in complaints:
            result.require(f"a daemon on a full disk ended with {code}: {complaints[-1500:]}")
    finally:
        await service.kill()
    result.require(*(f"logged: {str(line)[:600]}" for line in service.lines if line["event"].endswith(".crashed")))


async def _replaced(way: str, home: Path, config: Path, chooser: random.Random, result: Result) -> None:
    """Lose the database of a daemon that is busy."""
    service = await Service.run(home, config)
    try:
        await service.wait(lambda: service.of("sync.finished"), "sync")
        await lose(way, home, service, chooser, result)
    finally:
        await service.kill()


async def lose(way: str, home: Path, service: Service, chooser: random.Random, result: Result) -> None:
    """Delete or replace the database: the daemon notices and stops with 78, and what is there now stays whole."""
    database, copy = home / "mirror.db", home / f"copy for {way}.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    before = _rows(copy)
    await asyncio.sleep(chooser.uniform(0, 0.6))
    match way:
        case "mv":
            shutil.copyfile(copy, home / "new.db")
            (home / "new.db").replace(database)
        case "cp":
            shutil.copyfile(copy, database)
        case "unlink":
            database.unlink()
        case "unlink all":
            for suffix in ("", "-wal", "-shm"):
                database.with_name(database.name + suffix).unlink(missing_ok=True)
        case _:
            for suffix in ("-wal", "-shm"):
                database.with_name(database.name + suffix).unlink(missing_ok=True)
    try:
        async with asyncio.timeout(NOTICED_S):
            code = await service.process.wait()
    except TimeoutError:
        result.require(f"{way}: the daemon did not notice within {NOTICED_S:.0f} s")
        return
    if code != REPLACED:
        result.require(f"{way}: the daemon ended with {code}: {(await service.complaints())[-1500:]}")
    if way in {"mv", "cp"} and _rows(database) != before:
        result.require(f"{way}: the copy that is there now is not as it was")


def _rows(database: Path) -> list[object]:
    with closing(sqlite3.connect(database)) as connection:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        tables = ("movies", "episodes", "media_files")
        return [sound, *(connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in tables)]
