"""The pages whose lines are proved by tests name only tests that exist, and no line goes without one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
PAGES = ("security.md", "reliability.md")

NAMED = re.compile(r"`([\w/.-]+\.py)::(\w+)`")
TABLE = re.compile(r"^\|[^\n]*\btest \|\n\|[-| :]+\|\n((?:\|[^\n]*\n)+)", re.MULTILINE)
"""A table whose last column is headed "test"; the group holds its rows."""


def text_of(page: str) -> str:
    return DOCS.joinpath(page).read_text("utf-8")


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of each row of the tables of tests."""
    rows = [row for table in TABLE.findall(text_of(page)) for row in table.splitlines()]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def defined_in(file: Path) -> set[str]:
    """Return the names of the tests of a file."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, functions)}
    return {name for name in names if name.startswith("test_")}


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    """A test that is renamed takes its line along."""
    named = NAMED.findall(text_of(page))
    assert len(named) > 10
    defined = {
        file: defined_in(TESTS / file) for file in {file for file, _ in named} if TESTS.joinpath(file).is_file()
    }
    assert [f"{file}::{test}" for file, test in named if test not in defined.get(file, ())] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_page_names_a_test(page: str) -> None:
    """A promise without a test is none."""
    rows = rows_of(page)
    assert len(rows) > 10
    assert [row for row in rows if not NAMED.search(row[-1])] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_looks_like_a_test_is_read_as_one(page: str) -> None:
    """A spelling that the pattern does not know would go unchecked."""
    assert text_of(page).count("::") == len(NAMED.findall(text_of(page)))


def test_a_page_claims_no_trials_that_there_are_not(request: pytest.FixtureRequest) -> None:
    """They are cases of tests, which may become more. Only a run of the whole suite has all cases at hand."""
    rows = [(int(row[-2]), ["::".join(test) for test in NAMED.findall(row[-1])]) for row in rows_of("reliability.md")]
    cases = Counter(item.nodeid.removeprefix("tests/").partition("[")[0] for item in request.session.items)
    files = {test.partition("::")[0] for test in cases}
    is_part = (
        request.config.option.keyword
        or request.config.option.markexpr
        or any("::" in argument for argument in request.config.args)
    )
    if is_part or not files >= {test.partition("::")[0] for _, tests in rows for test in tests}:
        pytest.skip("needs all tests that it counts")
    found = [sum(cases[test] for test in tests) for _, tests in rows]
    assert [(claimed, tests) for (claimed, tests), there in zip(rows, found, strict=True) if claimed > there] == []
