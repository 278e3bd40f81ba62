"""The statements of docs/postgresql.md do what the page says, in its order."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import Secret
from retrovue_daemon.publish.postgresql.following import follow
from retrovue_daemon.publish.postgresql.target import Target, connected, take_origin, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[3] / "docs" / "postgresql.md").read_text("utf-8")
STATEMENTS = re.findall(r"<!-- run -->\n```sql\n(.+?)```", PAGE, re.DOTALL)


@pytest.fixture
def roles(server) -> Iterator[None]:
    yield
    with closing(server.connect("plex")) as connection:
        for name in ("plex_daemon", "plex_reader"):
            connection.execute(f"DROP OWNED BY {name} CASCADE")
            connection.execute(f"DROP ROLE {name}")


def test_the_page_can_be_followed(server, mirror, roles) -> None:
    """The daemon needs no other right than these, and the reader may read and nothing else."""
    daemon, reader, late_reader, *queries, remove = STATEMENTS
    with closing(server.connect("plex")) as admin:
        admin.execute(daemon)
        admin.execute(reader)
        target = Target(Secret(server.url("plex_daemon")), "plex", "berlin")
        with connected(target) as connection:
            upgrade(connection, target)
            state = take_origin(connection, target, "mirror")
            follow(connection, mirror, "berlin", "mirror", state, lambda _: None)
        with connected(Target(Secret(server.url("plex_reader")), "plex", "berlin")) as connection:
            rows = [connection.execute(query).fetchall() for query in queries]
            assert connection.execute("SELECT has_table_privilege('movies', 'INSERT')").fetchone() == (False,)
        assert all(rows), rows
        admin.execute(late_reader)
        admin.execute(remove)
        assert admin.execute("SELECT count(*) FROM movies").fetchone() == (0,)
