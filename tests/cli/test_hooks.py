"""``retrovue-daemon hooks`` lists hooks and tries them; ``status`` shows how far they have come."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Receiver(HTTPServer):
    """Stores what it gets, in a thread of its own."""

    status = 200

    def __init__(self) -> None:
        self.requests: list[tuple[str | None, bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.headers["X-Retrovue-Signature"], body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def config(tmp_path: Path, database: Path, receiver: Receiver) -> Path:
    secret = tmp_path / "secret"
    secret.write_text("key\n")
    secret.chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text(f"""
[database]
path = "{database}"
[[hooks]]
name = "web"
on = ["changes", "sync.finished:ok"]
url = "http://me:s3cr3t@127.0.0.1:{receiver.server_port}/s3cr3t"
secret_file = "{secret}"
[[hooks]]
name = "program"
on = ["sync.blocked"]
command = ["sh", "-c", "echo s3cr3t > {tmp_path}/x; echo password=s3cr3t; exit 3"]
""")
    path.chmod(0o600)
    return path


def test_a_hook_is_tried(run, config, receiver) -> None:
    """With the newest changes, signed as the daemon signs."""
    finished = run("hooks", "test", "WEB", "--config", config)
    shown = f"http://127.0.0.1:{receiver.server_port}/***"
    assert (finished.code, finished.out) == (0, f"hook 'web': {shown} accepted an example\n"), finished.err
    ((signed, content),) = receiver.requests
    assert signed == "sha256=" + hmac.new(b"key", content, hashlib.sha256).hexdigest()
    body = json.loads(content)
    assert (body["hook"], body["type"], len(body["changes"])) == ("web", "test", 3)
    assert body["last_seq"] == body["changes"][-1]["seq"]


def test_nothing_is_called_by_a_dry_run(run, config, receiver) -> None:
    """It prints what would be sent, and no secret."""
    finished = run("hooks", "test", "web", "--dry-run", "--json", "--config", config)
    told = json.loads(finished.out)
    assert told["headers"]["X-Retrovue-Signature"].startswith("sha256=")
    assert told["body"]["type"] == "test"
    text = run("hooks", "test", "web", "--dry-run", "--config", config)
    assert text.out.startswith("POST http://127.0.0.1")
    assert "s3cr3t" not in finished.out + text.out
    assert run("hooks", "test", "program", "--dry-run", "--config", config).out.startswith("run /")
    assert not receiver.requests


@pytest.mark.parametrize(
    ("name", "reason"),
    [("web", "the receiver responded with 500"), ("program", "the command exited with 3: ***")],
)
def test_a_hook_that_fails(run, config, receiver, name, reason) -> None:
    """The exit code is 1, and the reason is printed without secrets."""
    receiver.status = 500
    finished = run("hooks", "test", name, "--json", "--config", config)
    assert finished.code == 1
    assert json.loads(finished.out) == {"hook": name, "delivered": False, "error": {"message": reason, "hint": None}}
    finished = run("hooks", "test", name, "--config", config)
    assert (finished.code, finished.err.endswith(f"{reason}\n")) == (1, True)
    assert "s3cr3t" not in finished.out + finished.err


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_secret_that_a_command_prints_is_shown(run, config, tmp_path, rows, options) -> None:
    """Neither a token, whether of the configuration or the database, nor a secret of the hooks."""
    ((stored,),) = rows("SELECT token FROM plex_servers")
    others = ("config-t0ken", "page-t0ken-page-t0ken", "pg-passw0rd", "me:s3cr3t", "signing-key")
    (tmp_path / "secret").write_text(f"{others[-1]}\n")
    program = tmp_path / "prints"
    program.write_text(f"#!/bin/sh\necho it printed: {stored} {' '.join(others)}; exit 3\n")
    program.chmod(0o700)
    with config.open("a") as file:
        file.write(f"""
[[hooks]]
name = "prints"
on = ["changes"]
command = ["{program}"]
[[servers]]
name = "other"
url = "http://127.0.0.1:1"
token = "{others[0]}"
[web]
token = "{others[1]}"
[postgresql]
url = "postgresql://u:{others[2]}@host/db"
""")
    finished = run("hooks", "test", "prints", "--config", config, *options)
    assert finished.code == 1
    assert "it printed: *** *** ***" in finished.out + finished.err
    assert not [each for each in (stored, *others[:3], "s3cr3t", others[4]) if each in finished.out + finished.err]


def test_a_hook_without_its_file_is_listed_as_such(run, config, tmp_path) -> None:
    """Also before a daemon has found out; `hooks test` says it, and others can be tried."""
    (tmp_path / "secret").unlink()
    finished = run("hooks", "list", "--config", config)
    assert finished.code == 0
    assert "cannot be called: secret_file:" in finished.out
    first, second = json.loads(run("hooks", "list", "--json", "--config", config).out)["hooks"]
    assert (first["error"][:12], second["error"]) == ("secret_file:", None)
    for option in ([], ["--dry-run"]):
        finished = run("hooks", "test", "web", *option, "--config", config)
        assert (finished.code, "restore the file" in finished.err) == (1, True)
    assert run("hooks", "test", "program", "--dry-run", "--config", config).code == 0


def test_an_unknown_hook(run, config) -> None:
    """The names that there are follow."""
    finished = run("hooks", "test", "wep", "--config", config)
    assert finished.code == 2
    assert "no hook is named 'wep'\nhint: did you mean 'web'?" in finished.err


def test_without_a_database_an_example_is_empty(run, config, database, receiver) -> None:
    """A receiver can be tried before the first start."""
    database.unlink()
    assert run("hooks", "test", "web", "--config", config).code == 0
    body = json.loads(receiver.requests[0][1])
    assert (body["feed_id"], body["changes"], body["first_seq"]) == (None, [], None)
    finished = run("hooks", "list", "--config", config)
    assert finished.out.count("begins when the daemon starts or reloads") == 2


FAILING = (
    "INSERT INTO hooks (name, feed_id, seq, delivered_at, failing_since, last_error)"
    " SELECT 'web', feed_id, last_seq - 1, 1700000000, 1700000100, 'no response within 10 s' FROM feed_state"
)


def test_hooks_are_listed(run, config, rows) -> None:
    """What they get, whom they call, and how far they have come."""
    rows(FAILING)
    rows("INSERT INTO hooks (name) VALUES ('program')")
    rows("INSERT INTO hook_events (hook, at, event, level, fields) VALUES ('program', 1, 'x', 'info', '{}')")
    finished = run("hooks", "list", "--config", config)
    for words in ("sync.finished:ok", "/***", "no response within 10 s", "1 event to deliver", "nothing delivered"):
        assert words in finished.out
    assert "s3cr3t" not in finished.out
    told = json.loads(run("hooks", "list", "--json", "--config", config).out)["hooks"]
    assert [(each["name"], each["is_signed"], each["events_behind"]) for each in told] == [
        ("web", True, 0),
        ("program", False, 1),
    ]
    assert told[0]["changes_behind"] > 0
    assert told[0]["error"] == "no response within 10 s"


def test_the_status_shows_hooks(run, database, rows) -> None:
    """Without a configuration, too; the mirror itself is not unhealthy because of them."""
    before = json.loads(run("status", "--json", "--database", database).out)
    assert before["hooks"] == []
    rows(FAILING)
    finished = run("status", "--database", database)
    assert "hook      web: fails since 20" in finished.out
    assert ": no response within 10 s; " in finished.out
    told = json.loads(run("status", "--json", "--database", database).out)
    assert (told["hooks"][0]["name"], told["hooks"][0]["delivered_at"]) == ("web", 1_700_000_000)
    assert told["problems"] == before["problems"]


def test_a_hook_below_the_floor_is_marked(run, database, rows) -> None:
    """Its receiver must read everything anew."""
    rows(FAILING)
    rows("UPDATE feed SET floor = (SELECT last_seq FROM feed_state)")
    assert "asked to read everything anew" in run("hooks", "list", "--database", database).out
    told = json.loads(run("status", "--json", "--database", database).out)["hooks"]
    assert told[0]["resync"] is True


def test_without_hooks(run, database) -> None:
    """It says where to begin."""
    assert "there are no hooks" in run("hooks", "list", "--database", database).out
