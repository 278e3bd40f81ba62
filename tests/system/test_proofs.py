"""The pages whose lines are proved by tests name only tests that exist, and no line goes without one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
PAGES = ("security.md",)

NAMED = re.compile(r"`([\w/.-]+\.py)::(\w+)`")
TABLE = re.compile(r"^\|[^\n]*\btest \|\n\|[-| :]+\|\n((?:\|[^\n]*\n)+)", re.MULTILINE)
"""A table whose last column is headed "test"; the group holds its rows."""


def defined_in(file: Path) -> set[str]:
    """Return the names of the tests of a file."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, functions)}
    return {name for name in names if name.startswith("test_")}


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    """A test that is renamed takes its line along."""
    named = NAMED.findall(DOCS.joinpath(page).read_text("utf-8"))
    assert len(named) > 10
    gone = [
        f"{file}::{test}"
        for file, test in named
        if not TESTS.joinpath(file).is_file() or test not in defined_in(TESTS / file)
    ]
    assert gone == []


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_page_names_a_test(page: str) -> None:
    """A promise without a test is none."""
    text = DOCS.joinpath(page).read_text("utf-8")
    rows = [row for table in TABLE.findall(text) for row in table.splitlines()]
    assert len(rows) > 10
    assert [row for row in rows if not NAMED.search(row.rstrip(" |").rpartition(" | ")[2])] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_looks_like_a_test_is_read_as_one(page: str) -> None:
    """A spelling that the pattern does not know would go unchecked."""
    text = DOCS.joinpath(page).read_text("utf-8")
    assert text.count("::") == len(NAMED.findall(text))
