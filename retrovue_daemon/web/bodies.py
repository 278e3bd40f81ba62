"""Bodies of requests: forms of the pages, JSON of the API. Both are read within a time and a size."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, TypeVar

import msgspec

from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.limits import BODY_S
from retrovue_daemon.web.problems import Refusal, is_api
from retrovue_daemon.web.viewer import viewer_of

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import MultiDictProxy

T = TypeVar("T")

FORM_TOKEN = "form_token"  # noqa: S105 -- the name of a field
FORM_HEADER = "X-Form-Token"
"""What scripts send instead of the field."""

_FORM = "application/x-www-form-urlencoded"


async def check_form_token(request: web.Request) -> None:
    """Refuse a change that did not come from a form or a script of the page. Raise Refusal.

    Programs that send the token itself need none: no website can make a browser do that.
    """
    viewer = viewer_of(request)
    if viewer.by_header:
        return
    given = request.headers.get(FORM_HEADER)
    if given is None and not is_api(request):
        given = (await read_form(request)).get(FORM_TOKEN)
    expected = context_of(request).sessions.form_token(viewer.cookie)
    if not viewer.cookie or not hmac.compare_digest((given or "").encode("utf-8", "replace"), expected.encode()):
        raise Refusal(403, "the form is not of this session", hint="load the page again, and repeat what you did")


async def read_form(request: web.Request) -> MultiDictProxy[str]:
    """Return the fields of a form; a second call returns the same. Raise Refusal."""
    _refuse_encoding(request)
    if request.content_type != _FORM:
        raise Refusal(415, f"the body must be a form: {_FORM}")
    try:
        async with asyncio.timeout(BODY_S):
            # With this content type, no field is a file.
            return await request.post()  # type: ignore[return-value]
    except TimeoutError:
        raise _too_slow() from None
    except (ValueError, LookupError):  # text that is not what its charset says, or an unknown charset
        raise Refusal(400, "the form cannot be read: it must be UTF-8") from None


async def read_json(request: web.Request, kind: type[T]) -> T:
    """Return the body of a request to the API as a struct. Raise Refusal, which says what is wrong where."""
    _refuse_encoding(request)
    if request.content_type != "application/json":
        raise Refusal(415, "the body must be JSON: application/json")
    try:
        async with asyncio.timeout(BODY_S):
            content = await request.read()
    except TimeoutError:
        raise _too_slow() from None
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        raise Refusal(400, "the body is not valid JSON") from None


def _refuse_encoding(request: web.Request) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refusal(415, "compressed bodies are not accepted")


def _too_slow() -> Refusal:
    return Refusal(408, "the body of the request did not arrive in time", headers={"Connection": "close"})
