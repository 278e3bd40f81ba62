"""``/manage``: servers, adding one, and syncing now; ``/manage/servers/ID``: one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import DaemonError
from retrovue_daemon.service.management import libraries, servers
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.store.items import lookup
from retrovue_daemon.store.overview import contents
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.units import plural
from retrovue_daemon.web import management
from retrovue_daemon.web.bodies import read_form
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.forms import EMPTY, Form, id_in, status_of, values_of
from retrovue_daemon.web.problems import Refusal
from retrovue_daemon.web.rendering import done, render

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from aiohttp import web

    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer

_STORED = ("movies", "shows", "seasons", "episodes")

_YEARS = 4
"""Digits that a year has at most."""


async def show(request: web.Request) -> web.Response:
    """Show all servers, and the forms to add one and to sync."""
    return await _overview(request)


async def _overview(
    request: web.Request, adding: Form = EMPTY, syncing: Form = EMPTY, *, status: int = 200
) -> web.Response:
    context = context_of(request)
    stored, listed = await context.reading.run(_servers_and_libraries)
    definitions = management.definitions_of(context)
    response = render(
        request,
        "manage.html",
        title="Manage",
        servers=[(server, definitions.section(server.name) is not None) for server in stored],
        libraries=[library for library in listed if library.is_synced],
        source=definitions.source,
        adding=adding,
        syncing=syncing,
    )
    response.set_status(status)
    return response


def _servers_and_libraries(connection: sqlite3.Connection) -> tuple[list[StoredServer], list[StoredLibrary]]:
    return read_servers(connection), read_libraries(connection)


async def add_server(request: web.Request) -> web.Response:
    """Add a server, if it responds and accepts the token."""
    form, context = await read_form(request), context_of(request)
    name, url, token = (form.get(field, "").strip() for field in ("name", "url", "token"))
    try:
        added, answer = await management.add_server(context, name, url, token, is_active="disabled" not in form)
    except (Refusal, DaemonError) as error:
        # What was typed is shown again, but no token, and no address that may hold a password or a token.
        shown = "" if set(url) & set("@?#") else url
        values = {"name": name, "url": shown, "disabled": form.get("disabled", "")}
        refused = Form.refused(values, error, "name", "url", "token")
        return await _overview(request, refused, status=status_of(error))
    selected = sum(chosen for *_, chosen in answer.libraries)
    count = plural(selected, "library", "libraries")
    notes = [f"Added server {added.name!r}: it responds and accepts the token. It has {count} to sync."]
    return done(request, "/manage", " ".join([*notes, *(f"Note: {problem}." for problem in answer.problems)]))


async def sync(request: web.Request) -> web.Response:
    """Request a sync of everything, a server, a library or a show."""
    context, values = context_of(request), values_of(await read_form(request), "scope", "show", "year", "full")
    try:
        what = await _request_sync(request, values)
    except (Refusal, DaemonError) as error:
        refused = Form.refused(values, error, "scope", "show", "year")
        return await _overview(request, syncing=refused, status=status_of(error))
    paused = "" if context.supervisor.started.is_set() else " The daemon is starting."
    return done(request, "/manage", f"Requested a sync of {what}. The overview shows the progress.{paused}")


async def _request_sync(request: web.Request, values: Mapping[str, str]) -> str:
    """Request what a form selects, and return that in words. Raise Refusal or DaemonError."""
    context = context_of(request)
    management.refuse_unfit(show=values["show"])
    kind, _, number = values["scope"].partition(":")
    row_id = lookup.id_in(number)
    if kind and (kind not in {"server", "library"} or row_id is None):
        raise Refusal(422, "this cannot be synced", fields={"scope": "Select one of the list."})
    year = values["year"]
    if year and not (year.isascii() and year.isdigit() and len(year) <= _YEARS):
        raise Refusal(422, "the year is no number", fields={"year": "Enter a year, such as 1961, or nothing."})
    if year and not values["show"]:
        raise Refusal(422, "a year needs a show", fields={"show": "Enter the title of the show of that year."})
    server = library = None
    what = "everything"
    if kind == "server" and row_id is not None:
        server = (await context.reading.run(servers.server_with, row_id)).name
        what = f"server {server!r}"
    elif kind == "library" and row_id is not None:
        row = await context.reading.run(libraries.library_with, row_id)
        server, library = row.server, row.key
        what = f"library {row.name!r} of server {server!r}"
    show = (values["show"], int(year) if year else None) if values["show"] else None
    if show is not None:
        what = f"the show {show[0]!r}" + ("" if kind == "" else f" in {what}")
    selection = Selection(library=library, show=show, full=bool(values["full"]), details=False)
    await management.request_sync(context, selection, server)
    return what


# -- one server -----------------------------------------------------------------------------------------------------


async def show_server(request: web.Request) -> web.Response:
    """Show a server, and what can be changed of it."""
    return await _server(request)


async def _server(
    request: web.Request,
    token: Form = EMPTY,
    removal: Form = EMPTY,
    *,
    machine: str | None = None,
    status: int = 200,
) -> web.Response:
    context, server_id = context_of(request), id_in(request, "server")
    server, counts = await context.reading.run(_server_and_counts, server_id)
    definitions = management.definitions_of(context)
    response = render(
        request,
        "manage_server.html",
        title=f"Server {server.name}",
        server=server,
        section=definitions.section(server.name),
        source=definitions.source,
        counts=counts,
        token=token,
        removal=removal,
        machine=machine,
    )
    response.set_status(status)
    return response


def _server_and_counts(connection: sqlite3.Connection, server_id: int) -> tuple[StoredServer, dict[str, int]]:
    server = servers.server_with(connection, server_id)
    own = {library.id for library in read_libraries(connection, server_id)}
    # By indexes alone: files are not counted, which would take long.
    found = [each for library_id, each in contents(connection).items() if library_id in own]
    return server, {table: sum(each.present.get(table, 0) for each in found) for table in _STORED}


async def switch_server(request: web.Request) -> web.Response:
    """Switch a server on or off."""
    form, server_id = await read_form(request), id_in(request, "server")
    is_active = form.get("is_active", "")
    if is_active not in {"on", "off"}:
        raise Refusal(422, "is_active must be on or off")
    server, changed = await management.switch_server(context_of(request), server_id, is_active=is_active == "on")
    note = f"Server {server.name!r} {'is now' if changed else 'was already'} {is_active}."
    return done(request, f"/manage/servers/{server_id}", note)


async def set_token(request: web.Request) -> web.Response:
    """Replace the token of a server, if it accepts the new one."""
    form, server_id = await read_form(request), id_in(request, "server")
    try:
        server = await management.set_token(context_of(request), server_id, form.get("token", "").strip())
    except (Refusal, DaemonError) as error:
        return await _server(request, Form.refused({}, error, "token"), status=status_of(error))
    return done(request, f"/manage/servers/{server_id}", f"Replaced the token of server {server.name!r}.")


async def remove_server(request: web.Request) -> web.Response:
    """Delete a server with all its items, if that was confirmed."""
    form, server_id = await read_form(request), id_in(request, "server")
    if form.get("confirmed") != "yes":
        message = "Check this box if you mean it."
        refused = Form({}, {"confirmed": message})
        return await _server(request, removal=refused, status=422)
    server, is_done = await management.remove_server(context_of(request), server_id)
    name = f"server {server.name!r}"
    note = f"Removed {name} with its items." if is_done else f"Removing {name}: its items take a while."
    return done(request, "/manage", note)


async def look_at_machine(request: web.Request) -> web.Response:
    """Show which machine responds at the address of a server, so that a person can accept it."""
    server, found = await management.machine_of(context_of(request), id_in(request, "server"))
    if found == server.machine_identifier:
        note = f"Server {server.name!r} is the same machine as before; there is nothing to accept."
        return done(request, f"/manage/servers/{server.id}", note)
    return await _server(request, machine=found)


async def accept_machine(request: web.Request) -> web.Response:
    """Accept another machine as a server, because Plex was reinstalled."""
    form, server_id = await read_form(request), id_in(request, "server")
    items = await management.accept_machine(context_of(request), server_id, form.get("machine", ""))
    note = f"Accepted. The next sync matches {plural(items, 'item')} by guid and file."
    return done(request, f"/manage/servers/{server_id}", note)
