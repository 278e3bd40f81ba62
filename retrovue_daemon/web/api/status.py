"""``/api/v1/status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.service.json.status import StatusJson, status_json
from retrovue_daemon.web.api.operations import operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    from aiohttp import web


@operation("The state of the mirror, as `retrovue-daemon status --json` prints it", answers=StatusJson)
async def show(request: web.Request) -> StatusJson:
    """Return the state of the mirror."""
    return status_json(await context_of(request).status())
