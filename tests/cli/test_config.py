"""``config``: what is in force, what it may hold, where it is."""

from __future__ import annotations

import json
import tomllib

import pytest

from retrovue_daemon.config import documented_keys, parse_config

SERVER = """
[[servers]]
name = "home"
url = "http://127.0.0.1:2"
token = "s3cret-token"
libraries = ["Movies", "TV*"]
[[servers.path_mappings]]
plex_path = 'M:\\Films'
local_path = "/mnt/films"
[[servers]]
name = "attic"
url = "http://127.0.0.1:3"
token = "s3cret-token"
"""

HOOKS = """
[[hooks]]
name = "a"
on = ["changes", "sync.finished:ok"]
url = "https://me:s3cret@example.org/s3cret"
[[hooks]]
name = "b"
on = ["sync.blocked"]
command = ["true", "s3cret"]
"""


def test_the_dump_holds_every_key_that_is_in_force(run, config_file) -> None:
    """Defaults included; tokens are hidden; it can be read as a configuration again."""
    config = config_file(SERVER + "[sync]\ninterval = '90s'\n" + HOOKS)
    finished = run("config", "dump", "--config", config)
    assert (finished.code, finished.err) == (0, "")
    assert "s3cret" not in finished.out
    dumped = tomllib.loads(finished.out)
    assert dumped["sync"]["interval"] == "90s"
    assert [server["token"] for server in dumped["servers"]] == ["***", "***"]
    for key in documented_keys():
        table, _, name = key.path.partition(".")
        if key.default is not None:
            assert name in (dumped[table][0] if table in {"servers", "hooks"} else dumped[table]), key.path
    given = parse_config(tomllib.loads(config.read_text()), environ={})
    again = parse_config(dumped, environ={})
    assert again.sync == given.sync
    assert again.servers[0].path_mappings == given.servers[0].path_mappings
    assert json.loads(run("config", "dump", "--json", "--config", config).out) == dumped


@pytest.mark.parametrize(
    ("key", "value"), [("token_file", "home.token"), ("token_env", "A_TOKEN"), ("token_credential", "home.token")]
)
def test_the_dump_keeps_where_a_token_is(run, config_file, tmp_path, monkeypatch, key, value) -> None:
    """So it can be used as a configuration; only tokens themselves are hidden."""
    (tmp_path / "home.token").touch(mode=0o600)
    (tmp_path / "home.token").write_text("s3cret-token")
    monkeypatch.setenv("A_TOKEN", "s3cret-token")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    config = config_file(f'[[servers]]\nname = "home"\nurl = "http://127.0.0.1:1"\n{key} = "{value}"\n')
    finished = run("config", "dump", "--config", config)
    (server,) = tomllib.loads(finished.out)["servers"]
    assert {name: server[name] for name in server if "token" in name} == {
        key: str(tmp_path / value) if key == "token_file" else value
    }
    again = parse_config(tomllib.loads(finished.out)).servers[0].token
    assert (again.reveal(), "s3cret" in finished.out) == ("s3cret-token", False)


def test_the_dump_follows_the_options(run, config_file, tmp_path) -> None:
    """The output includes defaults, not only what is written."""
    finished = run("config", "dump", "--config", config_file(), "--database", tmp_path / "other.db")
    assert tomllib.loads(finished.out)["database"]["path"] == str(tmp_path / "other.db")


def test_a_bad_configuration_is_not_dumped(run, config_file) -> None:
    """Its problems are reported."""
    finished = run("config", "dump", "--config", config_file("[sync]\nintervall = '5m'\n"))
    assert (finished.code, finished.out) == (78, "")
    assert "sync.intervall" in finished.err


def test_the_path_is_the_one_that_is_found(run, config_file, tmp_path, monkeypatch) -> None:
    """By the option, then by the variable, then in the usual places."""
    config = config_file()
    assert run("config", "path", "--config", config).out == f"{config}\n"
    assert run("config", "path", "--config", config.name).out == f"{config}\n"
    monkeypatch.setenv("RETROVUE_DAEMON_CONFIG", str(config))
    assert json.loads(run("config", "path", "--json").out) == {"path": str(config)}
    monkeypatch.setenv("RETROVUE_DAEMON_CONFIG", str(tmp_path / "none.toml"))
    finished = run("config", "path")
    assert (finished.code, finished.out) == (78, "")
    assert "does not exist" in finished.err


def test_without_a_configuration_the_places_are_reported(run) -> None:
    """Every one that was looked at."""
    finished = run("config", "path")
    assert finished.code == 78
    for word in ("--config", "RETROVUE_DAEMON_CONFIG", ".config/retrovue-daemon/config.toml"):
        assert word in finished.err


def test_the_schema_is_printed(run) -> None:
    """As one JSON object."""
    schema = json.loads(run("config", "schema").out)
    assert set(schema["properties"]) == {"database", "sync", "logging", "web", "postgresql", "servers", "hooks"}
