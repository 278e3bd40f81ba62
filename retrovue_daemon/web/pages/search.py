"""``/search``: the stored films, shows, seasons and episodes, found by the options of ``items search``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import msgspec

from retrovue_daemon.errors import BadCursor, BadInput, BadOption, UnknownName
from retrovue_daemon.service.item_choice import KINDS, RESOLUTIONS, SORTS, STATES
from retrovue_daemon.service.item_search import FIELDS, ItemPage, read_choice, search
from retrovue_daemon.store.items.names import names_of
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.item_addresses import poster_of_hit
from retrovue_daemon.web.rendering import render

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from aiohttp import web

HITS: Final = 50
"""Items on one page."""

VIEWS: Final = ("posters", "list")

_MOST_GENRES: Final = 300
_OPTION: Final = re.compile(r"--([a-z]+)-?([a-z]*)")
_FIELD_OF_KIND: Final = {"content rating": "content_rating", "server with libraries": "server"}


class Choices(msgspec.Struct, frozen=True):
    """What the form offers."""

    servers: list[str]
    libraries: list[str]
    genres: list[str]


async def show(request: web.Request) -> web.Response:
    """Show the form, and a page of what was found."""
    context = context_of(request)
    given = {name: request.query.getall(name, []) for name in FIELDS}
    view = request.query.get("view", "")
    view = view if view in VIEWS else VIEWS[0]
    errors: dict[str, str] = {}
    found: ItemPage | None = None
    offered = await context.reading.run(_choices)
    try:
        choice, text = read_choice(given)
        cursor = request.query.get("after")
        found = await context.reading.run(search, choice, text, cursor=cursor, limit=HITS)
    except BadCursor:
        raise
    except BadInput as error:
        errors[_field_of(error)] = _words(error)
    response = render(
        request,
        "search.html",
        title="Search",
        given=given,
        errors=errors,
        found=found,
        view=view,
        offered=offered,
        is_continued="after" in request.query,
        poster=poster_of_hit,
        kinds=KINDS,
        states=STATES,
        sorts=SORTS,
        resolutions=RESOLUTIONS,
        same_search=lambda **changes: _address(given, {"view": view, **changes}),
    )
    if errors:
        response.set_status(422)
    return response


def _choices(connection: sqlite3.Connection) -> Choices:
    libraries = dict.fromkeys(library.name for library in read_libraries(connection))
    return Choices(
        [server.name for server in read_servers(connection)],
        sorted(libraries, key=str.lower),
        names_of(connection, "genre")[:_MOST_GENRES],
    )


def _field_of(error: BadInput) -> str:
    """Return the field beside which an error is shown."""
    if isinstance(error, BadOption):
        return error.field
    if isinstance(error, UnknownName):
        name = _FIELD_OF_KIND.get(error.kind, error.kind)
        return name if name in FIELDS else "text"
    return "text"


def _words(error: BadInput) -> str:
    """Return what is wrong and what to do, in words that name no options."""
    problem = error.problem if isinstance(error, BadOption) else str(error)
    words = _OPTION.sub(lambda option: " ".join(filter(None, option.groups())), problem)
    return f"{words[:1].upper()}{words[1:]}" + (f"; {error.hint}" if error.hint else "")


def _address(given: Mapping[str, Sequence[str]], changes: Mapping[str, str | None]) -> str:
    """Return the address of the same search with other values."""
    values = [(name, text) for name, texts in given.items() if name not in changes for text in texts if text.strip()]
    values += [(name, text) for name, text in changes.items() if text and not (name == "view" and text == VIEWS[0])]
    query = urlencode(values, errors="replace")
    return f"/search?{query}" if query else "/search"
