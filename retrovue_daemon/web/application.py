"""The application: the routes, and the layers that each request passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.web.access import check_access, identify
from retrovue_daemon.web.bodies import check_form_token
from retrovue_daemon.web.context import CONTEXT, context_of
from retrovue_daemon.web.limits import LARGEST_BODY, sent_in_time
from retrovue_daemon.web.problems import errors_as_responses
from retrovue_daemon.web.routes import ROUTES, Route
from retrovue_daemon.web.security import SAFE_METHODS, add_headers, check_host, check_origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from retrovue_daemon.web.context import Context

_ROUTE_OF: web.AppKey[dict[web.AbstractRoute, Route]] = web.AppKey("route_of")


def make_application(context: Context) -> web.Application:
    """Return the application with all routes."""
    application = web.Application(
        middlewares=[sent_in_time, errors_as_responses, guarded], client_max_size=LARGEST_BODY
    )
    application[CONTEXT] = context
    route_of = application[_ROUTE_OF] = {}
    for route in ROUTES:
        resource = application.router.add_resource(route.path)
        for method, handler in route.handlers.items():
            route_of[resource.add_route(method, handler)] = route
    application.on_response_prepare.append(_add_headers)
    return application


@web.middleware
async def guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Serve a request only if its host, its origin and who sent it allow that."""
    settings = context_of(request).web
    check_host(request, settings)
    check_origin(request, settings)
    identify(request)
    # What is not found, or has another method, has no route; its handler refuses the request.
    route = request.config_dict[_ROUTE_OF].get(request.match_info.route)
    if route is not None:
        elsewhere = check_access(request, route.access_of(request.method))
        if elsewhere is not None:
            return elsewhere
        if request.method not in SAFE_METHODS:
            await check_form_token(request)
    return await handler(request)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    add_headers(response)
