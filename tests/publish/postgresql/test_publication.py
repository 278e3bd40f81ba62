"""One publisher at a time, whatever happens to the configuration."""

from __future__ import annotations

import asyncio

import pytest

from retrovue_daemon.clock import Clock
from retrovue_daemon.config import parse_config
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.publish.postgresql import publication
from retrovue_daemon.publish.postgresql.publication import Publication
from tests.support.patience import PATIENCE_S


@pytest.mark.parametrize("last", ["c", "a"], ids=["another one", "the first one again"])
async def test_a_publisher_begins_once_the_one_before_has_ended(monkeypatch, last: str) -> None:
    """Several reloads may come while one ends, which takes seconds; the last one counts, and a stop waits."""
    running: list[str] = []
    begun: list[str] = []
    changed, may_end = asyncio.Event(), asyncio.Event()

    async def publish(_database: object, section, _clock: object) -> None:
        assert not running
        running.append(section.schema)
        begun.append(section.schema)
        changed.set()
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            running.remove(section.schema)

    monkeypatch.setattr(publication, "publish", publish)
    work = Publication(None, Redactor(), Clock())  # type: ignore[arg-type]  # not used

    def apply(schema: str) -> None:
        table = {"url": "postgresql://127.0.0.1:1/x", "schema": schema}
        work.apply(parse_config({"postgresql": table}, environ={}).postgresql)

    async with asyncio.timeout(PATIENCE_S):
        apply("a")
        await changed.wait()
        changed.clear()
        for schema in ("b", "x", last):
            apply(schema)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        may_end.set()
        await changed.wait()
        assert begun == ["a", last]
        may_end.clear()
        stopping = asyncio.create_task(work.stop())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not stopping.done()
        may_end.set()
        await stopping
    assert not running
