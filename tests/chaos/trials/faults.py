"""Random faults on one or two servers beside a healthy one, against a running daemon."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import time
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

from retrovue_daemon.demo.faults import KINDS, FaultSpec
from tests.chaos import promises, worlds
from tests.chaos.processes import Gone, Service
from tests.chaos.results import Result

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.demo import SimulatedPlex

SCHEDULES = 4
SPEED = 10
INTERVAL_S = 5
"""Seconds of the daemon's clock, which runs faster by that factor."""

RATES = (0.05, 0.2, 0.5, 0.8, 1.0)
DISTURBED_S = (0.5, 2.0)
SLACK_S = 3.0
"""Real seconds by which the healthy server may be late, because the machine is busy."""

MOST_ABOVE_BASE_MIB = 64.0
MOST_BLOCK_S = 0.05
BASE_MIB = 50.0
"""What the process takes with servers of this size that are healthy."""


async def trial(seed: int, home: Path) -> Result:
    """Play several schedules on one daemon."""
    chooser, result = random.Random(seed), Result("faults", seed)
    bad = {f"bad{number}": worlds.small_server(chooser) for number in range(chooser.randint(1, 2))}
    good = worlds.small_server(chooser)
    servers = {**bad, "good": good}
    memory = promises.Memory(home / "mirror.db")
    async with AsyncExitStack() as opened:
        for plex in servers.values():
            await opened.enter_async_context(plex)
        config = worlds.write_config(home, servers, sync=f'interval = "{INTERVAL_S}s"')
        is_known = chooser.random() < 0.7  # else the very first sync is disturbed
        if is_known:
            await worlds.sync_here(home, servers)
            result.require(*memory.look(servers))
        specs = {name: _disturb(plex, chooser, is_known=is_known) for name, plex in bad.items()}
        service = await Service.run(home, config, CHAOS_SPEED=str(SPEED))
        try:
            await service.wait(lambda: service.of("daemon.started"), "start")
            await _play(service, chooser, result, servers, memory)
            for _ in range(SCHEDULES - 1):
                if result.broken:
                    break
                specs = {name: _disturb(plex, chooser, is_known=True) for name, plex in bad.items()}
                await _play(service, chooser, result, servers, memory)
            await _end(service, result)
        except Gone as gone:
            result.require(str(gone))
        finally:
            await service.kill()
        result.require(*promises.log_is_clean(service.lines, service.text, servers))
    if result.broken:
        result.require(*(f"{name}: --faults '{spec}'" for name, spec in specs.items()))
    return result


def _disturb(plex: SimulatedPlex, chooser: random.Random, *, is_known: bool) -> FaultSpec:
    """Set random faults. Which server it is at first contact, no client can check: there, it says the truth."""
    few = chooser.random() < 0.7
    every = [kind for kind in KINDS if is_known or kind != "identity"]
    kinds = chooser.sample(every, chooser.randint(1, 4)) if few else every
    paths = chooser.choice(
        ("*", "*", "*", "/identity", "/library/sections", "/library/sections/*", "/library/metadata/*")
    )
    spec = FaultSpec(chooser.randrange(2**30), chooser.choice(RATES), tuple(k for k in KINDS if k in kinds), paths)
    plex.faults.disturb(str(spec))
    return spec


async def _play(
    service: Service, chooser: random.Random, result: Result, servers: worlds.Servers, memory: promises.Memory
) -> None:
    """Play one schedule: faults, then an undisturbed sync."""
    result.count("schedules")
    good = servers["good"]
    gaps = asyncio.create_task(_longest_gap(good), name="gaps")
    if chooser.random() < 0.6:  # else passes are those that the daemon begins by itself
        _request(memory.database)
    try:
        for _ in range(chooser.randint(1, 3)):
            await asyncio.sleep(chooser.uniform(*DISTURBED_S))
            for plex in servers.values():
                worlds.change(plex, chooser, chooser.randrange(4))
    finally:
        gaps.cancel()
    gap = await gaps
    result.measure("s between two looks at a healthy server", gap)
    if gap > 2 * INTERVAL_S / SPEED + SLACK_S:
        result.require(f"the healthy server was not looked at for {gap:.1f} s ({gap * SPEED:.0f} s of the daemon's)")
    if not service.is_alive:
        raise Gone("the daemon is not alive")
    result.require(*memory.look(servers))
    for plex in servers.values():
        if plex.faults.random is not None:
            for kind, number in plex.faults.random.counts.items():
                result.count(f"faults: {kind}", number)
        plex.faults.clear()
    await sync_fully(service, memory.database)
    result.require(*memory.look(servers))
    result.require(*promises.equal_to_servers(memory.database, servers))


async def _end(service: Service, result: Result) -> None:
    result.measure("MiB of memory", service.peak_mib())
    if service.peak_mib() > BASE_MIB + MOST_ABOVE_BASE_MIB:
        result.require(f"the daemon took {service.peak_mib():.0f} MiB")
    code, complaints = await service.end()
    if code or complaints:
        result.require(f"the daemon ended with {code}: {complaints[:2000]}")
    measured = service.measurements()
    block = float(measured.get("block_cpu_s", 0))
    result.measure("s of processor time in one callback", block)
    if block > MOST_BLOCK_S:
        result.require(f"the event loop was blocked for {block:.3f} s by {measured.get('block_in')}")


async def sync_fully(service: Service, database: Path) -> None:
    """Request a full sync of everything and wait for it; passes that faults began end first."""
    signals = len(service.of("sync.requested"))
    service.process.send_signal(signal.SIGUSR1)
    await service.wait(lambda: len(service.of("sync.requested")) > signals, "take SIGUSR1")
    request = _request(database)

    def is_done() -> bool:
        return any(line.get("request_id") == request for line in service.of("request.finished", "request.refused"))

    await service.wait(is_done, "finish an undisturbed full sync")
    (done,) = [
        line for line in service.of("request.finished", "request.refused") if line.get("request_id") == request
    ]
    if done.get("exit_code") != 0:
        passes = service.of("sync.finished", *promises.TROUBLE)[-6:]
        raise Gone(f"an undisturbed full sync ended {str(done)[:300]}: {str(passes)[:1500]}")


def _request(database: Path) -> int | None:
    """Request a full sync of everything, as another program does."""
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        return connection.execute("INSERT INTO sync_requests (kind) VALUES ('full')").lastrowid


async def _longest_gap(plex: SimulatedPlex) -> float:
    """Return the longest time between two looks at a server, once this is cancelled."""
    longest, last, seen = 0.0, time.monotonic(), 0
    try:
        while True:
            looks = len(plex.requests_for("/identity"))
            now = time.monotonic()
            if looks > seen:
                seen, last = looks, now
            longest = max(longest, now - last)
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        return longest
