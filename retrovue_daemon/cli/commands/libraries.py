"""``retrovue-daemon libraries …``: which of them are synced, and which are preferred."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.completion import library_names, server_names
from retrovue_daemon.cli.display.output import print_json, print_table, print_warning
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.display.units import ago, plural
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    Place,
    ServerOption,
    command_group,
    find_place,
)
from retrovue_daemon.errors import DefinedByConfig

if TYPE_CHECKING:
    from retrovue_daemon.store.overview import Contents
    from retrovue_daemon.store.tables.libraries import StoredLibrary

app = command_group(
    "The libraries of the servers: list them, switch them on and off, prefer one to another.",
    "libraries list",
    'libraries disable "Home Videos"',
)

LibraryArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="LIBRARY", help="Its title or its key.", autocompletion=library_names)
]
OwnerOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        "-s",
        metavar="NAME",
        help="The server, where several have a library of this title.",
        show_default=False,
        autocompletion=server_names,
    ),
]


@app.command("list")
def list_libraries(
    server: ServerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the libraries that the database knows, whether they are synced, and what is in them.

    A library appears here once its server has been asked.

    Examples:

    - `retrovue-daemon libraries list`
    - `retrovue-daemon libraries list --server home --json`
    """
    from retrovue_daemon.store import overview  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        libraries = choices.choose_libraries(read_libraries(connection), None, server)
        contents = overview.contents(connection)
    if as_json:
        print_json({"libraries": [plain_library(library, contents.get(library.id)) for library in libraries]})
        return
    table = Table("server", "library", "key", "type", "state", "priority", "holds", "last synced", "roots")
    for library in libraries:
        table.add_row(
            library.server,
            library.name,
            library.key,
            library.kind,
            switch_and_state(place, library),
            str(library.priority),
            held_by(contents.get(library.id)),
            ago(library.last_sync_at),
            library.roots,
        )
    print_table(table)


@app.command("enable")
def enable_library(
    library: LibraryArgument,
    server: OwnerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Switch a library on, so that it is synced if the configuration selects it, too.

    Examples:

    - `retrovue-daemon libraries enable "TV Shows"`
    - `retrovue-daemon libraries enable 2 --server attic`
    """
    _switch(find_place(config, database), library, server, enabled=True)


@app.command("disable")
def disable_library(
    library: LibraryArgument,
    server: OwnerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Switch a library off: it is no longer synced, and what was mirrored from it stays.

    Example:

    - `retrovue-daemon libraries disable "Home Videos" --server home`
    """
    _switch(find_place(config, database), library, server, enabled=False)


@app.command("priority")
def set_priority(
    library: LibraryArgument,
    priority: Annotated[int, typer.Argument(metavar="NUMBER", min=0, max=1_000_000, help="The lowest one wins.")],
    server: OwnerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Say which library the views `preferred_movies` and `preferred_episodes` choose from where several hold a work.

    Libraries begin with 100. Where the configuration lists a server's libraries, their order there decides.

    Examples:

    - `retrovue-daemon libraries priority "Movies 4K" 10`
    - `retrovue-daemon libraries priority Movies 200 --server attic`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries, set_library_priority  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.changing(place.path) as connection:
        chosen = choices.choose_library(read_libraries(connection), library, server)
        section = place.section(chosen.server)
        if section is not None and section.libraries is not None:
            raise DefinedByConfig(chosen.server, "the order of its libraries", place.source)
        set_library_priority(connection, chosen.id, priority, int(time.time()))
    print(f"library {chosen.name!r} of server {chosen.server!r} now has priority {priority}")


def _switch(place: Place, name: str, server: str | None, *, enabled: bool) -> None:
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries, set_library_enabled  # noqa: PLC0415 -- not for --help

    with visits.changing(place.path) as connection:
        library = choices.choose_library(read_libraries(connection), name, server)
        set_library_enabled(connection, library.id, enabled=enabled, now=int(time.time()))
    word, was = "on" if enabled else "off", library.sync_enabled == enabled
    print(f"library {library.name!r} of server {library.server!r} {'was' if was else 'is now'} {word}")
    if enabled and not _selected(place, library):
        print_warning(f"{place.source} does not select this library, so it is not synced")


def _selected(place: Place, library: StoredLibrary) -> bool:
    section = place.section(library.server)
    return section is None or section.selects(library.name, library.key, library.former)


def switch_and_state(place: Place, library: StoredLibrary) -> str:
    """Say in a word or two whether a library is synced."""
    if not library.sync_enabled:
        return "off"
    if not _selected(place, library):
        return "not selected"
    return "on" if library.state == "active" else library.state


def held_by(contents: Contents | None) -> str:
    """Say in words what a library holds."""
    if contents is None:
        return "nothing"
    words = {"movies": "film", "shows": "show", "seasons": "season", "episodes": "episode"}
    parts = [plural(number, words[table]) for table, number in contents.present.items() if table != "seasons"]
    parts += [f"{contents.missing:,} missing"] if contents.missing else []
    parts += [f"{contents.unavailable:,} unavailable"] if contents.unavailable else []
    return ", ".join(parts)


def plain_library(library: StoredLibrary, contents: Contents | None) -> dict[str, object]:
    """Give a library the shape that it has in ``--json``."""
    return {
        "id": library.id,
        "server": library.server,
        "key": library.key,
        "title": library.name,
        "type": library.kind,
        "roots": list(library.roots),
        "sync_enabled": library.sync_enabled,
        "priority": library.priority,
        "state": library.state,
        "last_full_sync_at": library.last_full_sync_at,
        "last_sync_at": library.last_sync_at,
        "last_error": library.last_error,
        "doubt": library.doubt,
        "items": dict(contents.present) if contents else {},
        "missing": contents.missing if contents else 0,
        "unavailable": contents.unavailable if contents else 0,
    }
