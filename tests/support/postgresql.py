"""A PostgreSQL server for tests, and how what is published there differs from a mirror."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.postgresql_server import NAME, PASSWORD, PostgresServer, programs
from retrovue_daemon.store.feed.published import PUBLISHED
from retrovue_daemon.store.file.visits import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PASSWORD", "PostgresServer", "differences", "postgres_server"]


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server; skip the test if it is not installed, or fail it where `.ci/run` installs it."""
    found = programs()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{NAME} is not installed")
        pytest.skip(f"{NAME} is not installed")
    # Not below pytest's directory, into which only this user can look.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as directory:
        server = PostgresServer(found, Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.kill()


def differences(server: PostgresServer, mirror: Path, schema: str, origin: str = "here") -> list[str]:
    """Return how the published rows of an origin differ from those of a mirror."""
    found = []
    with reading(mirror) as here, closing(server.connect(schema)) as there:
        for table in PUBLISHED:
            ours = sorted(map(repr, table.all(here)))
            query = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE origin = %s"
            theirs = sorted(map(repr, there.execute(query, (origin,))))
            if ours != theirs:
                lacking, more = set(ours) - set(theirs), set(theirs) - set(ours)
                found.append(f"{table.name}: {len(ours)} rows, published {len(theirs)}; -{lacking} +{more}")
    return found
