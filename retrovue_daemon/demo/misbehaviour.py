"""How quirks, and faults that a test set, are carried out: instead of a response, or in its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.demo.faults import (
    BadBytes,
    Drop,
    Fail,
    Fault,
    Garble,
    Hang,
    Redirect,
    Replace,
    Rewrite,
    Truncate,
)
from retrovue_daemon.demo.pages import compress, error_page, other_program

if TYPE_CHECKING:
    from retrovue_daemon.demo.quirks import Quirks

FAULT: web.RequestKey[Fault] = web.RequestKey("fault", Fault)
"""The request key of the fault that applies to the request."""
NOT_UTF8 = b"\xff"


async def before_answer(request: web.Request, quirks: Quirks, fault: Fault | None) -> web.StreamResponse | None:
    """Return what the client gets instead of a response, or None. Wait until a `Hang` is released."""
    if quirks.not_plex is not None:
        return other_program(quirks.not_plex)
    match fault:
        case Fail(body=str(body)):
            return web.Response(status=fault.status, text=body, content_type=fault.content_type)
        case Fail():
            return error_page(fault.status, retry_after=fault.retry_after)
        case Replace():
            return web.Response(body=fault.body, content_type=fault.content_type)
        case Redirect():
            return web.Response(status=302, headers={"Location": fault.location})
        case Drop():
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        case Hang():
            fault.reached.set()
            await fault.release.wait()
    return None


async def spoil(request: web.Request, response: web.StreamResponse, fault: Fault | None) -> web.StreamResponse:
    """Return the response as sent: spoiled if a fault says so, compressed if the client accepts it."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    match fault:
        case Garble():
            response.body = response.body[: len(response.body) * 2 // 3]
        case BadBytes():
            response.body = _with_bad_byte(response.body)
        case Rewrite():
            response.body = response.body.replace(fault.old.encode(), fault.new.encode("latin-1"))
    compress(request, response)
    return await _break_off(request, response) if isinstance(fault, Truncate) else response


def _with_bad_byte(body: bytes) -> bytes:
    for opening in (b'"title":"', b' title="'):
        # Sections and items have a title; the container has title1, which no client needs.
        before, found, after = body.partition(opening)
        if found:
            return before + found + NOT_UTF8 + after
    return body


async def _break_off(request: web.Request, whole: web.Response) -> web.StreamResponse:
    body = whole.body
    assert isinstance(body, bytes)  # noqa: S101  # checked in spoil
    torn = web.StreamResponse(status=whole.status, headers=whole.headers)
    torn.content_length = len(body)
    await torn.prepare(request)
    await torn.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return torn
