"""Whole processes of the daemon: killed in the middle of what they publish, they go on with what is missing."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.support.patience import PATIENCE_S
from tests.support.postgresql import differences

if TYPE_CHECKING:
    import psycopg

CONFIG = """
[database]
path = "{path}"
[logging]
level = "debug"
format = "json"
[postgresql]
url_file = "{url}"
schema = "{schema}"
origin = "here"
"""


async def line_of(process: Any, event: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while text := await process.stdout.readline():
            line: dict[str, Any] = json.loads(text)
            if line["event"] == event:
                return line
    raise AssertionError(f"it ended without {event}")


async def waits_for_a_lock(looker: psycopg.Connection) -> None:
    query = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'retrovue-daemon' AND wait_event_type = 'Lock'"
    async with asyncio.timeout(PATIENCE_S):
        while not looker.execute(query).fetchall():  # noqa: ASYNC110 -- the server is asked
            await asyncio.sleep(0)


async def test_a_daemon_that_is_killed_in_mid_batch_has_published_nothing_of_it(
    commands,
    server,
    schema,
    path,
    tmp_path,
) -> None:
    """While it follows. The next process publishes all of it, once."""
    url, config = tmp_path / "url", tmp_path / "config.toml"
    for file, text in ((url, server.url()), (config, CONFIG.format(path=path, url=url, schema=schema))):
        file.touch(0o600)
        file.write_text(text)
    process = await commands.start("run", "--config", config)
    filled = await line_of(process, "postgresql.filled")
    with closing(server.connect(schema)) as looker, closing(server.connect(schema)) as holder:
        with holder.transaction():
            holder.execute("LOCK TABLE people IN EXCLUSIVE MODE")
            with closing(sqlite3.connect(path)) as mirror, mirror:
                mirror.execute("UPDATE movies SET title = title || '(killed)'")
                mirror.execute("DELETE FROM movie_tags")
                mirror.execute(
                    "INSERT INTO change_batches (kind, op, ids)"
                    " SELECT 'movie', 'updated', json_group_array(id) FROM movies"
                )
            await waits_for_a_lock(looker)
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        assert looker.execute("SELECT seq FROM mirror_state").fetchone() == (filled["seq"],)
        assert looker.execute("SELECT count(*) FROM movies WHERE title LIKE '%(killed)'").fetchone() == (0,)
        process = await commands.start("run", "--config", config)
        published = await line_of(process, "postgresql.published")
        assert published["seq"] == filled["seq"] + 1
        assert not differences(server, path, schema)
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0
