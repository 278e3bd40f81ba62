"""First contact of a round: checks the server's identity and selects the libraries to sync."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec
import structlog

from retrovue_daemon.config import idle_entries
from retrovue_daemon.errors import DuplicateServer
from retrovue_daemon.errors.selection import selects_nothing
from retrovue_daemon.records import LibraryListing
from retrovue_daemon.store.items.moments import Moments, next_moment
from retrovue_daemon.store.tables.former_names import still_meant, taken_titles
from retrovue_daemon.store.tables.libraries import former_titles, read_libraries, reconcile_libraries, store_selection
from retrovue_daemon.store.tables.problems import NOT_FOUND, Problem, store_server_problem
from retrovue_daemon.store.tables.servers import bind_identity, machine_of
from retrovue_daemon.sync.path_updates import LibraryPaths
from retrovue_daemon.sync.rounds import MergedRows, Round
from retrovue_daemon.sync.target import LISTINGS, LibraryTarget

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.libraries import StoredLibrary

log = structlog.get_logger()
T = TypeVar("T")

_MOST_TITLES = 20
"""The maximum titles of libraries in a hint."""

_AT_ONCE = 100
"""Libraries that are looked at before other tasks run; 1,000 of them would block the event loop for 50 ms."""


class Offer(msgspec.Struct, frozen=True):
    """A library of a server; if it is not synced, ``left_out`` completes "the library exists, but …"."""

    title: str
    key: str
    left_out: str | None = None


class Contact(msgspec.Struct, frozen=True):
    """A server's response: its row, its libraries, those to sync, and those it no longer lists.

    ``unknown`` are the entries of ``libraries`` in the configuration that match no library of the server.
    """

    server_id: int
    unknown: tuple[str, ...]
    offers: tuple[Offer, ...]
    targets: tuple[LibraryTarget, ...]
    vanished: tuple[LibraryTarget, ...]


class MachineClaims(Protocol):
    """What servers say of the machines that they are: see ``service/worker_context.py``."""

    def note(self, name: str, machine: str) -> None:
        """Record the machine that answered for a server."""

    async def preferred(self, name: str, machine: str) -> str | None:
        """Return the name of another server that is to have the machine, or None."""


class Discovery:
    """Contacts one server each round, and logs skipped libraries only once."""

    def __init__(
        self, database: Database, section: ServerSection, claims: MachineClaims, *, now: Callable[[], int]
    ) -> None:
        self._database = database
        self._claims = claims
        self._section = section
        self._now = now
        self.merged_rows = MergedRows()
        self._moments: Moments | None = None
        self._logged: set[str] = set()

    async def contact(self, client: PlexClient, server_id: int) -> Contact:
        """Check the server's identity, update the rows of its libraries and select those to sync.

        Raises PlexError if the server does not respond, is not the known machine, or is configured twice; nothing
        has been written then.
        """
        machine, version = await self._identify(client, server_id)
        listed = await client.libraries()
        usable = self._distinct([library for library in listed if self._usable(library)])
        titles = [library.title for library in listed]
        taken = taken_titles(titles)
        moments = await self._server_moments(server_id)
        moment = moments.advance()

        def work(
            connection: sqlite3.Connection,
        ) -> tuple[int, dict[str, StoredLibrary], dict[str, int], tuple[str, ...]]:
            bound = bind_identity(connection, server_id, self._section.name, machine, version, self._now())
            had = former_titles(read_libraries(connection, bound), usable)
            former = {key: still_meant(names, taken) for key, names in had.items()}
            ranks = self._priorities(usable, former)
            rows = reconcile_libraries(connection, bound, usable, ranks, self._now(), moment)
            store_selection(connection, rows.values(), partial(self._selects, taken=taken))
            unknown = self._unknown_entries(listed, former)
            store_server_problem(connection, bound, self._problem(unknown, titles), self._now())
            return bound, rows, ranks, unknown

        server_id, rows, priorities, unknown = await self._database.writer.run(work)
        self._warn_of_unknown_entries(unknown, titles)
        former = {key: still_meant(row.former_names, taken) for key, row in rows.items()}
        known = await self._database.reader.run(read_libraries, server_id)
        round_ = Round(self.merged_rows, is_first=not any(row.listed_until for row in known))
        paths = await LibraryPaths.of(self._database, server_id, moments)
        for library in usable:
            self._warn_of_former_names(library, former[library.key], paths.former_name_in_use(rows[library.key]))
        chosen = sorted(usable, key=lambda library: priorities.get(library.key, 0))
        found = {row.id for row in rows.values()}
        offers = (
            Offer(library.title, library.key, self._left_out(library, rows.get(library.key), former))
            for library in listed
        )
        targets = (
            self._target(paths, rows[library.key], library, round_)
            for library in chosen
            if self._left_out(library, rows[library.key], former) is None
        )
        vanished = (
            self._target(paths, row, LibraryListing(row.key, row.name, row.kind, row.uuid), round_)
            for row in known
            if row.id not in found and self._has_vanished(row, taken)
        )
        return Contact(
            server_id, unknown, await _in_steps(offers), await _in_steps(targets), await _in_steps(vanished)
        )

    async def _server_moments(self, server_id: int) -> Moments:
        """Return the server's moments, which continue from the last one stored in its rows."""
        if self._moments is None:
            self._moments = Moments(await self._database.reader.run(next_moment, server_id))
        return self._moments

    async def _identify(self, client: PlexClient, server_id: int) -> tuple[str, str | None]:
        """Return the server's machineIdentifier and version, before it is shown the token."""
        known = await self._database.reader.run(machine_of, server_id)
        identity = await client.confirm_machine(known)
        machine, name = identity.machine_identifier, self._section.name
        self._claims.note(name, machine)
        if known is None and (other := await self._claims.preferred(name, machine)) is not None:
            raise DuplicateServer(name, other)
        return machine, identity.version

    def _target(
        self, paths: LibraryPaths, row: StoredLibrary, library: LibraryListing, round_: Round
    ) -> LibraryTarget:
        return LibraryTarget(self._section.name, row, library, paths.target(row), round_, row.former)

    def _selects(self, row: StoredLibrary, taken: Collection[str]) -> bool:
        """Return whether the configuration selects a library of a server on which these titles are taken."""
        return self._section.selects(row.name, row.key, still_meant(row.former_names, taken))

    def _has_vanished(self, row: StoredLibrary, taken: Collection[str]) -> bool:
        """Return whether an unlisted library should be listed: it is synced and not missing yet."""
        return row.kind in LISTINGS and row.state != "missing" and row.sync_enabled and self._selects(row, taken)

    def _usable(self, library: LibraryListing) -> bool:
        if library.kind in LISTINGS:
            return True
        self._once(log.info, f"kind {library.key}", "library.skipped", library=library.title, kind=library.kind)
        return False

    def _distinct(self, listed: Iterable[LibraryListing]) -> list[LibraryListing]:
        """Skip a library with a repeated key, and ignore a uuid that several share, so that rows never mix."""
        by_key: dict[str, LibraryListing] = {}
        for library in listed:
            if library.key in by_key:
                self._once(log.warning, f"twice {library.key}", "library.listed_twice", library=library.title)
            by_key.setdefault(library.key, library)
        shared = Counter(library.uuid for library in by_key.values())
        return [
            msgspec.structs.replace(library, uuid=None) if shared[library.uuid] > 1 else library
            for library in by_key.values()
        ]

    def _priorities(self, listed: Iterable[LibraryListing], former: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
        """Return the priorities given by the configuration's order; none if it names no libraries."""
        if self._section.libraries is None:
            return {}
        ranks = {
            library.key: self._section.rank(library.title, library.key, former.get(library.key, ()))
            for library in listed
        }
        return {key: rank for key, rank in ranks.items() if rank is not None}

    def _left_out(
        self, library: LibraryListing, row: StoredLibrary | None, former: Mapping[str, tuple[str, ...]]
    ) -> str | None:
        """Return why a library is not synced, or None if it is selected and switched on."""
        if library.kind not in LISTINGS:
            return "holds neither films nor shows"
        if row is not None and not row.sync_enabled:
            return "is switched off"
        is_selected = self._section.selects(library.title, library.key, former.get(library.key, ()))
        return None if is_selected else "is not selected by the configuration"

    def _unknown_entries(
        self, listed: Sequence[LibraryListing], former: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, ...]:
        """Return the entries of ``libraries`` that match none of the server's."""
        named = [(library.key, (library.title, *former.get(library.key, ()))) for library in listed]
        return idle_entries(self._section.libraries or (), named)

    def _warn_of_unknown_entries(self, unknown: Sequence[str], titles: Sequence[str]) -> None:
        """Warn about each entry once."""
        known = sorted({title.strip() for title in titles})
        for entry in unknown:
            self._once(log.warning, f"unknown {entry}", "library.not_found", library=entry, known=known)

    def _problem(self, unknown: Sequence[str], titles: Sequence[str]) -> Problem | None:
        """Return what is wrong although the server can be used."""
        if not unknown:
            return None
        message = "; ".join(selects_nothing(entry, self._section.name) for entry in unknown)
        known = sorted({repr(title.strip()) for title in titles})
        more = len(known) - _MOST_TITLES
        shown = [*known[:_MOST_TITLES], *([f"and {more:,} more"] if more > 0 else ())]
        return Problem(NOT_FOUND, message, f"it has {', '.join(shown) or 'no libraries'}")

    def _warn_of_former_names(self, library: LibraryListing, former: tuple[str, ...], of_mapping: str | None) -> None:
        """Warn once about a renamed library that the configuration or a path mapping refers to by an old title."""
        used = self._section.former_name_in_use(library.title, library.key, former) or of_mapping
        if used is not None:
            hint = (
                f"it is still known by its uuid; write {library.title.strip()!r} in the configuration or the mapping"
            )
            details = {"library": library.title, "former_title": used, "hint": hint}
            self._once(log.warning, f"renamed {library.key} {library.title}", "library.renamed", **details)

    def _once(self, log_method: Callable[..., object], key: str, event: str, **details: object) -> None:
        if key not in self._logged:
            self._logged.add(key)
            log_method(event, server=self._section.name, **details)


async def _in_steps(made: Iterable[T]) -> tuple[T, ...]:
    """Return what is made for each library, and let the event loop run in between: a server may have a thousand."""
    found = []
    for number, one in enumerate(made, 1):
        found.append(one)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return tuple(found)
