"""The page for readers of the database says what is so: every column stands on it, and every query on it answers."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.store.tables.outages import Outage, store_outage
from retrovue_daemon.sync.progress import ProgressBoard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retrovue_daemon.demo.changes import Changes

PAGE = (Path(__file__).parents[2] / "docs" / "database.md").read_text("utf-8")

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_HEADING = re.compile(r"^### (.+)$", re.MULTILINE)
_SQL = re.compile(r"```sql\n(.+?)```", re.DOTALL)
_COLUMN = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", re.MULTILINE)
_INHERITED = re.compile(r"^All columns of \[`(\w+)`\]\(#(\w+)\)(?:\.|, and:)$", re.MULTILINE)
_EXAMPLE = re.compile(r"<!-- example: ([^\n]+) -->\n```sql\n(.+?)```", re.DOTALL)


def _parts(heading: re.Pattern[str], text: str) -> dict[str, str]:
    """Cut a text at its headings."""
    _, *pieces = heading.split(text)
    names, texts = pieces[::2], pieces[1::2]
    assert len(set(names)) == len(names)
    return dict(zip(names, texts, strict=True))


SECTIONS = _parts(_SECTION, PAGE)
QUERIES = {name: _SQL.findall(text) for name, text in _parts(_HEADING, SECTIONS["Queries"]).items()}
EXAMPLES = dict(_EXAMPLE.findall(PAGE))


OUTAGE = (1_700_000_000, 1_700_000_090)
"""When a server failed, and when it could be used again."""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in library, synced; then a film and an episode were deleted, and a library disappeared."""
    path = tmp_path_factory.mktemp("page") / "mirror.db"

    async def make() -> None:
        async with SimulatedPlex(built_in_library()) as plex:
            servers = [{"name": "home", "url": plex.url, "token": plex.token}]
            # Ids follow the order in which libraries are written: one after the other it is always the same.
            tables = {"database": {"path": str(path)}, "sync": {"concurrency": 1}, "servers": servers}
            config = parse_config(tables, environ={})
            await sync_once(config, SyncOptions(), ProgressBoard(), Redactor())
            _change(plex.changes, plex)
            await sync_once(config, SyncOptions(selection=Selection(full=True)), ProgressBoard(), Redactor())

    asyncio.run(make())
    with closing(sqlite3.connect(path)) as connection, connection:
        store_outage(connection, Outage(1, "home", "ServerTimeout", "no data for 30 s", *OUTAGE))
    return path


def _change(changes: Changes, plex: SimulatedPlex) -> None:
    film = next(movie for movie in plex.world.movies("1") if movie.title == "The General")
    episode = next(episode for episode in plex.world.episodes("3") if episode.title == "Sardines")
    changes.delete(film.id)
    changes.delete(episode.id)
    plex.quirks.hidden_libraries = {"5"}


@pytest.fixture
def ask(mirror: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Ask as the page says: read-only."""
    with closing(sqlite3.connect(f"file:{mirror}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row

        def rows(sql: str) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(sql)]

        yield rows


# How to open it --------------------------------------------------------------------------------------------------


def test_a_daemon_that_ended_cleanly_leaves_the_whole_database_in_one_file(mirror, tmp_path) -> None:
    """So that it can be read where the two other files cannot be made."""
    alone = tmp_path / "alone.db"
    shutil.copy(mirror, alone)
    with closing(sqlite3.connect(f"file:{alone}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM sync_runs").fetchone() == (14,)
    assert [path.name for path in tmp_path.iterdir()] == ["alone.db"]


# The schema -------------------------------------------------------------------------------------------------------


def _documented() -> dict[str, dict[str, tuple[str, str]]]:
    """Return what the page says: type and meaning of each column, by table or view."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for kind in ("Tables", "Views"):
        for heading, text in _parts(_HEADING, SECTIONS[kind]).items():
            name = heading.strip("`")
            rows = _COLUMN.findall(text)
            assert len({column for column, *_ in rows}) == len(rows), name
            found[name] = {column: (declared, meaning) for column, declared, meaning in rows}
    for heading, text in _parts(_HEADING, SECTIONS["Views"]).items():
        for base, anchor in _INHERITED.findall(text):
            assert base == anchor
            found[heading.strip("`")] = found[base] | found[heading.strip("`")]
    return found


INDEX_OF_WORDS = ("search_index", "search_titles", "search_words")
"""Tables that the daemon makes and drops as needed, and what FTS5 keeps beside them; the page only names them."""


def _real(ask: Callable[[str], list[dict[str, Any]]], kind: str) -> dict[str, dict[str, str]]:
    schema = ask(f"SELECT name FROM sqlite_schema WHERE type = '{kind}' AND name NOT LIKE 'sqlite_%'")
    return {
        row["name"]: {
            column["name"]: column["type"] for column in ask(f"SELECT * FROM pragma_table_xinfo('{row['name']}')")
        }
        for row in schema
        if not row["name"].startswith(INDEX_OF_WORDS)
    }


def test_every_table_view_and_column_is_on_the_page(ask) -> None:
    """With its type; and nothing stands there that is not in the schema."""
    said = {name: {column: kind for column, (kind, _) in columns.items()} for name, columns in _documented().items()}
    real = _real(ask, "table") | _real(ask, "view")
    # SQLite declares no type for an expression of a view.
    computed = {(name, column) for name, columns in real.items() for column, kind in columns.items() if not kind}
    assert computed == {
        ("collection_episodes", "episode_position"),
        ("changes", "item_id"),
        ("feed_state", "last_seq"),
    }
    for name, column in computed:
        real[name][column] = "INTEGER"
    assert said == real


def test_the_index_of_words_is_named_on_the_page(ask) -> None:
    """Without its columns: it is internal, and no schema has it."""
    text = _parts(_HEADING, SECTIONS["Tables"])["`search_queue`"]
    names = {row["name"] for row in ask("SELECT name FROM pragma_table_list WHERE name LIKE 'search@_%' ESCAPE '@'")}
    assert names > {*INDEX_OF_WORDS, "search_queue"}
    assert all(f"`{name}`" in text for name in INDEX_OF_WORDS)


def test_tables_and_views_stand_under_their_own_heading(ask) -> None:
    """A reader looks for a view among the views."""
    for kind, section in (("table", "Tables"), ("view", "Views")):
        headings = [heading.strip("`") for heading in _parts(_HEADING, SECTIONS[section])]
        assert sorted(headings) == sorted(_real(ask, kind))


def test_every_column_has_a_meaning() -> None:
    """And one that refers to another table names it rightly."""
    documented = _documented()
    for name, columns in documented.items():
        for column, (_, meaning) in columns.items():
            assert meaning.strip(), (name, column)
            for table, target in re.findall(r"→ `(\w+)\.(\w+)`", meaning):
                assert target in documented[table], (name, column)
            if column.endswith("_id") and column not in {
                "part_id",
                "media_id",
                "source_id",
                "external_id",
                "feed_id",
            }:
                assert "→" in meaning, (name, column)


# The queries ------------------------------------------------------------------------------------------------------

EPISODES_OF_LIGHTHOUSE = 10
"""Two specials, four of the first season (one was deleted) and four of the second."""

EXPECTED: dict[str, tuple[tuple[str, ...], Callable[[list[dict[str, Any]]], object]]] = {
    "All episodes of a show in airing order, with the paths to play": (
        ("season_number", "episode_number", "episode_title", "originally_available_at", "duration", "file_path"),
        lambda rows: [(row["season_number"], row["episode_number"]) for row in rows]
        == [(1, 1), (1, 2), (1, 3), (1, 5), (2, 1), (2, 2), (2, 3), (2, 4), (0, 1), (0, 2)]
        and all(row["file_path"] for row in rows),
    ),
    "The same, with specials in order of broadcast": (
        ("originally_available_at", "season_number", "episode_number", "episode_title", "file_path"),
        lambda rows: len(rows) == EPISODES_OF_LIGHTHOUSE
        and [row["originally_available_at"] for row in rows] == sorted(row["originally_available_at"] for row in rows)
        and {row["season_number"] for row in rows[:4]} == {0, 1},
    ),
    "Specials": (
        ("show_title", "episode_number", "episode_title", "minutes", "file_path"),
        lambda rows: [row["episode_title"] for row in rows] == ["The Making of the Lamp", "A Keeper's Christmas"],
    ),
    "Films between two lengths": (
        ("id", "title", "year", "minutes", "file_path"),
        lambda rows: rows and all(60 <= row["minutes"] <= 80 for row in rows),
    ),
    "Films of a genre or a director": (
        ("title", "year", "genre", "director"),
        lambda rows: {"Fritz Lang"} < {row["director"] for row in rows}
        and any("Comedy" in row["genre"] for row in rows),
    ),
    "A film by its imdb id": (
        ("id", "title", "year", "edition_title", "library_name", "file_path"),
        lambda rows: len(rows) == 1 and rows[0]["year"] == 1922,
    ),
    "A show by its tvdb id, with its episodes and running time": (
        ("id", "title", "episodes", "minutes"),
        lambda rows: [(row["title"], row["episodes"]) for row in rows]
        == [("The Lighthouse Keepers", EPISODES_OF_LIGHTHOUSE)],
    ),
    "Files that several episodes share": (
        ("file_path", "duration", "episode_ids", "episodes"),
        lambda rows: [row["episodes"] for row in rows] == [2],
    ),
    "The parts of a film in order": (
        ("part_index", "file_path", "duration"),
        lambda rows: [row["part_index"] for row in rows] == [0, 1] and rows[0]["file_path"] < rows[1]["file_path"],
    ),
    "All versions of a film": (
        (
            "title", "media_id", "video_resolution", "video_codec", "optimized", "parts", "bytes", "is_primary",
        ),
        lambda rows: [row["video_resolution"] for row in rows] == ["1080", "sd", "4k"]
        and [row["is_primary"] for row in rows] == [1, 0, 1],
    ),
    "Films in several libraries or servers": (
        ("source_id", "title", "copies", "places"),
        lambda rows: {row["title"] for row in rows} == {"Charade", "Night of the Living Dead"}
        and {row["copies"] for row in rows} == {2},
    ),
    "What changed since yesterday": (
        ("kind", "id", "title", "state", "is_new"),
        lambda rows: {row["kind"] for row in rows} == {"film", "episode"} and {row["is_new"] for row in rows} == {1},
    ),
    "What is missing, and since when": (
        ("kind", "id", "title", "library_name", "since"),
        lambda rows: {(row["kind"], row["title"]) for row in rows}
        == {("film", "The General"), ("episode", "The Lighthouse Keepers: Sardines")},
    ),
    "Whether planned items can still be played": (
        ("id", "state", "file_path"),
        lambda rows: [row["id"] for row in rows] == [1, 2, 3] and all(row["file_path"] for row in rows),
    ),
    "Episodes and films without a file": (
        ("kind", "id", "title"),
        lambda rows: {row["kind"] for row in rows} == {"film", "episode"}
        and "Detour" in {row["title"] for row in rows},
    ),
    "Films and shows without an external id": (
        ("kind", "id", "title"),
        lambda rows: ("show", "tapes from the attic") in {(row["kind"], row["title"]) for row in rows}
        and sum(row["kind"] == "film" for row in rows) >= 4,
    ),
    "Episodes for a half-hour slot": (
        ("id", "show_title", "episode_title", "seconds", "file_path"),
        lambda rows: len(rows) == 10
        and [row["seconds"] for row in rows] == sorted((row["seconds"] for row in rows), reverse=True)
        and all(22 * 60 <= row["seconds"] <= 30 * 60 for row in rows),
    ),
    "Totals of each library": (
        ("server", "library_name", "items", "hours"),
        lambda rows: {row["library_name"]: row["items"] for row in rows}["Documentaries"] == 0
        and {row["library_name"]: row["hours"] for row in rows}["TV Shows"] > 1,
    ),
    "Paths without a mapping": (
        ("library_name", "root", "files"),
        lambda rows: {"/srv/media/tv", "/srv/archive/films"} < {row["root"] for row in rows},
    ),
    "The last pass of each library": (
        ("library_name", "kind", "status", "finished", "added", "updated", "removed", "restored", "moved", "error"),
        lambda rows: {row["library_name"]: row["status"] for row in rows}["Silent Archive"] == "blocked"
        and {row["library_name"]: row["removed"] for row in rows}["Movies"] == 1
        and len(rows) == 7,
    ),
    "What is wrong, since when, and what to do": (
        ("server", "library", "kind", "error", "hint", "since", "next_try"),
        lambda rows: [(row["server"], row["library"], row["kind"]) for row in rows]
        == [("home", "Silent Archive", "blocked")]
        and "no longer lists" in rows[0]["error"]
        and rows[0]["since"] is not None,
    ),
    "When was a server down?": (
        ("server", "kind", "error", "since", "until"),
        lambda rows: [row["since"] for row in rows] == ["2023-11-14 22:13:20"],
    ),
    "A horror channel": (
        ("kind", "id", "title", "minutes", "file_path"),
        lambda rows: {"Nosferatu", "The Lighthouse Keepers: Fog"} <= {row["title"] for row in rows}
        and len({(row["kind"], row["id"]) for row in rows}) == len(rows)
        and all(row["file_path"] for row in rows),
    ),
    "Sitcoms of a decade by season, with breaks at chapters": (
        ("id", "show_title", "season_number", "episode_number", "file_path", "breaks"),
        lambda rows: {row["show_title"] for row in rows}
        == {"The Lighthouse Keepers", 'Kettle & Crow: "Private" Eyes?'}
        and {row["breaks"] for row in rows} == {None, "540000,1140000"},
    ),
    "All films of a collection in its order": (
        ("position", "id", "title", "year", "file_path"),
        lambda rows: len(rows) > 2 and [row["position"] for row in rows] == sorted(row["position"] for row in rows),
    ),
    "Recently added": (
        ("kind", "id", "title", "added"),
        lambda rows: len(rows) == 20
        and [row["added"] for row in rows] == sorted((row["added"] for row in rows), reverse=True)
        and {row["kind"] for row in rows} == {"film", "episode"},
    ),
    "Films with German sound and English subtitles": (
        ("id", "title", "file_path"),
        lambda rows: [row["title"] for row in rows] == ["Charade", "His Girl Friday"],
    ),
    "Films in 4K with HDR": (
        ("id", "title", "hdr", "width", "height", "file_path"),
        lambda rows: [(row["title"], row["hdr"]) for row in rows]
        == [("Charade", "dolby vision"), ("Night of the Living Dead", "hdr10")],
    ),
    "Shows with an actor": (
        ("id", "title", "year", "role"),
        lambda rows: [row["title"] for row in rows]
        == ["Robo Granny", "Sakana no Tantei", "星のたぬき", "The Lighthouse Keepers"],
    ),
    "Guide data for XMLTV": (
        (
            "id", "title", "sub-title", "desc", "date", "category", "episode-num", "rating", "star-rating", "icon",
            "length",
        ),
        lambda rows: {
            "title": "The Lighthouse Keepers", "sub-title": "Fog", "episode-num": "0.0.",
            "category": "Comedy, Drama, Maritime, Mystery, Horror",
        }.items() <= next(row for row in rows if row["sub-title"] == "Fog").items()
        and all(row["icon"] for row in rows)
        and next(row for row in rows if row["title"] == "Nosferatu")["category"].startswith("Horror, Fantasy"),
    ),
    "Intros to skip": (
        ("id", "show_title", "season_number", "episode_number", "starts_at", "ends_at", "file_path"),
        lambda rows: all(row["starts_at"] < row["ends_at"] for row in rows)
        and {row["show_title"] for row in rows} == {"The Lighthouse Keepers"},
    ),
    "Where the end credits begin": (
        ("id", "title", "starts_at", "minutes"),
        lambda rows: {"Charade", "Night of the Living Dead"} == {row["title"] for row in rows}
        and len({row["id"] for row in rows}) == len(rows),
    ),
    "What has no chapters": (
        ("kind", "id", "title"),
        lambda rows: {row["kind"] for row in rows} == {"film", "episode"}
        and not any("Keepers: Fog" in row["title"] for row in rows),
    ),
    "Total air time per genre": (
        ("genre", "items", "hours"),
        lambda rows: {"Horror", "Comedy", "Animation"} <= {row["genre"] for row in rows}
        and all(row["items"] > 0 for row in rows),
    ),
}  # fmt: skip


def test_every_query_of_the_page_is_expected_to_say_something() -> None:
    """A new query needs a line here."""
    assert list(QUERIES) == list(EXPECTED)
    assert {name: len(found) for name, found in QUERIES.items()} == dict.fromkeys(QUERIES, 1)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_query_of_the_page_answers(ask, name) -> None:
    """With the columns that its readers will use, and with what is so in the built-in library."""
    columns, holds = EXPECTED[name]
    rows = ask(QUERIES[name][0])
    assert rows
    assert tuple(rows[0]) == columns
    assert holds(rows), rows


# What others may write -------------------------------------------------------------------------------------------


@pytest.fixture
def writable(mirror: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A copy to write to, as another program would."""
    copy = tmp_path / "copy.db"
    shutil.copy(mirror, copy)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


WRITTEN = {
    "a server": "SELECT name, source, is_active FROM plex_servers WHERE id > 1",
    "a switch": "SELECT library_name FROM libraries WHERE NOT sync_enabled",
    "a priority": "SELECT library_name FROM libraries WHERE priority < 100",
    "a path mapping": "SELECT server_id, local_path, source FROM plex_path_mappings",
    "a request": "SELECT kind, options, finished_at FROM sync_requests WHERE library_id = 1",
    "a request for one show": "SELECT kind, json_extract(options, '$.show', '$.year') FROM sync_requests",
}
EXPECTED_WRITTEN = {
    "a server": ("attic", "database", 1),
    "a switch": ("Anime",),
    "a priority": ("Movies 4K",),
    "a path mapping": (1, "/mnt/nas/films", "database"),
    "a request": ("full", "{}", None),
    "a request for one show": ("quick", '["The Lighthouse Keepers",2019]'),
}


def test_every_example_of_writing_is_expected_to_write_something() -> None:
    """A new example needs a line here; besides queries, there is only the loop of a reader."""
    assert list(EXAMPLES) == list(WRITTEN) == list(EXPECTED_WRITTEN)
    assert len(_SQL.findall(PAGE)) == len(EXAMPLES) + len(QUERIES) + PAGE.count("<!-- reader: in SQL -->")


@pytest.mark.parametrize("name", WRITTEN)
def test_an_example_of_writing_writes(writable, name) -> None:
    """One row, as the page says, with the rest of it filled in."""
    assert writable.execute(EXAMPLES[name]).rowcount == 1
    writable.commit()
    assert writable.execute(WRITTEN[name]).fetchall() == [EXPECTED_WRITTEN[name]]
    assert writable.execute("PRAGMA foreign_key_check").fetchall() == []


def test_past_outages_are_read_from_their_text(writable) -> None:
    """The newest first."""
    (query,) = QUERIES["When was a server down?"]
    since, until = (time + 86_400 for time in OUTAGE)
    store_outage(writable, Outage(1, "home", "ServerTimeout", "no data for 30 s", since, until))
    assert [tuple(row) for row in writable.execute(query)] == [
        ("home", "ServerTimeout", "no data for 30 s", f"2023-11-{day} 22:13:20", f"2023-11-{day} 22:14:50")
        for day in (15, 14)
    ]


def test_what_is_wrong_names_every_kind_of_problem(writable) -> None:
    """Of servers and libraries that are synced: those of others do not matter."""
    (query,) = QUERIES["What is wrong, since when, and what to do"]
    writable.executescript(
        "UPDATE plex_servers SET last_error = 'x', last_error_type = 'Unauthorized', next_try_at = 1;"
        "UPDATE libraries SET last_error = 'y' WHERE library_name = 'Movies';"
        "UPDATE libraries SET last_error = 'z', failing_since = 1 WHERE library_name IN ('Anime', 'Movies 4K');"
        "UPDATE libraries SET selected = 0 WHERE library_name = 'Movies 4K'"
    )
    assert [row[1:3] for row in map(tuple, writable.execute(query))] == [
        (None, "Unauthorized"), ("Anime", "failed"), ("Movies", "in doubt"), ("Silent Archive", "blocked")
    ]  # fmt: skip
    writable.execute("UPDATE plex_servers SET is_active = 0")
    assert writable.execute(query).fetchall() == []


def test_a_priority_changes_what_is_preferred(writable) -> None:
    """At once: the views read it."""
    query = "SELECT library_name FROM preferred_movies WHERE title = 'Charade'"
    assert writable.execute(query).fetchall() == [("Movies 4K",)]
    writable.execute("UPDATE libraries SET priority = 5 WHERE library_name = 'Movies'")
    assert writable.execute(query).fetchall() == [("Movies",)]
