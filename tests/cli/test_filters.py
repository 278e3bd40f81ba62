"""The options that choose items, in ``items search`` and ``export``."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from contextlib import closing

import pytest

from retrovue_daemon.store.items.columns import SORT_KEYS

METROPOLIS = "(SELECT id FROM movies WHERE title = 'Metropolis')"
KEEPERS = "(SELECT id FROM shows WHERE title = 'The Lighthouse Keepers')"
FILE = f"(SELECT media_file_id FROM movies WHERE id = {METROPOLIS})"


EVERYTHING = f"""
DELETE FROM tags; DELETE FROM people; DELETE FROM collections; DELETE FROM streams;
UPDATE movies SET genre = NULL, added_at = 1, audience_rating = 1, rating = 'G', details_read_at = 1;
UPDATE shows SET genre = NULL, added_at = 1, audience_rating = NULL, critic_rating = NULL, details_read_at = 1;
UPDATE episodes SET added_at = 1, audience_rating = NULL, critic_rating = 2;
UPDATE movies SET added_at = unixepoch(), audience_rating = 8.4, rating = 'PG' WHERE id = {METROPOLIS};
INSERT INTO tags (id, kind, name) VALUES (1, 'genre', 'Épouvante'), (2, 'label', '\u200eNight'), (3, 'genre', 'x');
INSERT INTO people (id, name) VALUES (1, 'Brigitte Helm'), (2, 'Jörg Lang');
INSERT INTO movie_tags (movie_id, tag_id, position) SELECT {METROPOLIS}, id, 0 FROM tags WHERE id < 3;
INSERT INTO show_tags (show_id, tag_id, position) SELECT {KEEPERS}, id, 0 FROM tags WHERE id < 3;
INSERT INTO movie_credits (movie_id, job, position, person_id)
VALUES ({METROPOLIS}, 'actor', 0, 1), ({METROPOLIS}, 'director', 0, 2);
INSERT INTO show_credits (show_id, job, position, person_id) VALUES ({KEEPERS}, 'actor', 0, 1);
INSERT INTO collections (id, server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (1, 1, 1, '9001', '\u200eOld \u200b Towers', 1, 1);
INSERT INTO collection_items (collection_id, position, movie_id) VALUES (1, 0, {METROPOLIS});
INSERT INTO collection_items (collection_id, position, show_id) VALUES (1, 1, {KEEPERS});
UPDATE media_files SET video_resolution = '720';
UPDATE media_files SET video_resolution = '4k' WHERE id = {FILE};
INSERT INTO streams (media_file_id, kind, language, language_code, is_default, is_forced, is_external,
                     is_hearing_impaired)
VALUES ({FILE}, 'audio', 'pt-BR', 'por', 0, 0, 0, 0), ({FILE}, 'subtitle', 'de', 'deu', 0, 0, 0, 0),
       ({FILE}, 'subtitle', 'cs', 'cze', 0, 0, 0, 0);
UPDATE movies SET added_at = 4102444800 WHERE title = 'The Kid';
"""


@pytest.fixture
def rich(database) -> None:
    """One film and one show with all that can be chosen by; nothing else has any of it."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(EVERYTHING)


FILM = {("movie", "Metropolis")}
SHOW = {("show", "The Lighthouse Keepers")}


@pytest.mark.usefixtures("rich")
@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (("--genre", "epouvante", "--kind", "movie"), FILM),
        (("--genre", "Épouvante", "--kind", "show"), SHOW),
        (("--label", "night"), FILM | SHOW),
        (("--actor", "brigitte helm", "--kind", "movie"), FILM),
        (("--actor", "Brigitte Helm", "--kind", "show"), SHOW),
        (("--director", "jorg lang"), FILM),
        (("--collection", "old towers", "--kind", "movie"), FILM),
        (("--collection", "Old Towers", "--kind", "show"), SHOW),
        (("--content-rating", "pg", "--kind", "movie"), FILM),
        (("--min-rating", "8"), FILM),
        (("--resolution", "2160p"), FILM),
        (("--resolution", "4K", "--resolution", "8k"), FILM),
        (("--language", "pt"), FILM),
        (("--language", "POR", "--subtitle", "de"), FILM),
        (("--subtitle", "ger", "--subtitle", "ces"), FILM),
        (("--added-since", "1h"), FILM),
        (("--added-since", "2020-01-01"), FILM),
        (("--year", "1927", "--kind", "movie", "metrop"), FILM),
        (("--genre", "Épouvante", "--label", "Night", "--language", "pt-BR", "--year", "..1950"), FILM),
    ],
)
def test_each_option_chooses_what_has_the_property(on, arguments, chosen) -> None:
    """In any case, without accents, and each beside others."""
    result = json.loads(on("items", "search", *arguments, "--json").out)
    assert {(item["kind"], item["title"]) for item in result["items"]} == chosen
    assert result["total"] == len(chosen)


@pytest.mark.usefixtures("rich")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--genre", "x"),
        ("--language", "de"),
        ("--subtitle", "pt"),
        ("--genre", "Épouvante", "--genre", "x"),
        ("--label", "Night", "--year", "1950..1960", "--kind", "movie"),
        ("--kind", "show", "--resolution", "4k"),
        ("--kind", "season", "--min-duration", "1"),
        ("--missing",),
    ],
)
def test_nothing_is_chosen_that_lacks_one_of_the_properties(on, arguments) -> None:
    """The exit code says so."""
    finished = on("items", "search", *arguments, "--json")
    assert (finished.code, json.loads(finished.out)["items"]) == (1, [])


@pytest.mark.usefixtures("rich")
def test_a_content_rating_that_no_item_has_is_refused(on, rows) -> None:
    """As an unknown genre is; of several, one that is known is enough, also if only episodes have it."""
    finished = on("items", "search", "--content-rating", "PGG")
    assert (finished.code, finished.err.splitlines()[1]) == (2, "hint: did you mean 'PG'?")
    assert on("items", "search", "--content-rating", "PGG", "--content-rating", "pg").code == 0
    rows("UPDATE episodes SET rating = 'TV-Y' WHERE id = 1")
    assert on("items", "search", "--content-rating", "tv-y").code == 0


@pytest.mark.usefixtures("rich")
@pytest.mark.parametrize(
    "option",
    [
        "--genre", "--label", "--collection", "--actor", "--director", "--content-rating", "--server", "--library",
        "--language", "--year", "--added-since", "--resolution", "--sort", "--min-duration",
    ],
)  # fmt: skip
def test_a_value_that_is_no_text_is_refused_like_any_unknown_one(on, option) -> None:
    """A terminal with another encoding sends such bytes, which Python reads as lone surrogates."""
    for value in ("\udcff", "a\udce9b", "\x00"):
        finished = on("items", "search", option, value)
        assert (finished.code, finished.out) == (2, "")


@pytest.mark.usefixtures("rich")
def test_an_unknown_name_is_met_with_the_known_ones_but_not_with_hundreds(on, rows) -> None:
    """A library has more genres than anybody reads in an error."""
    rows(
        "WITH n (n) AS (SELECT 1 UNION SELECT n + 1 FROM n WHERE n < 200)"
        " INSERT INTO tags (kind, name) SELECT 'genre', 'Genre ' || n FROM n"
    )
    finished = on("items", "search", "--genre", "qqq")
    assert finished.code == 2
    assert finished.err.rstrip().endswith("and 172 more")
    assert "no genre is named 'qqq'" in finished.err


@pytest.mark.usefixtures("rich")
def test_episodes_are_chosen_by_their_show(on, rows) -> None:
    """By its genres, its cast and the collections that it is in."""
    ((number,),) = rows(f"SELECT count(*) FROM episodes WHERE show_id = {KEEPERS}")
    for option, value in (("--genre", "Épouvante"), ("--actor", "Brigitte Helm"), ("--collection", "Old Towers")):
        result = json.loads(on("items", "search", "--kind", "episode", option, value, "--json").out)
        assert result["total"] == number
        assert {item["show"] for item in result["items"]} == {"The Lighthouse Keepers"}


def test_before_details_are_read_the_genres_of_the_listing_count(on, rows) -> None:
    """And its directors: whole names, not parts of them."""
    rows("UPDATE movies SET genre = 'Drama', director = NULL, details_read_at = NULL")
    rows("UPDATE movies SET genre = 'Drama, Horror', director = 'A. Lang' WHERE title = 'Metropolis'")
    rows("UPDATE shows SET genre = NULL")
    rows("DELETE FROM tags WHERE kind = 'genre'")
    for option in (("--genre", "horror"), ("--director", "a. lang")):
        assert [item["title"] for item in json.loads(on("items", "search", *option, "--json").out)["items"]] == [
            "Metropolis"
        ]
    assert on("items", "search", "--genre", "Hor").code == 2
    rows("UPDATE movies SET details_read_at = 1")
    assert on("items", "search", "--genre", "horror").code == 2


def test_lengths_years_and_states_are_spans_and_words(on, rows) -> None:
    """Both ends count."""
    rows("UPDATE movies SET duration = 60000 * id, year = 1900 + id")
    for arguments, ids in (
        (("--min-duration", "3", "--max-duration", "4m"), {3, 4}),
        (("--max-duration", "120s"), {1, 2}),
        (("--year", "1903..1904"), {3, 4}),
        (("--year", "..1902"), {1, 2}),
        (("--year", "1902.."), None),
    ):
        items = json.loads(on("items", "search", "--kind", "movie", *arguments, "--json", "-n", "99").out)["items"]
        found = {item["id"] for item in items}
        assert found == ids if ids else found == {id_ for (id_,) in rows("SELECT id FROM movies WHERE id >= 2")}
    rows("UPDATE movies SET state = 'missing' WHERE id = 2")
    for option in (("--missing",), ("--state", "missing")):
        assert [item["id"] for item in json.loads(on("items", "search", *option, "--json").out)["items"]] == [2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--year", "195x"), ("--year '195x'", "1950..1960")),
        (("--year", ".."), ("--year", "1950..")),
        (("--kind", "show", "--paths"), ("no files", "--kind episode")),
        (("--kind", "season", "--paths"), ("no files", "--kind episode")),
        (("--year", "1960..1950"), ("beyond", "exchange")),
        (("--genre", "Dramma"), ("no genre", "Dramma")),
        (("--label", "x"), ("no label",)),
        (("--collection", "x"), ("no collection",)),
        (("--actor", "Nemo"), ("no actor",)),
        (("--min-rating", "11"), ("--min-rating 11", "0 to 10")),
        (("--min-duration", "long"), ("--min-duration 'long'", "1h30m")),
        (("--min-duration", "9", "--max-duration", "8"), ("--min-duration", "--max-duration")),
        (("--resolution", "big"), ("--resolution 'big'", "1080")),
        (("--language", "German"), ("--language 'German'", "deu")),
        (("--added-since", "soon"), ("--added-since 'soon'", "7d")),
        (("--sort", "colour"), ("--sort 'colour'", "released")),
        (("--missing", "--state", "active"), ("--missing", "active")),
        (("--paths", "--json"), ("--paths",)),
        (("-0",), ("--paths",)),
    ],
)
def test_a_value_that_means_nothing_is_refused(on, arguments, words) -> None:
    """With the option, the value and what would do."""
    finished = on("items", "search", *arguments)
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.count("hint: ") == 1
    for word in words:
        assert word in finished.err


def test_items_are_sorted(on, rows) -> None:
    """Unknown values last, in both directions; series by season and number, specials at their end."""
    rows("UPDATE movies SET year = CASE id WHEN 1 THEN 1920 WHEN 2 THEN 1910 ELSE NULL END")

    def ids(*arguments):
        return [
            item["id"] for item in json.loads(on("items", "search", *arguments, "--json", "-n", "999").out)["items"]
        ]

    assert ids("--kind", "movie", "--sort", "year")[:2] == [2, 1]
    assert ids("--kind", "movie", "--sort", "-year")[:2] == [1, 2]
    assert {len(ids("--sort", sort)) for sort in SORT_KEYS} == {len(ids())}
    assert f"use one of {', '.join(SORT_KEYS)}" in on("items", "search", "--sort", "size").err
    finished = on("items", "search", "--kind", "episode", "--sort", "series", "--json", "-n", "999")
    items = [item for item in json.loads(finished.out)["items"] if item["show"] == "The Lighthouse Keepers"]
    places = [(item["season_number"] == 0, item["season_number"], item["episode_number"]) for item in items]
    assert places == sorted(places)
    assert len(places) > 5


def test_paths_are_printed_for_other_programs(on, rows) -> None:
    """Each part of a film in order, active items alone; others are counted."""
    expected = [path for (path,) in rows("SELECT file_path FROM media_files WHERE media_type = 'movie'") if path]
    printed = on("items", "search", "--kind", "movie", "--paths").out.splitlines()
    assert printed
    assert set(printed) <= set(expected)
    ((two_parts,),) = rows(
        "SELECT m.id FROM movies AS m JOIN media_files AS f ON f.id = m.media_file_id JOIN media_files AS p"
        " ON p.media_id = f.media_id AND p.part_index = 1"
    )
    ((title,),) = rows("SELECT title FROM movies WHERE id = ?", two_parts)
    assert len(on("items", "search", title, "--kind", "movie", "--paths", "-0").out.split("\0")[:-1]) == 2
    rows("UPDATE media_files SET file_path = 'two\nlines'")
    finished = on("items", "search", title, "--kind", "movie", "--paths")
    assert (finished.code, finished.out) == (0, "")
    assert "2 files omitted: the path contains a line break; use -0" in finished.err
    assert on("items", "search", title, "--kind", "movie", "--paths", "-0").out == "two\nlines\0" * 2
    rows("UPDATE media_files SET file_path = NULL")
    assert "no local path" in on("items", "search", title, "--paths").err
    rows("UPDATE movies SET state = 'missing'")
    assert on("items", "search", title, "--kind", "movie", "--paths").code == 1


@pytest.mark.usefixtures("rich")
def test_the_file_is_one_that_was_chosen(on, rows) -> None:
    """Not the primary one, which lacks what was asked for; all parts of its version."""
    columns = "server_id, library_id, rating_key, media_type, state"
    for part in (0, 1):
        rows(
            f"INSERT INTO media_files ({columns}, media_id, part_index, plex_path, file_path, video_resolution,"
            f" created_at) SELECT {columns}, 77, {part}, '/uhd/{part}', '/uhd/{part}', '8k', 1"
            f" FROM media_files WHERE id = {FILE}"
        )
    ((first,),) = rows(f"SELECT file_path FROM media_files WHERE id = {FILE}")
    for option, files in ((("-n", "9"), first), (("--resolution", "4k"), first), (("--resolution", "8k"), "/uhd/0")):
        arguments = ("--kind", "movie", *option, "metropolis")
        paths = on("items", "search", "--paths", *arguments).out.splitlines()
        assert (paths[0], len(paths)) == (files, 2)
        table = list(csv.DictReader(io.StringIO(on("export", "-", "--format", "csv", *arguments).out, newline="")))
        assert [row["file_path"] for row in table] == [files]
    rows("UPDATE movies SET media_file_id = (SELECT id FROM media_files WHERE plex_path = '/uhd/0')")
    both = ("--resolution", "4k", "--resolution", "8k", "--paths", "metropolis")
    assert on("items", "search", *both).out.splitlines() == ["/uhd/0", "/uhd/1"]


# -- export ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("rich")
def test_items_are_exported_in_both_formats(on, rows, tmp_path) -> None:
    """With the same values; nothing but the file is left in the directory."""
    directory = tmp_path / "out"
    directory.mkdir()
    assert "wrote" in on("export", directory / "all.csv").out
    done = json.loads(on("export", directory / "all.ndjson", "--json").out)
    with (directory / "all.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    lines = [json.loads(line) for line in (directory / "all.ndjson").read_text().splitlines()]
    ((number,),) = rows(
        "SELECT (SELECT count(*) FROM movies) + (SELECT count(*) FROM shows) + count(*) FROM episodes"
    )
    assert len(table) == len(lines) == done["items"] == number
    assert done["bytes"] == (directory / "all.ndjson").stat().st_size
    film = next(line for line in lines if line["title"] == "Metropolis")
    assert (film["genres"], film["labels"], film["video_resolution"]) == (["Épouvante"], ["\u200eNight"], "4k")
    for row, line in zip(table, lines, strict=True):
        lists = {name: ", ".join(line[name]) for name in ("genres", "labels")}
        assert row == {name: "" if value is None else str(value) for name, value in {**line, **lists}.items()}
    assert sorted(path.name for path in directory.iterdir()) == ["all.csv", "all.ndjson"]


def test_an_export_takes_the_same_choice_as_a_search(on) -> None:
    """Standard output is a file, too."""
    arguments = ("lighthouse", "--kind", "episode", "--sort", "series", "--limit", "3")
    found = json.loads(on("items", "search", *arguments, "--json").out)["items"]
    table = list(csv.DictReader(io.StringIO(on("export", "-", *arguments, "--format", "csv").out, newline="")))
    assert [row["id"] for row in table] == [str(item["id"]) for item in found]


def test_an_existing_file_is_kept(on, tmp_path) -> None:
    """Unless --force is given, and also if the export fails."""
    file = tmp_path / "kept.csv"
    file.write_text("mine")
    finished = on("export", file)
    assert finished.code == 2
    assert "--force" in finished.err
    assert on("export", file, "--force", "--genre", "nonsense").code == 2
    assert file.read_text() == "mine"
    assert on("export", file, "--force", "--quiet").code == 0
    assert file.read_text().startswith("kind,id,")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("out.xlsx",), "*.csv or *.ndjson"),
        (("-",), "--format"),
        (("-", "--format", "csv", "--json"), "standard output"),
        (("nowhere/out.csv",), "No such file"),
        (("", "--format", "csv"), "names no file"),
        (("..", "--format", "csv", "--force"), "no regular file"),
        ((f"{'x' * 300}.csv",), "too long"),
    ],
)
def test_an_export_that_cannot_be_written_says_why(on, arguments, word) -> None:
    """Before it reads anything, where that can be known."""
    finished = on("export", *arguments)
    assert finished.code == 2
    assert word in finished.err
    assert "database" not in finished.err


def test_an_export_replaces_no_pipe_or_device(on, tmp_path) -> None:
    """A rename over /dev/null would take it from all programs."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    finished = on("export", pipe, "--force")
    assert finished.code == 2
    assert "no regular file" in finished.err
    assert pipe.is_fifo()


def test_an_export_replaces_no_database(on, database, tmp_path) -> None:
    """Neither the one that is read, under any name, nor a file that belongs to it."""
    (tmp_path / "link.csv").symlink_to(database)
    (tmp_path / "copy.csv").hardlink_to(database)
    before = database.read_bytes()
    for target in (database, tmp_path / "link.csv", tmp_path / "copy.csv"):
        finished = on("export", target, "--format", "csv", "--force")
        assert (finished.code, "is a database and was left unchanged" in finished.err) == (2, True)
    for suffix in ("-wal", ".lock"):
        finished = on("export", f"{database}{suffix}", "--format", "csv", "--force")
        assert (finished.code, f"belongs to {database}" in finished.err) == (2, True)
    assert database.read_bytes() == before


def test_an_export_follows_links_and_keeps_modes(on, tmp_path) -> None:
    """As a redirection of the shell does."""
    file, link = tmp_path / "real.csv", tmp_path / "link.csv"
    file.touch(mode=0o600)
    link.symlink_to(file)
    assert on("export", link, "--force").code == 0
    assert link.is_symlink()
    assert file.read_text().startswith("kind,id,")
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_export_needs_no_hard_links(on, tmp_path, monkeypatch) -> None:
    """Memory sticks and shares have none; a file that exists is kept there, too."""

    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    assert on("export", tmp_path / "out.csv").code == 0
    assert on("export", tmp_path / "out.csv").code == 2
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.csv"]


def test_only_lists_are_split(on, rows, tmp_path) -> None:
    """A title may hold the character that separates the parts of a list."""
    rows("UPDATE movies SET title = 'a' || char(31) || 'b' WHERE id = 1")
    assert on("export", tmp_path / "out.csv", "--kind", "movie", "--limit", "1").code == 0
    with (tmp_path / "out.csv").open(newline="") as stream:
        assert next(csv.DictReader(stream))["title"] == "a\x1fb"
