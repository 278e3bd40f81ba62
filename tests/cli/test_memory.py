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
    for _ in range(50):
        body = b"x" * 1_000_000
        del body
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
taken()
print(taken())
"""
SETTLED = "from retrovue_daemon.cli.memory import settle_in; settle_in()"
A_BODY = 1_000_000 // 4096
"""Pages of memory that a new body of this size takes from the system."""


def _output(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide otherwise what they keep")
def test_the_body_of_a_page_is_kept_for_the_next_one() -> None:
    """Taken from the system anew, as it is without this, each would be cleared page by page."""
    assert int(_output(PAGES.format(settled=""))) > 50 * A_BODY / 2
    assert int(_output(PAGES.format(settled=SETTLED))) < A_BODY / 2


def test_what_was_imported_is_no_garbage_any_more() -> None:
    """It is looked through once at most, and what comes later in small portions."""
    code = f"import gc, retrovue_daemon.daemon; {SETTLED}; print(gc.get_freeze_count(), len(gc.get_objects()))"
    frozen, left = map(int, _output(code).split())
    assert frozen > 10_000
    assert left < 1_000
