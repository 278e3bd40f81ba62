"""``/manage/libraries``: which libraries are synced, their order, and the removals that are held back."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.errors import DaemonError
from retrovue_daemon.service.management.libraries import HIGHEST_PRIORITY, library_with
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.store.items.differences import held_back_in
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.web import management
from retrovue_daemon.web.bodies import read_form
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.forms import EMPTY, Form, id_in, status_of
from retrovue_daemon.web.management import LibraryChange
from retrovue_daemon.web.problems import Refusal
from retrovue_daemon.web.rendering import done, render

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.items.differences import Difference
    from retrovue_daemon.store.tables.libraries import StoredLibrary

_MOST_NAMED: Final = 10
"""Libraries that a note names."""


async def show(request: web.Request) -> web.Response:
    """Show all libraries in a form per server."""
    return await _libraries(request)


async def _libraries(request: web.Request, form: Form = EMPTY, *, status: int = 200) -> web.Response:
    context = context_of(request)
    stored = await context.reading.run(read_libraries)
    definitions = management.definitions_of(context)
    response = render(
        request,
        "manage_libraries.html",
        title="Libraries",
        servers=[(name, list(own)) for name, own in groupby(stored, lambda library: library.server)],
        selects=definitions.selects,
        ranks=definitions.ranks,
        source=definitions.source,
        form=form,
    )
    response.set_status(status)
    return response


async def change(request: web.Request) -> web.Response:
    """Apply what is different in a form from what the page has shown; what others changed meanwhile stays."""
    form = await read_form(request)
    context = context_of(request)
    try:
        changed = await management.change_libraries(context, _changes(form))
    except (Refusal, DaemonError) as error:
        return await _libraries(request, Form.refused(form, error, *form), status=status_of(error))
    return done(request, "/manage/libraries", _words(changed))


def _changes(form: Mapping[str, str]) -> dict[int, LibraryChange]:
    """Return what a form changes. Raise Refusal with the fields that are wrong."""
    changes, wrong = {}, {}
    for name in form:
        kind, _, number = name.partition("-")
        if kind != "was" or not (number.isascii() and number.isdigit() and len(number) <= len(str(2**62))):
            continue
        was_on, _, was_priority = form[name].partition(":")
        is_on = "1" if f"on-{number}" in form else "0"
        priority = form.get(f"priority-{number}", was_priority).strip()
        is_number = priority.isascii() and priority.isdigit() and len(priority) <= len(str(HIGHEST_PRIORITY))
        if priority != was_priority and not (is_number and int(priority) <= HIGHEST_PRIORITY):
            wrong[f"priority-{number}"] = f"must be a number from 0 to {HIGHEST_PRIORITY:,}"
            continue
        change = LibraryChange(
            enabled=None if is_on == was_on else is_on == "1",
            priority=None if priority == was_priority else int(priority),
        )
        if change != LibraryChange():
            changes[int(number)] = change
    if wrong:
        raise Refusal(422, "a priority is no number", fields=wrong)
    return changes


def _words(changed: Sequence[StoredLibrary]) -> str:
    if not changed:
        return "Nothing has changed."
    each = [
        f"{library.name!r} is {'on' if library.sync_enabled else 'off'}, with priority {library.priority}"
        for library in changed[:_MOST_NAMED]
    ]
    more = f"; and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    return f"Saved: {'; '.join(each)}{more}."


# -- removals that are held back ------------------------------------------------------------------------------------


async def show_removals(request: web.Request) -> web.Response:
    """Show what the last full listing of a library would have removed."""
    context, library_id = context_of(request), id_in(request, "library")
    held = context.supervisor.held_back(library_id)
    library, items = await context.reading.run(_library_and_items, library_id, held.first if held else {})
    return render(
        request,
        "manage_removals.html",
        title=f"Removals in {library.name}",
        library=library,
        held=held,
        items=items,
        more=sum(held.counts.values()) - len(items) if held else 0,
    )


def _library_and_items(
    connection: sqlite3.Connection, library_id: int, first: Mapping[Kind, Sequence[int]]
) -> tuple[StoredLibrary, list[Difference]]:
    return library_with(connection, library_id), list(held_back_in(connection, first))


async def accept_removals(request: web.Request) -> web.Response:
    """Request a full listing of a library that applies its removals."""
    library = await _requested(request, Selection(accept_removals=True, details=False))
    note = f"Accepted: {library.name!r} is listed again, and what its server no longer has is removed."
    return done(request, "/manage/libraries", note)


async def list_again(request: web.Request) -> web.Response:
    """Request a full listing of a library, so that it is known what would be removed."""
    library = await _requested(request, Selection(full=True, details=False))
    note = "Requested a full listing. Load this page again when it is done."
    return done(request, f"/manage/libraries/{library.id}", note)


async def _requested(request: web.Request, selection: Selection) -> StoredLibrary:
    context = context_of(request)
    library = await context.reading.run(library_with, id_in(request, "library"))
    if library.state != "blocked":
        raise Refusal(409, "no removals are held back in this library now")
    await management.request_sync(context, msgspec.structs.replace(selection, library=library.key), library.server)
    return library
