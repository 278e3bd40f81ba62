"""``/api/v1/progress``, ``…/hooks``, ``…/publishing`` and ``…/reloads``: what the running daemon does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.service.json.hooks import HookJson, hook_json
from retrovue_daemon.service.json.publishing import PublishingJson, publishing_json
from retrovue_daemon.service.json.reload import ReloadJson, reload_json
from retrovue_daemon.store.tables.hooks import read_hooks
from retrovue_daemon.store.tables.publishing import publish_state
from retrovue_daemon.store.tables.reloads import read_reloads
from retrovue_daemon.sync.progress import Progress
from retrovue_daemon.web.api.operations import operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    from aiohttp import web


class Hooks(msgspec.Struct, frozen=True):
    """The hooks of the configuration."""

    hooks: list[HookJson]


class Publishing(msgspec.Struct, frozen=True):
    """How publishing to PostgreSQL is going; null if nothing was ever published."""

    postgresql: PublishingJson | None


class Reloads(msgspec.Struct, frozen=True):
    """The last reloads of the configuration, the newest first."""

    reloads: list[ReloadJson]


@operation("How far the running passes are", answers=Progress)
async def show_progress(request: web.Request) -> Progress:
    """Return the progress of running passes."""
    return context_of(request).board.latest


@operation("The hooks of the configuration, as `hooks list --json` prints them", answers=Hooks)
async def show_hooks(request: web.Request) -> Hooks:
    """Return all hooks."""
    context = context_of(request)
    stored = {hook.name: hook for hook in await context.reading.run(read_hooks)}
    return Hooks([hook_json(hook.name, stored.get(hook.name), hook) for hook in context.config.hooks])


@operation("How publishing to PostgreSQL is going, as `publish status --json` prints it", answers=Publishing)
async def show_publishing(request: web.Request) -> Publishing:
    """Return how publishing is going."""
    context = context_of(request)
    return Publishing(publishing_json(await context.reading.run(publish_state, context.clock.now())))


@operation("The last reloads of the configuration, the newest first", answers=Reloads)
async def show_reloads(request: web.Request) -> Reloads:
    """Return the last reloads."""
    done = await context_of(request).reading.run(read_reloads)
    return Reloads([reload_json(each) for each in reversed(done)])
