"""Reading one listing, where something goes wrong between its pages."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from retrovue_daemon.records import Kind, Page, Season
from retrovue_daemon.store.items.digests import digests
from retrovue_daemon.store.items.lookup import KnownRow
from retrovue_daemon.store.tables.runs import Counts
from retrovue_daemon.sync.completeness import Listed
from retrovue_daemon.sync.listing import ListingReader
from retrovue_daemon.sync.progress import ProgressBoard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from retrovue_daemon.store.items.upserts import Change

STORED, OTHER = (Season("7", None, None, 1, title, None, trashed=False) for title in ("Season 1", "Specials"))

LookUp: TypeAlias = "Callable[..., Awaitable[tuple[dict[str, Any], dict[int, Any]]]]"


@pytest.fixture
def compare() -> Callable[..., asyncio.Task[Any]]:
    """Compare pages of some seasons with the rows that a look-up gives; the changes of all come out."""

    def begin(look_up: LookUp, *pages: tuple[Season, ...]) -> asyncio.Task[Any]:
        library: Any = SimpleNamespace(target=SimpleNamespace(server_id=1, library_id=1))
        context: Any = SimpleNamespace(now=lambda: 0, database=SimpleNamespace(reader=SimpleNamespace(run=look_up)))
        reader = ListingReader(context, library, Counts(), ProgressBoard().begin("home", "TV Shows"))

        async def all_of_them() -> list[Change]:
            listed = Listed()
            return [
                change
                for items in pages or ((STORED,),)
                for change in await reader._compare(Kind.SEASON, Page(0, 1, 1, items), listed, is_new=False)
            ]

        return asyncio.create_task(all_of_them())

    return begin


async def _stored(*_: object) -> tuple[dict[str, KnownRow], dict[int, Any]]:
    return {"7": KnownRow(1, 1, "active", digests([STORED])[0])}, {}


@pytest.mark.parametrize(
    ("pages", "written"),
    [
        ([(STORED,)], []),
        ([(STORED, STORED), (STORED,)], []),
        ([(OTHER,)], [OTHER]),
        ([(OTHER, STORED)], [OTHER, STORED]),
        ([(OTHER,), (STORED,)], [OTHER, STORED]),
        ([(STORED,), (OTHER,)], [OTHER]),
    ],
)
async def test_what_is_shown_twice_is_written_as_it_was_shown_last(
    compare: Callable[..., asyncio.Task[Any]], pages: list[tuple[Season, ...]], written: list[Season]
) -> None:
    """Also where that is as it was stored before; what is always as it is stored is not written."""
    assert [change.item for change in await compare(_stored, *pages)] == written


async def test_a_look_up_that_fails_is_reported(compare: Callable[..., asyncio.Task[Any]]) -> None:
    """As it is."""

    async def look_up(*_: object) -> tuple[dict[str, Any], dict[int, Any]]:
        await asyncio.sleep(0)
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        await compare(look_up)


async def test_a_cancelled_comparison_ends_as_cancelled(compare: Callable[..., asyncio.Task[Any]]) -> None:
    """No task is left that waits for the look-up."""
    looking = asyncio.get_running_loop().create_future()
    comparing = compare(lambda *_: looking)
    await asyncio.sleep(0)
    comparing.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([comparing])
    assert comparing.cancelled()
    assert looking.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
