"""Operations of the API: what they take and return is declared once, read by requests and by the description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from aiohttp import web
from msgspec import Meta, UnsetType

from retrovue_daemon.web.bodies import read_json
from retrovue_daemon.web.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

Q = TypeVar("Q", bound=msgspec.Struct)
T = TypeVar("T")

LONGEST_TEXT: Final = 500
LARGEST_ID: Final = 2**63 - 1

RowId: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_ID, description="The id of a row.")]
ServerName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_TEXT, description="Only of the server with this name.")
]
LibraryName: TypeAlias = Annotated[
    str,
    Meta(min_length=1, max_length=LONGEST_TEXT, description="Only of libraries with this title or key."),
]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A handler of the API. It gets the request, then a struct of each kind that is declared, in this order."""

    handle: Callable[..., Awaitable[object]]
    summary: str
    answers: Any
    """The type of the response; None if it has no content."""
    path: type[msgspec.Struct] | None
    query: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None
    status: int
    media_type: str

    @property
    def id(self) -> str:
        """A name that no other operation has."""
        return f"{self.handle.__module__.rpartition('.')[2]}_{self.handle.__name__}"

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Handle a request. Raise Refusal for what is not as declared."""
        given: list[object] = []
        if self.path is not None:
            given.append(_read_path(request.match_info, self.path))
        if self.query is not None:
            given.append(_read_query(request, self.query))
        else:
            _refuse_unknown(request, ())
        if self.body is not None:
            given.append(await read_json(request, self.body))
        answer = await self.handle(request, *given)
        if isinstance(answer, web.StreamResponse):
            return answer
        if self.answers is None:
            return web.Response(status=self.status)
        return web.Response(status=self.status, body=encoded(answer), content_type="application/json")


def operation(
    summary: str,
    *,
    answers: Any,
    path: type[msgspec.Struct] | None = None,
    query: type[msgspec.Struct] | None = None,
    body: type[msgspec.Struct] | None = None,
    status: int = 200,
    media_type: str = "application/json",
) -> Callable[[Callable[..., Awaitable[object]]], Operation]:
    """Make a handler an operation."""

    def make(handle: Callable[..., Awaitable[object]]) -> Operation:
        return Operation(
            handle=handle,
            summary=summary,
            answers=answers,
            path=path,
            query=query,
            body=body,
            status=status,
            media_type=media_type,
        )

    return make


def given(value: T | UnsetType) -> T | None:
    """Return the value of a parameter, None if it was not given."""
    return None if isinstance(value, UnsetType) else value


def encoded(value: object) -> bytes:
    """Return a value as JSON; bytes of paths that are no text are escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value)).encode()


def _read_path(values: Mapping[str, str], kind: type[Q]) -> Q:
    try:
        return msgspec.convert(dict(values), kind, strict=False)
    except msgspec.ValidationError:
        raise Refusal(404, "there is nothing at this address") from None


def _read_query(request: web.Request, kind: type[Q]) -> Q:
    """Return the parameters of a request, each of which has a default. Raise Refusal, which names what is wrong."""
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    _refuse_unknown(request, tuple(types))
    values: dict[str, object] = {}
    wrong: dict[str, str] = {}
    for name in dict.fromkeys(request.query):
        texts = request.query.getall(name)
        is_list = _is_list(types[name])
        values[name] = texts if is_list else texts[0]
        if len(texts) > 1 and not is_list:
            wrong[name] = "is given more than once"
            continue
        try:
            msgspec.convert({name: values[name]}, kind, strict=False)
        except msgspec.ValidationError as error:
            wrong[name] = str(error).replace(f" - at `$.{name}`", "").replace(f"$.{name}", "")
    if wrong:
        raise Refusal(422, f"cannot use the parameter {next(iter(wrong))!r}", fields=wrong)
    return msgspec.convert(values, kind, strict=False)


def _is_list(kind: Any) -> bool:
    return get_origin(get_args(kind)[0] if get_origin(kind) is Annotated else kind) is tuple


def _refuse_unknown(request: web.Request, known: Sequence[str]) -> None:
    unknown = [name for name in dict.fromkeys(request.query) if name not in known]
    if unknown:
        hint = f"known: {', '.join(known)}" if known else "there are none here"
        fields = dict.fromkeys(unknown, "is no parameter of this address")
        raise Refusal(422, f"there is no parameter {unknown[0]!r}", hint=hint, fields=fields)
