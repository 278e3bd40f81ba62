"""``/api/v1/passes`` and ``…/outages``: what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from retrovue_daemon.service.json.outages import OutageJson, outage_json
from retrovue_daemon.service.json.passes import PassJson, pass_json
from retrovue_daemon.service.named import choose_libraries, choose_servers
from retrovue_daemon.store import overview
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.outages import read_outages
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web.api.operations import LARGEST_ID, LibraryName, ServerName, given, operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web

_FIRST: Final = 20


class PassesQuery(msgspec.Struct, frozen=True):
    """Which passes."""

    server: ServerName | UnsetType = UNSET
    library: LibraryName | UnsetType = UNSET
    before: Annotated[int, Meta(ge=1, le=LARGEST_ID, description="`before` of the last answer.")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=500)] = _FIRST


class Passes(msgspec.Struct, frozen=True):
    """Some passes, the newest first; the next ones come before the run ``before``, null at the end."""

    passes: list[PassJson]
    before: int | None


class OutagesQuery(msgspec.Struct, frozen=True):
    """Whose outages."""

    server: ServerName | UnsetType = UNSET


class Outages(msgspec.Struct, frozen=True):
    """Times in which servers could not be used; an outage that lasts is in the problems of ``/status``."""

    outages: list[OutageJson]


@operation(
    "Past passes, the newest first, as `history --json` prints them; page by page", answers=Passes, query=PassesQuery
)
async def show(request: web.Request, query: PassesQuery) -> Passes:
    """Return some passes."""
    return await context_of(request).reading.run(_read, query)


@operation("Past outages, the newest first, as `history --json` prints them", answers=Outages, query=OutagesQuery)
async def show_outages(request: web.Request, query: OutagesQuery) -> Outages:
    """Return the outages of one server or of all."""
    return await context_of(request).reading.run(_read_outages, given(query.server))


def _read_outages(connection: sqlite3.Connection, server: str | None) -> Outages:
    chosen = {each.id for each in choose_servers(read_servers(connection), server)}
    return Outages([outage_json(each) for each in reversed(read_outages(connection)) if each.server_id in chosen])


def _read(connection: sqlite3.Connection, query: PassesQuery) -> Passes:
    server, library = given(query.server), given(query.library)
    ids = None
    if not server is library is None:
        ids = [each.id for each in choose_libraries(read_libraries(connection), library, server)]
    found = overview.passes(connection, library_ids=ids, before=given(query.before), limit=query.limit + 1)
    shown = found[: query.limit]
    return Passes([pass_json(done) for done in shown], shown[-1].id if len(found) > len(shown) else None)
