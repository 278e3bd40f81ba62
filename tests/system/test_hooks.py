"""A daemon that is killed between a delivery and its record delivers twice at most, and loses nothing."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from tests.publish.hooks.conftest import receiver  # noqa: F401 -- a fixture
from tests.support.logs import Log

if TYPE_CHECKING:
    from tests.publish.hooks.conftest import Receiver

HOOKS = """
[[hooks]]
name = "{name}"
on = ["changes", "sync.finished:ok", "daemon.started"]
url = "{url}"
wait = "0s"
"""


@pytest.mark.no_groups
async def test_sigkill_loses_nothing_and_no_pass_waits(commands, plex, config_file, rows, receiver: Receiver) -> None:  # noqa: F811 -- the fixture
    """Passes go on while the receiver holds its response; a reload replaces the hook; the log has no password."""
    receiver.held = asyncio.Event()
    url = receiver.url.replace("//", "//me:s3cr3t-pw@")
    file = config_file(plex)
    plain = file.read_text()
    file.write_text(plain + HOOKS.format(name="a", url=url))
    process = await commands.start("run", "--config", file)
    log = Log(process)
    first = await receiver.next()
    assert first["changes"][0]["kind"] == "server"
    await log.next("round.finished")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    ((events,),) = rows("SELECT count(*) FROM hook_events WHERE event = 'sync.finished'")
    assert events >= 1
    receiver.held.set()
    receiver.held = None
    process = await commands.start("run", "--config", file)
    log = Log(process)
    bodies = [await receiver.next()]
    while not bodies[-1]["changes"]:
        bodies.append(await receiver.next())
    assert bodies[-1]["changes"][0] == first["changes"][0]  # the second time
    found = [(event["id"], event["event"]) for body in bodies for event in body["events"]]
    assert found == sorted(set(found))
    assert found[0][1] == "daemon.started"
    assert sum(name == "sync.finished" for _, name in found) >= events
    films = {each["id"] for each in bodies[-1]["changes"] if each["kind"] == "movie"}
    ((stored,),) = rows("SELECT count(*) FROM movies")
    while len(films) < stored:
        films |= {each["id"] for each in (await receiver.next())["changes"] if each["kind"] == "movie"}
    file.write_text(plain + HOOKS.format(name="b", url=url))
    process.send_signal(signal.SIGHUP)
    assert (await log.next("config.reloaded"))["sections"] == ["hooks"]
    assert rows("SELECT name FROM hooks") == [("b",)]
    code, err = await log.end()
    assert (code, err) == (0, "")
    assert "s3cr3t-pw" not in log.text
