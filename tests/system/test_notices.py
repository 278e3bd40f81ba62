"""What systemd hears of a real service, from its first word to its last."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.logs import Log
from tests.support.processes import NotifySocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[NotifySocket]:
    listener = NotifySocket(tmp_path / "notify")
    yield listener
    listener.close()


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000


async def test_systemd_hears_all_that_it_has_to_know(commands, plex, config_file, path, systemd) -> None:
    """Ready, busy, in trouble, alive, reloading and done with it in every case, stopping."""
    stuck = plex.faults.hang("/library/sections/1/all")
    file = config_file(plex)
    whole = file.read_text()
    file.write_text(whole + '[[servers]]\nname = "attic"\nurl = "http://127.0.0.1:9"\ntoken = "any-token"\n')
    process = await commands.start("run", "--config", file, NOTIFY_SOCKET=str(systemd.path), WATCHDOG_USEC="400000")
    log = Log(process)
    await systemd.next(lambda told: "READY" in told)
    assert [list(told) for told in systemd.heard] == [["EXTEND_TIMEOUT_USEC"], ["READY"]]
    assert not log.lines
    await log.next("server.unreachable", server="attic")
    wrong = "server 'attic' cannot be reached: Connection refused (127.0.0.1:9)"
    title = plex.world.libraries["1"].title
    busy = await systemd.next(lambda told: told.get("STATUS") == f"syncing home/{title}; {wrong}")
    assert plex.token not in busy["STATUS"]
    stuck.release.set()
    await systemd.next(lambda told: told.get("STATUS") == f"idle; {wrong}")

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(8):
            await systemd.next(lambda told: "WATCHDOG" in told)

    for text, event in ((whole, "config.reloaded"), (whole + "colour = 1", "config.reload_failed")):
        file.write_text(text)
        before = _now()
        process.send_signal(signal.SIGHUP)
        began = await systemd.next(lambda told: "RELOADING" in told)
        assert before <= int(began["MONOTONIC_USEC"]) <= _now()
        await systemd.next(lambda told: "READY" in told)
        await log.next(event)

    before = len(systemd.heard)
    process.terminate()
    await systemd.next(lambda told: "STOPPING" in told)
    assert systemd.heard[-1]["STATUS"] == "stopping: writing what was read"
    extended = await systemd.next(lambda told: "EXTEND_TIMEOUT_USEC" in told)
    assert extended == {"EXTEND_TIMEOUT_USEC": "30000000"}
    assert (await log.end())[0] in {0, -signal.SIGTERM}
    assert not [told for told in systemd.heard[before:] if "READY" in told]
