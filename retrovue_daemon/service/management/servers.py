"""Adding and changing servers in the database, each in the transaction of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import UnknownId
from retrovue_daemon.service.refusals import refuse_machine, refuse_taken, refuse_without_token
from retrovue_daemon.store.tables.servers import insert_server, read_servers, set_server_active, update_token

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.config import Secret, ServerSection
    from retrovue_daemon.service.management.definitions import Definitions
    from retrovue_daemon.store.tables.servers import StoredServer


def server_with(connection: sqlite3.Connection, server_id: int) -> StoredServer:
    """Return the row of a server as it is now. Raise UnknownId."""
    servers = {server.id: server for server in read_servers(connection)}
    if server_id not in servers:
        raise UnknownId("server", server_id, {server.id: server.name for server in servers.values()})
    return servers[server_id]


def add_server(
    connection: sqlite3.Connection,
    section: ServerSection,
    definitions: Definitions,
    *,
    machine_identifier: str | None,
    is_active: bool,
    now: int,
) -> StoredServer:
    """Store a server with its token. Raise BadInput or DuplicateServer if it is there already.

    ``machine_identifier`` is None if the server was not contacted.
    """
    stored = read_servers(connection)
    refuse_taken(stored, section, definitions.servers, definitions.source)
    if machine_identifier is not None:
        refuse_machine(stored, section, machine_identifier)
    return server_with(connection, insert_server(connection, section, is_active=is_active, now=now))


def switch_server(
    connection: sqlite3.Connection, server: StoredServer, definitions: Definitions, *, is_active: bool, now: int
) -> StoredServer:
    """Switch the sync of a server on or off. Raise DefinedByConfig, or BadInput if there is no token for it."""
    definitions.refuse(server, "whether it is on")
    if is_active:
        refuse_without_token(server)
    set_server_active(connection, server.id, is_active=is_active, now=now)
    return server_with(connection, server.id)


def replace_token(connection: sqlite3.Connection, server: StoredServer, token: Secret, now: int) -> StoredServer:
    """Replace the token of a server that the database defines."""
    update_token(connection, server.id, token, now)
    return server_with(connection, server.id)
