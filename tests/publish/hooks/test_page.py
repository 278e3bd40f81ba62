"""The examples of docs/hooks.md do what the page says, tried against a receiver on loopback."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from retrovue_daemon.publish.hooks.bodies import Body, signature
from retrovue_daemon.store.tables.hook_events import HookEvent, store_events

PAGE = (Path(__file__).parents[3] / "docs" / "hooks.md").read_text("utf-8")
TABLES = {
    table["name"]: table
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for table in tomllib.loads(block)["hooks"]
}
BODY = b'{"hook": "a"}'


def at(receiver, name: str, **keys: object) -> dict[str, object]:
    """The table of an example, whose address leads to the receiver."""
    parts, local = urlsplit(TABLES[name]["url"]), urlsplit(receiver.url)
    return {**TABLES[name], "url": parts._replace(scheme="http", netloc=local.netloc).geturl(), **keys}


def test_the_page_has_these_examples() -> None:
    """Each of them has its test below."""
    assert set(TABLES) == {"inventory", "ersatztv", "ntfy", "healthchecks", "healthchecks-fail"}


async def test_a_channel_builder_scans_again(start, receiver, change) -> None:
    """A POST to the address of one library; 404 for an unknown one is a failure that a person must mend."""
    await start(at(receiver, "ersatztv", wait="0s"))
    await change([1])
    await receiver.next()
    ((request, _),) = receiver.requests
    assert (request.method, request.path_qs) == ("POST", "/api/libraries/1/scan")


async def test_ntfy_gets_its_templates_and_the_keys_that_they_name(start, receiver, database) -> None:
    """The address is sent as it is written, and the body has events with those keys."""
    await start(at(receiver, "ntfy"))
    event = HookEvent("ntfy", 1, "sync.blocked", "error", {"server": "home", "error": "45 items"})
    await database.writer.run(store_events, [event])
    body = await receiver.next()
    ((request, _),) = receiver.requests
    assert (request.method, request.path, request.query["tpl"]) == ("POST", "/TOPIC", "1")
    assert request.query["t"] == "Plex mirror"
    assert f"`{request.query['m']}`" in PAGE
    keys = set(re.findall(r"\{\{\.(\w+)\}\}|with \.(\w+)", request.query["m"]))
    assert {first or second for first, second in keys} == {"event", "server", "error"}
    assert {"event", "server", "error"} <= body["events"][0].keys()


@pytest.mark.parametrize(("name", "place"), [("healthchecks", "/UUID"), ("healthchecks-fail", "/UUID/fail")])
async def test_healthchecks_is_pinged(start, receiver, database, name, place) -> None:
    """A POST to the address of the check."""
    await start(at(receiver, name))
    await database.writer.run(store_events, [HookEvent(name, 1, "sync.finished", "debug", {"status": "ok"})])
    await receiver.next()
    ((request, _),) = receiver.requests
    assert (request.method, request.path_qs) == ("POST", place)


def test_a_signature_is_verified_in_python() -> None:
    """By the function of the page."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 -- what readers run
    is_genuine = names["is_genuine"]
    header = signature(b"key", BODY)
    assert is_genuine(BODY, header, b"key")
    assert not is_genuine(BODY + b" ", header, b"key")
    assert not is_genuine(BODY, header, b"other")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(("secret", "code"), [("key", 0), ("other", 1)])
def test_a_signature_is_verified_in_a_shell(tmp_path, secret, code) -> None:
    """By the line of the page."""
    (line,) = re.findall(r"```sh\n(test .*?)```", PAGE, re.DOTALL)
    (tmp_path / "body.json").write_bytes(BODY)
    variables = f"header={signature(b'key', BODY)} secret={secret}\n"
    done = subprocess.run(["sh", "-c", variables + line], cwd=tmp_path, check=False)
    assert done.returncode == code


def test_the_page_lists_the_keys() -> None:
    """All keys of the object, and no other."""
    part = PAGE.partition("## What is sent")[2].partition("\n## ")[0]
    listed = {key for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert listed == set(Body.__struct_fields__)
