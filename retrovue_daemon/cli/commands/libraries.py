"""``retrovue-daemon libraries …``: list libraries, enable and disable them, and set their priorities."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from retrovue_daemon.cli.completion import library_names, server_names
from retrovue_daemon.cli.display.output import print_json, print_table, print_warning
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, ServerOption, command_group
from retrovue_daemon.cli.place import Place, find_place
from retrovue_daemon.service.named import choose_libraries, choose_library
from retrovue_daemon.service.words.libraries import contents_text
from retrovue_daemon.units import ago

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.libraries import StoredLibrary

app = command_group(
    "List the libraries of the servers, enable and disable them, and set their priorities.",
    "libraries list",
    'libraries disable "Home Videos"',
)

LibraryArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="LIBRARY", help="The title or key of the library.", autocompletion=library_names)
]
OwnerOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        "-s",
        metavar="NAME",
        help="The server, if several have a library with this title.",
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
    """List the libraries in the database: whether they are synced, and how many items they contain.

    A library appears after the first contact with its server.

    Examples:

    - `retrovue-daemon libraries list`
    - `retrovue-daemon libraries list --server home --json`
    """
    from retrovue_daemon.service.json.libraries import library_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store import overview  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        libraries = choose_libraries(read_libraries(connection), None, server)
        contents = overview.contents(connection)
    if as_json:
        print_json({"libraries": [library_json(library, contents.get(library.id)) for library in libraries]})
        return
    columns = ("server", "library", "key", "type", "state", "priority", "contents", "last synced", "roots")
    table = Table(*columns, drop_first=("priority", "type", "key", "roots", "last synced"))
    for library in libraries:
        table.add_row(
            library.server,
            library.name,
            library.key,
            library.kind,
            switch_and_state(place, library),
            str(library.priority),
            contents_text(contents.get(library.id)),
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
    as_json: JsonOption = False,
) -> None:
    """Enable a library. It is synced only if the configuration also selects it.

    Examples:

    - `retrovue-daemon libraries enable "TV Shows"`
    - `retrovue-daemon libraries enable 2 --server attic`
    """
    _switch(find_place(config, database), library, server, enabled=True, as_json=as_json)


@app.command("disable")
def disable_library(
    library: LibraryArgument,
    server: OwnerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Disable a library: it is no longer synced. Its items stay in the database, but the views omit them.

    Example:

    - `retrovue-daemon libraries disable "Home Videos" --server home`
    """
    _switch(find_place(config, database), library, server, enabled=False, as_json=as_json)


@app.command("priority")
def set_priority(
    library: LibraryArgument,
    priority: Annotated[
        int, typer.Argument(metavar="NUMBER", min=0, max=1_000_000, help="The priority; the lowest number wins.")
    ],
    server: OwnerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the priority of a library in the views `preferred_movies` and `preferred_episodes`.

    If several libraries contain the same film or episode, these views use the library with the lowest number. The
    default is 100. If the configuration lists a server's libraries, their order there sets the priorities instead.

    Examples:

    - `retrovue-daemon libraries priority "Movies 4K" 10`
    - `retrovue-daemon libraries priority Movies 200 --server attic`
    """
    from retrovue_daemon.service.json.libraries import library_row_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management.libraries import rank_library  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.changing(place.path) as connection:
        chosen = choose_library(read_libraries(connection), library, server)
        after = rank_library(connection, chosen, priority, place.definitions, int(time.time()))
    if as_json:
        print_json({"changed": chosen.priority != priority, "library": library_row_json(after)})
        return
    print(f"library {chosen.name!r} of server {chosen.server!r} now has priority {priority}")


def _switch(place: Place, name: str, server: str | None, *, enabled: bool, as_json: bool) -> None:
    from retrovue_daemon.service.json.libraries import library_row_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management.libraries import switch_library  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help

    with visits.changing(place.path) as connection:
        library = choose_library(read_libraries(connection), name, server)
        after = switch_library(connection, library, enabled=enabled, now=int(time.time()))
    word, was = "on" if enabled else "off", library.sync_enabled == enabled
    if as_json:
        print_json({"changed": not was, "library": library_row_json(after)})
    else:
        print(f"library {library.name!r} of server {library.server!r} {'was' if was else 'is now'} {word}")
    if enabled and not place.definitions.selects(library):
        print_warning(f"this library is still not synced: {place.source} does not select it")


def switch_and_state(place: Place, library: StoredLibrary) -> str:
    """Return in a word or two whether a library is synced."""
    if not library.sync_enabled:
        return "off"
    if not place.definitions.selects(library):
        return "not selected"
    return "on" if library.state == "active" else library.state
