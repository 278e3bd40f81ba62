"""What forms and the API change. Both use these functions, which use those of the commands (service/management/)."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import msgspec

from retrovue_daemon.config import Secret
from retrovue_daemon.config.loading import path_mapping
from retrovue_daemon.errors import AmbiguousName, PlexError, Unauthorized, UnknownName
from retrovue_daemon.service.management import libraries, mappings, servers
from retrovue_daemon.service.management.coverage import try_mappings
from retrovue_daemon.service.management.definitions import Definitions
from retrovue_daemon.service.refusals import as_input, checked_server, refuse_taken, refuse_without_token
from retrovue_daemon.service.roster import section_of
from retrovue_daemon.service.sync_request import add_sync_request
from retrovue_daemon.store.reinstalling import accept_identity
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.mappings import read_mappings
from retrovue_daemon.store.tables.servers import delete_part, read_servers, set_server_active
from retrovue_daemon.web.contacts import TooManyContactsError, own_words
from retrovue_daemon.web.file_counts import LOOKING_S
from retrovue_daemon.web.own_thread import in_own_thread
from retrovue_daemon.web.problems import Refusal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping

    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.service.management.coverage import Trial
    from retrovue_daemon.service.management.server_check import ServerCheck
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.mappings import StoredMapping
    from retrovue_daemon.store.tables.servers import StoredServer
    from retrovue_daemon.web.context import Context

P = ParamSpec("P")
T = TypeVar("T")

LONGEST: Final[Mapping[str, int]] = {
    "name": 200,
    "url": 2_000,
    "token": 4_096,
    "plex_path": 4_096,
    "local_path": 4_096,
    "library_name": 1_000,
    "library_root": 4_096,
    "path": 4_096,
    "library": 1_000,
    "show": 1_000,
}
"""Characters that a value may have."""

_FIRST_PRINTABLE: Final = 0x20
_DELETE: Final = 0x7F


def definitions_of(context: Context) -> Definitions:
    """Return what the configuration in force defines."""
    return Definitions(context.config.servers, context.config.source, is_of_database=True)


def refuse_unfit(**values: str | None) -> None:
    """Raise Refusal for values that are too long or have control characters, which no file format would let in."""
    wrong = {}
    for name, value in values.items():
        if value is not None and len(value) > LONGEST[name]:
            wrong[name] = f"must have at most {LONGEST[name]:,} characters, not {len(value):,}"
        elif value is not None and any(ord(each) < _FIRST_PRINTABLE or ord(each) == _DELETE for each in value):
            wrong[name] = "must not contain control characters"
    if wrong:
        raise Refusal(422, "; ".join(f"{name} {message}" for name, message in wrong.items()), fields=wrong)


async def _change(
    context: Context, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    return await context.database.writer.run(query, *args, **kwargs)


# -- servers --------------------------------------------------------------------------------------------------------


async def add_server(
    context: Context, name: str, url: str, token: str, *, is_active: bool
) -> tuple[StoredServer, ServerCheck]:
    """Store a server after a check that it responds and accepts the token. Raise Refusal or DaemonError."""
    refuse_unfit(name=name, url=url, token=token)
    context.redactor.learn(token)
    section, definitions = checked_server(name, url, token), definitions_of(context)
    # Before the server is contacted, and again in the transaction.
    stored = await context.reading.run(read_servers)
    refuse_taken(stored, section, definitions.servers, definitions.source)
    with _explained():
        answer = await context.contacts.check(section)
    added = await _change(
        context,
        servers.add_server,
        section,
        definitions,
        machine_identifier=answer.machine_identifier,
        is_active=is_active,
        now=context.clock.now(),
    )
    return added, answer


async def switch_server(context: Context, server_id: int, *, is_active: bool) -> tuple[StoredServer, bool]:
    """Switch a server on or off; return it, and whether that changed anything."""
    definitions, now = definitions_of(context), context.clock.now()

    def switch(connection: sqlite3.Connection) -> tuple[StoredServer, bool]:
        server = servers.server_with(connection, server_id)
        after = servers.switch_server(connection, server, definitions, is_active=is_active, now=now)
        return after, after.is_active != server.is_active

    return await _change(context, switch)


async def set_token(context: Context, server_id: int, token: str) -> StoredServer:
    """Replace the token of a server after a check that the server accepts it. Raise Refusal or DaemonError."""
    refuse_unfit(token=token)
    context.redactor.learn(token)
    definitions = definitions_of(context)

    def checked(connection: sqlite3.Connection) -> StoredServer:
        server = servers.server_with(connection, server_id)
        definitions.refuse(server, "its token")
        refuse_without_token(server)
        return server

    server = await context.reading.run(checked)
    section = checked_server(server.name, server.url, token)
    with _explained():
        await context.contacts.check(section, server.machine_identifier)

    def replace(connection: sqlite3.Connection) -> StoredServer:
        return servers.replace_token(connection, checked(connection), Secret(token), context.clock.now())

    return await _change(context, replace)


async def remove_server(context: Context, server_id: int) -> tuple[StoredServer, bool]:
    """Delete a server with its items; return it, and whether that is done: a large one takes a while."""
    definitions, now = definitions_of(context), context.clock.now()

    def switch_off(connection: sqlite3.Connection) -> StoredServer:
        server = servers.server_with(connection, server_id)
        definitions.refuse(server, "its entry")
        set_server_active(connection, server_id, is_active=False, now=now)
        return server

    async def delete() -> None:
        while await _change(context, delete_part, server_id) is not None:
            pass

    server = await _change(context, switch_off)
    return server, await context.tasks.run(f"removal of server {server_id}", delete())


async def machine_of(context: Context, server_id: int) -> tuple[StoredServer, str]:
    """Return a server, and the machineIdentifier that responds at its address now. Raise Refusal or DaemonError."""
    server = await context.reading.run(servers.server_with, server_id)
    section = section_of(server, context.config.servers)
    with _explained():
        return server, await context.contacts.machine(section)


async def accept_machine(context: Context, server_id: int, machine_identifier: str) -> int:
    """Accept the machine that responds now, if it is the one that a person has seen; return the number of items."""
    _, found = await machine_of(context, server_id)
    if found != machine_identifier:
        raise Refusal(409, "another machine responds now", hint="look at it again")

    def accept(connection: sqlite3.Connection) -> int:
        server = servers.server_with(connection, server_id)
        return accept_identity(connection, server, found, context.clock.now())

    return await _change(context, accept)


@contextmanager
def _explained() -> Iterator[None]:
    """Raise Refusal instead of what contacting a server raises, with the value of a form that is wrong."""
    try:
        yield
    except TooManyContactsError:
        busy = "other servers are being contacted"
        raise Refusal(429, busy, hint="wait a moment", headers={"Retry-After": "20"}) from None
    except PlexError as error:
        words = own_words(error)
        field = "token" if isinstance(error, Unauthorized) else "url"
        raise Refusal(422, words, hint=error.hint, fields={field: words}) from None


# -- libraries ------------------------------------------------------------------------------------------------------


class LibraryChange(msgspec.Struct, frozen=True):
    """What to change of a library; None leaves it as it is."""

    enabled: bool | None = None
    priority: int | None = None


async def change_libraries(context: Context, changes: Mapping[int, LibraryChange]) -> list[StoredLibrary]:
    """Change libraries, all or none of them; return those that are different now."""
    for change in changes.values():
        if change.priority is not None and not 0 <= change.priority <= libraries.HIGHEST_PRIORITY:
            message = f"must be a number from 0 to {libraries.HIGHEST_PRIORITY:,}"
            raise Refusal(422, f"priority {message}", fields={"priority": message})
    definitions, now = definitions_of(context), context.clock.now()

    def apply(connection: sqlite3.Connection) -> list[StoredLibrary]:
        changed = []
        for library_id, change in changes.items():
            before = after = libraries.library_with(connection, library_id)
            if change.enabled is not None and change.enabled != before.sync_enabled:
                after = libraries.switch_library(connection, before, enabled=change.enabled, now=now)
            if change.priority is not None and change.priority != before.priority:
                after = libraries.rank_library(connection, before, change.priority, definitions, now)
            if after != before:
                changed.append(after)
        return changed

    return await _change(context, apply)


# -- path mappings --------------------------------------------------------------------------------------------------


async def checked_mapping(context: Context, server_id: int, values: Mapping[str, str]) -> PathMapping:
    """Return a mapping after the checks of a configuration; empty values are none. Raise Refusal or DaemonError."""
    given = {name: values.get(name) or "" for name in ("plex_path", "local_path", "library_name", "library_root")}
    refuse_unfit(**given)
    server, stored = await context.reading.run(_server_and_libraries, server_id)
    title = given["library_name"] or None
    try:
        title = title and mappings.title_of(stored, title, server)
    except (UnknownName, AmbiguousName) as error:
        raise Refusal(422, str(error), hint=error.hint, fields={"library_name": str(error)}) from None
    with as_input("path mapping"):
        return path_mapping(
            given["plex_path"],
            given["local_path"],
            library_name=title,
            library_root=given["library_root"] or None,
        )


def _server_and_libraries(connection: sqlite3.Connection, server_id: int) -> tuple[StoredServer, list[StoredLibrary]]:
    return servers.server_with(connection, server_id), read_libraries(connection, server_id)


async def add_mapping(context: Context, server_id: int, mapping: PathMapping) -> StoredMapping:
    """Store a mapping. Raise DaemonError."""

    def add(connection: sqlite3.Connection) -> StoredMapping:
        server = servers.server_with(connection, server_id)
        return mappings.add_mapping(connection, server.id, mapping, context.clock.now())

    return await _change(context, add)


async def change_mapping(context: Context, mapping_id: int, mapping: PathMapping) -> StoredMapping:
    """Change a mapping. Raise DaemonError."""
    definitions = definitions_of(context)

    def change(connection: sqlite3.Connection) -> StoredMapping:
        entry = mappings.mapping_with(connection, mapping_id)
        return mappings.change_mapping(connection, entry, mapping, definitions)

    return await _change(context, change)


async def remove_mapping(context: Context, mapping_id: int) -> StoredMapping:
    """Delete a mapping. Raise DaemonError."""
    definitions = definitions_of(context)

    def remove(connection: sqlite3.Connection) -> StoredMapping:
        entry = mappings.mapping_with(connection, mapping_id)
        mappings.remove_mapping(connection, entry, definitions)
        return entry

    return await _change(context, remove)


async def try_path(context: Context, path: str, server_id: int | None = None) -> list[Trial]:
    """Return what the mappings of the servers make of a path. Raise Refusal or DaemonError."""
    refuse_unfit(path=path)

    def read(connection: sqlite3.Connection) -> Callable[[], list[Trial]]:
        chosen = [each for each in read_servers(connection) if server_id in {None, each.id}]
        return partial(try_mappings, path, chosen, read_libraries(connection), read_mappings(connection), given=False)

    try:
        return await in_own_thread(await context.reading.run(read), LOOKING_S)
    except TimeoutError:
        message = "the file system does not respond"
        raise Refusal(503, message, fields={"path": message}) from None


# -- syncs ----------------------------------------------------------------------------------------------------------


async def request_sync(context: Context, selection: Selection, server: str | None) -> int:
    """Request a sync, as ``retrovue-daemon sync`` does beside a daemon; return the number of the request."""
    selection.check()
    return await _change(context, partial(add_sync_request, selection=selection, server=server))
