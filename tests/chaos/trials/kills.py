"""SIGKILL of every command: at an SQL statement, within one, at a request, or at any moment."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.chaos import disturbances, promises, worlds
from tests.chaos.commands import COMMANDS, OFTEN
from tests.chaos.processes import Gone, Service, finish, start
from tests.chaos.results import Result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.commands import Command
    from tests.chaos.worlds import TrialServer

KILLS = 6
"""Of one command, before it runs to its end."""

STATEMENTS_PER_COMMIT = 30
"""About as many: each state that is committed must be sound."""

MOST_S = 1.2
"""The latest moment of a kill by time, in seconds: a command takes about that long."""

PATHS = ("*", "*", "/library/metadata/*", "/library/collections/*", "/library/sections/*/label")
"""What is requested at the moment of a kill: anything, or the details, collections or labels behind the passes."""

OF_SERVERS = ("run", "sync")
"""The commands that contact servers."""

OF_OTHER_ROWS = ("import", "servers add", "libraries disable")
"""The commands that add other servers, or switch libraries off."""


async def trial(seed: int, home: Path) -> Result:
    """Kill one command several times, then let it and an undisturbed sync run to their ends."""
    chooser, result = random.Random(seed), Result("kills", seed)
    plex = worlds.small_server(chooser)
    servers = {"home": plex}
    memory = promises.Memory(home / "mirror.db")
    async with plex:
        config = worlds.write_config(home, servers, sync='interval = "1s"')
        make = chooser.choice((*COMMANDS, *OFTEN))
        if make.__name__ not in OF_SERVERS or chooser.random() < 0.7:
            await worlds.sync_here(home, servers)
            result.require(*memory.look(servers))
        command = make(home)
        service = await Service.run(home, config) if command.name == "reload" else None
        try:
            if service is not None:
                await service.wait(lambda: service.of("daemon.started"), "start")
            await _chain(command, home, plex, chooser, memory, result)
            if service is not None:
                code, complaints = await service.end()
                result.require(*([f"the daemon ended with {code}: {complaints}"] if code or complaints else []))
        except Gone as gone:
            result.require(str(gone))
        finally:
            if service is not None:
                await service.kill()
        await _end_well(command, home, servers, memory, result)
    return result


async def _chain(
    command: Command, home: Path, plex: TrialServer, chooser: random.Random, memory: promises.Memory, result: Result
) -> None:
    servers = {"home": plex}

    def look() -> None:
        result.require(*(memory.look(servers) if command.keeps else []), *command.check())

    for _ in range(KILLS):
        if command.name in OF_SERVERS:
            worlds.change(plex, chooser, chooser.randrange(6))
            if chooser.random() < 0.5:
                disturbances.replace_first(plex, chooser)
        if await kill(command, home, plex, chooser):
            result.count("SIGKILLs")
            result.count(f"kills: {command.name}")
        look()
    if command.name != "run":
        finished = await finish(await start(home, *command.arguments))
        if finished.code not in command.codes:
            result.require(f"{command.name} ended with {finished.code} after kills: {finished.err[-600:]}")
        look()
    if not command.keeps:
        memory.forget()


async def kill(command: Command, home: Path, plex: TrialServer, chooser: random.Random) -> bool:
    """Start a command and kill it; return whether it was killed before its end."""
    environment: dict[str, str] = {}
    ways = (
        "statement",
        "statement",
        "step",
        "step",
        "commit",
        "commit",
        "request" if command.name in OF_SERVERS else "time",
    )
    how = "time" if command.name == "reload" else chooser.choice(ways)
    stuck, wait = None, MOST_S if command.name == "run" else 20.0
    match how:
        case "statement":
            environment["CHAOS_KILL"] = f"statement:{chooser.randint(1, _beyond(command.statements))}"
        case "commit":
            environment["CHAOS_KILL"] = (
                f"commit:{chooser.randint(1, 2 + command.statements // STATEMENTS_PER_COMMIT)}"
            )
        case "step":
            environment["CHAOS_KILL"] = f"step:{chooser.randint(1, _beyond(command.steps))}"
        case "request":
            stuck = plex.faults.hang(chooser.choice(PATHS), after=chooser.randrange(20))
        case _:
            wait = chooser.uniform(0.1, MOST_S)
    process = await start(home, *command.arguments, **environment)
    end = asyncio.create_task(process.communicate(), name="end")
    reached = asyncio.create_task(stuck.reached.wait(), name="request") if stuck is not None else end
    await asyncio.wait({end, reached}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
    if process.returncode is None:
        process.kill()
    await end
    reached.cancel()
    if stuck is not None:
        plex.faults.clear()
    return process.returncode == -signal.SIGKILL


def _beyond(number: int) -> int:
    """Return a number that is surely beyond the end of a command that counts about ``number``."""
    return number + number // 4


async def _end_well(
    command: Command, home: Path, servers: worlds.Servers, memory: promises.Memory, result: Result
) -> None:
    """Let an undisturbed sync follow, of all libraries of the simulated server."""
    if command.name in OF_OTHER_ROWS:
        with closing(sqlite3.connect(memory.database, timeout=20)) as connection, connection:
            connection.execute("UPDATE libraries SET sync_enabled = 1")
            connection.execute("UPDATE plex_servers SET is_active = 0 WHERE source = 'database'")
    for report in await worlds.sync_here(home, servers):
        if report.error is not None or any(done.run.status != "ok" for done in report.passes):
            statuses = [(done.run.status, done.run.error) for done in report.passes]
            result.require(f"an undisturbed sync ended {report.error} {statuses}")
    result.require(*memory.look_at_equal(servers))
