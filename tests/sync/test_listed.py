"""Reading one listing, where something goes wrong between its pages."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from retrovue_daemon.progress import ProgressBoard
from retrovue_daemon.records import Kind, Page, Season
from retrovue_daemon.store.runs import Counts
from retrovue_daemon.sync import listed
from retrovue_daemon.sync.listed import Listed, ListingReader

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

PAGE = Page(0, 1, 1, (Season("7", None, "1", 1, "Season 1", None, trashed=False),))

LookUp: TypeAlias = "Callable[..., Coroutine[Any, Any, dict[str, Any]]]"


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Callable[[LookUp], asyncio.Task[Any]]:
    """Compare a page with the rows that a look-up gives."""

    def begin(look_up: LookUp) -> asyncio.Task[Any]:
        monkeypatch.setattr(listed, "known_rows", look_up)
        library: Any = SimpleNamespace(target=SimpleNamespace(server_id=1, library_id=1))
        equipment: Any = SimpleNamespace(now=lambda: 0, database=SimpleNamespace(reader=None))
        reader = ListingReader(equipment, library, Counts(), ProgressBoard().begin("home", "TV Shows"))
        return asyncio.create_task(reader._compare(Kind.SEASON, PAGE, Listed(), is_new=False))

    return begin


async def test_a_look_up_that_fails_is_told(compare: Callable[[LookUp], asyncio.Task[Any]]) -> None:
    """As it is."""

    async def look_up(*_: object) -> dict[str, Any]:
        await asyncio.sleep(0)
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        await compare(look_up)


async def test_who_is_cancelled_ends_as_cancelled(compare: Callable[[LookUp], asyncio.Task[Any]]) -> None:
    """Also where the look-up fails just then; it is not left running."""
    ended = asyncio.Event()

    async def look_up(*_: object) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            ended.set()
            raise OSError("the disk")
        return {}

    comparing = compare(look_up)
    await asyncio.sleep(0)
    comparing.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([comparing])
    assert comparing.cancelled()
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
