"""What others have written, titles and paths above all, is shown on a terminal and steers nothing there."""

from __future__ import annotations

import json
import unicodedata

import pytest

from retrovue_daemon.cli.display.output import print_json, print_json_line
from retrovue_daemon.cli.display.table import printable

EVIL = "\x1b[2J\x1b]0;owned\x07Ev\u202eil\nrow\x9b31m\u2028"
SHOWN = r"\x1b[2J\x1b]0;owned\x07Ev\u202eil\nrow\x9b31m\u2028"


@pytest.fixture
def evil(rows) -> str:
    """Let everything that a server or another program names hold signs that steer."""
    for table, column in (
        *(("movies", name) for name in ("title", "summary", "rating_key")),
        ("shows", "title"),
        ("libraries", "library_name"),
        ("libraries", "last_error"),
        ("library_locations", "path"),
        ("media_files", "plex_path"),
        ("sync_runs", "error"),
    ):
        rows(f"UPDATE {table} SET {column} = {column} || ? WHERE {column} IS NOT NULL", EVIL)
    rows("UPDATE libraries SET last_error = ?, state = 'blocked'", EVIL)
    rows("UPDATE sync_runs SET error = ?", EVIL)
    rows(
        "INSERT INTO plex_path_mappings (server_id, plex_path, local_path) SELECT id, '/srv/' || ?1, '/mnt/' || ?1"
        " FROM plex_servers",
        EVIL,
    )
    return EVIL


@pytest.mark.parametrize(
    "words",
    [
        ["items", "search", "metropolis"],
        ["items", "show", "1", "--kind", "movie", "--by", "id"],
        ["items", "show", "1"],
        ["status"],
        ["history"],
        ["libraries", "list"],
        ["libraries", "disable", "Moviez"],
        ["mappings", "list"],
        ["mappings", "suggest"],
        ["mappings", "remove", "1"],
        ["mappings", "test", f"/srv/{EVIL}/a"],
        ["mappings", "add", f"/srv/{EVIL}", "/mnt"],
        ["items", "search", EVIL + "?"],
        ["guid", "parse", f"imdb://{EVIL}"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_nothing_steers_the_terminal(run, on, evil, words) -> None:
    """Whatever command shows it; the signs are there as their escapes."""
    finished = (run if words[0] == "guid" else on)(*words)
    told = finished.out + finished.err
    assert {sign for sign in told if unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp"}} <= {"\n"}
    assert r"\x1b[2J" in told.replace("\n", "")


def test_the_cell_of_a_table_ends_where_it_ends(on, evil) -> None:
    """A line break in a title makes no row of its own."""
    assert f"/srv/{SHOWN}" in on("mappings", "list").out


def test_programs_get_it_as_it_is(on, evil) -> None:
    """JSON has escapes of its own, which a reader takes off."""
    (item,) = json.loads(on("items", "search", "metropolis", "--json").out)["items"]
    assert item["title"] == f"Metropolis{EVIL}"
    assert json.loads(on("mappings", "list", "--json").out)["mappings"][0]["local_path"] == f"/mnt/{EVIL}"


@pytest.mark.parametrize("byte", ["", "\udcff"], ids=["text", "undecodable"])
def test_json_steers_no_terminal_either(capfdbinary, byte) -> None:
    """It may be read on one: what JSON would leave as it is, is escaped, as in log lines; letters stay."""
    value = {"title": EVIL + "\x7f\x85\u2066\U000e0001" + byte, "Été": "映画\u3000館 👩\u200d🚀"}
    print_json(value)
    print_json_line(value)
    out = capfdbinary.readouterr().out.decode()
    assert {sign for sign in out if unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} == {"\n", "\u200d"}
    whole, _, line = out.rstrip("\n").rpartition("\n")
    assert json.loads(whole) == json.loads(line) == value
    assert '"Été": "映画\u3000館 👩\u200d🚀"' in whole


def test_letters_of_every_script_stay() -> None:
    """Wide spaces, marks that join letters, and faces made of several are no signs that steer."""
    for text in ("Été, 映画\u3000館", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "👩\u200d🚀", "a\u00a0b"):
        assert printable(text) == text
    assert printable("a\udcffb") == r"a\udcffb"
