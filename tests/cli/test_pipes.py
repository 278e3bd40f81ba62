"""A reader that closes the pipe, as ``head`` does, has seen enough: that is no error."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def _run_into_closed_pipe(*words: str) -> subprocess.CompletedProcess[bytes]:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", "retrovue_daemon", *words], stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize("words", ["status", "items search metropolis", "items search metropolis --json", "history"])
def test_a_closed_pipe_is_no_error(database: Path, words: str) -> None:
    """Whether a table, text or JSON is written."""
    done = _run_into_closed_pipe(*words.split(), "--database", str(database))
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_pipe_hides_no_failure_of_a_sync(database: Path, tmp_path: Path) -> None:
    """The exit code is that of the work; the server of this database does not respond."""
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    done = _run_into_closed_pipe("sync", "--quiet", "--config", str(config), "--database", str(database))
    assert done.returncode == 3
