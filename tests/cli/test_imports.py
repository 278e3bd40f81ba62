"""What the start of a command loads, and what it leaves as it was."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import gc, ssl, sys
from retrovue_daemon.cli.imports import import_lightly
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
        "import sys, rich.console; from retrovue_daemon.cli.imports import import_lightly\n"
        "before = sys.modules['rich']\n"
        "import_lightly(); assert sys.modules['rich'] is before"
    )
