"""First contact of a round: whether this is the server we know, and which of its libraries are to be synced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.errors import BadAnswer
from retrovue_daemon.plex.paths import PlexPathMappingService
from retrovue_daemon.store.libraries import reconcile_libraries
from retrovue_daemon.store.rows import Target
from retrovue_daemon.store.servers import bind_identity, path_mappings
from retrovue_daemon.sync.passes import LISTINGS, LibraryTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import aiosqlite

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.plex.client import PlexClient
    from retrovue_daemon.records import LibraryListing
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.libraries import LibraryRow

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Contact:
    """What a server answered: its row, the titles it offers, and the libraries that are to be synced."""

    server_id: int
    titles: tuple[str, ...]
    targets: tuple[LibraryTarget, ...]


class Discovery:
    """Looks at one server, round after round, and says only once what it leaves out."""

    def __init__(self, database: Database, section: ServerSection, *, now: Callable[[], int]) -> None:
        self._database = database
        self._section = section
        self._now = now
        self._told: set[str] = set()

    async def contact(self, client: PlexClient, server_id: int) -> Contact:
        """Check the server's identity, bring its libraries' rows up to date and choose those to sync.

        Raises PlexError where the server does not answer, is another one than before, or stands in the
        configuration twice; nothing has been written then.
        """
        identity = await client.identity()
        listed = await client.libraries()
        machine = identity.machine_identifier
        if machine is None:
            raise BadAnswer(self._section.name, "/identity holds no machineIdentifier")
        usable = [library for library in listed if self._usable(library)]
        priorities = self._priorities(usable)

        async def work(connection: aiosqlite.Connection) -> tuple[int, dict[str, LibraryRow]]:
            bound = await bind_identity(connection, server_id, machine, identity.version, self._now())
            return bound, await reconcile_libraries(connection, bound, usable, priorities, self._now())

        server_id, rows = await self._database.writer.write(work)
        mapping_service = PlexPathMappingService(await path_mappings(self._database.reader, server_id))
        targets = []
        for library in sorted(usable, key=lambda library: priorities.get(library.key, 0)):
            row = rows[library.key]
            if not self._selected(library, row):
                continue
            mapper = mapping_service.for_library(row.name, library.locations)
            target = Target(server_id, row.id, row.name, mapper.local_path)
            targets.append(LibraryTarget(self._section.name, row, library, target))
        self._tell_of_unknown(library.title for library in listed)
        return Contact(server_id, tuple(library.title for library in listed), tuple(targets))

    def _usable(self, library: LibraryListing) -> bool:
        if library.kind in LISTINGS:
            return True
        self._once(log.info, f"kind {library.key}", "library.skipped", library=library.title, kind=library.kind)
        return False

    def _priorities(self, libraries: Iterable[LibraryListing]) -> dict[str, int]:
        """Return the priorities that the configuration's order gives; none where it names no libraries."""
        if self._section.libraries is None:
            return {}
        ranks = {library.key: self._section.rank(library.title, library.key) for library in libraries}
        return {key: rank for key, rank in ranks.items() if rank is not None}

    def _selected(self, library: LibraryListing, row: LibraryRow) -> bool:
        """Tell whether the configuration and the database's switch both want this library."""
        if not self._section.selects(library.title, library.key) or not row.sync_enabled:
            return False
        if row.uuid is not None and library.uuid not in {None, row.uuid}:
            # The key was given to another library: writing would mix the two, so a person must look at it.
            self._once(
                log.error,
                f"uuid {library.key}",
                "library.replaced",
                library=library.title,
                expected=row.uuid,
                found=library.uuid,
            )
            return False
        return True

    def _tell_of_unknown(self, titles: Iterable[str]) -> None:
        """Warn of entries of ``libraries`` that fit none of the server's."""
        known = {title.strip() for title in titles}
        for wanted in self._section.libraries or ():
            plain = not any(mark in wanted for mark in "*?[") and not wanted.isdecimal()
            if plain and wanted not in known:
                self._once(log.warning, f"unknown {wanted}", "library.not_found", library=wanted, known=sorted(known))

    def _once(self, tell: Callable[..., object], key: str, event: str, **details: object) -> None:
        if key not in self._told:
            self._told.add(key)
            tell(event, server=self._section.name, **details)
