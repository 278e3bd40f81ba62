"""Arguments and paths that hold bytes which are no text: they are the name of nothing, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

BYTE = os.fsdecode(b"\xff")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["mappings", "add", f"/a{BYTE}", "/b"], 2),
        (["mappings", "add", "/a", f"/b{BYTE}"], 2),
        (["mappings", "add", "/a", "/b", "--root", f"/{BYTE}"], 2),
        (["mappings", "add", "/a", "/b", "--library", BYTE], 2),
        (["mappings", "test", f"/a{BYTE}"], 1),
        (["mappings", "test", f"/a{BYTE}", "--json"], 1),
        (["items", "search", BYTE], 1),
        (["items", "search", BYTE, "--json"], 1),
        (["items", "search", f"imdb://{BYTE}"], 1),
        (["items", "show", BYTE], 2),
        (["libraries", "list", "--server", BYTE], 2),
        (["libraries", "disable", BYTE], 2),
        (["history", "--library", BYTE], 2),
        (["servers", "disable", BYTE], 2),
        (["servers", "add", BYTE, "http://127.0.0.1:1"], 2),
        (["discover", BYTE, "--server", BYTE], 2),
        (["sync", "--library", BYTE], 2),
        (["sync", "--server", BYTE], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_such_an_argument_is_the_name_of_nothing(on, words, code) -> None:
    """Like an unknown one, with the same exit code."""
    finished = on(*words)
    assert finished.code == code, finished.err
    assert "Traceback" not in finished.err
    if "--json" in words:
        json.loads(finished.out)


def test_json_gives_such_bytes_as_they_are(run, tmp_path, database) -> None:
    """With TOML's own escapes: reading it yields the same name."""
    place = tmp_path / f"mirror{BYTE}.db"
    shutil.copy(database, place)
    told = json.loads(run("status", "--database", place, "--json").out)
    assert told["database"]["path"] == str(place)
    finished = run("database", "backup", f"copy{BYTE}.db", "--database", place, "--json")
    assert finished.code == 0
    assert Path(json.loads(finished.out)["file"]).stat().st_size > 0
    told = json.loads(run("guid", "parse", f"{BYTE}://a", "--json").out)
    assert told == {"guid": f"{BYTE}://a", "provider": BYTE, "external_id": "a"}


def test_such_a_place_is_reported_in_words(run, tmp_path, database) -> None:
    """The table and the line that names the copy have it as an escape."""
    place = tmp_path / f"mirror{BYTE}.db"
    shutil.copy(database, place)
    assert r"mirror\udcff.db" in run("status", "--database", place).out
    assert r"wrote and verified copy\udcff.db" in run("database", "backup", f"copy{BYTE}.db", "--database", place).out
