"""What passes cost, in numbers that do not depend on the machine: requests, rows, queries, pages held."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections import Counter
from contextlib import closing, contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiosqlite
import msgspec
import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.records import Page
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sources.plex import pages as pages_of_plex
from retrovue_daemon.sources.plex.parse import parse_page
from retrovue_daemon.store.connection import Connection, data_version
from retrovue_daemon.store.file.restore_mark import restore_mark
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.writer import Writer
from tests.support.servers import Gauge, MeasuredPlex, film_world, without_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from retrovue_daemon.config import Config
    from retrovue_daemon.service.report import ServerReport
    from tests.support.rounds import Engine

FULL = Selection(full=True)
LIBRARIES = 2
"""Of a generated world: films and shows."""

ROWS_A_LOOK = 3
"""Rows that a full pass over an unchanged library may write: its marks, its record, and the server's."""


@pytest.fixture
def in_pages(config, path) -> Callable[..., Config]:
    """Configure a server whose listings are cut into pages, and written in batches, of so many items."""

    def make(plex: SimulatedPlex, size: int, **server: object) -> Config:
        database = {"path": str(path), "batch_size": size}
        return config(plex, database=database, sync={"page_size": size}, server=server)

    return make


def _pages(reports: list[ServerReport]) -> int:
    return sum(done.run.counts.pages for report in reports for done in report.passes)


VISITS_A_SERVER = 19
VISITS_A_LIBRARY = {"movie": 4, "show": 8}
"""Calls to the database's threads in a first sync of one page per listing, the writer's included."""

TRANSACTIONS_A_SERVER = 6
TRANSACTIONS_A_LIBRARY = {"movie": 2, "show": 4}
"""One for each kind of item, and one at the end of the pass."""

A_ROUND = 22
"""Queries that a library's round may need beside its pages and batches."""

A_BATCH = 50
"""Statements of a batch, however many items it has: three tables, with a few sizes of insertion each."""


# Requests --------------------------------------------------------------------------------------------------------


async def test_a_full_pass_requests_each_page_once(engine, in_pages) -> None:
    """Three requests of the server, one per page, and one whether it has labels, whenever it is done."""
    world = without_groups(generated_library(movies=60, shows=30, episodes=40, season=13))
    counts = [len(list(items)) for items in (world.movies(), world.shows(), world.seasons(), world.episodes())]
    expected = sum(ceil(count / 50) for count in counts)
    async with SimulatedPlex(world) as plex:
        running = await engine(in_pages(plex, 50))
        for _ in range(2):
            plex.requests.clear()
            assert _pages(await running.round(FULL)) == expected
            assert len(plex.requests) == 3 + expected + 1


async def test_labels_cost_a_list_per_kind_and_a_listing_per_label(engine, config) -> None:
    """Once there are some; a library where no item has any costs the lists alone."""
    world = without_groups(generated_library(movies=10, shows=2, episodes=5, show_libraries=2))
    async with SimulatedPlex(world) as plex:
        for item in (next(plex.world.movies()), next(plex.world.movies()), next(plex.world.episodes())):
            plex.rich.add_label(item.id, "Kids")
        running = await engine(config(plex))
        for asked_first in (1, 0):
            plex.requests.clear()
            await running.round(FULL)
            asked = Counter(request.path.rpartition("/")[2] for request in plex.requests)
            listings = sum("label" in request.query for request in plex.requests)
            assert (asked["tags"], asked["label"], listings) == (asked_first, 1 + 2 * 2, 2)


async def test_a_poll_costs_the_same_whatever_the_size_of_the_library(engine, in_pages) -> None:
    """Three requests of the server, one of a film library, three of a show library; also where pages are small."""
    world = generated_library(movies=60, shows=30, episodes=40)
    # Each is listed with a time long ago, but for one: what is new as it is always fits on a page.
    for item in list(world.items.values()):
        world.put(msgspec.structs.replace(item, updated_at=item.added_at - 86_400))
    async with SimulatedPlex(world) as plex:
        running = await engine(in_pages(plex, 25))
        await running.round(FULL)
        plex.requests.clear()
        await running.round()
        asked = Counter(request.path for request in plex.requests)
        assert asked == {
            "/identity": 1,
            "/library/sections": 1,
            "/library/all": 1,
            "/library/sections/1/all": 1,
            "/library/sections/2/all": 3,
        }


@pytest.mark.parametrize("concurrency", [1, 2, 4])
async def test_pages_fetched_ahead_stay_within_the_servers_concurrency(engine, in_pages, concurrency) -> None:
    """Two libraries want up to three pages each at a time; the server never has more than allowed to answer."""
    gauge = Gauge()
    world = generated_library(movies=0, shows=8, episodes=100, show_libraries=2)
    leaves = "/library/sections/*/allLeaves"
    async with MeasuredPlex(world, gauge) as plex:
        running = await engine(in_pages(plex, 25, concurrency=concurrency))
        stuck = plex.faults.hang(leaves, times=None, after=2)
        round_ = asyncio.create_task(running.round(FULL))
        await plex.asked(leaves, times=2 + concurrency)
        # From here on answers take so long that one request too many would meet the others.
        plex.quirks.latency = 0.01
        stuck.release.set()
        await round_
        assert len(plex.requests_for(leaves)) == 2 * 400 / 25
        assert gauge.requests[plex.url] == concurrency


# Rows ------------------------------------------------------------------------------------------------------------


async def _written(running: Engine, selection: Selection) -> int:
    """Return how many rows a round writes."""
    before = await running.changes()
    await running.round(selection)
    return await running.changes() - before


@pytest.mark.parametrize("shows", [2, 20])
async def test_a_full_pass_without_changes_writes_no_item(engine, shows) -> None:
    """Its record and the marks of its library are all, however many items it lists."""
    async with SimulatedPlex(generated_library(movies=shows * 5, shows=shows, episodes=30)) as plex:
        running = await engine(plex)
        assert await _written(running, FULL) > shows * 30
        assert await _written(running, FULL) <= LIBRARIES * ROWS_A_LOOK


async def test_a_full_pass_writes_what_changed_and_nothing_else(engine) -> None:
    """An episode, its file, its place in the queue of the index, and its external ids anew: so many rows for each."""
    async with SimulatedPlex(generated_library(movies=5, shows=10, episodes=30)) as plex:
        running = await engine(plex)
        await running.round(FULL)
        unchanged = await _written(running, FULL)
        episodes = list(plex.world.episodes())[::20]
        for episode in episodes:
            plex.changes.edit(episode.id, title="Edited")
        written = await _written(running, FULL) - unchanged
        guids = 1 + len(episodes[0].external_guids)
        # And an entry of the change feed, which is written once more when the pass has ended.
        assert len(episodes) <= written <= len(episodes) * (3 + 2 * guids) + 2


# Queries ---------------------------------------------------------------------------------------------------------


class Queries:
    """Counts the queries that the two connections of a database run."""

    def __init__(self) -> None:
        self.reader = 0
        self.looked_up = 0
        """Of those the ones for what is stored of some items."""
        self.writer = 0
        self.written = 0
        """Statements of any kind, which a statement of many rows is one of."""
        self._last: str | None = None

    async def of(self, running: Engine) -> None:
        await running.database.reader.set_trace_callback(self._read)
        await running.database.writer.run(lambda connection: connection.set_trace_callback(self._wrote))

    def _read(self, statement: str) -> None:
        self.reader += _is_query(statement)
        self.looked_up += "json_group_object" in statement

    def _wrote(self, statement: str) -> None:
        if statement == self._last:
            return  # for each row that has a trigger, SQLite reports the statement once more
        self._last = statement
        self.writer += _is_query(statement)
        self.written += 1


def _is_query(statement: str) -> bool:
    return statement.lstrip().upper().startswith(("SELECT", "WITH"))


async def test_a_first_pass_looks_nothing_up(engine, in_pages) -> None:
    """There is nothing yet to compare its pages with, and the parents of its items were listed before them."""
    async with SimulatedPlex(
        without_groups(generated_library(movies=100, shows=10, episodes=100, season=10))
    ) as plex:
        running = await engine(in_pages(plex, 25))
        queries = Queries()
        await queries.of(running)
        assert _pages(await running.round(FULL)) > 2 * A_ROUND
        assert queries.reader <= LIBRARIES * A_ROUND


async def test_a_quick_pass_that_shows_nothing_looks_nothing_up(engine, in_pages, path) -> None:
    """There are no items to look for."""
    async with SimulatedPlex(without_groups(generated_library(movies=50, shows=2, episodes=10, season=10))) as plex:
        running = await engine(in_pages(plex, 25))
        await running.round(FULL)
        queries = Queries()
        await queries.of(running)
        assert 0 < _pages(await running.round(FULL)) == queries.looked_up

        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE libraries SET watermark = watermark + 86400")
        queries.looked_up = 0
        (report,) = await running.round(Selection())
        assert [(done.run.kind, done.run.counts.listed) for done in report.passes] == [("quick", 0)] * LIBRARIES
        assert queries.looked_up == 0


@pytest.mark.parametrize("size", [50, 200])
async def test_queries_follow_pages_and_batches_not_items(engine, in_pages, size) -> None:
    """A few of the reader for each page, and of the writer for each batch; known items cost the writer none."""
    world = without_groups(generated_library(movies=size, shows=8, episodes=size, season=50))
    async with SimulatedPlex(world) as plex:
        running = await engine(in_pages(plex, size))
        queries = Queries()
        await queries.of(running)
        pages = _pages(await running.round(FULL))
        assert size * pages > len(world.items) > 40 * pages
        assert queries.reader <= LIBRARIES * A_ROUND
        assert pages <= queries.writer <= 9 * pages + A_ROUND
        assert queries.written <= A_BATCH * pages + A_ROUND

        queries.reader = queries.writer = queries.written = 0
        assert _pages(await running.round(FULL)) == pages
        assert pages <= queries.reader <= pages + LIBRARIES * A_ROUND
        assert 1 <= queries.writer <= queries.written <= LIBRARIES * A_ROUND


@pytest.mark.parametrize("size", [50, 200])
async def test_rows_that_are_all_written_anew_take_statements_by_the_batch(engine, in_pages, path, size) -> None:
    """Their files and external ids, too."""
    world = without_groups(generated_library(movies=size, shows=3, episodes=size, season=50))
    async with SimulatedPlex(world) as plex:
        running = await engine(in_pages(plex, size))
        pages = _pages(await running.round(FULL))
        with closing(sqlite3.connect(path)) as connection, connection:
            for table in ("movies", "shows", "seasons", "episodes"):
                connection.execute(f"UPDATE {table} SET digest = 1")
        queries = Queries()
        await queries.of(running)
        reports = await running.round(FULL)
        assert sum(done.run.counts.updated for report in reports for done in report.passes) == len(world.items)
        assert queries.written <= A_BATCH * pages + A_ROUND


# Pages -----------------------------------------------------------------------------------------------------------


class HeldPage(Page, frozen=True, weakref=True):
    """A page whose life can be observed through a weak reference."""


async def test_few_pages_are_held_at_once(engine, in_pages, monkeypatch) -> None:
    """The one that comes, the one that is read and the one that is just done, of more than forty.

    Those fetched ahead are bodies yet; how many there are, tests/sources/plex/test_paging.py counts.
    """
    pages: WeakSet[HeldPage] = WeakSet()
    counts: list[int] = []

    def noting(*body: bytes, **options: Any) -> HeldPage:
        page = parse_page(*body, **options)
        held = HeldPage(**{name: getattr(page, name) for name in page.__struct_fields__})
        pages.add(held)
        counts.append(len(pages))
        return held

    monkeypatch.setattr(pages_of_plex, "parse_page", noting)
    async with SimulatedPlex(without_groups(generated_library(movies=0, shows=10, episodes=100))) as plex:
        running = await engine(in_pages(plex, 25, concurrency=8))
        for _ in range(2):
            counts.clear()
            assert _pages(await running.round(FULL)) == len(counts) > 40
            assert 1 < max(counts) <= 3


# Visits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("libraries", [1, 4])
async def test_a_first_sync_visits_the_database_seldom(engine, config, path, monkeypatch, libraries) -> None:
    """However many libraries there are: a visit to its thread costs more than a small query or commit."""
    visits = Counter[str]()
    execute, run = aiosqlite.Connection._execute, Connection.run

    async def counted(connection: aiosqlite.Connection, work: Any, *arguments: Any, **named: Any) -> Any:
        visits["all"] += 1
        visits["commits"] += getattr(work, "__name__", "") == "commit"
        return await execute(connection, work, *arguments, **named)

    def counted_query(connection: Connection, work: Any, *arguments: Any, **named: Any) -> Any:
        # The open file is looked at as time passes.
        visits["all"] += work not in {restore_mark, data_version}
        visits["commits"] += getattr(work, "__func__", None) is Writer._run
        return run(connection, work, *arguments, **named)

    world = without_groups(generated_library(movies=10, shows=2 * libraries, episodes=5, show_libraries=libraries))
    async with SimulatedPlex(world) as plex:
        running = await engine(config(plex))
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        monkeypatch.setattr(Connection, "run", counted_query)
        reports = await running.round(FULL)
        monkeypatch.undo()
    assert len(reports[0].passes) == 1 + libraries
    assert visits["all"] <= VISITS_A_SERVER + VISITS_A_LIBRARY["movie"] + libraries * VISITS_A_LIBRARY["show"]
    most = TRANSACTIONS_A_SERVER + TRANSACTIONS_A_LIBRARY["movie"] + libraries * TRANSACTIONS_A_LIBRARY["show"]
    assert visits["commits"] <= most


async def test_collections_are_compared_and_written_together(engine, path) -> None:
    """Those of a server, in one transaction; unchanged ones take one look at the database, and no transaction."""
    world = generated_library(movies=0, shows=60, episodes=2)
    async with SimulatedPlex(world) as plex:
        running = await engine(plex)
        begun = Counter[str]()

        def note(statement: str) -> None:
            begun[statement] += 1

        await running.database.writer.run(lambda connection: connection.set_trace_callback(note))
        await running.round(FULL)
        with closing(sqlite3.connect(path)) as connection:
            ((stored,),) = connection.execute("SELECT count(*) FROM collections WHERE digest IS NOT NULL")
        most = TRANSACTIONS_A_SERVER + TRANSACTIONS_A_LIBRARY["movie"] + TRANSACTIONS_A_LIBRARY["show"]
        labels = 5
        assert stored == len(world.collections) > most
        assert begun["BEGIN IMMEDIATE"] <= most + labels
        begun.clear()
        await running.round(FULL)
        assert begun["BEGIN IMMEDIATE"] <= LIBRARIES * ROWS_A_LOOK


# Libraries ---------------------------------------------------------------------------------------------------------


async def test_a_contact_compares_the_titles_of_libraries_once(engine, path) -> None:
    """Not each with each other: with a thousand, that would block the event loop."""
    calls = []
    for number in (20, 80):
        async with SimulatedPlex(film_world(*(f"Library {each}" for each in range(number)))) as plex:
            process = await engine(plex)
            await process.round(Selection(library="Library 7"))
            with _counted("strip") as count:
                await process.round(Selection(library="Library 7"))
                with closing(sqlite3.connect(path)) as connection:
                    read_libraries(connection)
            calls.append(count[0])
            await process.end()
        path.unlink()
    assert calls[1] < 6 * calls[0]


@contextmanager
def _counted(name: str) -> Iterator[list[int]]:
    """Count the calls of a built-in method in this thread."""
    count = [0]

    def note(_frame: FrameType, event: str, argument: Any) -> None:
        count[0] += event == "c_call" and argument.__name__ == name

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)
