"""What commands need of a server that they name: its row, its settings, and whether it may be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from retrovue_daemon.service.named import choose_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.cli.place import Place
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.store.tables.servers import StoredServer

T = TypeVar("T")


def stored_servers(place: Place) -> list[StoredServer]:
    """Return the servers of the database. Raise StoreError if it is unusable."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    with visits.reading(place.path) as connection:
        return read_servers(connection)


def section_of_server(place: Place, server: StoredServer) -> ServerSection:
    """Return a server's URL, token and settings. Raise TokenUnknown or BadInput if they are missing or invalid."""
    from retrovue_daemon.service.refusals import refuse_without_token  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.roster import section_of  # noqa: PLC0415 -- likewise

    if place.section(server.name) is None:
        refuse_without_token(server, is_config_known=place.is_of_config)
    return section_of(server, place.config.servers if place.config else ())


def own_server(place: Place, servers: Sequence[StoredServer], name: str, what: str) -> StoredServer:
    """Return a server that no configuration defines, so that a command can change it in the database.

    Raise UnknownName, or DefinedByConfig with ``what`` (as in "its token") if the configuration defines the server.
    """
    definitions = place.definitions
    definitions.refuse_named(name, what)
    server = choose_server(servers, name)
    definitions.refuse(server, what)
    return server
