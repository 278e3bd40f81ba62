"""Where the configuration is looked for, and where the database is without one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from retrovue_daemon.config import ConfigError, default_database, files, find_config, load_config
from retrovue_daemon.config.files import access_hint, owner_hint, write_hint

CHECK = "check its mode"


def placed(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's configuration, and the state directory of the service beside it."""
    monkeypatch.setattr(files, "SYSTEM_CONFIG", tmp_path / "etc/config.toml")
    monkeypatch.setattr(files, "SYSTEM_STATE", tmp_path / "state")
    return tmp_path / "etc/config.toml"


def test_the_search_order(tmp_path: Path, system: Path) -> None:
    """What is requested comes first, then the variable, the system's file, and the user's."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    user = placed(tmp_path / "xdg/retrovue-daemon/config.toml")
    assert find_config(None, environ) == user
    placed(system)
    assert find_config(None, environ) == system
    environ["RETROVUE_DAEMON_CONFIG"] = "/somewhere/else.toml"
    assert find_config(None, environ) == Path("/somewhere/else.toml")
    assert find_config(Path("this.toml"), environ) == Path("this.toml")


def test_the_user_s_file_without_xdg(tmp_path: Path) -> None:
    """An unset, empty or relative $XDG_CONFIG_HOME means ~/.config."""
    user = placed(tmp_path / ".config/retrovue-daemon/config.toml")
    for xdg in ({}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "relative"}):
        assert find_config(None, {"HOME": str(tmp_path), **xdg}) == user


def test_a_dangling_link_is_not_passed_over(tmp_path: Path, system: Path) -> None:
    """A file that is there but leads nowhere is used, so that its error is seen."""
    system.parent.mkdir()
    system.symlink_to("gone")
    assert find_config(None, {"HOME": str(tmp_path)}) == system


def test_none_found_names_every_place(tmp_path: Path) -> None:
    """Without a configuration, the error names all places and how to create one."""
    with pytest.raises(ConfigError) as caught:
        find_config(None, {"HOME": str(tmp_path)})
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
    assert default_database(environ).path == tmp_path / ".local/share/retrovue-daemon/retrovue.db"
    environ["XDG_DATA_HOME"] = "/data"
    assert default_database(environ).path == Path("/data/retrovue-daemon/retrovue.db")
    environ["STATE_DIRECTORY"] = "/var/lib/retrovue-daemon:/var/lib/other"
    assert default_database(environ).path == Path("/var/lib/retrovue-daemon/retrovue.db")


def test_the_service_s_configuration_means_its_database(tmp_path: Path, system: Path) -> None:
    """Only the service is told its state directory by systemd; other configurations are not the service's."""
    environ = {"HOME": str(tmp_path)}
    own = tmp_path / ".local/share/retrovue-daemon/retrovue.db"
    assert load_config(placed(system), environ).database.path == own
    (tmp_path / "state").mkdir()
    config = load_config(system, environ)
    assert config.database.path == tmp_path / "state/retrovue.db"
    assert config.default_database == (tmp_path / "state/retrovue.db", "in the state directory of the service", True)
    assert load_config(placed(tmp_path / "mine.toml"), environ).database.path == own
    system.write_text('[database]\npath = "set.db"\n')
    config = load_config(system, environ)
    assert (config.database.path, config.default_database) == (system.parent / "set.db", None)


def test_how_to_get_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the owner, or as a member of a group that may read; of a hidden file, its directory is described.

    The owner is not advised to become the owner.
    """
    file = placed(tmp_path / "config.toml")
    file.chmod(0o640)
    owner, group = file.owner(), file.group()
    as_owner = f"run this command as {owner} (sudo{'' if owner == 'root' else f' -u {owner}'})"
    assert owner_hint(file) == access_hint(file) == f"let this user read and write {file}: {CHECK}"
    assert owner_hint(file.parent / "hidden" / "deeper") == f"let this user read and write {file.parent}: {CHECK}"
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert owner_hint(file) == owner_hint(file / "hidden" / "deeper") == as_owner
    if file.stat().st_gid == 0:
        assert access_hint(file) == as_owner  # no one should be told to join root
        os.chown(file, -1, 1)
        group = file.group()
    assert access_hint(file) == f"{as_owner}, or as a member of the group {group} (usermod -aG {group} USER)"
    file.chmod(0o600)
    assert access_hint(file) == as_owner


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOENT, "choose a file in a directory that exists"),
        (errno.ENOTDIR, "choose a file in a directory that exists"),
        (errno.EACCES, "check its mode, or choose another file"),
        (errno.ENOSPC, "free some space on the disk of {place} (or raise the quota), or choose"),
        (errno.EDQUOT, "free some space on the disk of {place} (or raise the quota), or choose"),
        (errno.EIO, "check the disk of {place}"),
    ],
)
def test_what_to_do_if_a_file_cannot_be_written(tmp_path: Path, number: int, hint: str) -> None:
    """Where, and what: by the reason."""
    assert hint.format(place=tmp_path) in write_hint(tmp_path / "file", OSError(number, os.strerror(number)))


def test_a_read_only_file_system_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No mode of a file would help there."""
    found = os.statvfs(tmp_path)
    fields = (*found[:8], found.f_flag | os.ST_RDONLY, found.f_namemax)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    expected = f"mount the file system of {tmp_path} with write access: it is read-only"
    assert owner_hint(tmp_path / "none" / "file") == expected
    assert write_hint(tmp_path / "file", OSError(errno.EROFS, "")) == f"{expected}, or choose another file"
