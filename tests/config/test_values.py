"""Values at the edges of what is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrovue_daemon.config import parse_config


def sync(**keys: object) -> object:
    return parse_config({"sync": keys}, environ={"HOME": "/"}).sync


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1.0), ("90s", 90.0), ("5m", 300.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("2 m", 120.0), ("7d", 604800.0),
     ("5M", 300.0), ("1500ms", 1.5)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    """Durations are read in any unit, also several at once, into seconds."""
    assert parse_config({"sync": {"interval": text}}).sync.interval == seconds


@pytest.mark.parametrize(("text", "seconds"), [("never", None), ("Never", None), ("0s", 0.0), ("30d", 2592000.0)])
def test_retention(text: str, seconds: float | None) -> None:
    """A missing item may be kept forever, or deleted at once."""
    assert parse_config({"sync": {"retention": text}}).sync.retention == seconds


@pytest.mark.parametrize(("text", "share"), [("0%", 0.0), ("20%", 0.2), ("12.5 %", 0.125), ("100%", 1.0)])
def test_shares(text: str, share: float) -> None:
    """Shares become fractions."""
    assert parse_config({"sync": {"max_removed": text}}).sync.max_removed == share


@pytest.mark.parametrize("size", [1, 1000])
def test_bounds_are_included(size: int) -> None:
    """The least and the greatest value are valid."""
    assert parse_config({"sync": {"page_size": size}}).sync.page_size == size


@pytest.mark.parametrize(("text", "mode"), [("0600", 0o600), ("640", 0o640), ("0644", 0o644), ("0660", 0o660)])
def test_modes(text: str, mode: int) -> None:
    """Modes are octal, with or without the leading zero."""
    assert parse_config({"database": {"mode": text}}).database.mode == mode


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("db/x.db", "/etc/daemon/db/x.db"),
        ("../x.db", "/etc/x.db"),
        ("/srv/x.db", "/srv/x.db"),
        ("~/x.db", "/home/me/x.db"),
        ("~root/no-such-file.db", f"{Path('~root').expanduser()}/no-such-file.db"),
    ],
)
def test_paths_begin_at_the_file_or_at_home(text: str, path: str) -> None:
    """Relative paths begin at the configuration's directory, "~" is the home of the environment."""
    config = parse_config({"database": {"path": text}}, base_dir=Path("/etc/daemon"), environ={"HOME": "/home/me"})
    assert config.database.path == Path(path)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://192.168.1.10:32400", "http://192.168.1.10:32400"),
        (" https://Plex.Example/ ", "https://plex.example"),
        ("HTTP://plex:32400//", "http://plex:32400"),
        ("https://example.org/Plex/", "https://example.org/Plex"),
        ("http://[fd00::1]:32400", "http://[fd00::1]:32400"),
        ("http://plex:32400/web/api", "http://plex:32400/web/api"),
    ],
)
def test_urls_are_kept_but_for_their_end(text: str, url: str) -> None:
    """The path prefix stays, slashes at the end go, and the host is lower case."""
    config = parse_config({"servers": [{"name": "a", "url": text, "token": "t"}]}, environ={"HOME": "/"})
    assert config.servers[0].url == url


@pytest.mark.parametrize(
    ("plex_path", "local_path"),
    [("/", "C:"), ("M:\\", "/mnt"), ("\\\\nas\\tv", "\\\\nas\\tv"), ("//nas/tv", "smb://nas/tv"), ("m:/tv", "D:/tv")],
)
def test_mappings_may_join_any_two_systems(plex_path: str, local_path: str) -> None:
    """Roots, drives, shares and addresses are absolute paths, and are kept as written."""
    server = {"name": "a", "url": "http://a", "token": "t"}
    mapping = {"plex_path": plex_path, "local_path": local_path}
    config = parse_config({"servers": [server | {"path_mappings": [mapping]}]}, environ={"HOME": "/"})
    (found,) = config.servers[0].path_mappings
    assert (found.plex_path, found.local_path) == (plex_path, local_path)
