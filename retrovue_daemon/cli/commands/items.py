"""``retrovue-daemon items …``: search the stored films, shows, seasons and episodes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias, cast

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.commands.guid import read_guid
from retrovue_daemon.cli.display.output import print_failure, print_json, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.display.units import moment, plural, running_time, size
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    LibraryOption,
    ServerOption,
    command_group,
)
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import AmbiguousName, BadInput

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.store.items.catalog import Found, Row, Where

app = command_group(
    "Search the stored films, shows, seasons and episodes, or show one in detail.",
    "items search lighthouse",
    "items show 1 --kind show",
)


class KindName(StrEnum):
    """The values of ``--kind``."""

    MOVIE = "movie"
    SHOW = "show"
    SEASON = "season"
    EPISODE = "episode"


class Number(StrEnum):
    """The values of ``--by``: what a number means."""

    ID = "id"
    RATING_KEY = "rating-key"


KindOption: TypeAlias = Annotated[
    KindName | None, typer.Option("--kind", "-k", help="Only items of this kind.", show_default=False)
]

_TIMES = frozenset({"created_at", "synced_at", "missing_since", "updated_at", "change_stamp"})
_LISTS = {"guids": "external ids", "files": "files", "seasons": "seasons", "episodes": "episodes"}


@app.command("search")
def search_items(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="A part of the title, or a guid such as imdb://tt0017136.")
    ],
    kind: KindOption = None,
    server: ServerOption = None,
    library: LibraryOption = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="NUMBER", min=1, help="The maximum number of results.")
    ] = 25,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find films, shows and episodes by title or external id; case is ignored.

    The best matches come first. Seasons are included only with `--kind season`. The exit code is 1 if no item is
    found.

    Examples:

    - `retrovue-daemon items search metropolis`
    - `retrovue-daemon items search "the lighthouse" --kind episode --server home`
    - `retrovue-daemon items search imdb://tt0017136 --json`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.items import catalog  # noqa: PLC0415 -- not for --help

    if not text.strip():
        raise BadInput("TEXT must not be empty", hint="pass a part of a title, or a guid")
    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        where = _where(connection, kind, server, library)
        if "://" in text:
            found = catalog.with_external_id(connection, *read_guid(text), where)
            total = len(found)
        else:
            found, total = catalog.search(connection, text.strip(), where, limit=limit)
    found = found[:limit]
    if as_json:
        print_json({"total": total, "items": found})
    elif found:
        print_table(_found_table(found))
        if total > len(found):
            print(f"{len(found)} of {total:,}; --limit shows more")
    if not found:
        print_failure(f"no stored item matches {text!r}", None)
        raise typer.Exit(1)


@app.command("show")
def show_item(
    number: Annotated[
        str, typer.Argument(metavar="ID|RATING_KEY", help="The item's id in the database, or its rating key in Plex.")
    ],
    kind: KindOption = None,
    server: ServerOption = None,
    by: Annotated[
        Number | None,
        typer.Option("--by", help="Read the number as an id or as a rating key.", show_default="both are tried"),
    ] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one item in detail: its row, external ids and files, its show or library, and its seasons and episodes.

    If the number matches several items, they are listed; select one with `--kind`, `--server` and `--by`.

    Examples:

    - `retrovue-daemon items show 17 --kind movie --by id`
    - `retrovue-daemon items show 4711 --by rating-key --server home --json`
    """
    from retrovue_daemon.records import Kind  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.items import catalog  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        where = _where(connection, kind, server, None, every_kind=True)
        found = catalog.numbered(connection, number.strip(), where, [by.value] if by else ["id", "rating-key"])
        if not found:
            raise BadInput(f"no item has the id or rating key {number!r}", hint="`items search` finds items by title")
        if len(found) > 1:
            matches = [
                f"{_name(item)} (id {item.id}, rating key {item.rating_key}, server {item.server})" for item in found
            ]
            raise AmbiguousName(number, matches, hint="select one with --kind, --server and --by")
        everything = catalog.everything(connection, Kind(found[0].kind), found[0].id)
    if as_json:
        print_json(everything)
    else:
        _print_everything(everything)


def _where(
    connection: sqlite3.Connection,
    kind: KindName | None,
    server: str | None,
    library: str | None,
    *,
    every_kind: bool = False,
) -> Where:
    from retrovue_daemon.records import Kind  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.items.catalog import Where  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    kinds = tuple(Kind) if every_kind else (Kind.MOVIE, Kind.SHOW, Kind.EPISODE)
    if kind is not None:
        kinds = (Kind(kind.value),)
    server_id = None if server is None else choices.choose_server(read_servers(connection), server).id
    library_ids = None
    if library is not None:
        chosen = choices.choose_libraries(read_libraries(connection), library, server)
        library_ids = [entry.id for entry in chosen]
    return Where(kinds, server_id, library_ids)


# -- output ---------------------------------------------------------------------------------------------------------


def _name(item: Found) -> str:
    """Return an item's kind and title, with the show that it belongs to."""
    parts = [item.show or "", _position(item), item.title] if item.kind in {"season", "episode"} else [item.title]
    year = f" ({item.year})" if item.year is not None else ""
    edition = f" [{item.edition_title}]" if item.edition_title else ""
    return f"{item.kind} " + ", ".join(filter(None, parts)) + year + edition


def _position(item: Found) -> str:
    season = "" if item.season_number is None else f"S{item.season_number:02}"
    return season + ("" if item.episode_number is None else f"E{item.episode_number:02}")


def _found_table(found: Sequence[Found]) -> Table:
    table = Table(
        "kind", "id", "rating key", "title", "year", "library", "server", "state", drop_first=("rating key", "kind")
    )
    for item in found:
        title = _name(item).removeprefix(f"{item.kind} ")
        if item.year is not None:
            title = title.replace(f" ({item.year})", "", 1)
        table.add_row(
            *(item.kind, str(item.id), item.rating_key, title, str(item.year or "")),
            *(item.library, item.server, item.state),
        )
    return table


def _print_everything(everything: Mapping[str, object]) -> None:
    """Print an item's row as lines of name and value, then one table per list that belongs to it."""
    table = Table("", "")
    table.show_header = False
    for name in ("kind", "server", "library", "show"):
        if name in everything:
            table.add_row(name, str(everything[name]))
    for name, value in cast("Row", everything["item"]).items():
        table.add_row(name, _shown(name, value))
    print_table(table)
    for name, title in _LISTS.items():
        rows = cast("Sequence[Row] | None", everything.get(name))
        if rows is None:
            continue
        print(f"{plural(len(rows), title.removesuffix('s'), title)}")
        if name == "files":
            for row in rows:
                print_table(_sheet(row))
        elif rows:
            _print_rows(rows)


def _sheet(row: Row) -> Table:
    table = Table("", "")
    table.show_header = False
    for name, value in row.items():
        table.add_row(name, _shown(name, value))
    return table


def _print_rows(rows: Sequence[Row]) -> None:
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_shown(name, value) for name, value in row.items()))
    print_table(table)


def _shown(name: str, value: object) -> str:
    """Return a stored value as text, followed by its readable form."""
    if value is None:
        return ""
    if isinstance(value, int) and name in _TIMES:
        return f"{value} ({moment(value)})"
    if isinstance(value, int) and name == "duration":
        return f"{value} ({running_time(value)})"
    if isinstance(value, int) and name == "size":
        return f"{value} ({size(value)})"
    return str(value)
