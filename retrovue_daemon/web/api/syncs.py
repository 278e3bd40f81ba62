"""Syncs on request: ``/api/v1/syncs``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from retrovue_daemon.errors import UnknownId
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.store.tables.requests import read_result
from retrovue_daemon.web import management
from retrovue_daemon.web.api.bodies import ById, Name, Title
from retrovue_daemon.web.api.operations import operation
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.problems import Refusal

if TYPE_CHECKING:
    from aiohttp import web


class NewSync(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to sync, as the options of ``retrovue-daemon sync`` select it; nothing means everything."""

    server: Name | None = None
    library: Title | None = None
    show: Title | None = None
    year: Annotated[int, Meta(ge=0, le=9999)] | None = None
    full: bool = False
    accept_removals: bool = False
    details: bool = False


class SyncRequest(msgspec.Struct, frozen=True):
    """A sync that was requested; ``result`` is its progress, then what ``sync --json`` prints."""

    id: int
    finished_at: int | None
    result: dict[str, Any] | None


@operation("Request a sync", answers=SyncRequest, body=NewSync, status=202)
async def request_sync(request: web.Request, new: NewSync) -> SyncRequest:
    """Request a sync, which begins within a second or two."""
    if new.year is not None and new.show is None:
        raise Refusal(422, "year requires show", fields={"year": "requires show"})
    selection = Selection(
        library=new.library,
        show=None if new.show is None else (new.show, new.year),
        full=new.full,
        accept_removals=new.accept_removals,
        details=new.details,
    )
    request_id = await management.request_sync(context_of(request), selection, new.server)
    return SyncRequest(request_id, None, None)


@operation("Show a sync that was requested, with its result", answers=SyncRequest, path=ById)
async def show(request: web.Request, path: ById) -> SyncRequest:
    """Show a request; finished ones are kept for 90 days."""
    row = await context_of(request).reading.run(read_result, path.id)
    if row is None:
        raise UnknownId("sync", path.id, {}, hint="finished syncs are kept for 90 days")
    finished_at, text = row
    return SyncRequest(path.id, finished_at, _object(text))


def _object(text: str | None) -> dict[str, Any] | None:
    """Return a stored result; None if another program stored something else."""
    try:
        value = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
