"""Work that goes on after the response."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from retrovue_daemon.errors import StoreError
from retrovue_daemon.web.tasks import Tasks


async def test_long_work_goes_on_and_is_not_begun_twice(events) -> None:
    """A second request for the same waits for the first one; what fails is logged and raised."""
    tasks, may_end, begun = Tasks(patience_s=0.0), asyncio.Event(), []

    async def work() -> None:
        begun.append(1)
        await may_end.wait()

    assert not await tasks.run("removal", work())
    assert not await tasks.run("removal", work())
    may_end.set()
    assert await Tasks(patience_s=60.0).run("removal", work())
    await asyncio.gather(*tasks._running.values())
    assert len(begun) == 2

    async def fail() -> None:
        raise StoreError(Path("/db"), "locked")

    with pytest.raises(StoreError):
        await Tasks(patience_s=60.0).run("removal", fail())
    assert (await events.next("web.task_failed"))["task"] == "removal"


async def test_the_end_of_the_page_ends_all_work() -> None:
    """What is half done can be begun again."""
    tasks, ended = Tasks(patience_s=0.0), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    await tasks.run("removal", work())
    await tasks.close()
    assert ended == [1]
    with pytest.raises(ZeroDivisionError):
        await Tasks(patience_s=60.0).run("bug", _bug())


async def _bug() -> None:
    raise ZeroDivisionError
