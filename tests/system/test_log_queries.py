"""The documented queries of the log give their answers from the log of real passes."""

from __future__ import annotations

import io
import json
import re
import subprocess
from pathlib import Path

import pytest

from retrovue_daemon.demo import SimulatedPlex
from retrovue_daemon.logs.setup import configure_logging
from tests.support.logs import logging_kept
from tests.support.programs import required_program
from tests.support.servers import film_world

ROOT = Path(__file__).parents[2]
QUERY = re.compile(r"^\$ journalctl -u retrovue-daemon -o cat \| jq (-\w+) '([^']*)'$", re.MULTILINE)
LOGS, SYSTEMD = (QUERY.findall((ROOT / page).read_text("utf-8")) for page in ("docs/logs.md", "systemd/README.md"))
NOT_JSON = "Started retrovue-daemon.service - a line of systemd.\n"


def test_every_use_of_jq_is_run() -> None:
    """A query that is written differently would not be found."""
    for page, found in (("docs/logs.md", LOGS), ("systemd/README.md", SYSTEMD)):
        assert len(found) == (ROOT / page).read_text("utf-8").count("| jq ") > 2


@pytest.fixture
def written():
    """The log, at level debug, as a file that is still written to."""
    stream = io.StringIO(NOT_JSON)
    stream.seek(len(NOT_JSON))
    with logging_kept():
        configure_logging(level="debug", stream=stream)
        yield stream


@pytest.fixture
async def log(sync, written) -> str:
    """Two servers with libraries of the same titles; a film leaves one of them, and the other becomes busy."""
    async with (
        SimulatedPlex(film_world("Movies", "Dramas", name="one")) as one,
        SimulatedPlex(film_world("Movies", "Dramas", name="two")) as two,
    ):
        await sync(one, two)
        two.changes.delete(next(movie.id for movie in two.world.movies() if movie.title == "Movies 1"))
        one.faults.fail("/library/sections/1/all", status=500, times=None)
        await sync(one, two)
    return written.getvalue()


def _answers(log: str, options: str, query: str) -> list[str]:
    done = subprocess.run(
        [required_program("jq"), options, query], input=log, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), query
    return done.stdout.splitlines()


async def test_the_queries_answer_from_the_log(log: str) -> None:
    """Libraries of the same title on two servers are two libraries."""
    removed, passes, rounds, wrong, requests = (_answers(log, *query) for query in LOGS)
    assert [line.split("\t")[1:] for line in removed] == [["server1", "Movies", "Movies 1 (1921)"]]
    libraries = {(line["server"], line["library"]): line for line in map(json.loads, passes)}
    assert {
        key: (line["passes"], line["not_ok"], line["added"], line["removed"]) for key, line in libraries.items()
    } == {
        ("home", "Dramas"): (2, 0, 2, 0),
        ("home", "Movies"): (2, 1, 2, 0),
        ("server1", "Dramas"): (2, 0, 2, 0),
        ("server1", "Movies"): (2, 0, 2, 1),
    }
    found = {line["server"]: line for line in map(json.loads, rounds)}
    assert {server: line["rounds"] for server, line in found.items()} == {"home": 2, "server1": 2}
    assert all(line["slowest"]["duration_s"] >= 0 and line["slowest"]["libraries"] == 2 for line in found.values())
    (failed,) = (line.split("\t")[1:] for line in wrong)
    assert failed[:3] == ["sync.finished", "home", "Movies"]
    assert "500" in failed[3]
    paths = {(line["server"], line["path"]): line for line in map(json.loads, requests)}
    assert paths["home", "/library/sections/1/all"]["errors"] > 0
    assert paths["server1", "/library/sections/1/all"]["errors"] == 0
    assert all(line["requests"] and line["seconds"] >= 0 for line in paths.values())

    # Those of the manual for systemd are shorter, for the daily look.
    finished, errors, shorter = (_answers(log, *query) for query in SYSTEMD)
    assert len(finished) == 8
    names = "server library status added updated removed duration_s"
    assert json.loads(finished[0]).keys() == set(names.split())
    assert errors
    assert [(line["server"], line["library"]) for line in map(json.loads, shorter)] == sorted(libraries)
