"""A daemon that goes through reloads, failures and tracebacks says a lot, and never a token."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

from retrovue_daemon.demo import SimulatedPlex
from tests.support.logs import Log
from tests.support.processes import NotifySocket
from tests.support.servers import film_world

TOKENS = {
    "token": "tok-inline-Zq8Wm3",
    "token_file": "tok-file-Hy5Rb1",
    "token_env": "tok-env-Xc2Lp9",
    "rotated": "tok-rotated-Vn6Td4",
    "database": "tok-database-Gs7Kf0",
}

TYPED = '{"library": "%s"}'
"""A request of a program that confuses the two."""


async def test_no_token_is_ever_said(commands, path, tmp_path) -> None:
    """Not in a line, a status, an answer or a record: from the configuration, a file, a variable, a row."""
    systemd = NotifySocket(tmp_path / "notify")
    async with (
        SimulatedPlex(film_world("Comedies", name="Inline"), token=TOKENS["token"]) as inline,
        SimulatedPlex(film_world("Dramas", name="Other"), token="another-one-entirely") as refuses,
        SimulatedPlex(film_world("Westerns", name="Rows"), token=TOKENS["database"]) as of_database,
    ):
        file, token_file = tmp_path / "config.toml", tmp_path / "the.token"
        for each in (file, token_file):
            each.touch(mode=0o600)
        token_file.write_text(TOKENS["token_file"])

        def write(**changes: str) -> None:
            servers = {
                "inline": f'url = "{inline.url}"\ntoken = "{TOKENS["token"]}"',
                "by-file": f'url = "{refuses.url}"\ntoken_file = "the.token"',
                "by-variable": 'url = "http://127.0.0.1:9"\ntoken_env = "A_TOKEN"\ntimeout = "1s"',
                **changes,
            }
            tables = "\n".join(f'[[servers]]\nname = "{name}"\n{keys}' for name, keys in servers.items())
            file.write_text(
                f'[database]\npath = "{path}"\n[logging]\nlevel = "debug"\n'
                f'[sync]\ninterval = "1s"\ninterval_live = "1s"\n{tables}\n'
            )

        write()
        process = await commands.start(
            "run", "--config", file, A_TOKEN=TOKENS["token_env"], NOTIFY_SOCKET=str(systemd.path)
        )
        log = Log(process)
        # The two servers are asked at the same time, so either line may come first.
        await log.count(1, "server.unauthorized", server="by-file")
        await log.count(1, "server.unreachable", server="by-variable")

        with closing(sqlite3.connect(path)) as connection, connection:
            insert = "INSERT INTO plex_servers (name, server_url, token) VALUES (?, ?, ?)"
            connection.execute(insert, ("by-row", of_database.url, TOKENS["database"]))
            connection.execute(
                insert, ("broken", f"ftp://user:{TOKENS['database']}@host", TOKENS["database"] + " \n")
            )
            connection.execute("INSERT INTO sync_requests (options) VALUES (?)", (TYPED % TOKENS["database"],))
            connection.execute("INSERT INTO sync_requests (kind) VALUES ('full')")
        await log.next("sync.finished", server="by-row")
        await log.next("request.finished")

        token_file.write_text(TOKENS["rotated"])
        process.send_signal(signal.SIGHUP)
        await log.next("config.reloaded")
        write(inline=f'url = "http://{TOKENS["token"]}@127.0.0.1:1"\ntoken = ["{TOKENS["token"]}"]')
        process.send_signal(signal.SIGHUP)
        await log.next("config.reload_failed")

        # A server that is none any more, and a database that no longer fits.
        inline.quirks.not_plex = "json"
        await log.next("server.failed", server="inline")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("ALTER TABLE sync_runs RENAME COLUMN pages TO sheets")
            connection.execute("INSERT INTO sync_requests (kind) VALUES ('full')")
        await log.next("sync.finished", server="by-row", status="failed")
        await systemd.next(lambda told: "by-file" in told.get("STATUS", ""))
        code, err = await log.end()

    assert code == 0
    said = [log.text, err, str(systemd.heard)]
    with closing(sqlite3.connect(path)) as connection:
        # What another program has put into the options of its request is there because of that.
        answers = "SELECT id, kind, run_id, result FROM sync_requests"
        for query in (answers, "SELECT * FROM sync_runs", "SELECT * FROM libraries", "SELECT * FROM daemon_state"):
            said += [str(row) for row in connection.execute(query)]
        stored = [token for (token,) in connection.execute("SELECT token FROM plex_servers WHERE source = 'config'")]
    systemd.close()
    assert stored == [None, None, None]
    for token in TOKENS.values():
        assert not [text[max(0, text.index(token) - 300) :][:400] for text in said if token in text]
