"""What the journal gets of real processes: lines with priorities, whether they are for programs or for people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def journal_of(tmp_path: Path) -> Callable[..., tuple[int, list[str]]]:
    """Run a command whose output is what the environment calls the journal; return its code and its lines."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        with (tmp_path / "journal").open("w+", encoding="utf-8") as journal:
            found = os.fstat(journal.fileno())
            ended = subprocess.run(
                [sys.executable, "-m", "retrovue_daemon", *arguments],
                stdout=journal,
                stderr=journal,
                env={"PATH": os.environ["PATH"], "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
                check=False,
            )
            journal.seek(0)
            return ended.returncode, journal.read().splitlines()

    return run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.touch(mode=0o600)
    return file


def test_a_pass_is_json_behind_a_priority(journal_of, config, tmp_path) -> None:
    """Each line has its own: a reader of the journal can filter errors without reading texts."""
    config.write_text(
        f'[database]\npath = "{tmp_path}/mirror.db"\n[[servers]]\nname = "home"\n'
        'url = "http://127.0.0.1:9"\ntoken = "abc-secret-123"\n'
    )
    code, lines = journal_of("sync", "--config", str(config), "--json")
    assert code == 3
    (line,) = [line for line in lines if "server.unreachable" in line]
    assert line.startswith("<3>{")
    assert json.loads(line.removeprefix("<3>"))["server"] == "home"


def test_a_bad_configuration_is_an_error_in_the_journal_too(journal_of, config) -> None:
    """At a start and before a reload: ``journalctl -p err`` shows why, every line of it."""
    config.write_text("[sync]\ninterval = 1\nodd = 2\n[[servers]]\n")
    code, lines = journal_of("check", "--offline", "--config", str(config))
    assert code == 78
    assert len(lines) > 3
    assert {line[:3] for line in lines} == {"<3>"}


def test_a_warning_is_a_warning_in_the_journal_too(journal_of, config, tmp_path) -> None:
    """Standard output is for results, which have no priority."""
    config.write_text(
        f'[database]\npath = "{tmp_path}/mirror.db"\n[[servers]]\nname = "home"\n'
        'url = "http://127.0.0.1:9"\ntoken = "replace-me"\n'
    )
    code, lines = journal_of("check", "--offline", "--config", str(config))
    assert code == 0
    warning, result = sorted(lines)
    assert warning.startswith("<4>warning: servers[0].token")
    assert result.startswith("the configuration is valid")
