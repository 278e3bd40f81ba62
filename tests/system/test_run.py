"""The service keeps going, ends cleanly on a signal, and reports each failure once."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing

import pytest

from tests.support.processes import SLOW

pytestmark = pytest.mark.commands("development")


async def _next_event(process, *wanted: str) -> dict[str, object]:
    """Read log lines until one of these events comes."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while line := await process.stdout.readline():
            event = json.loads(line)
            if event["event"] in wanted:
                return event
    raise AssertionError(f"the process ended before {wanted}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(commands, plex, config_file, rows, number) -> None:
    """Exit code 0, every line JSON, nothing on standard error, no token anywhere."""
    process = await commands.start("run", "--config", config_file(plex))
    started = await _next_event(process, "daemon.started")
    assert started["servers"] == ["home"]
    await _next_event(process, "sync.finished")
    process.send_signal(number)
    out, err = await process.communicate()
    assert process.returncode == 0
    assert err == b""
    events = [event["event"] for event in map(json.loads, out.splitlines()) if not SLOW.match(f"{event}\n")]
    assert events[-1] == "daemon.stopped"
    # A pass that was under way is reported as cancelled.
    assert set(events[events.index("daemon.stopping") + 1 : -1]) <= {"sync.finished", "items.changed"}
    assert plex.token.encode() not in out
    assert rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_signal_in_the_middle_of_a_page_ends_it_too(commands, plex, config_file, rows) -> None:
    """A server that hangs does not keep it; what was listed before is committed, the pass recorded as cancelled."""
    library = next(library for library in plex.world.libraries.values() if library.title == "TV Shows")
    stuck = plex.faults.hang(f"/library/sections/{library.key}/allLeaves")
    process = await commands.start("run", "--config", config_file(plex))
    async with asyncio.timeout(20):
        await stuck.reached.wait()
    process.terminate()
    async with asyncio.timeout(10):
        await process.communicate()
    assert process.returncode == 0
    stuck.release.set()
    of_library = "FROM libraries l JOIN {} x ON x.library_id = l.id WHERE l.library_key = ?"
    assert rows(f"SELECT x.status {of_library.format('sync_runs')}", library.key) == [("cancelled",)]
    assert rows(f"SELECT count(*) > 0 {of_library.format('shows')}", library.key) == [(1,)]
    assert rows("PRAGMA integrity_check") == [("ok",)]


async def test_it_waits_for_servers_that_are_not_there(commands, config_file) -> None:
    """A service that ended at once would be started again and again."""
    process = await commands.start("run", "--config", config_file())
    await _next_event(process, "daemon.no_servers")
    process.terminate()
    await process.communicate()
    assert process.returncode == 0


async def test_a_signal_ends_it_while_the_database_is_locked(commands, plex, config_file, path) -> None:
    """Also at start, before the first server was contacted."""
    assert (await commands.run("sync", "--config", config_file())).code == 3  # makes the database
    file = config_file(plex)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        process = await commands.start("run", "--config", file)
        await _next_event(process, "daemon.starting")
        process.terminate()
        async with asyncio.timeout(10):
            await process.communicate()
    assert process.returncode == 0


async def test_sigusr1_syncs_now(commands, plex, config_file) -> None:
    """However long the interval is."""
    process = await commands.start("run", "--config", config_file(plex, extra='[sync]\ninterval = "7d"'))
    await _next_event(process, "round.finished")
    process.send_signal(signal.SIGUSR1)
    await _next_event(process, "sync.requested")
    assert (await _next_event(process, "round.finished"))["passes"] == 7
    process.terminate()
    await process.communicate()
    assert process.returncode == 0


async def test_it_syncs_again_and_again(commands, plex, config_file) -> None:
    """At the configured interval; an unchanged library is listed, not written."""
    file = config_file(plex, extra='[sync]\ninterval = "1s"\n[logging]\nlevel = "debug"')
    process = await commands.start("run", "--config", file)
    added: defaultdict[object, list[object]] = defaultdict(list)
    while len(added) < 7 or min(map(len, added.values())) < 2:
        # On a busy machine, a library may be synced again before another one was synced at all.
        done = await _next_event(process, "sync.finished")
        added[done["library"]].append(done["added"])
    assert sum(int(str(first)) for first, *_ in added.values()) > 100
    assert {number for _, *later in added.values() for number in later} == {0}


async def test_a_failure_is_reported_when_it_starts_and_when_it_ends(commands, plex, config_file) -> None:
    """Not at every round in between."""
    file = config_file(plex, extra='[sync]\ninterval = "1s"')
    plex.faults.garble("/identity", times=4)  # two tries in each of two rounds
    process = await commands.start("run", "--config", file)
    failed = await _next_event(process, "server.failed")
    assert "does not respond like a Plex Media Server" in str(failed["error"])
    assert (await _next_event(process, "server.recovered", "server.failed"))["event"] == "server.recovered"
    assert len(plex.requests_for("/identity")) >= 5


async def test_a_second_instance_reports_who_holds_the_database(commands, plex, config_file) -> None:
    """Exit code 75: trying again later makes sense."""
    file = config_file(plex)
    process = await commands.start("run", "--config", file)
    await _next_event(process, "daemon.started")
    second = await commands.run("run", "--config", file)
    assert second.code == 75
    assert f"locked by another process (pid {process.pid})" in second.err


ENDS_BADLY = """
import asyncio, sys, time
from retrovue_daemon.service import daemon
from retrovue_daemon.cli import main
from retrovue_daemon.cli.commands import run
from retrovue_daemon.errors import WriterStopped

async def fail(*_arguments):
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
    raise WriterStopped(sys.argv[3], "it was not there")

daemon.run = fail
run.LEAVING_S = 0.1
main()
"""


async def test_an_end_with_an_error_waits_for_no_thread_either(tmp_path) -> None:
    """The service has to end before it can be started again; the log has the reason."""
    (tmp_path / "config.toml").write_text(f'[database]\npath = "{tmp_path / "mirror.db"}"\n')
    arguments = ("-c", ENDS_BADLY, "run", "--config", str(tmp_path / "config.toml"))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        _, err = await process.communicate()
    assert process.returncode == 1
    assert b"it was not there" in err
