"""SIGHUP to a real service: what changes, what does not, and what is said about it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.store.file.lock import SERVES, database_lock, lock_path
from tests.support.logs import Log
from tests.support.patience import PATIENCE_S
from tests.support.processes import WITHOUT_PRIVILEGE, has, mask_of
from tests.support.servers import Gauge, MeasuredPlex, film_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


pytestmark = pytest.mark.commands("here")


@pytest.fixture
async def plexes() -> AsyncIterator[tuple[MeasuredPlex, SimulatedPlex]]:
    """A small server that stays, and a large one that comes and goes."""
    home = MeasuredPlex(film_world("Comedies", "Dramas"), Gauge(), token="token-of-home")
    attic = SimulatedPlex(built_in_library(), token="token-of-attic")
    async with home, attic:
        yield home, attic


@pytest.fixture
def write(tmp_path: Path, path: Path) -> Callable[..., Path]:
    """Write the configuration's file."""

    def work(*servers: str, **sections: str) -> Path:
        file = tmp_path / "config.toml"
        file.touch(mode=0o600)
        tables = {"database": f'path = "{path}"', **sections}
        texts = [
            *(f"[{name}]\n{text}" for name, text in tables.items()),
            *(f"[[servers]]\n{each}" for each in servers),
        ]
        file.write_text("\n\n".join(texts) + "\n")
        return file

    return work


@pytest.fixture
def last_reload(commands, path) -> Callable[[], Awaitable[Any]]:
    """Return what `status` says of the last reload."""

    async def read() -> Any:
        finished = await commands.run("status", "--json", "--database", path)
        assert finished.code == 0, finished.err
        return json.loads(finished.out)["last_reload"]

    return read


HOME = 'name = "home"\nurl = "{url}"\ntoken_file = "home.token"'


async def test_a_rotated_token_is_read_again_and_a_storm_changes_nothing(
    commands, plexes, write, rows, tmp_path
) -> None:
    """Over the session and by the schedule that there were before; fifty signals are a few reloads."""
    home, _ = plexes
    token_file = tmp_path / "home.token"
    token_file.touch(mode=0o600)
    token_file.write_text("an-old-token")
    # One request at a time takes one connection, however the passes share the time; each connection for notifications
    # is one more, and is followed by a poll.
    table = HOME.format(url=home.url) + "\nconcurrency = 1\nnotifications = false"
    process = await commands.start("run", "--config", write(table, sync='interval = "7d"'))
    log = Log(process)
    await log.next("server.unauthorized")
    # The file of the configuration says the same as before.
    token_file.write_text(home.token)
    process.send_signal(signal.SIGHUP)
    assert (await log.next("config.reloaded"))["changed"] == ["home"]
    # The passes begin before the reload is over, and may end before it.
    await log.count(1, "round.finished", server="home", failed=0)
    connections, looks, before = len(home.connections), len(home.requests_for("/identity")), len(log.lines)

    # The token that is in use stays in use.
    token_file.unlink()
    for _ in range(50):
        process.send_signal(signal.SIGHUP)
    await log.next("config.unchanged")
    process.send_signal(signal.SIGUSR1)
    await log.count(2, "round.finished", server="home", failed=0)
    assert await log.end() == (0, "")
    assert 1 <= [line["event"] for line in log.lines[before:]].count("config.unchanged") <= 25
    assert len(home.connections) == connections
    assert len(home.requests_for("/identity")) == looks + 1
    assert "an-old-token" not in log.text
    assert home.token not in log.text
    assert rows("SELECT token FROM plex_servers") == [(None,)]


async def test_a_file_that_cannot_be_used_changes_nothing(commands, plexes, write, tmp_path) -> None:
    """All problems are reported with the paths of their keys, also those that need a restart; nothing changes."""
    home, attic = plexes
    home_table = f'name = "home"\nurl = "{home.url}"\ntoken = "{home.token}"'
    attic_table = f'name = "attic"\nurl = "{attic.url}"\ntoken = "{attic.token}"'
    process = await commands.start("run", "--config", write(home_table, sync='interval = "7d"'))
    log = Log(process)
    await log.next("daemon.started")
    write(home_table + "\ncolour = 1", attic_table.replace("http", "gopher"), sync='interval = "soon"')
    process.send_signal(signal.SIGHUP)
    failed = await log.next("config.reload_failed")
    assert {told.split(":")[0] for told in failed["problems"]} == {
        "servers[0].colour",
        "servers[1].url",
        "sync.interval",
    }
    elsewhere = f'path = "{tmp_path / "elsewhere.db"}"'
    write(home_table, attic_table, database=elsewhere, web='listen = "127.0.0.1:8181"')
    process.send_signal(signal.SIGHUP)
    failed = await log.next("config.reload_failed")
    assert {told.split(":")[0] for told in failed["problems"]} == {"database.path", "web.listen"}
    assert "restart" in failed["hint"]
    await log.count(2, "sync.finished", server="home", status="ok")
    assert await log.end() == (0, "")
    assert not attic.requests
    assert not (tmp_path / "elsewhere.db").exists()


async def test_servers_come_and_go_and_mappings_and_levels_change(commands, plexes, write, rows) -> None:
    """At once, also in the middle of a pass and without the network; no row is deleted."""
    home, attic = plexes
    home_table = f'name = "home"\nurl = "{home.url}"\ntoken = "{home.token}"'
    attic_table = f'name = "attic"\nurl = "{attic.url}"\ntoken = "{attic.token}"'
    process = await commands.start("run", "--config", write(home_table))
    log = Log(process)
    for _ in range(2):
        await log.next("sync.finished", server="home")
    stuck = attic.faults.hang("/library/sections/1/all")
    write(home_table, attic_table)
    process.send_signal(signal.SIGHUP)
    assert (await log.next("config.reloaded"))["added"] == ["attic"]
    await stuck.reached.wait()

    await home.stop()
    mapping = '[[servers.path_mappings]]\nplex_path = "/srv"\nlocal_path = "/mnt"'
    write(f"{home_table}\n{mapping}", logging='level = "warning"')
    process.send_signal(signal.SIGHUP)
    recomputed = [await log.next("paths.recomputed", server="home") for _ in range(2)]
    assert [line["files"] for line in recomputed] == [2, 2]
    reloaded = await log.next("config.reloaded")
    assert (reloaded["changed"], reloaded["removed"], reloaded["sections"]) == (["home"], ["attic"], ["logging"])
    assert rows("SELECT count(*) FROM media_files WHERE server_id = 1 AND file_path NOT LIKE '/mnt/%'") == [(0,)]
    stuck.release.set()

    said = len(log.lines)
    assert await log.end() == (0, "")
    assert [line for line in log.lines[said:] if line["level"] == "info"] == []
    assert rows("SELECT name, is_active, source FROM plex_servers ORDER BY id") == [
        ("home", 1, "config"),
        ("attic", 0, "config"),
    ]
    assert rows("SELECT count(*) > 0 FROM sync_runs WHERE status = 'cancelled' AND server_id = 2") == [(1,)]
    assert rows("SELECT count(*) FROM movies WHERE server_id = 1") == [(4,)]


# -- the command ----------------------------------------------------------------------------------------------------


async def test_the_command_reloads_the_daemon_that_has_the_database(
    commands, plex, config_file, path, last_reload
) -> None:
    """Found by its lock, also by a link to the database; with a mistake in the file the daemon is not signaled."""
    file = config_file(plex)
    process = await commands.start("run", "--config", file)
    log = Log(process)
    await log.next("daemon.started")
    good = file.read_text()
    assert await last_reload() is None

    file.write_text(good + "retires = 3\n")
    finished = await commands.run("reload", "--json", "--config", file)
    assert finished.code == 78
    told = json.loads(finished.out)
    assert (told["told"], told["outcome"]) == (False, "refused")
    assert "retires" in finished.err
    assert await last_reload() is None

    file.write_text(good + '[sync]\ninterval = "7m"\n')
    finished = await commands.run("reload", "--config", file)
    applied = f"the daemon (pid {process.pid}) applied the new configuration: sections changed: sync\n"
    assert (finished.code, finished.out, finished.err) == (0, applied, "")
    assert (await log.next("config.reloaded", "config.reload_failed"))["sections"] == ["sync"]

    link = path.with_name("link.db")
    link.symlink_to(path)
    finished = await commands.run("reload", "--json", "--config", file, "--database", link)
    told = json.loads(finished.out)
    assert finished.code == 0
    asked = {"told": True, "pid": process.pid, "database": str(link), "warnings": []}
    assert told == asked | await last_reload()
    assert told["outcome"] == "unchanged"
    finished = await commands.run("reload", "--config", file)
    assert (finished.code, finished.out) == (0, f"the daemon (pid {process.pid}) found nothing changed\n")
    assert (await log.end())[0] == 0
    assert not [line for line in log.lines if line["event"] == "config.reload_failed"]


async def test_the_command_prints_all_that_the_daemon_refused(commands, plexes, write, last_reload) -> None:
    """Keys that need a restart, and what only the daemon cannot read; the status shows it until after a restart."""
    home, attic = plexes
    tables = [
        f'name = "home"\nurl = "{home.url}"\ntoken = "{home.token}"',
        f'name = "attic"\nurl = "{attic.url}"\ntoken_env = "ATTIC"',
    ]
    file = write(tables[0], sync='interval = "7d"')
    process = await commands.start("run", "--config", file)
    log = Log(process)
    await log.next("daemon.started")

    write(*tables)
    finished = await commands.run("reload", "--config", file, ATTIC=attic.token)
    assert (finished.code, finished.out) == (78, "")
    refused = f"error: the daemon (pid {process.pid}) refused the new configuration and keeps the old one: "
    assert finished.err.startswith(f"{refused}servers[1].token_env: names an environment variable")

    write(tables[0], database=f'path = "{file.with_name("mirror.db")}"\nmode = "0640"', web='listen = "127.0.0.1:1"')
    finished = await commands.run("reload", "--json", "--config", file)
    assert finished.code == 78
    assert finished.err.splitlines() == [
        f"{refused}2 problems",
        "  database.mode: cannot change while the daemon runs",
        "  web.listen: cannot change while the daemon runs",
        "hint: restart the daemon to apply the change; until then the old configuration stays in use",
    ]
    told = json.loads(finished.out)
    assert told["outcome"] == "refused"
    assert [problem["path"] for problem in told["problems"]] == ["database.mode", "web.listen"]
    shown = (await commands.run("status", "--config", file)).out
    assert "reload    refused" in shown
    assert "          web.listen: cannot change while the daemon runs" in shown
    assert await log.end() == (0, "")

    # Without the page: only a privileged user may listen on port 1.
    write(tables[0], database=f'path = "{file.with_name("mirror.db")}"\nmode = "0640"')
    again = Log(await commands.start("run", "--config", file))
    await again.next("daemon.started")
    async with asyncio.timeout(PATIENCE_S):
        while not (await last_reload())["before_start"]:
            pass
    assert "before the last start" in (await commands.run("status", "--config", file)).out
    assert await again.end() == (0, "")


async def test_a_reload_by_hand_is_stored_too(commands, plexes, write, last_reload) -> None:
    """What came, what changed, what left."""
    home, attic = plexes
    home_table = f'name = "home"\nurl = "{home.url}"\ntoken = "{home.token}"'
    file = write(home_table)
    process = await commands.start("run", "--config", file)
    log = Log(process)
    await log.next("daemon.started")
    write(f'{home_table}\ntimeout = "9s"', f'name = "attic"\nurl = "{attic.url}"\ntoken = "{attic.token}"')
    process.send_signal(signal.SIGHUP)
    await log.next("config.reloaded")
    async with asyncio.timeout(PATIENCE_S):
        while (stored := await last_reload()) is None:
            pass
    assert (stored["outcome"], stored["added"], stored["changed"]) == ("applied", ["attic"], ["home"])
    finished = await commands.run("status", "--config", file)
    assert ": servers added: attic; servers changed: home\n" in finished.out
    assert await log.end() == (0, "")


async def _got_the_signal(process: asyncio.subprocess.Process) -> None:
    """Wait until SIGHUP waits for a process that is stopped."""
    async with asyncio.timeout(PATIENCE_S):
        while not has(mask_of(process, "ShdPnd"), signal.SIGHUP):  # noqa: ASYNC110 -- no event reports it
            await asyncio.sleep(0)


async def test_a_daemon_that_does_not_answer_or_ends_meanwhile_is_reported(commands, plex, config_file) -> None:
    """The command does not wait forever; a signal that was sent still counts."""
    file = config_file(plex)
    process = await commands.start("run", "--config", file)
    log = Log(process)
    await log.next("daemon.started")
    process.send_signal(signal.SIGSTOP)
    finished = await commands.run("reload", "--timeout", "1", "--config", file)
    assert (finished.code, finished.out) == (1, "")
    assert f"the daemon (pid {process.pid}) did not report the result of the reload within 1 s" in finished.err
    assert "`retrovue-daemon status`" in finished.err
    process.send_signal(signal.SIGCONT)
    await log.next("config.unchanged")

    process.send_signal(signal.SIGSTOP)
    waiting = await commands.start("reload", "--config", file)
    await _got_the_signal(process)
    process.kill()
    _, err = await waiting.communicate()
    assert waiting.returncode == 75
    assert b"the daemon stopped before it finished the request" in err
    assert b"hint: the next daemon reads the configuration when it starts" in err


async def test_a_caller_who_may_only_read_the_database_gets_the_verdict(commands, plex, config_file, path) -> None:
    """Nothing is written by the command."""
    file = config_file(plex)
    log = Log(await commands.start("run", "--config", file))
    await log.next("daemon.started")
    place = path.parent
    for each in place.glob(f"{path.name}*"):
        each.chmod(0o444)
    place.chmod(0o555)
    try:
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WITHOUT_PRIVILEGE, "reload", "--config", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
        )
        out, err = await reader.communicate()
    finally:
        place.chmod(0o755)
    assert (reader.returncode, err) == (0, b"")
    assert b"found nothing changed" in out
    assert await log.end() == (0, "")


async def test_without_a_daemon_the_command_says_so(commands, plex, config_file, path) -> None:
    """Nobody is there, or what has the database is no daemon."""
    file = config_file(plex)
    finished = await commands.run("reload", "--config", file)
    assert finished.code == 1
    assert "no daemon is running for it" in finished.err
    assert "--database" in finished.err
    with database_lock(path):
        finished = await commands.run("reload", "--config", file)
    assert finished.code == 75
    assert "no daemon" in finished.err


async def test_only_the_holder_of_the_lock_gets_the_signal(commands, plex, config_file, path) -> None:
    """The lock file may name a process of another container, whose number here belongs to another process."""
    bystander = await commands.start("demo", "--serve", "--json")
    await bystander.stdout.readline()
    with database_lock(path):
        lock_path(path).write_text(f"{bystander.pid}{SERVES}\n")
        finished = await commands.run("reload", "--config", config_file(plex))
        assert finished.code == 1
        assert f"pid {bystander.pid}" in finished.err
        assert "cannot signal the daemon" in finished.err
        lock_path(path).write_text(f"4194304{SERVES}\n")  # more than any process id
        assert "No such process" in (await commands.run("reload", "--config", config_file(plex))).err
    bystander.terminate()
    assert await bystander.wait() == 0  # SIGHUP would have ended it
