"""Jumps of the system clock, by hours to decades in both directions, under a running daemon."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.chaos import promises, worlds
from tests.chaos.processes import Gone, Service
from tests.chaos.requests import sync_fully
from tests.chaos.results import Result

if TYPE_CHECKING:
    from pathlib import Path

HOUR_S, DAY_S = 3600, 86_400
JUMPS = (-20 * 365 * DAY_S, -40 * DAY_S, -DAY_S, -HOUR_S, HOUR_S, DAY_S, 40 * DAY_S, 400 * DAY_S, 20 * 365 * DAY_S)


async def trial(seed: int, home: Path) -> Result:
    """Let the clock jump between passes; what is missing keeps its row, as no time has passed."""
    chooser, result = random.Random(seed), Result("clocks", seed)
    plex = worlds.small_server(chooser)
    servers = {"home": plex}
    memory = promises.Memory(home / "mirror.db")
    clock = home / "clock"
    clock.write_text("0")
    async with plex:
        config = worlds.write_config(home, servers, sync='interval = "5s"')
        await worlds.sync_here(home, servers)
        gone = [int(row.key) for row in memory.mirror("home").items.values() if row.table == "movies"][:3]
        for item in gone:
            plex.changes.delete(item)
        await worlds.sync_here(home, servers)
        missing = {key: row.id for key, row in memory.mirror("home").items.items() if not row.present}
        result.require(*memory.look(servers))
        service = await Service.run(home, config, CHAOS_SPEED="10", CHAOS_CLOCK=str(clock))
        try:
            await service.wait(lambda: service.of("daemon.started"), "start")
            for _ in range(chooser.randint(2, 4)):
                clock.write_text(str(chooser.choice(JUMPS)))
                result.count("clock jumps")
                worlds.change(plex, chooser, 2)
                await asyncio.sleep(chooser.uniform(0.3, 0.9))
                result.require(*memory.look(servers))
            await sync_fully(service, memory.database)
            result.require(*memory.look_at_equal(servers))
            code, complaints = await service.end()
            if code or complaints:
                result.require(f"the daemon ended with {code}: {complaints[:2000]}")
        except Gone as error:
            result.require(str(error))
        finally:
            await service.kill()
        after = memory.mirror("home")
        lost = {key for key, row_id in missing.items() if key not in after.items or after.items[key].id != row_id}
        result.require(*(f"{key} was missing for seconds, and its row is gone" for key in sorted(lost)))
        result.require(*promises.log_is_clean(service.lines, service.text, servers))
    return result
