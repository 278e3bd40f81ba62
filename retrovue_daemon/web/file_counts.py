"""How many files each path mapping covers, counted beside the pages: a million paths take seconds."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.errors import DaemonError
from retrovue_daemon.service.management.coverage import common_prefixes, lacks_mapping, look_for, read_coverage
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.mappings import read_mappings
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web.own_thread import in_own_thread
from retrovue_daemon.web.reading import ReadingPool

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.service.management.coverage import Coverage, Group, Seen

PATIENCE_S: Final = 0.5
"""Seconds for which a page waits for the first count."""

FRESH_S: Final = 60
"""Seconds for which a count stays, unless mappings or libraries change."""

LOOKING_S: Final = 5.0
"""Seconds to look for files, which may be on a network that does not respond."""


LONGEST_S: Final = 120.0
"""Seconds that counting may take: pages do not wait for it."""

_PAUSE_S: Final = 0.001
"""Seconds between some thousand files: Python runs one thread at a time, and pages and passes are to go on."""


class Counted(msgspec.Struct, frozen=True):
    """A count of files: ``seen`` says per group how many of its samples exist here, None where that is not known."""

    at: int
    coverage: Coverage
    seen: Sequence[Seen | None]

    @property
    def files(self) -> Mapping[int, Group]:
        """The groups of mappings that cover files, by the ids of the mappings."""
        return {group.mapping.id: group for group in self.coverage.groups if group.mapping is not None}

    @property
    def uncovered(self) -> list[tuple[Group, Seen | None]]:
        """The groups of files without a mapping."""
        pairs = zip(self.coverage.groups, self.seen, strict=True)
        return [(group, there) for group, there in pairs if group.mapping is None]

    @property
    def suggestions(self) -> list[tuple[str, str]]:
        """The servers and directories for which mappings may be needed."""
        return common_prefixes([group for group, there in self.uncovered if there and lacks_mapping(group, there)])


class FileCounts:
    """Counts one time after the other, and keeps the last count."""

    def __init__(self, path: Path, reading: ReadingPool, clock: Clock, patience_s: float = PATIENCE_S) -> None:
        self._reading = reading
        self._counting = ReadingPool(path, longest_s=LONGEST_S)
        self._clock = clock
        self._patience_s = patience_s
        self._latest: Counted | None = None
        self._of: object = None
        self._task: asyncio.Task[None] | None = None
        self.error: DaemonError | None = None
        """Why the last count failed."""

    async def latest(self) -> Counted | None:
        """Return the count for the present mappings, or None while that is not known yet."""
        present = await self._reading.run(_settings)
        is_of_these = self._of == present and self._latest is not None
        is_old = self._latest is None or not 0 <= self._clock.now() - self._latest.at < FRESH_S
        if (not is_of_these or is_old) and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._count(present), name="count of files")
        if not is_of_these and self._task is not None:
            await asyncio.wait([self._task], timeout=self._patience_s)
        return self._latest if self._of == present else None

    async def _count(self, present: object) -> None:
        try:
            coverage = await self._counting.run(_coverage)
        except DaemonError as error:
            self.error = error
            return
        seen: list[Seen | None] = []
        try:
            seen += await in_own_thread(lambda: [look_for(group.samples) for group in coverage.groups], LOOKING_S)
        except TimeoutError:
            seen += [None] * len(coverage.groups)
        self._latest, self._of, self.error = Counted(self._clock.now(), coverage, seen), present, None

    async def close(self) -> None:
        """End the count."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._counting.close()


def _coverage(connection: sqlite3.Connection) -> Coverage:
    servers = {server.id for server in read_servers(connection)}
    return read_coverage(connection, servers, lambda: time.sleep(_PAUSE_S))


def _settings(connection: sqlite3.Connection) -> object:
    """Return all that decides which mapping covers a file."""
    libraries = read_libraries(connection)
    named = [(each.id, each.name, each.roots, each.former, each.last_full_sync_at) for each in libraries]
    return read_mappings(connection), named
