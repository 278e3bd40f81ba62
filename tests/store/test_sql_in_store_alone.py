"""Every statement stands in ``store/``, but those for PostgreSQL; other packages pass connections on at most."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import retrovue_daemon

ROOT = Path(retrovue_daemon.__file__).parent

STATEMENT = re.compile(
    r"\s*(?:SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|PRAGMA\s|SAVEPOINT\s|BEGIN\b|ATTACH\s)"
)

PLACES = ("store/", "publish/postgresql/")

SHOWN = {"cli/commands/demo/story.py"}
"""Modules that print statements for readers to try."""


def test_sql_is_in_the_store_alone() -> None:
    """No other package holds a text that begins as a statement does."""
    found = {
        f"{name}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        if (name := path.relative_to(ROOT).as_posix()) not in SHOWN and not name.startswith(PLACES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value)
    }
    assert not found
