"""Random faults on one or two servers beside a healthy one, against a running daemon."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tests.chaos import commands, disturbances, neighbour, promises, worlds
from tests.chaos.processes import PATIENCE_S, Gone, Service
from tests.chaos.requests import request_sync, sync_fully
from tests.chaos.results import Result
from tests.chaos.trials import files, kills
from tests.chaos.witness import Witness

if TYPE_CHECKING:
    from pathlib import Path

SCHEDULES = 4
SPEED = 10
INTERVAL_S = 5
"""Seconds of the daemon's clock, which runs faster by that factor."""

DISTURBED_S = (0.5, 2.0)
PASSES_END_S = 8.0
"""Seconds after which a schedule goes on although a pass has not ended."""

MOST_REQUESTS = 3
"""Syncs that are requested of servers that lie, one after the other."""

SLACK_S = 3.0
"""Real seconds by which the healthy server may be late."""

SHORTEST_WAIT_S = 2.5
"""Seconds of the daemon's clock between two attempts to contact a server that failed, at least."""

TRIES = 4
"""Requests per attempt."""

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
    async with AsyncExitStack() as opened:
        for plex in servers.values():
            await opened.enter_async_context(plex)
        sync = f'interval = "{INTERVAL_S}s"\nconcurrency = {chooser.choice((2, 4))}'
        polls_often = seed % 2 == 0
        if polls_often:
            sync += f'\ninterval_live = "{INTERVAL_S}s"'
        config = worlds.write_config(home, servers, sync=sync)
        schedules = _Schedules(home, config, servers, chooser, result, polls_often=polls_often)
        is_known = chooser.random() < 0.7  # else the very first sync is disturbed
        if is_known:
            await worlds.sync_here(home, servers)
            result.require(*schedules.memory.look_at_equal(servers))
        try:
            await schedules.play(is_known=is_known)
        except Gone as gone:
            result.require(str(gone))
        finally:
            await schedules.close()
    if result.broken:
        result.require(*schedules.words)
    return result


class _Schedules:
    """The schedules of one trial, and the daemon that they disturb."""

    def __init__(
        self,
        home: Path,
        config: Path,
        servers: worlds.Servers,
        chooser: random.Random,
        result: Result,
        *,
        polls_often: bool,
    ) -> None:
        """``polls_often`` says that servers are polled as often if they are live."""
        self.memory = promises.Memory(home / "mirror.db")
        self._polls_often = polls_often
        self._home = home
        self._config = config
        self._servers = servers
        self._bad = {name: plex for name, plex in servers.items() if name != "good"}
        self._chooser = chooser
        self._result = result
        self._witness = Witness(home / "mirror.db")
        self._service: Service | None = None
        self._disturbed: dict[str, disturbances.Disturbance] = {}

    @property
    def words(self) -> list[str]:
        """How the servers were disturbed last."""
        return [f"{name}: {disturbance}" for name, disturbance in self._disturbed.items()]

    async def play(self, *, is_known: bool) -> None:
        """Start the daemon, play the schedules, and end it, in one of two ways."""
        chooser, result = self._chooser, self._result
        how = self._disturb(is_known=is_known)
        self._service = await self._start()
        for number in range(SCHEDULES):
            if number > 0:
                how = self._disturb(is_known=True)
            await self._play_one(how, number)
            if result.broken:
                return
        if chooser.random() < 0.25:
            await self._lose_the_file()
        await self._end()

    async def close(self) -> None:
        """Kill the daemon, if it is still there."""
        if self._service is not None:
            await self._service.kill()

    async def _start(self) -> Service:
        self._witness.watch()
        service = await Service.run(self._home, self._config, CHAOS_SPEED=str(SPEED))
        self._service = service
        await service.wait(lambda: service.of("daemon.started"), "start")
        return service

    def _disturb(self, *, is_known: bool) -> str:
        how = disturbances.manner(self._chooser, is_known=is_known)
        self._disturbed = {
            name: disturbances.disturb(plex, how, self._chooser, is_known=is_known)
            for name, plex in self._bad.items()
        }
        return how

    async def _play_one(self, how: str, number: int) -> None:
        """Play one schedule: faults, then an undisturbed sync."""
        result, service = self._result, self._running
        result.count("schedules")
        result.count(f"schedules: {how}")
        waits, good = neighbour.Waits(), self._servers["good"]
        polls, began = self._polls(), time.monotonic()
        measuring = asyncio.create_task(
            neighbour.measure(good, service.process.pid, self.memory.database, number, waits), name="neighbour"
        )
        try:
            requested = await self._disturbed_time(how)
            if self._chooser.random() < 0.25:
                await self._kill_a_backup()
        finally:
            measuring.cancel()
        await measuring
        seconds = (time.monotonic() - began) * SPEED
        self._judge(waits, {name: now - polls[name] for name, now in self._polls().items()}, seconds, requested)
        if not service.is_alive:
            raise Gone("the daemon is not alive")
        result.require(*self.memory.look(self._servers), *self._witness.look(self._servers))
        for plex in self._servers.values():
            if plex.faults.random is not None:
                for kind, times in plex.faults.random.counts.items():
                    result.count(f"faults: {kind}", times)
            disturbances.calm(plex)
        await sync_fully(service, self.memory.database)
        self._witness.watch()
        result.require(*self.memory.look_at_equal(self._servers), *self._witness.look(self._servers))
        await self._require_changes_to_be_found(number)

    async def _require_changes_to_be_found(self, number: int) -> None:
        """Require that servers which failed are followed again, without any request."""
        pid, most = self._running.process.pid, 2 * (INTERVAL_S / SPEED + SLACK_S)
        for name, plex in self._bad.items():
            title = f"Recovered {number}"
            took = await neighbour.seconds_until_followed(
                plex, pid, self.memory.database, title, most=most, polls=self._polls_often
            )
            self._result.measure("s until a server that has recovered is followed again", took)
            if took >= most:
                self._result.require(f"{name}, which has recovered, was not followed again within {took:.1f} s")

    @property
    def _running(self) -> Service:
        assert self._service is not None
        return self._service

    def _polls(self) -> dict[str, int]:
        return {name: len(plex.requests_for("/identity")) for name, plex in self._bad.items()}

    async def _disturbed_time(self, how: str) -> int:
        """Let the daemon meet the faults while the servers change; return how many syncs were requested."""
        chooser = self._chooser
        match how:
            case "fails":
                requested = int(chooser.random() < 0.6)  # else passes are those that the daemon begins by itself
                if requested:
                    request_sync(self.memory.database)
                for _ in range(chooser.randint(1, 3)):
                    await asyncio.sleep(chooser.uniform(*DISTURBED_S))
                    self._change(self._servers)
                return requested
            case "stumbles":
                self._change(self._servers)
                done = await self._requested_sync(PATIENCE_S)
                if done is None or done.get("exit_code") != 0:
                    passes = self._running.of("sync.finished", *promises.TROUBLE)[-6:]
                    self._result.require(f"a single fault of the network failed a sync: {done} {passes}"[:1500])
                return 1
            case "pretends":
                await self._require_no_token()
                await asyncio.sleep(chooser.uniform(*DISTURBED_S))
                return 2
        moving = [
            asyncio.create_task(disturbances.shift(plex, random.Random(chooser.random())), name="shift")
            for plex in self._bad.values()
            if how == "changes"
        ]
        requested = chooser.randint(1, MOST_REQUESTS)
        try:
            for _ in range(requested):
                self._change(self._servers)
                await self._requested_sync(PASSES_END_S)
        finally:
            for task in moving:
                task.cancel()
            await asyncio.gather(*moving, return_exceptions=True)
        return requested

    async def _require_no_token(self) -> None:
        """Require that syncs of servers that are others now fail, and that none of these is shown the token."""
        for number in range(2):
            before = {name: len(plex.requests) for name, plex in self._bad.items()}
            done = await self._requested_sync(PATIENCE_S)
            if done is None or done.get("exit_code") == 0:
                self._result.require(f"a sync of servers that are others now ended {done}")
            for name, plex in self._bad.items():
                shown = [one.path for one in list(plex.requests)[before[name] :] if "x-plex-token" in one.headers]
                if shown and number > 0:  # passes that had begun before have ended by then
                    self._result.require(f"{name} was shown the token although it is another server: {shown[:3]}")

    def _change(self, servers: worlds.Servers) -> None:
        for plex in servers.values():
            worlds.change(plex, self._chooser, self._chooser.randrange(4))

    async def _requested_sync(self, seconds: float) -> dict[str, object] | None:
        """Request a full sync; return its last line, or None if it takes too long."""
        request, service = request_sync(self.memory.database), self._running
        try:
            await service.wait(lambda: service.end_of(request), "end a pass", seconds)
        except Gone:
            if not service.is_alive:
                raise
        return service.end_of(request)

    def _judge(self, waits: neighbour.Waits, polls: dict[str, int], seconds: float, requested: int) -> None:
        """Require that the healthy server was served in time, and that the others were not pestered."""
        result = self._result
        result.measure("s until a change of a healthy server is in the database", waits.for_a_change)
        most = 2 * INTERVAL_S / SPEED + SLACK_S
        if self._polls_often:  # else a live server is polled seldom, and its notifications are heard
            result.measure("s between two looks at a healthy server", waits.between_looks)
            if waits.between_looks > most:
                result.require(f"the healthy server was not looked at for {waits.between_looks:.1f} s")
        if waits.for_a_change > most:
            result.require(f"a change of the healthy server was not there after {waits.for_a_change:.1f} s")
        allowed = TRIES * (seconds / SHORTEST_WAIT_S + requested + 2)
        result.require(
            *(
                f"{name} was contacted {number} times within {seconds:.0f} s of the daemon's clock"
                for name, number in polls.items()
                if number > allowed
            )
        )

    async def _kill_a_backup(self) -> None:
        """Kill a backup that is made beside the daemon: no half copy has the final name."""
        command = commands.backup(self._home)
        if await kills.kill(command, self._home, self._servers["good"], self._chooser):
            self._result.count("SIGKILLs")
            self._result.count("kills: backup beside a daemon")
        self._result.require(*command.check())

    async def _lose_the_file(self) -> None:
        """Delete or replace the database while the daemon meets faults; then start the daemon again."""
        self._disturb(is_known=True)
        service = self._running
        request_sync(self.memory.database)
        way = self._chooser.choice(files.LOSSES)
        self._result.count(f"files: {way} beside faults")
        await files.lose(way, self._home, service, self._chooser, self._result)
        self._judge_log(service, ended_in_trouble=True)
        if self._result.broken:
            return
        for plex in self._servers.values():
            disturbances.calm(plex)
        self.memory.forget()
        service = await self._start()
        await sync_fully(service, self.memory.database)
        self._result.require(*self.memory.look_at_equal(self._servers))

    async def _end(self) -> None:
        result, service = self._result, self._running
        if not service.is_alive:
            return
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
        self._judge_log(service)

    def _judge_log(self, service: Service, *, ended_in_trouble: bool = False) -> None:
        self._result.require(
            *promises.log_is_clean(service.lines, service.text, self._servers, ended_in_trouble=ended_in_trouble)
        )
