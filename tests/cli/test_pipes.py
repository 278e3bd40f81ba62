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


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "items search metropolis",
        "items search metropolis --json",
        "history",
        "export - --format csv",
        "export - --format ndjson",
    ],
)
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


def test_a_closed_standard_input_holds_no_token(database: Path) -> None:
    """As in a job without standard input, or after ``<&-``."""
    words = ["servers", "add", "attic", "http://127.0.0.1:1", "--no-test", "--token-file", "-"]
    done = _run_in_shell('exec "$@" <&-', *words, "--database", str(database))
    assert (done.returncode, done.stderr.startswith(b"error: the token ")) == (2, True), done.stderr


def test_a_current_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    """It is no fault of the output."""
    done = _run_in_shell(
        'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "status", "--database", "some.db", cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: the current directory does not exist any more\nhint: "), done.stderr


def _run_in_shell(script: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "retrovue_daemon", *words]
    return subprocess.run(["sh", "-c", script, "sh", *command], cwd=cwd, capture_output=True, check=False)
