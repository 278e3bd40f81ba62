"""``sync`` beside ``run``: the daemon does the work, and the output is nearly that of a sync of its own."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.demo import SimulatedPlex
from tests.support.logs import Log
from tests.support.servers import film_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


pytestmark = pytest.mark.commands("here")


@pytest.fixture
async def small_plex() -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(film_world("Comedies", "Dramas")) as server:
        yield server
        server.faults.clear()


@pytest.fixture
async def beside(commands, small_plex, config_file):
    """A daemon that runs and is in step, and how to start ``sync`` beside it."""
    file = config_file(small_plex, extra='[sync]\ninterval = "7d"')
    process = await commands.start("run", "--config", file)
    log = Log(process)
    for _ in range(2):
        await log.next("sync.finished")

    async def sync(*arguments: str):
        return await commands.run("sync", "--config", file, *arguments)

    return process, log, sync


@pytest.mark.commands("process")
async def test_a_sync_beside_the_daemon_is_done_by_it(beside, small_plex) -> None:
    """Result and exit code are those of a sync without a daemon; an unknown name is invalid usage."""
    process, log, sync = beside
    small_plex.changes.add_movie("2", "Pandora's Box", 1929)
    everything, one = await asyncio.gather(sync(), sync("--library", "Dramas", "--full", "--json"))
    assert [everything.code, one.code] == [0, 0]
    assert "Comedies" in everything.out
    (library,) = json.loads(one.out)["servers"][0]["libraries"]
    assert (library["library"], library["kind"], library["status"]) == ("Dramas", "full", "ok")

    unknown = await asyncio.gather(sync("--server", "attic"), sync("--library", "Drama", "--json"))
    assert [finished.code for finished in unknown] == [2, 2]
    assert "no active server is named 'attic'" in unknown[0].err
    assert unknown[1].err.count("did you mean 'Dramas'?") == 1
    assert await log.end() == (0, "")
    events = [line["event"] for line in log.lines]
    assert events.count("request.taken") == events.count("request.finished") == 3
    assert process.returncode == 0


async def test_removals_can_be_accepted_beside_the_daemon(beside, small_plex) -> None:
    """It is the daemon that holds them back, and the daemon that lets them go."""
    _, _, sync = beside
    small_plex.quirks.hidden_libraries.add("2")
    blocked = await sync("--full")
    assert blocked.code == 1
    assert "blocked" in blocked.out
    accepted = await sync("--library", "Dramas", "--accept-removals", "--json")
    assert accepted.code == 0
    (library,) = json.loads(accepted.out)["servers"][0]["libraries"]
    assert (library["library"], library["removed"]) == ("Dramas", 2)


@pytest.mark.commands("process")
async def test_syncs_that_wait_for_one_pass_share_it_and_a_daemon_that_is_killed_is_reported(
    beside, small_plex, rows
) -> None:
    """Exit code 75: to try again makes sense, and the request is not lost."""
    process, log, sync = beside
    stuck = small_plex.faults.hang("/library/sections/2/all")
    askers = [asyncio.create_task(sync("--full", "--library", "Dramas")) for _ in range(2)]
    for _ in askers:
        await log.next("request.taken")
    await stuck.reached.wait()
    asked = len(small_plex.requests_for("/library/sections/2/all"))
    process.kill()
    for finished in await asyncio.gather(*askers):
        assert finished.code == 75
        assert "the daemon stopped before it finished the request" in finished.err
        assert "try again" in finished.err
    assert asked == 2  # the first pass, and one for both
    assert rows("SELECT count(*) FROM sync_requests WHERE finished_at IS NULL") == [(2,)]


async def test_a_request_to_the_daemon_needs_no_credential(commands, small_plex, config_file, tmp_path, path) -> None:
    """It is shown to the service only; without the service, or for a dry run, it is missed."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "home").write_text(small_plex.token)
    file = config_file()
    file.write_text(
        f'[database]\npath = "{path}"\n[sync]\ninterval = "7d"\n'
        f'[[servers]]\nname = "home"\nurl = "{small_plex.url}"\ntoken_credential = "home"\n'
    )
    process = await commands.start("run", "--config", file, CREDENTIALS_DIRECTORY=str(credentials))
    log = Log(process)
    for _ in range(2):
        await log.next("sync.finished")

    asked = await commands.run("sync", "--config", file, "--library", "Dramas", "--json")
    assert (asked.code, asked.err) == (0, "")
    assert json.loads(asked.out)["servers"][0]["libraries"][0]["status"] == "ok"
    assert (await commands.run("status", "--config", file)).code == 0
    for needy in (["sync", "--dry-run"], ["servers", "test"], ["discover", "a"]):
        finished = await commands.run(*needy, "--config", file)
        assert finished.code == 78, needy
        assert "$CREDENTIALS_DIRECTORY is not set" in finished.err
    assert await log.end() == (0, "")
    assert (await commands.run("sync", "--config", file)).code == 78
