"""All addresses of the page: who may use them, and what responds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.web.access import SIGN_IN, Access
from retrovue_daemon.web.api import description
from retrovue_daemon.web.api.addresses import ADDRESSES, PREFIX, Address
from retrovue_daemon.web.pages import (
    changes,
    health,
    items,
    login,
    manage,
    manage_libraries,
    manage_mappings,
    metrics,
    overview,
    posters,
    search,
    static,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web


class Route(msgspec.Struct, frozen=True):
    """An address, its handlers by method, and who may use them. GET includes HEAD, unless it is a stream of events.

    Methods that change something also need `Access.MANAGE`, unless their access is PUBLIC.
    """

    path: str
    access: Access
    get: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    post: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    patch: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    delete: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    is_stream: bool = False
    """Whether the response to GET goes on until the client is gone."""

    @property
    def handlers(self) -> dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        """The handlers by method."""
        head = None if self.is_stream else self.get
        found = {"GET": self.get, "HEAD": head, "POST": self.post, "PATCH": self.patch, "DELETE": self.delete}
        return {method: handler for method, handler in found.items() if handler is not None}

    def access_of(self, method: str) -> Access:
        """Return who may use a method of this address."""
        changes = method not in {"GET", "HEAD"} and self.access is not Access.PUBLIC
        return Access.MANAGE if changes else self.access


def _of_api(address: Address) -> Route:
    """Return the route of an address of the API."""
    handlers = {method: operation.respond for method, operation in address.operations.items()}
    return Route(PREFIX + address.path, Access.READ, is_stream=address.is_stream, **handlers)


ROUTES: Final = (
    Route("/", Access.READ, get=overview.show),
    Route("/progress", Access.READ, get=overview.follow, is_stream=True),
    Route(SIGN_IN, Access.PUBLIC, get=login.show, post=login.sign_in),
    Route("/logout", Access.PUBLIC, post=login.sign_out),
    Route("/manage", Access.MANAGE, get=manage.show),
    Route("/manage/servers", Access.MANAGE, get=manage.show, post=manage.add_server),
    Route("/manage/servers/{id}", Access.MANAGE, get=manage.show_server),
    Route("/manage/servers/{id}/switch", Access.MANAGE, post=manage.switch_server),
    Route("/manage/servers/{id}/token", Access.MANAGE, get=manage.show_server, post=manage.set_token),
    Route("/manage/servers/{id}/remove", Access.MANAGE, get=manage.show_server, post=manage.remove_server),
    Route("/manage/servers/{id}/machine", Access.MANAGE, get=manage.show_server, post=manage.look_at_machine),
    Route("/manage/servers/{id}/accept-identity", Access.MANAGE, post=manage.accept_machine),
    Route("/manage/libraries", Access.MANAGE, get=manage_libraries.show, post=manage_libraries.change),
    Route("/manage/libraries/{id}", Access.MANAGE, get=manage_libraries.show_removals),
    Route("/manage/libraries/{id}/accept-removals", Access.MANAGE, post=manage_libraries.accept_removals),
    Route("/manage/libraries/{id}/list", Access.MANAGE, post=manage_libraries.list_again),
    Route("/manage/mappings", Access.MANAGE, get=manage_mappings.show, post=manage_mappings.add),
    Route("/manage/mappings/{id}", Access.MANAGE, get=manage_mappings.show_mapping, post=manage_mappings.change),
    Route("/manage/mappings/{id}/remove", Access.MANAGE, post=manage_mappings.remove),
    Route("/manage/sync", Access.MANAGE, get=manage.show, post=manage.sync),
    Route("/healthz", Access.PUBLIC, get=health.is_alive),
    Route("/readyz", Access.PUBLIC, get=health.is_ready),
    Route("/search", Access.READ, get=search.show),
    Route("/items/{kind}/{id}", Access.READ, get=items.show),
    Route("/posters/{kind}/{id}", Access.READ, get=posters.show),
    Route("/changes", Access.READ, get=changes.show),
    Route("/changes/new", Access.READ, get=changes.follow, is_stream=True),
    Route("/metrics", Access.READ, get=metrics.show),
    Route("/static/{name}", Access.PUBLIC, get=static.show),
    Route(description.ADDRESS, Access.READ, get=description.show),
    *map(_of_api, ADDRESSES),
)
