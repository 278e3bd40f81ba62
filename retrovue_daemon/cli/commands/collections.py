"""``retrovue-daemon collections …``: list the stored collections, and show what is in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.completion import stored_names
from retrovue_daemon.cli.display.output import print_json, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    LibraryOption,
    ServerOption,
    command_group,
)
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import AmbiguousName, UnknownName
from retrovue_daemon.service.named import choose_libraries
from retrovue_daemon.units import plural

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from retrovue_daemon.store.items.collection_members import ListedCollection, Member

app = command_group(
    "List the stored collections, or show what is in one of them.",
    "collections list",
    'collections show "Silent Comedies"',
)


@app.command("list")
def list_collections(
    server: ServerOption = None,
    library: LibraryOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the collections of all libraries, and how many members each has.

    Examples:

    - `retrovue-daemon collections list`
    - `retrovue-daemon collections list --library Movies --json`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        found = _collections(connection, server, library)
    if as_json:
        print_json({"collections": found})
    elif found:
        print_table(_table(found))
    else:
        print("no collections are stored")


@app.command("show")
def show_collection(
    name: Annotated[
        str,
        typer.Argument(
            metavar="COLLECTION",
            help="Its title, or its id in the database.",
            autocompletion=stored_names("collection"),
        ),
    ],
    server: ServerOption = None,
    library: LibraryOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one collection: its members in its order, and with `--json` everything that is stored about it.

    If several collections have this title, they are listed; select one with `--server` and `--library`, or by its id.

    Examples:

    - `retrovue-daemon collections show "Silent Comedies"`
    - `retrovue-daemon collections show 7 --json`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.items.collection_members import collection_row, members  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        chosen = _choose(_collections(connection, server, library), name)
        row = collection_row(connection, chosen.id)
        found = members(connection, chosen.id)
    if as_json:
        print_json({"collection": row, "server": chosen.server, "library": chosen.library, "members": found})
        return
    smart = "smart collection" if chosen.is_smart else "collection"
    print_line(f"{chosen.title}: {smart} of library {chosen.library!r}, server {chosen.server!r}, {chosen.state}")
    if row["summary"]:
        print_line(row["summary"])
    print(plural(len(found), "member"))
    if found:
        print_table(_members_table(found))


def _collections(connection: sqlite3.Connection, server: str | None, library: str | None) -> list[ListedCollection]:
    from retrovue_daemon.store.items.collection_members import listed_collections  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- likewise

    if server is library is None:
        return listed_collections(connection)
    chosen = choose_libraries(read_libraries(connection), library, server)
    return listed_collections(connection, [each.id for each in chosen])


def _choose(collections: Sequence[ListedCollection], name: str) -> ListedCollection:
    """Return the one collection with a title or an id; one that its server lists comes before missing ones."""
    from retrovue_daemon.store.items.titles import simplified  # noqa: PLC0415 -- not for --help

    wanted = simplified(name.strip())
    found = [each for each in collections if simplified(each.title.strip()) == wanted]
    found = [each for each in found if each.state == "active"] or found
    found = found or [each for each in collections if str(each.id) == name.strip()]
    if not found:
        raise UnknownName("collection", name, list(dict.fromkeys(each.title for each in collections)))
    if len(found) > 1:
        raise AmbiguousName(
            name,
            [f"id {each.id} in library {each.library!r} of server {each.server!r}" for each in found],
            hint="select one with --server and --library, or by its id",
        )
    return found[0]


def _table(collections: Sequence[ListedCollection]) -> Table:
    table = Table("id", "title", "items", "kind", "smart", "library", "server", "state", drop_first=("smart", "kind"))
    for each in collections:
        table.add_row(
            *(str(each.id), each.title, f"{each.items:,}", each.item_kind or "", "yes" if each.is_smart else ""),
            *(each.library, each.server, each.state),
        )
    return table


def _members_table(found: Sequence[Member]) -> Table:
    table = Table("position", "kind", "id", "title", "year", "state", drop_first=("position", "kind"))
    for each in found:
        season = "" if each.season_number is None else f"S{each.season_number:02}"
        number = season + ("" if each.episode_number is None else f"E{each.episode_number:02}")
        title = ", ".join(part for part in (each.show, number, each.title) if part)
        table.add_row(str(each.position), each.kind, str(each.id), title, str(each.year or ""), each.state)
    return table
