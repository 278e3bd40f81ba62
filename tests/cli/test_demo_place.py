"""Where the demo puts its database: other users can write to the directory for temporary files, too."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.cli.commands.demo.place import new_database
from retrovue_daemon.errors import BadInput
from retrovue_daemon.store.file.lock import database_lock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the last demo's database."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"retrovue-demo-{os.getuid()}"


def test_the_next_demo_replaces_the_last_database(usual: Path) -> None:
    """And nothing else beside it; with --keep, or while the last demo runs, it gets a new directory."""
    for _ in range(2):
        database = new_database(None, keep=False)
        assert (database, usual.stat().st_mode & 0o777) == (usual / "retrovue.db", 0o700)
        assert not database.exists()
        for name in ("retrovue.db", "retrovue.db-wal", "notes.txt"):
            (usual / name).write_text("from the last demo")
    for others in (new_database(None, keep=True),):
        assert others.parent != usual
    with database_lock(database):
        assert new_database(None, keep=False).parent != usual
    assert {file.name for file in usual.iterdir()} == {
        "retrovue.db", "retrovue.db-wal", "retrovue.db.lock", "notes.txt",
    }  # fmt: skip


@pytest.mark.parametrize("planted", ["link", "link to nothing", "file", "open to others", "of another user"])
def test_a_place_that_others_may_have_prepared_is_not_used(usual: Path, tmp_path: Path, planted: str) -> None:
    """Nothing is removed through it, and nothing is created in it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "retrovue.db").write_text("of another program")
    if planted == "file":
        usual.touch()
    elif planted.startswith("link"):
        usual.symlink_to(elsewhere if planted == "link" else tmp_path / "gone")
    else:
        elsewhere.rename(usual)
        elsewhere = usual
        if planted == "open to others":
            usual.chmod(0o777)
        elif os.geteuid() == 0:
            os.chown(usual, 65534, 65534)
        else:
            pytest.skip("only root can give a directory to another user")
    database = new_database(None, keep=False)
    assert database.parent.parent == tmp_path
    assert database.parent not in {usual, elsewhere}
    assert database.parent.stat().st_mode & 0o777 == 0o700
    assert (elsewhere / "retrovue.db").read_text() == "of another program"
    assert not (tmp_path / "gone").exists()


def test_a_file_that_exists_is_refused_as_by_other_commands(tmp_path: Path) -> None:
    """Exit code 2: it is named by mistake."""
    for name in ("missing/retrovue.db", "."):
        with pytest.raises(BadInput) as refused:
            new_database(tmp_path / name, keep=False)
        assert (refused.value.exit_code, bool(refused.value.hint)) == (2, True)
