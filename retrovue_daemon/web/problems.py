"""Errors as responses: a problem document (RFC 9457) under /api, a page elsewhere. Neither shows internals."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiohttp import web
from msgspec import UNSET, UnsetType

from retrovue_daemon.errors import (
    BadCursor,
    BadInput,
    ConfigError,
    DaemonError,
    InternalError,
    PlexError,
    QueryTooSlow,
    ReadAnew,
    StoreError,
    UnknownId,
    UnknownLibrary,
    UnknownName,
    UnknownServer,
    UnknownShow,
)
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.rendering import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

log = structlog.get_logger()

_STATUSES: tuple[tuple[type[DaemonError], int], ...] = (
    (UnknownName, 404),
    (UnknownId, 404),
    (UnknownServer, 404),
    (UnknownLibrary, 404),
    (UnknownShow, 404),
    (BadCursor, 400),
    (ReadAnew, 410),
    (BadInput, 422),
    (ConfigError, 422),
    (QueryTooSlow, 503),
    (StoreError, 503),
    (PlexError, 502),
    (InternalError, 500),
)
"""The statuses of errors of this package, the first that fits; others are conflicts: 409."""


class Refusal(Exception):
    """A request that is not served, with what to report about it.

    ``detail`` says what is wrong, ``hint`` what to do; ``fields`` are messages by the names of form fields or of
    members of a JSON body.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        hint: str | None = None,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


def is_api(request: web.BaseRequest) -> bool:
    """Return whether a request is for programs, which get errors as problem documents."""
    return request.path == "/api" or request.path.startswith("/api/")


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one parameter, or with one member of a body."""

    name: str
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457): what is wrong, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    hint: str | UnsetType = UNSET
    errors: tuple[FieldProblem, ...] | UnsetType = UNSET


def problem_document(refusal: Refusal) -> web.Response:
    """Return a refusal as RFC 9457 describes it."""
    problem = Problem(
        "about:blank",
        HTTPStatus(refusal.status).phrase,
        refusal.status,
        refusal.detail,
        refusal.hint or UNSET,
        tuple(FieldProblem(*each) for each in refusal.fields.items()) or UNSET,
    )
    return web.Response(
        status=refusal.status,
        body=msgspec.json.encode(problem),
        content_type="application/problem+json",
        headers=refusal.headers,
    )


def refusal_of(error: DaemonError) -> Refusal:
    """Return how an error of this package is reported."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 409)
    fields = error.fields if isinstance(error, BadInput) else {}
    return Refusal(status, str(error), hint=error.hint, fields=fields)


def _of_http(error: web.HTTPException) -> Refusal:
    details = {
        404: "there is nothing at this address",
        405: f"this address does not support {error.method}" if isinstance(error, web.HTTPMethodNotAllowed) else "",
        413: "the request is too large",
    }
    headers = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    return Refusal(error.status, details.get(error.status) or error.reason.lower(), headers=headers)


def respond(request: web.Request, refusal: Refusal) -> web.Response:
    """Return the response for a refusal, without secrets. Raise ConnectionError if another one has begun."""
    if request.writer.output_size > 0:
        # A stream ends, and its client connects again; another response would be a part of the stream.
        raise ConnectionResetError("a response has begun")
    redact = context_of(request).redactor.text
    shown = Refusal(
        refusal.status,
        redact(refusal.detail),
        hint=redact(refusal.hint) if refusal.hint else None,
        fields={name: redact(message) for name, message in refusal.fields.items()},
        headers=refusal.headers,
    )
    if is_api(request):
        return problem_document(shown)
    title = HTTPStatus(shown.status).phrase
    response = render(request, "problem.html", title=title, problem=shown)
    response.set_status(shown.status)
    response.headers.update(shown.headers)
    return response


@web.middleware
async def errors_as_responses(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn every exception into a response; a bug is logged with its traceback, and not shown."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return respond(request, refusal)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 -- a redirect
            raise
        return respond(request, _of_http(error))
    except DaemonError as error:
        return respond(request, refusal_of(error))
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:
        # The path could hold what a person typed into a form by mistake; the route does not.
        resource = request.match_info.route.resource
        log.exception("web.crashed", route=resource.canonical if resource else "")
        return respond(request, Refusal(500, "internal error", hint="please report this; the log has the traceback"))
