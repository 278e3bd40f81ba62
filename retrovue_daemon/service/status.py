"""The state of the mirror and what is wrong with it, read from the database and its lock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.errors import DAMAGE_HINT, ConfigProblem
from retrovue_daemon.store import overview
from retrovue_daemon.store.file import lock, maintenance, visits
from retrovue_daemon.store.file.space import lacks_space
from retrovue_daemon.store.items.wanting import pending_by_library
from retrovue_daemon.store.tables.hooks import read_hooks
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.live import read_live
from retrovue_daemon.store.tables.page_checks import read_page_check
from retrovue_daemon.store.tables.problems import Problem
from retrovue_daemon.store.tables.publishing import publish_state
from retrovue_daemon.store.tables.reloads import read_reloads
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.sync.guard import accept_hint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from retrovue_daemon.config import SyncSection
    from retrovue_daemon.errors import DiskFull
    from retrovue_daemon.store.file.lock import Holder
    from retrovue_daemon.store.overview import Contents, PassRecord
    from retrovue_daemon.store.tables.hooks import StoredHook
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.live import LiveState
    from retrovue_daemon.store.tables.page_checks import PageCheck
    from retrovue_daemon.store.tables.publishing import PublishState
    from retrovue_daemon.store.tables.reloads import Reload
    from retrovue_daemon.store.tables.servers import StoredServer

HELD_BACK = "RemovalsHeldBack"
"""The kind of a problem: removals that wait for a person."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong, with a ``server``, one ``library`` of it, or neither."""

    problem: Problem
    server: str | None = None
    library: str | None = None

    @property
    def is_held_back(self) -> bool:
        """Whether removals wait for a person."""
        return self.problem.kind == HELD_BACK

    @property
    def is_of_process(self) -> bool:
        """Whether it is about the running daemon and its configuration."""
        return self.problem.kind in {"NoDaemon", "ReloadRefused"}

    @property
    def place(self) -> str:
        """What the problem is about, in words."""
        return " / ".join(filter(None, (self.server, self.library))) or "daemon"


@dataclass(frozen=True, slots=True)
class Condition:
    """The servers and libraries, the process that holds the database, and the last reload: what can be wrong."""

    path: Path
    holder: Holder
    servers: list[StoredServer]
    libraries: list[StoredLibrary]
    last_reload: Reload | None
    disk_full: DiskFull | None = None
    page_check: PageCheck | None = None

    @property
    def daemon_runs(self) -> bool | None:
        """Whether a daemon is running; None if its lock cannot be read. A ``sync`` that holds the lock is none."""
        return self.holder.serves if self.holder.held else self.holder.held

    @property
    def blocked(self) -> list[StoredLibrary]:
        """The synced libraries in which a removal is held back."""
        return [library for library in self.libraries if library.state == "blocked" and library.is_synced]

    @property
    def doubted(self) -> list[StoredLibrary]:
        """The synced libraries whose last complete listing left something in doubt."""
        return [library for library in self.libraries if library.doubt and library.is_synced]

    @property
    def findings(self) -> list[Finding]:
        """Everything that is wrong: with the daemon, with servers, and with libraries that are synced."""
        libraries: dict[int, list[StoredLibrary]] = {}
        for library in self.libraries:
            libraries.setdefault(library.server_id, []).append(library)
        found = list(self._of_daemon())
        for server in self.servers:
            if server.is_active:
                found += self._of_server(server, libraries.get(server.id, []))
        return found

    def timed(self, problem: Problem) -> Problem:
        """Return a problem without the time of its next try if no daemon is there to try."""
        return problem if self.daemon_runs else msgspec.structs.replace(problem, next_try_at=None)

    def _of_daemon(self) -> Iterator[Finding]:
        if self.daemon_runs is False:
            message = "no daemon is running"
            if self.holder.pid is not None:
                message += f"; process {self.holder.pid} is working on the database for a while"
            yield Finding(Problem("NoDaemon", message, "start it with `retrovue-daemon run`, or as a service"))
        if self.disk_full is not None:
            yield Finding(Problem.of(self.disk_full))
        if self.page_check is not None and self.page_check.damage is not None:
            message = f"{self.path}: is damaged: {self.page_check.damage}"
            yield Finding(Problem("DatabaseDamaged", message, DAMAGE_HINT, self.page_check.since))
        done = self.last_reload
        if done is not None and done.outcome == "refused" and not done.before_start:
            reasons = "; ".join(str(ConfigProblem(each.path, each.message)) for each in done.problems)
            yield Finding(Problem("ReloadRefused", f"the last reload was refused: {reasons}", done.hint, done.at))

    def _of_server(self, server: StoredServer, libraries: list[StoredLibrary]) -> Iterator[Finding]:
        if server.problem is not None:
            yield Finding(self.timed(server.problem), server.name)
        for library in libraries:
            # The failure of a server is not repeated for each of its libraries.
            if library.fails and (library.state == "blocked" or not server.fails):
                kind, hint = "PassFailed", library.last_error_hint
                if library.state == "blocked":
                    kind, hint = HELD_BACK, hint or accept_hint(server.name, library.name)
                error = library.last_error or "a removal is held back"
                problem = Problem(kind, error, hint, library.failing_since, library.next_try_at)
                yield Finding(self.timed(problem), server.name, library.name)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the mirror; sizes are bytes. ``timing`` is the daemon's configuration, None if unknown."""

    condition: Condition
    timing: SyncSection | None
    size: int
    log_size: int
    contents: dict[int, Contents]
    passes: dict[int, PassRecord]
    waiting: int
    details_pending: dict[int, int]
    """How many items wait for their details, by library; none do where no details are read."""
    live: dict[int, LiveState]
    """Whether servers are live, by their ids; empty without a running daemon."""
    hooks: list[StoredHook]
    publishing: PublishState | None

    @property
    def totals(self) -> dict[str, int]:
        """How many rows of each kind are present or missing in all libraries."""
        totals: dict[str, int] = {}
        for held in self.contents.values():
            for name, number in (*held.present.items(), ("missing", held.missing), ("unavailable", held.unavailable)):
                totals[name] = totals.get(name, 0) + number
        return totals

    def next_poll(self, server: StoredServer) -> float | None:
        """Return when a running daemon polls a server next, as far as that is known."""
        if not self.condition.daemon_runs or not server.is_active:
            return None
        if server.next_try_at is not None:
            return server.next_try_at
        if self.timing is None or server.last_sync_at is None:
            return None
        live = self.live.get(server.id)
        longer = self.timing.interval_live if live is not None and live.may_stretch else 0.0
        return server.last_sync_at + max(self.timing.interval, longer)


def read_status(
    path: Path, timing: SyncSection | None = None, wants_details: Callable[[str], bool] = lambda _: True
) -> Status:
    """Read the state of the mirror; ``wants_details`` says of a server whether its details are read.

    Raise StoreError.
    """
    path = visits.find(path)
    with visits.reading(path) as connection:
        return status_in(connection, path, lock.holder(path), timing, wants_details)


def status_in(
    connection: sqlite3.Connection,
    path: Path,
    holder: Holder,
    timing: SyncSection | None = None,
    wants_details: Callable[[str], bool] = lambda _: True,
    contents: Callable[[sqlite3.Connection], dict[int, Contents]] = overview.contents,
) -> Status:
    """Read the state of the mirror from an open database, as `read_status` does; the daemon itself is the holder.

    ``contents`` counts the rows of each library.
    """
    condition = condition_in(connection, path, holder)
    wanted = {each.id for each in condition.libraries if each.is_synced and wants_details(each.server)}
    return Status(
        condition,
        timing,
        *maintenance.open_file_sizes(path),
        contents(connection),
        overview.last_passes(connection),
        overview.waiting_requests(connection),
        {each: number for each, number in pending_by_library(connection).items() if each in wanted},
        _live(connection, holder),
        read_hooks(connection),
        publish_state(connection, time.time()),
    )


def read_live_states(path: Path) -> dict[int, LiveState]:
    """Return whether servers are live, by their ids; empty without a running daemon. Raise StoreError."""
    path = visits.find(path)
    holder = lock.holder(path)
    with visits.reading(path) as connection:
        return _live(connection, holder)


def read_condition(path: Path) -> Condition:
    """Read only what can be wrong, which is little in a database of any size. Raise StoreError."""
    path = visits.find(path)
    holder = lock.holder(path)
    with visits.reading(path) as connection:
        return condition_in(connection, path, holder)


def _live(connection: sqlite3.Connection, holder: Holder) -> dict[int, LiveState]:
    # Without a daemon, they are what one stored before it stopped.
    return read_live(connection) if holder.held and holder.serves else {}


def condition_in(connection: sqlite3.Connection, path: Path, holder: Holder) -> Condition:
    """Read what can be wrong from an open database, as `read_condition` does."""
    last_reload = next(reversed(read_reloads(connection)), None)
    return Condition(
        path,
        holder,
        read_servers(connection),
        read_libraries(connection),
        last_reload,
        lacks_space(path),
        read_page_check(connection),
    )
