"""``retrovue-daemon items …``: search the stored films, shows, seasons and episodes."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias, cast

import typer

from retrovue_daemon.cli.display.output import (
    print_failure,
    print_json,
    print_line,
    print_note,
    print_table,
    print_warning,
)
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.filters import Choice, KindName, with_choice
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    ServerOption,
    command_group,
)
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import AmbiguousName, BadInput
from retrovue_daemon.service.named import choose_server
from retrovue_daemon.units import moment, plural, running_time, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from retrovue_daemon.store.items.catalog import Row
    from retrovue_daemon.store.items.columns import Found

app = command_group(
    "Search the stored films, shows, seasons and episodes, or show one in detail.",
    "items search lighthouse",
    "items show 1 --kind show",
)


class Number(StrEnum):
    """The values of ``--by``: what a number means."""

    ID = "id"
    RATING_KEY = "rating-key"


KindOption: TypeAlias = Annotated[
    KindName | None, typer.Option("--kind", "-k", help="Only items of this kind.", show_default=False)
]

_FIRST = 25
"""Results that are listed unless ``--limit`` says otherwise."""

_CANDIDATES = 500
"""Matches of each kind among which the best are sought."""

_TIMES = frozenset({
    "created_at", "synced_at", "missing_since", "updated_at", "change_stamp", "added_at", "details_read_at",
    "details_again_at",
})  # fmt: skip
_LISTS = {
    "guids": "external ids",
    "tags": "tags",
    "credits": "credits",
    "collections": "collections",
    "files": "files",
    "chapters": "chapters",
    "markers": "markers",
    "seasons": "seasons",
    "episodes": "episodes",
}
_POSITIONS = frozenset({"starts_at", "ends_at"})

_LESSER = ("rating key", "server", "kind")
"""Columns of a result that are dropped if there is no room, the first one first."""

_READABLE = 30
"""The width to which titles are wrapped only if nothing else helps."""

_DETAILS = (
    "thumb", "person_key", "media_file_id", "movie_id", "episode_id", "person_id", "id", "bit_depth", "sampling_rate",
    "color_transfer", "dolby_vision_profile", "profile", "scan_type", "frame_rate", "channel_layout", "language_code",
    "bitrate", "title_sort", "source_id", "width", "height",
)  # fmt: skip
"""Columns of the lists of one item that are dropped if there is no room, the first one first."""


@app.command("search")
@with_choice
def search_items(
    choice: Choice,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]", help="A part of the title, or a guid such as imdb://tt0017136.", show_default=False
        ),
    ] = None,
    paths: Annotated[
        bool, typer.Option("--paths", help="Print only the local paths of the files to play, one per line.")
    ] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="End each path with a NUL character instead of a line break.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find films, shows and episodes by title or external id, and by what is stored about them; case is ignored.

    TEXT is one or more words of a title, of a person's name or of a collection's title; the last word may be
    incomplete. If no item has these words, or if the search index is not complete yet, titles that contain TEXT are
    found.

    An item is found only if all options apply to it. The best matches come first; without TEXT, films come before
    shows, and shows before episodes. Seasons are included only with `--kind season`. Without `--limit`, at most 25
    items are listed. The exit code is 1 if no item is found.

    `--paths` prints the files of all active items that are found, the parts of a film in order. If an item has
    several versions, it prints the primary one or, with `--resolution`, `--language` or `--subtitle`, one that
    matches. Use `-0` if paths may contain line breaks.

    Examples:

    - `retrovue-daemon items search metropolis`
    - `retrovue-daemon items search "the lighthouse" --kind episode --server home`
    - `retrovue-daemon items search imdb://tt0017136 --json`
    - `retrovue-daemon items search --kind movie --genre Horror --year 1920..1939 --max-duration 90 --sort year`
    - `retrovue-daemon items search --genre Comedy --language de --paths -0 | xargs -0 ls -l`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.items.chosen import Chosen  # noqa: PLC0415 -- likewise

    if (paths and as_json) or (null and not paths):
        problem = "--paths and --json exclude each other" if as_json and paths else "-0 is only for --paths"
        raise BadInput(problem, hint="pass --paths -0, or --json alone")
    if paths and choice.kind in {KindName.SHOW, KindName.SEASON}:
        raise BadInput(f"--paths: a {choice.kind} has no files of its own", hint="pass --kind episode")
    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        filters, title = choice.filters(connection, text, state="active" if paths else None)
        is_page = not paths and choice.sort is None and (choice.limit or _FIRST) <= _CANDIDATES
        chosen = Chosen(connection, filters, title, most=_CANDIDATES if is_page else None)
        if paths:
            print_paths(chosen.paths(sort=choice.sort, limit=choice.limit), null=null)
        found = [] if paths else chosen.found(sort=choice.sort, limit=choice.limit or _FIRST)
    if as_json:
        print_json({"total": chosen.total, "capped": chosen.is_capped, "items": found})
    elif found:
        print_table(_found_table(found))
        if chosen.total > len(found):
            least = "at least " if chosen.is_capped else ""
            print(f"{len(found)} of {least}{chosen.total:,}; --limit shows more")
    if chosen.is_index_behind:
        print_note("the index of words is not complete yet, so only titles were searched, all of them")
    if not chosen.total:
        print_failure("no stored item matches" if text is None else f"no stored item matches {text!r}", None)
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
    """Show everything that is stored about one item.

    That is its row, external ids, tags, credits and collections, its files with their streams, chapters and markers,
    its show or library, and its seasons and episodes.

    If the number matches several items, they are listed; select one with `--kind`, `--server` and `--by`.

    Examples:

    - `retrovue-daemon items show 17 --kind movie --by id`
    - `retrovue-daemon items show 4711 --by rating-key --server home --json`
    """
    from retrovue_daemon.records import Kind  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.items import catalog  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        kinds = tuple(Kind) if kind is None else (Kind(kind.value),)
        server_id = None if server is None else choose_server(read_servers(connection), server).id
        found = catalog.numbered(
            connection, number.strip(), kinds, server_id, [by.value] if by else ["id", "rating-key"]
        )
        if not found:
            raise BadInput(f"no item has the id or rating key {number!r}", hint="`items search` finds items by title")
        if len(found) > 1:
            matches = [
                f"{_name(item)} (id {item.id}, rating key {item.rating_key}, server {item.server})" for item in found
            ]
            raise AmbiguousName(number, matches, hint=_how_to_select(found, kind, by))
        everything = catalog.everything(connection, Kind(found[0].kind), found[0].id)
    if as_json:
        print_json(everything)
    else:
        _print_everything(everything)


def print_paths(found: Iterator[str | None], *, null: bool) -> None:
    """Print paths, as they are unless they go to a terminal; warn about files without one."""
    unknown = broken = 0
    sys.stdout.flush()
    for path in found:
        if path is None:
            unknown += 1
        elif null:
            sys.stdout.buffer.write(path.encode() + b"\0")
        elif "\n" in path or "\r" in path:
            broken += 1
        elif sys.stdout.isatty():
            print_line(path)
        else:
            sys.stdout.buffer.write(path.encode() + b"\n")
    sys.stdout.buffer.flush()
    if unknown:
        print_warning(f"{plural(unknown, 'file')} omitted: no local path is known; see `mappings suggest`")
    if broken:
        print_warning(f"{plural(broken, 'file')} omitted: the path contains a line break; use -0")


# -- output ---------------------------------------------------------------------------------------------------------


def _how_to_select(found: Sequence[Found], kind: KindName | None, by: Number | None) -> str:
    """Return a hint that names the options by which these items differ."""
    options = ["--by id or --by rating-key"] if by is None else []
    if kind is None and len({item.kind for item in found}) > 1:
        options.append("--kind")
    if len({item.server for item in found}) > 1:
        options.append("--server")
    return f"select one with {', and '.join(options)}"


def _name(item: Found) -> str:
    """Return an item's kind, title and year."""
    year = f" ({item.year})" if item.year is not None else ""
    return f"{item.kind} {_title(item)}{year}{_edition(item)}"


def _title(item: Found) -> str:
    """Return an item's title, with the show that it belongs to."""
    is_below = item.kind in {"season", "episode"}
    return ", ".join(filter(None, [item.show, _position(item), item.title])) if is_below else item.title


def _edition(item: Found) -> str:
    return f" [{item.edition_title}]" if item.edition_title else ""


def _position(item: Found) -> str:
    season = "" if item.season_number is None else f"S{item.season_number:02}"
    return season + ("" if item.episode_number is None else f"E{item.episode_number:02}")


def _found_table(found: Sequence[Found]) -> Table:
    table = Table("kind", "id", "rating key", "title", "year", "library", "server", "state", drop_first=_LESSER)
    table.keep_readable("title", _READABLE, drop=_LESSER[:2])
    for item in found:
        table.add_row(
            *(item.kind, str(item.id), item.rating_key, _title(item) + _edition(item), str(item.year or "")),
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
                streams = cast("Sequence[Row]", row["streams"])
                print_table(_sheet({key: value for key, value in row.items() if key != "streams"}))
                if streams:
                    print(plural(len(streams), "stream"))
                    print_table(_rows_table([_with_flags(stream) for stream in streams]))
        elif rows:
            print_table(_rows_table(rows))


def _sheet(row: Row) -> Table:
    table = Table("", "")
    table.show_header = False
    for name, value in row.items():
        table.add_row(name, _shown(name, value))
    return table


def _rows_table(rows: Sequence[Row]) -> Table:
    names = [name for name in rows[0] if any(row[name] not in {None, ""} for row in rows)]
    table = Table(*names, drop_first=_DETAILS)
    if "person_key" in names:
        table.keep_readable("name", _READABLE, drop=_DETAILS[:2])
    for row in rows:
        table.add_row(*(_shown(name, row[name]) for name in names))
    return table


def _with_flags(stream: Row) -> Row:
    """Return a stream with one text instead of a column per flag."""
    flags = [
        name.removeprefix("is_").replace("_", " ") for name, value in stream.items() if name[:3] == "is_" and value
    ]
    others = {name: value for name, value in stream.items() if not name.startswith("is_")}
    return {**others, "flags": ", ".join(flags)}


def _shown(name: str, value: object) -> str:
    """Return a stored value as text, followed by its readable form."""
    if value is None:
        return ""
    if isinstance(value, int) and name in _TIMES:
        return f"{value} ({moment(value)})"
    if isinstance(value, int) and name in _POSITIONS:
        return running_time(value)
    if isinstance(value, int) and name == "duration":
        return f"{value} ({running_time(value)})"
    if isinstance(value, int) and name == "size":
        return f"{value} ({size(value)})"
    return str(value)
