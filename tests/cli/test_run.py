"""``run``: what it hands to the service. The service itself is tested in ``tests/service`` and ``tests/system``."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

RUN = """
import sys
from retrovue_daemon.service import daemon
from retrovue_daemon.cli.commands import run

async def shown(settings, process):
    loaded = {"jinja2", "aiohttp_sse", "aiohttp.web", "retrovue_daemon.web"} & set(sys.modules)
    print(type(process.background).__name__, len(loaded))

daemon.run = shown
run._exit_soon = lambda error=None: None
run.run(sys.argv[1] and __import__("pathlib").Path(sys.argv[1]))
"""


@pytest.mark.parametrize(("listen", "expected"), [("", "NoneType 0\n"), ("127.0.0.1:0", "WebService 4\n")])
def test_a_daemon_without_a_page_loads_nothing_of_it(tmp_path: Path, listen: str, expected: str) -> None:
    """Neither templates nor a web server: off costs nothing."""
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\npath = "{tmp_path}/m.db"\n[web]\nlisten = "{listen}"\n')
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(config)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert done.stdout == expected, done.stderr
