"""The page as the daemon knows it: something that starts, follows reloads and stops."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import PageUnavailable
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service import daemon, reload
from retrovue_daemon.service.reload import Process
from retrovue_daemon.service.systemd import Notifier
from tests.service.conftest import table
from tests.support.patience import IMPATIENT, PATIENCE_S

if TYPE_CHECKING:
    from retrovue_daemon.config import Config
    from retrovue_daemon.service.background import DaemonParts

pytestmark = pytest.mark.no_groups


class Recorder:
    """A background service that notes what happens to it; ``failure`` keeps it from starting."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.heard: list[object] = []
        self._failure = failure

    async def start(self, parts: DaemonParts) -> None:
        assert not parts.supervisor.started.is_set()
        assert await parts.supervisor.database.reader.execute_fetchall("SELECT 1")
        if self._failure is not None:
            raise self._failure
        self.heard.append("start")

    async def reload(self, config: Config) -> None:
        self.heard.append(config.sync.page_size)

    async def stop(self) -> None:
        self.heard.append("stop")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "PATIENT", IMPATIENT)


async def test_it_runs_as_long_as_the_database_is_open(config, plex, events, monkeypatch) -> None:
    """It follows a reload, and ends before the daemon has stopped."""
    background = Recorder()
    process = Process(None, None, sys.stdout, Redactor(), Notifier(), background=background)
    monkeypatch.setattr(reload, "read_config", lambda *_: config(table(plex), sync={"page_size": 7}))
    monkeypatch.setattr(reload, "configure_logging", lambda **_: None)
    running = asyncio.create_task(daemon.run(config(table(plex)), process))
    await events.count(3, "sync.finished")
    os.kill(os.getpid(), signal.SIGHUP)
    await events.next("config.reloaded")
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        await running
    assert background.heard == ["start", 7, "stop"]


async def test_the_daemon_ends_if_it_cannot_start(config, plex, events) -> None:
    """With its error, before anything was synced, and with the database closed."""
    failure = PageUnavailable("http://127.0.0.1:1/", "address already in use")
    background = Recorder(failure)
    process = Process(None, None, sys.stdout, Redactor(), Notifier(), background=background)
    settings = config(table(plex))
    with pytest.raises(PageUnavailable):
        await daemon.run(settings, process)
    assert background.heard == ["stop"]
    assert "daemon.started" not in [line["event"] for line in events.lines]
    assert not settings.database.path.with_name(settings.database.path.name + "-wal").exists()
