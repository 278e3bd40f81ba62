"""What the configuration defines, and so cannot be changed in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.errors import DefinedByConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer


class Definitions(msgspec.Struct, frozen=True):
    """The servers of a configuration and its file; ``is_of_database`` says that it was read for this database."""

    servers: Sequence[ServerSection] = ()
    source: Path | None = None
    is_of_database: bool = False

    def section(self, name: str) -> ServerSection | None:
        """Return the section of a server; case is ignored in names."""
        from retrovue_daemon.config.sections import find_named  # noqa: PLC0415 -- not for --help

        return find_named(self.servers, name)

    def selects(self, library: StoredLibrary) -> bool:
        """Return whether a library is selected: as the file says now, else as the daemon last stored it."""
        section = self.section(library.server)
        return library.selected if section is None else section.selects(library.name, library.key, library.former)

    def ranks(self, server: str) -> bool:
        """Return whether the order of a server's libraries in the file sets their priorities."""
        section = self.section(server)
        return section is not None and section.libraries is not None

    def refuse_named(self, name: str, what: str) -> None:
        """Raise DefinedByConfig if the file defines a server of this name, so that ``what`` is changed there."""
        section = self.section(name)
        if section is not None:
            raise DefinedByConfig(section.name, what, self.source)

    def refuse(self, server: StoredServer, what: str) -> None:
        """Raise DefinedByConfig if a configuration, perhaps another one, defines a stored server."""
        from retrovue_daemon.service.refusals import refuse_configured  # noqa: PLC0415 -- not for --help

        self.refuse_named(server.name, what)
        if not self.is_of_database:
            refuse_configured(server, what)
