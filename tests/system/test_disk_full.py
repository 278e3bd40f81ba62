"""A disk without space: each pass says what to do, and so does ``status``; nothing written before is lost."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
import structlog

from retrovue_daemon.errors import DiskFull
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.service.status import read_condition
from tests.support.logs import Events

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def events() -> Iterator[Events]:
    told = Events()
    structlog.configure(processors=[told])
    yield told
    structlog.reset_defaults()


async def test_a_full_database_is_a_failure_with_a_hint(plex, engine, path, events, rows) -> None:
    """In the log line of each pass and in the database, if at least the record has room there."""
    daemon = await engine(plex)
    await daemon.round(Selection(full=True))
    (pages,), *_ = await daemon.database.reader.execute_fetchall("PRAGMA page_count")
    await daemon.database.writer.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"))
    library = next(library for library in plex.world.libraries.values() if library.title == "Movies")
    for number in range(500):
        plex.changes.add_movie(library.key, f"A Later Film {number}", 1960)
    before = rows("SELECT count(*) FROM movies")
    await daemon.round(Selection(full=True))
    (told,) = events.of("sync.finished", status="failed")
    assert told["library"] == "Movies"
    assert "full" in told["error"]
    assert f"MiB are free on the disk of {path.parent}" in told["hint"]
    assert rows("SELECT count(*) FROM movies") == before
    await daemon.database.writer.catch_up()
    (problem,) = [finding.problem for finding in read_condition(path).findings if finding.library == "Movies"]
    assert (problem.message, problem.hint) == (told["error"], told["hint"])
    await daemon.database.writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))
    await daemon.round(Selection(full=True))
    assert rows("SELECT count(*) FROM movies") == [(before[0][0] + 500,)]
    assert not [finding for finding in read_condition(path).findings if finding.library]


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=1200k tmpfs "$1" || exit 99
shift
"$@" sync --config config.toml
echo $? > sync.code
"$@" status --json --config config.toml > status.json
"$@" status --config config.toml > status.txt
"$@" database check --config config.toml
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
async def test_a_full_disk_is_shown_by_status(plex, tmp_path) -> None:
    """What cannot be written is seen from the disk itself."""
    place = tmp_path / "place"
    place.mkdir()
    library = next(library for library in plex.world.libraries.values() if library.title == "Movies")
    for number in range(2000):
        plex.changes.add_movie(library.key, f"A Later Film {number}", 1960)
    server = f'[[servers]]\nname = "home"\nurl = "{plex.url}"\ntoken = "{plex.token}"\n'
    (tmp_path / "config.toml").touch(mode=0o600)
    (tmp_path / "config.toml").write_text(f'[database]\npath = "{place}/mirror.db"\n{server}')
    shell = ("unshare", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", place)
    process = await asyncio.create_subprocess_exec(
        *shell, sys.executable, "-m", "retrovue_daemon", cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 40)
    if process.returncode == 99:
        pytest.skip("no disk can be mounted here")
    assert process.returncode == 0, err.decode()
    assert "Traceback" not in err.decode()
    assert (tmp_path / "sync.code").read_text().strip() == "1"
    told = [json.loads(line) for line in err.decode().splitlines() if '"sync.finished"' in line]
    failed = [line for line in told if line["status"] == "failed"]
    assert failed
    assert all(f"free on the disk of {place}" in line["hint"] for line in failed)
    problems = json.loads((tmp_path / "status.json").read_text())["problems"]
    (full,) = [problem for problem in problems if problem["server"] is None and problem["type"] == "DiskFull"]
    assert f"free on the disk of {place}; free some space there" in full["hint"]
    assert "the disk is almost full" in (tmp_path / "status.txt").read_text()


async def test_a_start_on_a_full_disk_can_be_tried_again(plex, sync, config, path, monkeypatch) -> None:
    """Exit code 1: a service is started again, and goes on once there is space."""
    monkeypatch.setattr("retrovue_daemon.store.file.preparation.migrate", _fail)
    with pytest.raises(DiskFull) as full:
        await sync(config(plex))
    assert full.value.exit_code == 1
    assert f"free on the disk of {path.parent}" in (full.value.hint or "")


def _fail(connection: object, _version: int) -> None:
    """Have SQLite run out of pages."""
    connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]
    connection.execute("CREATE TABLE filled AS SELECT hex(randomblob(10000)) AS x")  # type: ignore[attr-defined]
