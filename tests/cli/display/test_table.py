"""Tables at any width: nothing is lost in silence."""

from __future__ import annotations

import io
import json
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from retrovue_daemon.cli.commands.database import _print_import
from retrovue_daemon.cli.commands.items import _rows_table, _with_flags
from retrovue_daemon.cli.display import reports
from retrovue_daemon.cli.display.table import Table, _widths
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.differences import Difference
from retrovue_daemon.store.retrovue.importing import Import, Step

if TYPE_CHECKING:
    from retrovue_daemon.store.items.catalog import Row

WIDTHS = (60, 80, 100, 160)


def rendered(table: Table, width: int) -> list[str]:
    """Return the lines that a terminal of this width shows."""
    out = io.StringIO()
    Console(file=out, width=width, markup=False, emoji=False, highlight=False).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _letters(*texts: str) -> Counter[str]:
    return Counter(letter for text in texts for letter in text if not letter.isspace() and letter != "─")


def assert_whole(table: Table, width: int) -> None:
    """Assert that a table fits, and that every letter of what it has to show is shown."""
    lines = rendered(table, width)
    assert max(map(len, lines), default=0) <= width
    columns = table._fitting(width)
    if columns is None:
        shown = [text for column in table._columns for cell in column.cells if cell for text in (column.name, cell)]
        assert _letters(*lines) == _letters(*shown)
        return
    assert all(wide >= column.least for column, wide in zip(columns, _widths(columns, width), strict=True))
    shown = [column.name for column in columns] if table.show_header else []
    for number, column in enumerate(columns):
        is_merged = table._repeats and number == 0
        shown += [value for value, _ in groupby(column.cells)] if is_merged else column.cells
    dropped = [column.name for column in table._columns if column not in columns and not column.is_empty]
    assert {*dropped} <= {*table._drop_first}
    if dropped:
        note = f"not enough room for: {', '.join(dropped)}"
        position = next(number for number, line in enumerate(lines) if line.startswith("not enough room for"))
        assert " ".join(lines[position:]) == note
        lines = lines[:position]
    assert _letters(*lines) == _letters(*shown)


def _passes() -> Table:
    table = Table("run", "server", "library", "status", drop_first=("bytes", "run"))
    for name in ("listed", "added", "bytes"):
        table.add_numbers(name)
    table.add_column("remark")
    table.add_row("1", "home", "TV Shows", "ok", "12,345", "1", "1.2 MiB", "")
    error = "server 'home' did not respond in time: response incomplete after 120 s"
    table.add_row("2", "a server in the attic", "Documentaries", "incomplete", "5", "0", "3 bytes", error)
    return table


@pytest.mark.parametrize("width", [*range(20, 130, 7), *WIDTHS])
def test_a_table_of_any_width_shows_everything(width) -> None:
    """As columns as long as that can be read, else as blocks."""
    assert_whole(_passes(), width)


def test_what_is_dropped_is_said() -> None:
    """The first of the list first, and no more than necessary."""
    assert rendered(_passes(), 100)[-1] == "not enough room for: bytes"
    assert rendered(_passes(), 92)[-1] == "not enough room for: run, bytes"
    assert "bytes" in rendered(_passes(), 160)[1]


@pytest.mark.parametrize("width", [*range(20, 130, 7), *WIDTHS])
def test_columns_are_dropped_for_one_that_is_hard_to_read_if_wrapped(width) -> None:
    """Only those that are named, and only if that is enough; the width of the terminal may change."""
    table = Table("key", "title", "server", "kind", drop_first=("key", "server", "kind"))
    table.add_row("4711", "The Lighthouse Keepers, S01E02, More Fog", "a server in the attic", "episode")
    table.keep_readable("title", 30, drop=("key", "server"))
    rendered(table, 30)
    assert_whole(table, width)
    shown = {66: "key title server kind", 65: "title server kind", 58: "title kind", 30: "title"}
    for wide, names in shown.items():
        assert rendered(table, wide)[1].split() == names.split()


def test_the_lists_of_a_film_are_tables_in_a_terminal_of_80_columns() -> None:
    """A cast with its addresses, and streams with their flags, would be blocks of hundreds of lines."""
    person: Row = {
        "job": "actor", "name": "Gustav von Wangenheim", "role": "Thomas Hutter", "person_id": 72,
        "person_key": "5d000000000000007f9bda7e", "thumb": "https://metadata-static.plex.tv/7/people/" + "7" * 32,
    }  # fmt: skip
    lines = [" ".join(line.split()) for line in rendered(_rows_table([person]), 80)]
    assert lines[1] == "job name role person_id"
    assert lines[3:] == ["actor Gustav von Wangenheim Thomas Hutter 72", "", "not enough room for: person_key, thumb"]
    stream: Row = {
        "id": 1, "media_file_id": 1, "stream_index": 1, "kind": "audio", "codec": "eac3", "language": "de",
        "language_code": "deu", "bitrate": 768, "channels": 6, "channel_layout": "5.1(side)", "is_default": 1,
        "is_forced": 0, "is_external": 0, "is_hearing_impaired": 1, "title": None,
    }  # fmt: skip
    lines = rendered(_rows_table([_with_flags(stream)]), 80)
    assert lines[1].split()[-1] == "flags"
    assert lines[3].split() == ["1", "audio", "eac3", "de", "768", "6", "default,"]
    assert " ".join(" ".join(lines[4:6]).split()) == "hearing impaired"


def test_sentences_are_wrapped_before_names() -> None:
    """A name that is broken in two is harder to read."""
    lines = rendered(_passes(), 120)
    assert any("a server in the attic" in line for line in lines)
    assert any(line.endswith("120 s") for line in lines)
    assert any("Documentaries" in line for line in rendered(_passes(), 95))


def test_what_does_not_fit_becomes_a_block_for_each_row() -> None:
    """With the names of the columns, and without empty cells."""
    lines = rendered(_passes(), 50)
    assert lines[:9] == [
        "",
        "run      1",
        "server   home",
        "library  TV Shows",
        "status   ok",
        "listed   12,345",
        "added    1",
        "bytes    1.2 MiB",
        "",
    ]
    assert lines[-3:] == [
        "remark   server 'home' did not respond in time:",
        "         response incomplete after 120 s",
        "",
    ]


def test_equal_names_stand_once_in_a_table_and_in_each_block() -> None:
    """A block stands for itself."""
    table = Table("server", "library", repeats=True)
    for library in ("Movies", "TV Shows"):
        table.add_row("home", library)
    assert "\n".join(rendered(table, 80)).count("home") == 1
    assert "\n".join(rendered(table, 15)).count("home") == 2


def test_a_column_without_content_is_dropped_first_and_in_silence() -> None:
    """There is nothing to see in it."""
    table = Table("server", "nothing in here", "library", drop_first=("library",))
    table.add_row("home", "", "Movies")
    lines = rendered(table, 25)
    assert lines[1].split() == ["server", "library"]
    assert not any("not enough room" in line for line in lines)


# -- every command --------------------------------------------------------------------------------------------------


@pytest.fixture
def tables(monkeypatch) -> list[Table]:
    """The tables that are printed."""
    printed: list[Table] = []
    draw = Table.__rich_console__

    def note(table, console, options):
        if table not in printed:
            printed.append(table)
        return draw(table, console, options)

    monkeypatch.setattr(Table, "__rich_console__", note)
    return printed


@pytest.fixture
def eventful(rows):
    """Something to show in every column: failures, doubts, long names, and paths."""
    rows("UPDATE plex_servers SET last_error = ?, last_error_type = 'X', failing_since = 1", "it is broken " * 20)
    rows("UPDATE libraries SET library_name = 'Documentaries about lighthouses and their keepers' WHERE id = 1")
    rows("UPDATE libraries SET state = 'blocked', last_error = '27 of 27 items are gone' WHERE id = 2")
    rows("UPDATE sync_runs SET status = 'incomplete', error = ?, skipped = 7 WHERE id = 3", "it went away " * 15)
    rows("INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (1, '/srv/media', ?)", "/mnt" * 20)


@pytest.mark.usefixtures("eventful")
@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("history",),
        ("servers", "list"),
        ("libraries", "list"),
        ("mappings", "list"),
        ("mappings", "suggest"),
        ("mappings", "test", "/srv/media/movies/a.mkv"),
        ("items", "search", "the"),
        ("items", "show", "1", "--kind", "movie", "--by", "id"),
        ("items", "show", "1", "--kind", "show", "--by", "id"),
        ("database", "check"),
        ("database", "stats"),
    ],
    ids=" ".join,
)
def test_a_command_on_the_database_shows_everything_at_each_width(on, tables, command) -> None:
    """None of its columns is empty where there is something to say."""
    on(*command)
    assert tables
    for table in tables:
        for width in WIDTHS:
            assert_whole(table, width)


@pytest.mark.parametrize("command", [("check",), ("servers", "test"), ("discover", "the")], ids=" ".join)
def test_a_command_that_contacts_servers_shows_everything_at_each_width(
    run, config_file, plex, tables, command
) -> None:
    """A good server and a bad one, whose error is long."""
    server = '[[servers]]\nname = "{}"\nurl = "{}"\ntoken = "{}"\n'
    bad = server.format("a server in the attic", "http://127.0.0.1:1", "another-token")
    run(*command, "--config", config_file(server.format("home", plex.url, plex.token) + bad))
    assert tables
    for table in tables:
        for width in WIDTHS:
            assert_whole(table, width)


def test_the_result_of_a_sync_shows_everything_at_each_width(tables) -> None:
    """The server that failed has a line with its error, not a blank one."""
    done = {
        "library": "Documentaries about lighthouses", "kind": "full", "status": "incomplete", "duration_s": 12.3,
        "error": "it went away " * 15, **dict.fromkeys(reports._COUNTS, 12_345),
    }  # fmt: skip
    error = {"message": "server 'attic' cannot be reached: connection refused"}
    servers = [
        {"server": "home", "error": None, "libraries": [done, {**done, "error": None}]},
        {"server": "a server in the attic", "error": error, "libraries": []},
    ]
    table = reports._table(json.loads(json.dumps(servers)))
    for width in WIDTHS:
        assert_whole(table, width)
        text = " ".join(" ".join(rendered(table, width)).split())
        assert "attic" in text
        assert "failed" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_dry_run_would_change_is_shown_at_each_width(width) -> None:
    """Titles can be long; more than twenty changes of a kind are counted."""
    title = "The Making of the Lamp, or How the Lighthouse Keepers Found Their Way Home in the Fog (1961)"
    changes = tuple(
        Difference("added", Kind.MOVIE, number, "a server in the attic", "Documentaries", f"{title} {number}")
        for number in range(25)
    )
    table = reports._named(changes)
    assert table is not None
    assert_whole(table, width)
    assert any("and 5 more" in " ".join(line.split()) for line in rendered(table, 200))


def test_what_an_import_does_is_shown_at_each_width(tables, capsys) -> None:
    """With the reason for what is refused."""
    reason = "the address must begin with http:// or https://, and may not have a user name in it"
    steps = [Step("server", "attic", "refused", reason), Step("mapping", "/srv/media/movies → /mnt/films", "added")]
    _print_import(Import(steps), dry_run=True)
    for width in WIDTHS:
        assert_whole(tables[0], width)
