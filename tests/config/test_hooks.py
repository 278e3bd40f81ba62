"""``[[hooks]]``: each problem names its key, and nothing secret is ever shown."""

from __future__ import annotations

import re
from typing import Any

import pytest

from retrovue_daemon.config import ConfigError, parse_config
from retrovue_daemon.config.hooks import HookCommand
from retrovue_daemon.logs.events import EVENTS, NOT_FOR_HOOKS
from tests.logs.test_log_events import PAGE

GOOD: dict[str, Any] = {"name": "a", "on": ["changes"], "url": "https://example.org/x"}


def problems(*hooks: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse_config({"hooks": list(hooks)}, environ={})
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"on": []}, "hooks[0].on: must be an array of log events"),
        ({"on": ["change"]}, 'did you mean "changes"?'),
        ({"on": ["sync.finish"]}, 'entry 0 is "sync.finish"; did you mean "sync.finished"?'),
        ({"on": ["daemon.stopped"]}, 'entry 0 is "daemon.stopped"; it is logged while the database is not open'),
        ({"on": ["sync.finished:good"]}, "valid: ok, cancelled, incomplete, blocked, failed"),
        ({"on": ["sync.blocked:ok"]}, "sync.blocked has no status to select"),
        ({"on": ["changes", "changes"]}, 'must not name anything twice, and holds "changes" again'),
        ({"on": ["changes", 3]}, "entry 1 is the integer 3"),
        ({"on": "changes"}, "hooks[0].on: must be an array"),
        ({"url": "example.org"}, "it must start with http:// or https://"),
        ({"url": "ftp://example.org"}, "it is neither http nor https"),
        ({"url": "https://"}, "its host or port is missing or invalid"),
        ({"url": "https://example.org:99999/"}, "its host or port is invalid"),
        ({"url": "https://example.org/#part"}, "it contains #"),
        ({"url": "https://example.org/a b"}, "it contains spaces"),
        ({"command": ["/bin/true"]}, "stands beside url; give only one of url, command"),
        ({"url": None}, "hooks[0].url: is missing; give one of url, command"),
        ({"url": None, "command": []}, "it names no program"),
        ({"url": None, "command": ["/bin/true", 1]}, "entry 1 is no text"),
        ({"timeout": "0s"}, "hooks[0].timeout: must be a duration"),
        ({"wait": "2h"}, "hooks[0].wait: must be a duration"),
        ({"urls": "x"}, 'hooks[0].urls: is not a key here; did you mean "url"?'),
        ({"name": None}, "hooks[0].name: is missing"),
    ],
)
def test_a_mistake_is_refused(keys, problem) -> None:
    """With the path of its key, and what would be right."""
    table = {key: value for key, value in (GOOD | keys).items() if value is not None}
    (found,) = problems(table)
    assert problem in found
    assert found.startswith("hooks[0].")


@pytest.mark.parametrize(
    ("keys", "remark"),
    [
        ({"url": None, "command": ["no-such-program"]}, "command: no-such-program is not in /usr/local/sbin"),
        ({"url": None, "command": ["/etc/passwd"]}, "command: /etc/passwd is not executable; the hook waits"),
        ({"url": None, "command": ["/no/such"]}, "command: there is no file /no/such; the hook waits"),
        ({"secret_file": "/no/such"}, "secret_file: cannot be read: no such file or directory (looked in /no)"),
        ({"secret_file": "/dev/null"}, "secret_file: must be a regular file"),
        ({"secret_file": "/"}, "secret_file: cannot be read: is a directory"),
    ],
)
def test_what_is_not_there_yet_costs_nothing_else(keys, remark) -> None:
    """The hook has a problem, which a warning names, and not the daemon."""
    table = {key: value for key, value in (GOOD | keys).items() if value is not None}
    config = parse_config({"hooks": [table, GOOD | {"name": "b"}]}, environ={})
    assert len(config.hooks) == 2
    (warning,) = config.warnings
    assert str(warning).startswith(f"hooks[0].{remark}")
    assert "/no/such" not in f"{config.to_plain()}" or "command" in keys
    assert list(config.secrets()) == [GOOD["url"]] * (1 if "command" in keys else 2)


def test_names_are_unique() -> None:
    """Letter case is ignored."""
    assert problems(GOOD, GOOD | {"name": "A"}) == [
        'hooks[1].name: is taken by hooks[0]: "a" (letter case is ignored)'
    ]


def test_a_command_is_not_signed(tmp_path) -> None:
    """A secret without effect would be a false comfort."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    table = {"name": "a", "on": ["changes"], "command": ["true"], "secret_file": str(secret)}
    assert problems(table) == ["hooks[0].secret_file: signs requests to a url, and this hook has a command"]
    secret.write_text("\n")
    (found,) = parse_config({"hooks": [GOOD | {"secret_file": str(secret)}]}, environ={}).warnings
    assert "it is empty" in str(found)


def test_values_are_shown_without_secrets() -> None:
    """Nothing after the host, no user and password, and no argument."""
    url = "https://user:pass-word@example.org:8443/services/T0/B1?token=abc"
    hooks = [GOOD | {"url": url}, GOOD | {"name": "b", "url": "http://[::1]:8080"}]
    del (table := GOOD | {"name": "c", "command": ["/bin/echo", "--key", "abc"]})["url"]
    config = parse_config({"hooks": [*hooks, table]}, environ={})
    plain: Any = config.to_plain()["hooks"]
    assert [each.get("url") for each in plain] == ["https://example.org:8443/***", "http://[::1]:8080", None]
    assert plain[2]["command"] == ["/bin/echo", "***", "***"]
    for word in ("pass-word", "T0", "abc"):
        assert word not in f"{config!r} {config} {plain}"
    assert config.hooks[0].target.secrets == (url, "token=abc", "pass-word", "pass-word")


def test_a_refused_url_is_not_shown() -> None:
    """It may hold a password."""
    (found,) = problems(GOOD | {"url": "https://user:pass-word@/x"})
    assert "pass-word" not in found


def test_programs_are_found_as_the_daemon_runs_them(tmp_path) -> None:
    """By name in the usual directories, or relative to the configuration."""
    program = tmp_path / "rescan"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    hooks = [{"name": str(n), "on": ["changes"], "command": [name]} for n, name in enumerate(("sh", "./rescan"))]
    config = parse_config({"hooks": hooks}, environ={}, base_dir=tmp_path)
    first, second = (each.target.arguments for each in config.hooks if isinstance(each.target, HookCommand))
    assert first[0].endswith("bin/sh")
    assert second == (str(program),)


def test_a_url_in_a_public_file_is_a_warning() -> None:
    """It may be a secret as a whole."""
    config = parse_config({"hooks": [GOOD]}, environ={}, is_public=True)
    assert [warning.path for warning in config.warnings] == ["hooks[0].url"]


def test_every_event_can_be_subscribed_to() -> None:
    """But those that are logged without a database. If this fails, add the event to logs/events.py."""
    listed = {
        event for event in re.findall(r"^\| `([a-z_.]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE) if "." in event
    }
    assert listed == EVENTS | NOT_FOR_HOOKS
    assert not EVENTS & NOT_FOR_HOOKS


def test_the_page_names_the_events_that_hooks_do_not_get() -> None:
    """All of them but that of the simulated server."""
    page = (PAGE.parent / "hooks.md").read_text("utf-8")
    part = page.partition("Not available are")[2].partition('- `"sync.finished:ok"`')[0]
    assert set(re.findall(r"`([a-z_]+\.[a-z_.]+)`", part)) == NOT_FOR_HOOKS - {"simulated_plex.failed"}
