"""What the README shows is what the program prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def _plain(text: str) -> list[str]:
    """Return the lines without times, which differ from run to run, and without what frames the tables."""
    lines = [re.sub(r"\d+\.\d\b", "0.0", line).rstrip() for line in text.splitlines()]
    return [line for line in lines if line]


@pytest.mark.commands("here")
async def test_the_readme_shows_what_the_demo_prints(commands, path) -> None:
    """But for the times."""
    excerpts = re.findall(r"```text\n(== .*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(excerpts) == 2  # the second and the third act
    finished = await commands.run("demo", "--fast", "--database", path, COLUMNS="110")
    printed = _plain(finished.out)
    for excerpt in map(_plain, excerpts):
        begin = printed.index(excerpt[0])
        assert printed[begin : begin + len(excerpt)] == excerpt
