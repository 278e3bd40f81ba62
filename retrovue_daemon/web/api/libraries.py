"""``/api/v1/libraries``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from retrovue_daemon.service.json.libraries import LibraryJson, library_json
from retrovue_daemon.service.named import choose_libraries
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.web.api.operations import ServerName, given, operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web

    from retrovue_daemon.web.known_contents import KnownContents


class LibrariesQuery(msgspec.Struct, frozen=True):
    """The parameters of a list of libraries."""

    server: ServerName | UnsetType = UNSET


class Libraries(msgspec.Struct, frozen=True):
    """Libraries with the number of their items."""

    libraries: list[LibraryJson]


@operation(
    "Libraries, as `libraries list --json` prints them",
    answers=Libraries,
    query=LibrariesQuery,
)
async def show_all(request: web.Request, query: LibrariesQuery) -> Libraries:
    """Return the libraries of one server or of all."""
    context = context_of(request)
    return await context.reading.run(_read, given(query.server), context.contents)


def _read(connection: sqlite3.Connection, server: str | None, known: KnownContents) -> Libraries:
    chosen = choose_libraries(read_libraries(connection), None, server)
    contents = known.read(connection)
    return Libraries([library_json(library, contents.get(library.id)) for library in chosen])
