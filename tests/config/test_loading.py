"""What a good configuration becomes, and what happens to files that cannot be read at all."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import (
    Config,
    ConfigError,
    DatabaseSection,
    PathMapping,
    Secret,
    ServerSection,
    SyncSection,
    load_config,
    parse_config,
    server_from_row,
)

if TYPE_CHECKING:
    from pathlib import Path

SERVER = """
[[servers]]
name = "home"
url = "http://plex:32400"
"""


def write(directory: Path, toml: str, mode: int = 0o600) -> Path:
    path = directory / "config.toml"
    path.write_text(toml)
    path.chmod(mode)
    return path


def test_an_empty_configuration_is_valid(tmp_path: Path) -> None:
    """Servers may come from the database alone, so nothing has to be in the file."""
    config = load_config(write(tmp_path, ""), {"HOME": str(tmp_path)})
    assert config == Config(
        database=DatabaseSection(path=tmp_path / ".local/share/retrovue-daemon/retrovue.db"),
        sync=SyncSection(interval=300.0, full_interval=21600.0, retention=30 * 86400.0, max_removed=0.2),
    )
    assert config.servers == ()
    assert config.warnings == ()


def test_every_key_reaches_its_field(tmp_path: Path) -> None:
    """A configuration that sets every key comes out with every value, in the units of the sections."""
    (tmp_path / "home.token").write_text("t0ken-x3bz\n")
    (tmp_path / "home.token").chmod(0o600)
    config = load_config(
        write(
            tmp_path,
            """
            [database]
            path = "mirror.db"
            batch_size = 10
            mode = "0640"
            group = "root"
            [sync]
            interval = "1m"
            full_interval = "1h30m"
            concurrency = 3
            page_size = 1000
            max_removed = "12.5%"
            retention = "never"
            details = false
            cast = 5
            notifications = false
            [logging]
            level = "DEBUG"
            format = "json"
            [web]
            listen = "[::]:0"
            token = "page"
            hosts = ["TV.example.org.", "[fd00::1]", "10.0.0.1"]
            manage = false
            poster_cache = "2 gb"
            [[servers]]
            name = " home "
            url = "https://Plex.Example:32400/prefix/"
            token_file = "home.token"
            concurrency = 5
            timeout = "1m"
            compression = true
            verify_tls = true
            tls_server_name = "x.plex.direct"
            libraries = ["Movies ", "TV*"]
            exclude_libraries = ["TV Old"]
            details = true
            notifications = true
            [[servers.path_mappings]]
            plex_path = "/media/movies"
            local_path = 'D:\\Movies'
            library_name = "Movies"
            library_root = "/media/movies"
            """,
        ),
        {},
    )
    assert config.database == DatabaseSection(path=tmp_path / "mirror.db", batch_size=10, mode=0o640, group="root")
    assert config.sync == SyncSection(
        interval=60.0,
        full_interval=5400.0,
        concurrency=3,
        page_size=1000,
        max_removed=0.125,
        retention=None,
        details=False,
        cast=5,
        notifications=False,
    )
    assert (config.logging.level, config.logging.format) == ("debug", "json")
    assert (config.web.listen, config.web.token) == (("::", 0), Secret("page"))
    assert config.web.hosts == ("tv.example.org", "fd00::1", "10.0.0.1")
    assert (config.web.manage, config.web.poster_cache) == (False, 2_000_000_000)
    assert config.servers == (
        ServerSection(
            name="home",
            url="https://plex.example:32400/prefix",
            token=Secret("t0ken-x3bz", ("token_file", str(tmp_path / "home.token"))),
            concurrency=5,
            timeout=60.0,
            compression=True,
            verify_tls=True,
            tls_server_name="x.plex.direct",
            libraries=("Movies", "TV*"),
            exclude_libraries=("TV Old",),
            details=True,
            cast=5,
            notifications=True,
            path_mappings=(PathMapping("/media/movies", "D:\\Movies", "Movies", "/media/movies"),),
        ),
    )


@pytest.mark.parametrize(
    ("key", "environ"),
    [
        ("token = 't0ken-x3bz'", {}),
        ("token_file = 'plex/token'", {}),
        ("token_file = '~/plex/token'", {}),
        ("token_env = 'TOKEN'", {"TOKEN": "t0ken-x3bz"}),
        ("token_credential = 'token'", {"CREDENTIALS_DIRECTORY": "plex"}),
    ],
)
def test_a_token_comes_from_any_of_four_places(key: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Inline, from a file, from a variable and from systemd: the token is the same, without its line end."""
    (tmp_path / "plex").mkdir()
    (tmp_path / "plex/token").write_text(" t0ken-x3bz\n")
    found = {
        name: str(tmp_path / value) if name == "CREDENTIALS_DIRECTORY" else value for name, value in environ.items()
    }
    config = load_config(write(tmp_path, SERVER + key), {"HOME": str(tmp_path)} | found)
    token = config.servers[0].token
    assert token.reveal() == "t0ken-x3bz"
    name, value = (each.strip("' ") for each in key.split("="))
    expected = None if name == "token" else (name, value)
    if name == "token_file":
        expected = name, str(tmp_path / "plex/token")
    assert token.source == expected


def test_notifications_of_a_server_follow_sync(tmp_path: Path) -> None:
    """A server listens as [sync] says, unless it says so itself."""
    toml = "[sync]\nnotifications = false" + SERVER + "token = 'a'\n"
    toml += "[[servers]]\nname = 'b'\nurl = 'http://b'\ntoken = 'b'\nnotifications = true"
    servers = parse_config(tomllib.loads(toml), environ={}).servers
    assert [server.notifications for server in servers] == [False, True]


def test_details_of_a_server_follow_sync() -> None:
    """So does the length of the cast; a server of the database has no word of its own."""
    toml = "[sync]\ndetails = false\ncast = 7" + SERVER + "token = 'a'\n"
    toml += "[[servers]]\nname = 'b'\nurl = 'http://b'\ntoken = 'b'\ndetails = true\ncast = 0"
    servers = parse_config(tomllib.loads(toml), environ={}).servers
    assert [(server.details, server.cast) for server in servers] == [(False, 7), (True, 0)]
    stored = server_from_row("den", "http://den", "token")
    assert (stored.details, stored.cast) == (None, None)


def test_an_empty_listen_is_off() -> None:
    """The status page is off without listen, and with an empty one."""
    assert parse_config({"web": {"listen": ""}}).web.listen is None
    assert parse_config({}).web.listen is None


@pytest.mark.parametrize("listen", ["127.0.0.1:8181", "127.9.9.9:1", "[::1]:8181", "localhost:8181", "LOCALHOST:1"])
def test_this_system_may_look_without_token(listen: str) -> None:
    """What only programs of this system can reach needs no token."""
    assert parse_config({"web": {"listen": listen}}).web.token is None


def test_other_systems_may_look_with_token() -> None:
    """An address that others can reach is accepted together with a token."""
    web = parse_config({"web": {"listen": "0.0.0.0:8181", "token": "page"}}).web
    assert web.listen == ("0.0.0.0", 8181)  # noqa: S104  # what is tested


def test_the_environment_is_the_process_s_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers that pass no environment get that of the process."""
    monkeypatch.setenv("SOME_TOKEN", "t0ken-x3bz")
    config = parse_config({"servers": [{"name": "a", "url": "http://a", "token_env": "SOME_TOKEN"}]})
    assert config.servers[0].token.reveal() == "t0ken-x3bz"


# -- warnings -------------------------------------------------------------------------------------------------------


def warnings(config: Config) -> list[tuple[str, str]]:
    return [(warning.path, warning.message) for warning in config.warnings]


def test_a_token_that_expires_is_worth_a_warning(tmp_path: Path) -> None:
    """A JSON Web Token works for seven days only, wherever it comes from."""
    config = load_config(write(tmp_path, SERVER + "token_env = 'T'"), {"T": "eyJhbGciOi.x.y", "HOME": "/"})
    ((path, message),) = warnings(config)
    assert path == "servers[0].token_env"
    assert "7 days" in message
    assert "eyJ" not in message


@pytest.mark.parametrize("key", ["token", "token_env", "token_file"])
def test_a_token_too_short_to_be_hidden_everywhere_is_worth_a_warning(tmp_path: Path, key: str) -> None:
    """In what a server sends, seven letters may be part of any word."""
    for length, warned in ((7, True), (8, False)):
        token = "x3bz7q2kp"[:length]
        (tmp_path / "token").write_text(token)
        (tmp_path / "token").chmod(0o600)
        value = {"token": token, "token_env": "T", "token_file": "token"}[key]
        config = load_config(write(tmp_path, f"{SERVER}{key} = '{value}'"), {"T": token, "HOME": "/"})
        about = [message for path, message in warnings(config) if path == f"servers[0].{key}" and "fewer" in message]
        assert len(about) == warned
        assert token not in "".join(about)


def test_a_token_file_for_all_is_worth_a_warning(tmp_path: Path) -> None:
    """A token file that every user can read is accepted, with a warning that says what to do."""
    (tmp_path / "token").write_text("t0ken-x3bz")
    (tmp_path / "token").chmod(0o644)
    config = load_config(write(tmp_path, SERVER + "token_file = 'token'"), {"HOME": "/"})
    ((path, message),) = warnings(config)
    assert path == "servers[0].token_file"
    assert "0600" in message
    (tmp_path / "token").chmod(0o640)
    assert warnings(load_config(tmp_path / "config.toml", {"HOME": "/"})) == []


def test_a_token_in_a_file_for_all_is_worth_a_warning(tmp_path: Path) -> None:
    """A configuration that every user can read should hold no token; without one it may be public."""
    with_token = write(tmp_path, SERVER + "token = 't0ken-x3bz'", 0o644)
    assert [path for path, _ in warnings(load_config(with_token, {"HOME": "/"}))] == ["servers[0].token"]
    without = write(tmp_path, SERVER + "token_env = 'T'", 0o644)
    assert warnings(load_config(without, {"T": "t0ken-x3bz", "HOME": "/"})) == []


def test_a_group_without_rights_is_worth_a_warning() -> None:
    """A group does nothing while the mode is for the owner alone."""
    assert [path for path, _ in warnings(parse_config({"database": {"group": "root"}}))] == ["database.group"]
    assert warnings(parse_config({"database": {"group": "root", "mode": "0640"}})) == []


def test_tls_options_without_tls_are_worth_a_warning() -> None:
    """What concerns certificates does nothing for http."""
    server = {"name": "a", "url": "http://a", "token": "t0ken-x3bz", "tls_server_name": "a.example"}
    assert [path for path, _ in warnings(parse_config({"servers": [server]}))] == ["servers[0].tls_server_name"]
    assert warnings(parse_config({"servers": [server | {"url": "https://a"}]})) == []


# -- files that cannot be read --------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert caught.value.source == path
    assert caught.value.exit_code == 78
    (problem,) = caught.value.problems
    return str(problem)


def test_a_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    """What is not TOML is reported with its place."""
    assert refused(write(tmp_path, "[sync]\ninterval = 5m\n")).startswith("line 2, column 13: is not valid TOML")
    assert refused(write(tmp_path, "[sync]\ninterval = ")).startswith(("end of document: is not", "line 2, column"))
    assert refused(write(tmp_path, "[sync]\n[sync]\n")).startswith(
        "line 2, column 6: is not valid TOML: cannot declare"
    )


def test_a_file_that_is_no_text_has_a_line(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are reported with their line."""
    path = write(tmp_path, "")
    path.write_bytes(b"[sync]\n# caf\xe9\n")
    assert refused(path) == "line 2: is not valid UTF-8, which TOML requires"


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """Editors of Windows put one before the text, which TOML itself does not allow."""
    path = write(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbf[sync]\npage_size = 7\n")
    assert load_config(path, {"HOME": "/"}).sync.page_size == 7


def test_absurd_toml_is_a_problem_too(tmp_path: Path) -> None:
    """Nesting and numbers that the TOML reader itself gives up on are reported like all else."""
    assert "TOML" in refused(write(tmp_path, "a = " + "[" * 100_000))
    assert "TOML" in refused(write(tmp_path, "a = " + "9" * 10_000))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    """Missing files, directories and loops are one problem with the system's reason."""
    assert refused(tmp_path / "none.toml") == "cannot be read: no such file or directory"
    assert refused(tmp_path) == "cannot be read: is a directory"
    (tmp_path / "loop").symlink_to("loop")
    assert "symbolic links" in refused(tmp_path / "loop")


# -- servers of the database ----------------------------------------------------------------------------------------


def test_a_row_becomes_a_server_with_defaults() -> None:
    """A server that stands in the database gets what the file's servers get without further keys."""
    mapping = PathMapping("/a", "/b")
    found = server_from_row("den", "http://DEN:32400/", " t0ken-x3bz ", notifications=False, path_mappings=[mapping])
    assert found == ServerSection(
        name="den",
        url="http://den:32400",
        token=Secret("t0ken-x3bz"),
        notifications=False,
        path_mappings=(mapping,),
    )


@pytest.mark.parametrize(("url", "token", "key"), [("den", "t", "url"), ("http://den", None, "token")])
def test_a_bad_row_is_refused(url: str, token: str | None, key: str) -> None:
    """A row that no file could hold is a problem under the row's name."""
    with pytest.raises(ConfigError) as caught:
        server_from_row("den", url, token)
    assert [problem.path for problem in caught.value.problems] == [f"plex_servers[den].{key}"]


def test_a_certificate_that_is_not_checked_is_worth_a_warning() -> None:
    """At every start and reload: anyone between could read the token. Without TLS there is nothing to check."""
    server = {"name": "a", "url": "https://a", "token": "t0ken-x3bz", "verify_tls": False}
    ((path, message),) = warnings(parse_config({"servers": [server]}))
    assert (path, "read the token" in message) == ("servers[0].verify_tls", True)
    assert warnings(parse_config({"servers": [server | {"url": "http://a"}]})) == []
    assert warnings(parse_config({"servers": [server | {"verify_tls": True}]})) == []
