"""``/healthz`` and ``/readyz``."""

from __future__ import annotations

import asyncio
import threading

import pytest

pytestmark = pytest.mark.no_groups


async def test_a_writer_that_hangs_is_not_alive(serve_page) -> None:
    """After a minute, in which it may wait for another program's lock; reading goes on meanwhile."""
    served = await serve_page()
    assert (await served.get("/healthz")).text == "ok\n"
    hung, release = threading.Event(), threading.Event()

    def hang(_connection: object) -> None:
        hung.set()
        release.wait()

    working = await served.database.writer.submit(hang)
    await asyncio.to_thread(hung.wait)
    await served.get("/healthz")
    served.clock.lived += 30
    assert (await served.get("/healthz")).status == 200
    served.clock.lived += 31
    failed = await served.get("/healthz")
    assert (failed.status, failed.text) == (503, "the writer does not respond\n")
    assert (await served.get("/")).status == 200
    release.set()
    await working
    await served.database.writer.catch_up()
    assert (await served.get("/healthz")).status == 200


async def test_the_daemon_is_ready_once_it_syncs(serve_page, plex) -> None:
    """Also if no server can be reached."""
    served = await serve_page()
    starting = await served.get("/readyz")
    assert (starting.status, starting.text) == (503, "the daemon is starting\n")
    served.supervisor.started.set()
    assert (await served.get("/readyz")).text == "ok\n"
