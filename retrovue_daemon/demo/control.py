"""The control side of a simulated server: changes, faults, notifications and quirks over HTTP, on its own port.

It serves programs that cannot use the Python objects: a demo in another process, a shell script, a benchmark. It is
meant for loopback only and requires no token.

| request | body | response |
|---|---|---|
| POST /changes/{method of Changes or RichChanges} | its arguments, as a JSON object | its result |
| POST /faults/{method of Faults} | its arguments, as a JSON object | {} |
| POST /notify/{method of ScriptedNotifications} | its arguments, as a JSON object | {} |
| POST /quirks | the quirks to set | all quirks |
| POST /notifications | the quirks of notifications to set | all quirks of notifications |
| GET /notifications | | the open connections: kind, messages sent, pings received |
| POST /restart | | {} |
| GET /truth/{type} | ?library= | all films, shows, seasons or episodes of the world |
| GET /truth/collection | ?library= | all collections, with the ids of their members in order |
| GET /truth | | the libraries, with the number of items of each type |
| GET / | | all changes, faults and notifications with their arguments, and the quirks |

Positional arguments go into a list named "args"; named ones come before those. An unknown name gets a 404. Arguments
that do not fit get a 400 with the reason as text and change nothing, because they are checked against the annotations
before the method is called.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self, get_type_hints

import msgspec
from aiohttp import web

from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.demo.faults import Faults
from retrovue_daemon.demo.items import Item
from retrovue_daemon.demo.memberships import Memberships
from retrovue_daemon.demo.notifications import ScriptedNotifications
from retrovue_daemon.demo.rich_changes import RichChanges

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from retrovue_daemon.demo.notifications import NotificationQuirks
    from retrovue_daemon.demo.quirks import Quirks
    from retrovue_daemon.demo.server import SimulatedPlex

NOT_OFFERED = frozenset({"take", "intruders"})
"""The methods of Faults that the server itself uses to look up faults."""
TYPES = ("movie", "show", "season", "episode")


class Control:
    """Serves the control side of a simulated server while its context is open. `port=0` picks a free port."""

    def __init__(self, plex: SimulatedPlex, *, port: int = 0, host: str = "127.0.0.1") -> None:
        self._plex = plex
        self._host = host
        self._port = port
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self.names),
                web.post("/changes/{name}", self.change),
                web.post("/faults/{name}", self.fault),
                web.post("/quirks", self.quirks),
                web.post("/notify/{name}", self.notify),
                web.get("/notifications", self.connections),
                web.post("/notifications", self.notification_quirks),
                web.post("/restart", self.restart),
                web.get("/truth", self.libraries),
                web.get("/truth/{type}", self.truth),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        """The address, without a trailing slash."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def names(self, request: web.Request) -> web.Response:  # noqa: ARG002  # the signature of a handler
        """Return the available methods and quirks."""
        return _json(
            {
                "changes": _described(Changes) | _described(RichChanges),
                "faults": _described(Faults),
                "notify": _described(ScriptedNotifications),
                "quirks": msgspec.to_builtins(self._plex.quirks),
                "notifications": msgspec.to_builtins(self._plex.notifications.quirks),
            }
        )

    async def change(self, request: web.Request) -> web.Response:
        """Change the world."""
        name = request.match_info["name"]
        if name in _offered(RichChanges):
            method = _method(self._plex.rich, RichChanges, name)
        else:
            method = _method(self._plex.changes, Changes, name)
        return _json(_plain(await _called(method, request)))

    async def fault(self, request: web.Request) -> web.Response:
        """Set a fault."""
        await _called(_method(self._plex.faults, Faults, request.match_info["name"]), request)
        return _json({})

    async def quirks(self, request: web.Request) -> web.Response:
        """Set some quirks and return all of them."""
        return await _set(self._plex.quirks, request)

    async def notification_quirks(self, request: web.Request) -> web.Response:
        """Set some quirks of notifications and return all of them."""
        return await _set(self._plex.notifications.quirks, request)

    async def notify(self, request: web.Request) -> web.Response:
        """Send a notification, or several, whether or not anything happened."""
        await _called(_method(self._plex.notify, ScriptedNotifications, request.match_info["name"]), request)
        return _json({})

    async def connections(self, request: web.Request) -> web.Response:  # noqa: ARG002  # the signature of a handler
        """Return the open connections."""
        return _json(
            [
                {"kind": each.kind, "sent": each.sent, "waiting": each.waiting, "pings": each.pings}
                for each in self._plex.notifications.connections
            ]
        )

    async def restart(self, request: web.Request) -> web.Response:  # noqa: ARG002  # the signature of a handler
        """Break all connections to the Plex side."""
        await self._plex.restart()
        return _json({})

    async def libraries(self, request: web.Request) -> web.Response:  # noqa: ARG002  # likewise
        """Return the libraries."""
        world = self._plex.world
        return _json(
            [
                msgspec.to_builtins(library) | {"items": {name: len(world.in_library(key, name)) for name in TYPES}}
                for key, library in world.libraries.items()
            ]
        )

    async def truth(self, request: web.Request) -> web.Response:
        """Return all items of one type."""
        item_type, wanted = request.match_info["type"], request.query.get("library")
        world = self._plex.world
        keys = world.libraries if wanted is None else (wanted,)
        if item_type == "collection":
            memberships = Memberships(world)
            there = [each for each in world.collections.values() if each.library in keys]
            return _json(
                [msgspec.to_builtins(each) | {"members": [m.id for m in memberships.of(each)]} for each in there]
            )
        if item_type not in TYPES:
            raise web.HTTPNotFound
        return _json([_plain(item) for key in keys for item in world.in_library(key, item_type)])


def _offered(owner: type) -> dict[str, Callable[..., Any]]:
    return {
        name: method
        for name, method in vars(owner).items()
        if inspect.isfunction(method) and not name.startswith("_") and name not in NOT_OFFERED
    }


def _method(target: object, owner: type, name: str) -> Callable[..., Any]:
    if name not in _offered(owner):
        raise web.HTTPNotFound
    method: Callable[..., Any] = getattr(target, name)
    return method


def _described(owner: type) -> dict[str, dict[str, str]]:
    """Return the methods of a class with their arguments and descriptions."""
    return {
        name: {
            "arguments": ", ".join(
                str(p).replace("'", "") for p in [*inspect.signature(method).parameters.values()][1:]
            ),
            "does": (inspect.getdoc(method) or "").partition("\n")[0],
        }
        for name, method in _offered(owner).items()
    }


async def _set(quirks: Quirks | NotificationQuirks, request: web.Request) -> web.Response:
    wanted = msgspec.to_builtins(quirks) | await _body(request)
    try:
        after = msgspec.convert(wanted, type(quirks))
    except msgspec.ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    for name in after.__struct_fields__:
        setattr(quirks, name, getattr(after, name))
    return _json(msgspec.to_builtins(after))


async def _called(method: Callable[..., Any], request: web.Request) -> Any:
    """Call a method with the arguments in the body."""
    arguments = await _body(request)
    try:
        bound = _bound(method, arguments)
        return method(*bound.args, **bound.kwargs)
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise web.HTTPBadRequest(text=f"{type(error).__name__}: {error}") from error


def _bound(method: Callable[..., Any], arguments: dict[str, Any]) -> inspect.BoundArguments:
    """Bind each argument to its parameter, converted to the parameter's type."""
    unnamed = msgspec.convert(arguments.pop("args", []), list[Any])
    signature = inspect.signature(method)
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in signature.parameters.values()):
        unnamed = [*_named_first(signature, arguments), *unnamed]
    bound = signature.bind(*unnamed, **arguments)
    types = get_type_hints(method)
    for name, value in bound.arguments.items():
        match bound.signature.parameters[name].kind:
            case inspect.Parameter.VAR_POSITIONAL:
                fit: Any = tuple(msgspec.convert(each, types[name]) for each in value)
            case inspect.Parameter.VAR_KEYWORD:
                fit = {key: msgspec.convert(each, types[name]) for key, each in value.items()}
            case _:
                fit = msgspec.convert(value, types[name])
        bound.arguments[name] = fit
    return bound


def _named_first(signature: inspect.Signature, arguments: dict[str, Any]) -> list[Any]:
    """Take out the arguments that stand before those of `args`: Python accepts no name before arguments without."""
    first: list[Any] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD or name not in arguments:
            break
        first.append(arguments.pop(name))
    return first


async def _body(request: web.Request) -> dict[str, Any]:
    if not request.can_read_body:
        return {}
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(element) for element in value]
    plain = msgspec.to_builtins(value)
    return plain | {"type": value.type} if isinstance(value, Item) else plain


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
