"""Where the configuration is looked for, and where the database is without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrovue_daemon.config import ConfigError, default_database_path, find_config


def placed(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_the_search_order(tmp_path: Path) -> None:
    """What is requested comes first, then the variable, the system's file, and the user's."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    system = tmp_path / "etc/config.toml"
    user = placed(tmp_path / "xdg/retrovue-daemon/config.toml")
    assert find_config(None, environ, system=system) == user
    placed(system)
    assert find_config(None, environ, system=system) == system
    environ["RETROVUE_DAEMON_CONFIG"] = "/somewhere/else.toml"
    assert find_config(None, environ, system=system) == Path("/somewhere/else.toml")
    assert find_config(Path("this.toml"), environ, system=system) == Path("this.toml")


def test_the_user_s_file_without_xdg(tmp_path: Path) -> None:
    """An unset, empty or relative $XDG_CONFIG_HOME means ~/.config."""
    user = placed(tmp_path / ".config/retrovue-daemon/config.toml")
    for xdg in ({}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "relative"}):
        assert find_config(None, {"HOME": str(tmp_path), **xdg}, system=tmp_path / "none") == user


def test_a_dangling_link_is_not_passed_over(tmp_path: Path) -> None:
    """A file that is there but leads nowhere is used, so that its error is seen."""
    system = tmp_path / "config.toml"
    system.symlink_to("gone")
    assert find_config(None, {"HOME": str(tmp_path)}, system=system) == system


def test_none_found_names_every_place(tmp_path: Path) -> None:
    """Without a configuration, the error names all places and how to create one."""
    with pytest.raises(ConfigError) as caught:
        find_config(None, {"HOME": str(tmp_path)}, system=tmp_path / "etc/config.toml")
    message = str(caught.value)
    for place in (
        "--config",
        "$RETROVUE_DAEMON_CONFIG",
        f"{tmp_path}/etc/config.toml",
        f"{tmp_path}/.config/retrovue",
    ):
        assert place in message
    assert "retrovue-daemon init" in message


def test_the_database_without_path(tmp_path: Path) -> None:
    """The state directory of systemd comes first, then the user's data directory, then its usual place."""
    environ = {"HOME": str(tmp_path)}
    assert default_database_path(environ) == tmp_path / ".local/share/retrovue-daemon/retrovue.db"
    environ["XDG_DATA_HOME"] = "/data"
    assert default_database_path(environ) == Path("/data/retrovue-daemon/retrovue.db")
    environ["STATE_DIRECTORY"] = "/var/lib/retrovue-daemon:/var/lib/other"
    assert default_database_path(environ) == Path("/var/lib/retrovue-daemon/retrovue.db")
