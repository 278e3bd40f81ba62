"""What the start of a command loads, and what it leaves as it was."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.demo import SimulatedPlex

LOADED = """
import gc, ssl, sys
from retrovue_daemon.cli.startup import import_lightly
import_lightly()
contexts = [thing for thing in gc.get_objects() if isinstance(thing, ssl.SSLContext)]
assert all(context.cert_store_stats()["x509"] == 0 for context in contexts), "certificates were read"
assert "rich" not in sys.modules, "rich was loaded"
"""

AFTERWARDS = """
import rich.traceback
assert "set_default_verify_paths" not in vars(ssl.SSLContext), "contexts do not read certificates any more"
"""


def _run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_loaded_in_vain() -> None:
    """Neither the system's certificates, which plain http does without, nor rich, which only terminals need."""
    _run(LOADED)


def test_everything_is_as_it_was_afterwards() -> None:
    """What comes later finds rich, and contexts that read certificates."""
    _run(LOADED + AFTERWARDS)


def test_what_is_there_already_stays() -> None:
    """A program that has drawn something before keeps what it drew with."""
    _run(
        "import sys, rich.console; from retrovue_daemon.cli.startup import import_lightly\n"
        "before = sys.modules['rich']\n"
        "import_lightly(); assert sys.modules['rich'] is before"
    )


def test_entries_of_other_code_stay() -> None:
    """A program may bring its own way to read certificates."""
    _run(
        "import ssl; ours = lambda context: None; ssl.SSLContext.set_default_verify_paths = ours\n"
        "from retrovue_daemon.cli.startup import import_lightly; import_lightly()\n"
        "assert vars(ssl.SSLContext)['set_default_verify_paths'] is ours"
    )


@pytest.mark.parametrize("command", ["sync", "check", "discover x"])
def test_a_command_reads_no_certificates_for_plain_http(plex: SimulatedPlex, tmp_path: Path, command: str) -> None:
    """Not later either, when it opens its connections."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'[database]\npath = "{tmp_path}/m.db"\n'
        f'[[servers]]\nname = "home"\nurl = "{plex.url}"\ntoken = "{plex.token}"\n'
    )
    config.chmod(0o600)
    code = (
        "import atexit, gc, ssl, sys\n"
        "contexts = lambda: [thing for thing in gc.get_objects() if isinstance(thing, ssl.SSLContext)]\n"
        "atexit.register(lambda: print('certificates', sum(c.cert_store_stats()['x509'] for c in contexts())))\n"
        "gc.freeze = lambda: None\n"
        f"sys.argv = ['retrovue-daemon', *{command.split()}, '--config', {str(config)!r}]\n"
        "from retrovue_daemon.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "certificates 0" in done.stdout, done.stderr


@pytest.mark.parametrize(("options", "frozen"), [([], True), (["-X", "dev"], False), (["-W", "error"], False)])
def test_the_exit_collects_no_garbage_unless_warnings_are_wanted(options: list[str], *, frozen: bool) -> None:
    """And the start looks for little."""
    code = (
        "import atexit, gc, sys; sys.argv = ['retrovue-daemon', '--version']\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0]))\n"
        "from retrovue_daemon.cli import main; main()"
    )
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == f"{frozen} 100000", done.stderr


@pytest.mark.parametrize("command", ["--help", "status --database none/m.db"])
def test_what_needs_no_server_loads_no_event_loop(tmp_path: Path, command: str) -> None:
    """Nor the logs: an error and its hint are printed, not logged."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('loaded', {'asyncio', 'aiohttp', 'structlog'} & {*sys.modules}))\n"
        f"sys.argv = ['retrovue-daemon', *{command.split()}]\n"
        "from retrovue_daemon.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "loaded set()", done.stderr
    assert "--help" in command or "hint:" in done.stderr
