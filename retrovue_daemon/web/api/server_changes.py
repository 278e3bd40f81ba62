"""Changes of servers: ``/api/v1/servers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from retrovue_daemon.service.json.servers import ServerJson, server_json
from retrovue_daemon.service.management.servers import server_with
from retrovue_daemon.web import management
from retrovue_daemon.web.api.bodies import ById, Name, Token, Url
from retrovue_daemon.web.api.operations import operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    from retrovue_daemon.web.context import Context


class NewServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server to add; it is contacted first."""

    name: Name
    url: Url
    token: Token
    is_active: bool = True


class ServerChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a server; what is absent stays. A new token is tested first."""

    is_active: bool | None = None
    token: Token | None = None


class Machine(msgspec.Struct, frozen=True):
    """The machineIdentifier that is stored, and the one that responds now."""

    was: str | None
    found: str


class AcceptedMachine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machineIdentifier to accept; it must be the one that responds."""

    machine_identifier: Name


class Accepted(msgspec.Struct, frozen=True):
    """The number of items that the next sync finds again."""

    items: int


@operation("Add a server, after a test that it accepts the token", answers=ServerJson, body=NewServer, status=201)
async def add(request: web.Request, new: NewServer) -> ServerJson:
    """Add a server."""
    added, _ = await management.add_server(context_of(request), new.name, new.url, new.token, is_active=new.is_active)
    return server_json(added)


@operation("Switch a server on or off, or replace its token", answers=ServerJson, path=ById, body=ServerChange)
async def change(request: web.Request, path: ById, change: ServerChange) -> ServerJson:
    """Change a server."""
    context = context_of(request)
    # The token first: it may be refused, and then nothing has changed.
    if change.token is not None:
        await management.set_token(context, path.id, change.token)
    if change.is_active is not None:
        await management.switch_server(context, path.id, is_active=change.is_active)
    return await _now(context, path.id)


@operation(
    "Delete a server with its items. The status 202 means that this still goes on",
    answers=None,
    path=ById,
    status=204,
)
async def remove(request: web.Request, path: ById) -> web.Response:
    """Delete a server."""
    _, is_done = await management.remove_server(context_of(request), path.id)
    return web.Response(status=204 if is_done else 202)


@operation("Show which machine responds at a server's address now", answers=Machine, path=ById)
async def look_at_machine(request: web.Request, path: ById) -> Machine:
    """Contact a server without its token."""
    server, found = await management.machine_of(context_of(request), path.id)
    return Machine(server.machine_identifier, found)


@operation(
    "Accept a server's new machineIdentifier, after Plex was reinstalled",
    answers=Accepted,
    path=ById,
    body=AcceptedMachine,
)
async def accept_identity(request: web.Request, path: ById, accepted: AcceptedMachine) -> Accepted:
    """Accept another machine as a server."""
    return Accepted(await management.accept_machine(context_of(request), path.id, accepted.machine_identifier))


async def _now(context: Context, server_id: int) -> ServerJson:
    return server_json(await context.reading.run(server_with, server_id))
