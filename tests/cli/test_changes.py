"""Commands that change something report it as JSON, too: whether anything changed, and the row as it is now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.processes import Finished


@pytest.fixture
def change(on: Callable[..., Finished]) -> Callable[..., dict[str, Any]]:
    """Run a command with ``--json`` and return its object, which is all that it prints."""

    def run(*words: object, stdin: str = "") -> dict[str, Any]:
        finished = on(*words, "--json", stdin=stdin)
        assert (finished.code, finished.err) == (0, "")
        answer: dict[str, Any] = json.loads(finished.out)
        return answer

    return run


def test_servers(change: Callable[..., dict[str, Any]], on: Callable[..., Finished]) -> None:
    """No token is printed; a removal requires a confirmation, which no program can give at a prompt."""
    add = ("servers", "add", "attic", "http://127.0.0.1:1", "--no-test", "--token-file", "-")
    added = change(*add, stdin="a-secret-token")
    assert (added["changed"], added["server"]["name"], added["server"]["is_active"]) == (True, "attic", True)
    for word, is_active, changed in (("disable", False, True), ("disable", False, False), ("enable", True, True)):
        switched = change("servers", word, "attic")
        assert (switched["changed"], switched["server"]["is_active"]) == (changed, is_active)
    renew = ("servers", "set-token", "attic", "--no-test", "--token-file", "-")
    assert [change(*renew, stdin=token)["changed"] for token in ("another-token", "another-token")] == [True, False]
    assert on("servers", "remove", "attic", "--json").code == 2
    for option, changed in (("--dry-run", False), ("--yes", True)):
        removed = change("servers", "remove", "attic", option)
        assert (removed["changed"], removed["server"]["name"], removed["rows"]["movies"]) == (changed, "attic", 0)
    assert "attic" not in on("servers", "list").out
    assert "token" not in json.dumps([added, removed]).replace("has_token", "")


def test_libraries(change: Callable[..., dict[str, Any]]) -> None:
    """Switches and priorities."""
    for word, enabled, changed in (("disable", False, True), ("disable", False, False), ("enable", True, True)):
        switched = change("libraries", word, "Movies")
        assert (switched["changed"], switched["library"]["sync_enabled"]) == (changed, enabled)
        assert switched["library"]["title"] == "Movies"
    for changed in (True, False):
        ranked = change("libraries", "priority", "Movies", 7)
        assert (ranked["changed"], ranked["library"]["priority"]) == (changed, 7)


def test_mappings(change: Callable[..., dict[str, Any]], on: Callable[..., Finished]) -> None:
    """With the id by which it can be removed again."""
    finished = on("mappings", "add", "/data/media", "/nowhere/media", "--json")
    added = json.loads(finished.out)
    assert (added["changed"], added["mapping"]["local_path"]) == (True, "/nowhere/media")
    assert "does not exist on this system" in finished.err
    removed = change("mappings", "remove", added["mapping"]["id"])
    assert removed == added
