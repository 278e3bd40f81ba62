"""What a process that works for long does with memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PAGES = """
import resource
{settled}
def taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        bodies = [b"x" * 1_000_000 for _ in range(4)]
        del bodies
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
taken()
print(taken())
"""
SETTLED = "from retrovue_daemon.cli.startup import tune_memory; tune_memory()"
FOUR_BODIES = 4 * 1_000_000 // 4096
"""Pages of memory that new bodies of this size take from the system."""


def _output(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide otherwise what they keep")
def test_the_bodies_of_pages_are_kept_for_the_next_ones() -> None:
    """Taken from the system anew, as it is without this, each would be cleared page by page."""
    assert int(_output(PAGES.format(settled=""))) > 20 * FOUR_BODIES / 2
    assert int(_output(PAGES.format(settled=SETTLED))) < FOUR_BODIES / 2


def test_what_was_imported_is_no_garbage_any_more() -> None:
    """It is looked through once at most, and what comes later in small portions."""
    code = (
        f"import gc, retrovue_daemon.service.daemon; {SETTLED}; print(gc.get_freeze_count(), len(gc.get_objects()))"
    )
    frozen, left = map(int, _output(code).split())
    assert frozen > 10_000
    assert left < 1_000
