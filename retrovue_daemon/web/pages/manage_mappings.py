"""``/manage/mappings``: path mappings, the files that each covers, and the test of a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import DaemonError
from retrovue_daemon.service.management.coverage import seen
from retrovue_daemon.service.management.mappings import mapping_with
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.mappings import read_mappings
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web import management
from retrovue_daemon.web.bodies import read_form
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.file_counts import LOOKING_S
from retrovue_daemon.web.forms import EMPTY, Form, id_in, selected_id, status_of, values_of
from retrovue_daemon.web.own_thread import in_own_thread
from retrovue_daemon.web.problems import Refusal
from retrovue_daemon.web.rendering import done, render

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web

    from retrovue_daemon.service.management.coverage import Trial
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.mappings import StoredMapping
    from retrovue_daemon.store.tables.servers import StoredServer
    from retrovue_daemon.web.context import Context

FIELDS: Final = ("server", "plex_path", "local_path", "library_name", "library_root")


async def show(request: web.Request) -> web.Response:
    """Show all mappings; the address may hold the beginning of a new one, or a path to test."""
    given = values_of(request.query, "server", "plex_path", "path")
    return await _mappings(request, Form(given))


async def _mappings(request: web.Request, adding: Form = EMPTY, *, status: int = 200) -> web.Response:
    context = context_of(request)
    counted = await context.file_counts.latest()
    stored_servers, libraries, stored = await context.reading.run(_read)
    trials, trial_error = await _trials(context, adding.value("path"))
    response = render(
        request,
        "manage_mappings.html",
        title="Path mappings",
        servers=stored_servers,
        libraries=libraries,
        mappings=stored,
        ids={server.name: server.id for server in stored_servers},
        counted=counted,
        count_error=context.file_counts.error,
        trials=trials,
        trial_error=trial_error,
        source=context.config.source,
        form=adding,
    )
    response.set_status(status)
    return response


def _read(connection: sqlite3.Connection) -> tuple[list[StoredServer], list[StoredLibrary], list[StoredMapping]]:
    return read_servers(connection), read_libraries(connection), read_mappings(connection)


async def _trials(context: Context, path: str) -> tuple[list[Trial] | None, str]:
    """Return what mappings make of a path, None if there is no path or if it cannot be tested, and why."""
    if not path:
        return None, ""
    try:
        return await management.try_path(context, path), ""
    except Refusal as refusal:
        return None, refusal.fields.get("path", refusal.detail)


async def add(request: web.Request) -> web.Response:
    """Add a mapping."""
    values, context = values_of(await read_form(request), *FIELDS), context_of(request)
    try:
        server_id = selected_id(values, "server")
        mapping = await management.checked_mapping(context, server_id, values)
        added = await management.add_mapping(context, server_id, mapping)
    except (Refusal, DaemonError) as error:
        return await _mappings(request, Form.refused(values, error, *FIELDS), status=status_of(error))
    return done(request, "/manage/mappings", f"Added: {await _described(added)}")


async def show_mapping(request: web.Request) -> web.Response:
    """Show a mapping, and the form to change it."""
    return await _mapping(request)


async def _mapping(request: web.Request, form: Form | None = None, *, status: int = 200) -> web.Response:
    context, mapping_id = context_of(request), id_in(request, "mapping")
    entry = await context.reading.run(mapping_with, mapping_id)
    libraries = await context.reading.run(read_libraries, entry.server_id)
    mapping = entry.mapping
    values = {
        "plex_path": mapping.plex_path,
        "local_path": mapping.local_path,
        "library_name": mapping.library_name or "",
        "library_root": mapping.library_root or "",
    }
    response = render(
        request,
        "manage_mapping.html",
        title="Path mapping",
        entry=entry,
        libraries=libraries,
        source=context.config.source,
        form=Form(values) if form is None else form,
    )
    response.set_status(status)
    return response


async def change(request: web.Request) -> web.Response:
    """Change a mapping."""
    values, context = values_of(await read_form(request), *FIELDS), context_of(request)
    mapping_id = id_in(request, "mapping")
    entry = await context.reading.run(mapping_with, mapping_id)
    try:
        mapping = await management.checked_mapping(context, entry.server_id, values)
        changed = await management.change_mapping(context, mapping_id, mapping)
    except (Refusal, DaemonError) as error:
        return await _mapping(request, Form.refused(values, error, *FIELDS), status=status_of(error))
    return done(request, "/manage/mappings", f"Changed: {await _described(changed)}")


async def remove(request: web.Request) -> web.Response:
    """Delete a mapping."""
    entry = await management.remove_mapping(context_of(request), id_in(request, "mapping"))
    return done(request, "/manage/mappings", f"Removed the mapping of {entry.mapping.plex_path}.")


async def _described(entry: StoredMapping) -> str:
    local = entry.mapping.local_path
    note = f"{entry.mapping.plex_path} is {local}. Stored local paths follow within seconds."
    try:
        exists = await in_own_thread(lambda: seen(local), LOOKING_S)
    except TimeoutError:
        exists = None
    return f"{note} But {local} does not exist on this system." if exists is False else note
