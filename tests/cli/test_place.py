"""Which database and configuration a command uses without options, and what it prints about them."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import files
from retrovue_daemon.store.file.preparation import hand_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import Finished

NOBODY = 65534


@pytest.fixture
def installed(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of an installed service, with its database; its configuration sets no path."""
    monkeypatch.setattr(files, "SYSTEM_CONFIG", tmp_path / "etc/config.toml")
    monkeypatch.setattr(files, "SYSTEM_STATE", tmp_path / "state")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/config.toml").touch(mode=0o600)
    (tmp_path / "state").mkdir()
    shutil.copy(database, tmp_path / "state/retrovue.db")
    return tmp_path / "state"


def test_commands_by_hand_use_the_service_s_database(run: Callable[..., Finished], installed: Path) -> None:
    """Only the service is told its state directory by systemd; commands print which files they use."""
    done = run("status", "--json")
    assert (done.code, json.loads(done.out)["database"]["path"]) == (0, f"{installed}/retrovue.db")
    note = (
        f"note: using {installed}/retrovue.db, in the state directory of the service:"
        f" {installed.parent}/etc/config.toml sets no [database] path\n"
    )
    assert done.err == note
    assert run("sync", "--dry-run").err.startswith(note)
    assert run("check").err == note
    assert run("reload").err.startswith(note)
    assert run("items", "search", "a", "--database", installed / "retrovue.db").err == ""


def test_the_service_itself_prints_no_note(
    run: Callable[..., Finished], installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before a reload would otherwise add a line to the journal each time."""
    monkeypatch.setenv("STATE_DIRECTORY", str(installed))
    assert run("check", "--offline").err == ""
    assert run("servers", "list").err == ""


def test_a_missing_database_at_a_default_path(run: Callable[..., Finished], installed: Path) -> None:
    """The message names the path, why it is that one, and where the service's database is."""
    other = installed.parent / "other.toml"
    other.touch(mode=0o600)
    done = run("status", "--config", other)
    own = installed.parent / ".local/share/retrovue-daemon"
    assert done.code == 75
    assert done.err == (
        f"note: using {own}/retrovue.db, in the data directory of this user: {other} sets no [database] path;"
        f" the service's database is in {installed}\n"
        f"error: database {own}/retrovue.db: the directory {own} does not exist\n"
        "hint: run `retrovue-daemon sync` first, select the right file with --config or --database, or mount its file"
        " system\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_what_root_creates_beside_the_service_belongs_to_it(run: Callable[..., Finished], installed: Path) -> None:
    """The service could not even open a database that belongs to root."""
    (installed / "retrovue.db").unlink()
    os.chown(installed, NOBODY, NOBODY)
    assert run("sync").code == 3  # there is no server
    assert {(file.name, file.stat().st_uid, file.stat().st_gid) for file in installed.iterdir()} == {
        ("retrovue.db", NOBODY, NOBODY),
        ("retrovue.db.epoch", NOBODY, NOBODY),
        ("retrovue.db.lock", NOBODY, NOBODY),
    }
    os.chown(installed / "retrovue.db", NOBODY - 1, 7)
    hand_over(installed / "retrovue.db")
    found = (installed / "retrovue.db").stat()
    assert (found.st_uid, found.st_gid) == (NOBODY - 1, 7)  # only root's own files are handed over


def test_check_reports_a_place_that_cannot_be_written(
    run: Callable[..., Finished], as_reader: Callable[..., Finished], database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync by this user would fail, also if the daemon is another user's, who can write there."""
    for option in ([], ["--offline"]):
        done = as_reader("check", *option)
        assert (done.code, "is not writable" in done.err) == (78, True)

    closed: set[Path] = set()
    allows = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: allows(path, mode) and not (mode & os.W_OK and path in closed)
    )
    for place in (database.parent, database):
        closed.add(place)  # as on a file system that is mounted read-only
        done = run("check", "--database", database)
        assert (done.code, f"let this user write to {place}" in done.err) == (78, True)
        closed.clear()
    assert run("check", "--offline", "--database", database).code == 0


@pytest.mark.parametrize("command", ["status", "check", "reload", "sync"])
def test_a_path_that_leads_to_itself_is_reported(run: Callable[..., Finished], tmp_path: Path, command: str) -> None:
    """Whatever resolves it; without a traceback."""
    (tmp_path / "loop.db").symlink_to("loop.db")
    done = run(command, "--database", tmp_path / "loop.db")
    assert done.code in {1, 78}
    assert done.err.startswith("error: ")


def test_no_hint_asks_to_open_a_directory_to_others(as_reader: Callable[..., Finished], database: Path) -> None:
    """In a directory of the system, that would be worse than the error; the hints name the user who can write."""
    for arguments in (("sync",), ("database", "backup", database.parent / "copy.db")):
        done = as_reader(*arguments)
        assert done.code != 0
        assert "Permission denied" in done.err
        assert f"hint: {files.owner_hint(database.parent)}" in done.err
        assert "writable" not in done.err
