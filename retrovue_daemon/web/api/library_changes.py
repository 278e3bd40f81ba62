"""Changes of libraries, and the removals that are held back in them: ``/api/v1/libraries/{id}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from retrovue_daemon.service.json.libraries import LibraryRowJson, library_row_json
from retrovue_daemon.service.management.libraries import HIGHEST_PRIORITY, library_with
from retrovue_daemon.store.items.differences import held_back_in
from retrovue_daemon.web import management
from retrovue_daemon.web.api.bodies import ById
from retrovue_daemon.web.api.operations import operation
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.management import LibraryChange

if TYPE_CHECKING:
    from aiohttp import web


class LibrarySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a library; what is absent stays."""

    sync_enabled: bool | None = None
    priority: Annotated[int, Meta(ge=0, le=HIGHEST_PRIORITY)] | None = None


class HeldItem(msgspec.Struct, frozen=True):
    """An item that a library's last full listing did not contain."""

    kind: str
    id: int
    title: str


class Removals(msgspec.Struct, frozen=True):
    """The removals that are held back in a library.

    ``count`` is None if it is not known which items they are: after a restart, until the next full listing.
    ``items`` are the first 200 of each kind.
    """

    is_held_back: bool
    reason: str | None
    count: int | None
    items: list[HeldItem]


@operation("Switch a library on or off, or set its priority", answers=LibraryRowJson, path=ById, body=LibrarySettings)
async def change(request: web.Request, path: ById, settings: LibrarySettings) -> LibraryRowJson:
    """Change a library."""
    context = context_of(request)
    await management.change_libraries(
        context, {path.id: LibraryChange(enabled=settings.sync_enabled, priority=settings.priority)}
    )
    return library_row_json(await context.reading.run(library_with, path.id))


@operation("Show the removals that are held back in a library", answers=Removals, path=ById)
async def show_removals(request: web.Request, path: ById) -> Removals:
    """Show what would be removed; ``POST /syncs`` with ``accept_removals`` accepts that."""
    context = context_of(request)
    held = context.supervisor.held_back(path.id)
    library = await context.reading.run(library_with, path.id)
    if library.state != "blocked":
        return Removals(is_held_back=False, reason=None, count=0, items=[])
    items = await context.reading.run(lambda connection: list(held_back_in(connection, held.first if held else {})))
    return Removals(
        is_held_back=True,
        reason=library.last_error,
        count=sum(held.counts.values()) if held else None,
        items=[HeldItem(str(item.kind), item.id, item.title) for item in items],
    )
