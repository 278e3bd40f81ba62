"""One bad configuration per rule: each is reported under its key, alone, with what would be valid."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import Config, ConfigError, ConfigProblem, load_config, parse_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "s3cr3t-t0ken-value"
SERVER = f"""
[[servers]]
name = "home"
url = "http://plex:32400"
token = "{SECRET}"
"""
TOKENLESS = """
[[servers]]
name = "home"
url = "http://plex:32400"
"""
MAPPING = f"""{SERVER}
[[servers.path_mappings]]
plex_path = "/media"
local_path = "/mnt"
"""

# Signed by itself and of no use: its key was thrown away.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUEOj0+SLNrS6aToybGNW0/JP5CgkwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjMxMDU2MjVaGA8yMTI2MTAzMDEwNTYy
NVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIn7
0tE4RbTAUnxx5/PMmJS0/MBV3+6lk+CEfikz7I6jvLFQcr9NybD3MkByXbRybXAH
PyAWnDa1+lQ2U9ywLgejUzBRMB0GA1UdDgQWBBTOpTA9hrb6EIfo+QjhRgFmZKuh
8TAfBgNVHSMEGDAWgBTOpTA9hrb6EIfo+QjhRgFmZKuh8TAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCtEG1FJyNWKnA/vQ6Oz0fn5X+rivD/d7Lo
4yqvtkT/KgIhAOnSLfa1i4XF+TeY5o+oqFqNmmdg86Y6wtIdguhGhmoA
-----END CERTIFICATE-----
"""


def problems(toml: str, tmp_path: Path, **environ: str) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as caught:
        parse_config(tomllib.loads(toml), base_dir=tmp_path, environ={"HOME": str(tmp_path), **environ})
    return list(caught.value.problems)


BAD = {
    # unknown keys and tables
    "unknown key": ("[sync]\nintervall = '5m'", "sync.intervall", 'did you mean "interval"?'),
    "unknown key like no other": ("[logging]\nzzz = 1", "logging.zzz", "valid keys: format, level"),
    "key of another table": ("[sync]\nbatch_size = 5", "sync.batch_size", "did you mean batch_size in [database]?"),
    "key above all tables": ("page_size = 5", "page_size", "did you mean page_size in [sync]?"),
    "unknown table": ("[server]\nname = 'a'", "server", 'did you mean "servers"?'),
    "unknown key in capitals": (SERVER + "tokenFile = 'x'", "servers[0].tokenFile", 'did you mean "token_file"?'),
    "unknown long key": (SERVER + "accept_self_signed = 'x'", "servers[0].accept_self_signed", "valid keys: "),
    "unknown key of a server": (SERVER + "tokn_file = 'x'", "servers[0].tokn_file", 'did you mean "token_file"?'),
    "unknown key of a mapping": (MAPPING + "local = '/x'", "servers[0].path_mappings[0].local", '"local_path"'),
    "unprintable key": ('"a\\nb" = 1', "'a\\nb'", "valid keys:"),
    # tables that are none
    "section that is no table": ("sync = 5", "sync", "must be a table, not an integer"),
    "section as an array": ("[[sync]]", "sync", "write [sync] instead of [[sync]]"),
    "servers as one table": ("[servers]\nname = 'a'", "servers", "write [[servers]] instead of [servers]"),
    "servers as texts": (f"servers = ['{SECRET}']", "servers[0]", "must be a table, not a string"),
    "mappings as one table": (
        SERVER + "path_mappings = {}",
        "servers[0].path_mappings",
        "must be an array of tables",
    ),
    # types
    "boolean for an integer": ("[sync]\nconcurrency = true", "sync.concurrency", "not the boolean true"),
    "text for an integer": ("[sync]\npage_size = '500'", "sync.page_size", 'from 1 to 1000, not "500"'),
    "float for an integer": ("[sync]\npage_size = 5.0", "sync.page_size", "not the float 5.0"),
    "text for a boolean": ("[sync]\nnotifications = 'yes'", "sync.notifications", "must be true or false"),
    "integer for a boolean": ("[sync]\nnotifications = 1", "sync.notifications", "not the integer 1"),
    "integer for a duration": ("[sync]\ninterval = 300", "sync.interval", 'such as "30s"'),
    "date for a text": (SERVER.replace('"home"', "2024-01-01"), "servers[0].name", "not a date or time"),
    "text for an array": (SERVER + "libraries = 'Movies'", "servers[0].libraries", "must be an array"),
    "number in an array": (SERVER + "libraries = ['a', 1]", "servers[0].libraries", "entry 1 is the integer 1"),
    # numbers
    "no items a page": ("[sync]\npage_size = 0", "sync.page_size", "from 1 to 1000"),
    "too many items a page": ("[sync]\npage_size = 1001", "sync.page_size", "from 1 to 1000"),
    "no libraries at once": ("[sync]\nconcurrency = 0", "sync.concurrency", "from 1"),
    "no requests at once": (SERVER + "concurrency = 0", "servers[0].concurrency", "from 1"),
    "empty batches": ("[database]\nbatch_size = 0", "database.batch_size", "from 1"),
    "integer beyond 64 bits": ("[sync]\npage_size = 99999999999999999999", "sync.page_size", "not an integer"),
    # durations and shares
    "duration without unit": ("[sync]\ninterval = '300'", "sync.interval", 'did you mean "300s"?'),
    "duration of nothing": ("[sync]\ninterval = ''", "sync.interval", "must be a duration"),
    "unknown unit": ("[sync]\ninterval = '5 minutes'", "sync.interval", "must be a duration"),
    "negative duration": ("[sync]\ninterval = '-5m'", "sync.interval", "must be a duration"),
    "interval of zero": ("[sync]\ninterval = '0s'", "sync.interval", 'from "1s"'),
    "interval that never comes": ("[sync]\nfull_interval = 'never'", "sync.full_interval", "must be a duration"),
    "interval too long": ("[sync]\ninterval = '8d'", "sync.interval", 'to "7d"'),
    "timeout too long": (SERVER + "timeout = '1h'", "servers[0].timeout", 'to "10m"'),
    "retention in words": ("[sync]\nretention = 'forever'", "sync.retention", '"never"'),
    "share as a fraction": ("[sync]\nmax_removed = 0.2", "sync.max_removed", '"0%" to "100%"'),
    "share without per cent": ("[sync]\nmax_removed = '20'", "sync.max_removed", '"0%" to "100%"'),
    "share above all": ("[sync]\nmax_removed = '101%'", "sync.max_removed", '"0%" to "100%"'),
    # words
    "level": ("[logging]\nlevel = 'warn'", "logging.level", 'did you mean "warning"?'),
    "format": ("[logging]\nformat = 'xml'", "logging.format", 'one of "auto", "json", "console"'),
    # the database
    "mode as a number": ("[database]\nmode = 0o600", "database.mode", '"0600"'),
    "mode that is not octal": ("[database]\nmode = '0689'", "database.mode", '"0600"'),
    "mode that shuts out the daemon": ("[database]\nmode = '0040'", "database.mode", '"0640"'),
    "mode that lets all write": ("[database]\nmode = '0666'", "database.mode", '"0644"'),
    "mode that makes a program of it": ("[database]\nmode = '0700'", "database.mode", '"0600"'),
    "group that is not there": ("[database]\ngroup = 'no such group'", "database.group", "a group on this system"),
    "group nearly there": ("[database]\ngroup = 'roott'", "database.group", 'did you mean "root"?'),
    "no path": ("[database]\npath = ' '", "database.path", "it is empty"),
    "path with NUL": ('[database]\npath = "a\\u0000b"', "database.path", "NUL"),
    "path of a directory": ("[database]\npath = '.'", "database.path", "is a directory"),
    "path of nobody": ("[database]\npath = '~no-such-user/x.db'", "database.path", "no user 'no-such-user'"),
    # the web page
    "listen without port": ("[web]\nlisten = '127.0.0.1'", "web.listen", '"127.0.0.1:8181"'),
    "listen on a port only": ("[web]\nlisten = ':8181'", "web.listen", 'did you mean "127.0.0.1:8181"?'),
    "listen on too high a port": ("[web]\nlisten = '127.0.0.1:65536'", "web.listen", "must be an address"),
    "listen on no IPv6 address": ("[web]\nlisten = '[::g]:8181'", "web.listen", "must be an address"),
    "listen on half an IPv6 address": ("[web]\nlisten = '[1:2]:8181'", "web.listen", "must be an address"),
    "listen to all without token": ("[web]\nlisten = '0.0.0.0:8181'", "web.token_file", "requires a token"),
    "an address as a host": (
        "[web]\nhosts = ['https://tv.example:4/']",
        "web.hosts",
        'did you mean "tv.example"?',
    ),
    "a host with a port": ("[web]\nhosts = ['tv.example:443']", "web.hosts", 'did you mean "tv.example"?'),
    "a host that is none": ("[web]\nhosts = ['*']", "web.hosts", 'entry 0 is "*"'),
    "a host that is no text": ("[web]\nhosts = [1]", "web.hosts", "entry 0 is the integer 1"),
    "one host, no array": ("[web]\nhosts = 'a'", "web.hosts", "must be an array of host names"),
    "a size without unit": ("[web]\nposter_cache = '200'", "web.poster_cache", 'did you mean "200MB"?'),
    "a size that is no text": ("[web]\nposter_cache = 200", "web.poster_cache", "must be a size"),
    "too large a size": ("[web]\nposter_cache = '1TB'", "web.poster_cache", 'up to "100GB"'),
    "managing that is no boolean": ("[web]\nmanage = 'no'", "web.manage", "must be true or false"),
    "two tokens for the page": ("[web]\ntoken = 'a'\ntoken_env = 'HOME'", "web.token_env", "beside token"),
    # servers
    "no name": (SERVER.replace('name = "home"', ""), "servers[0].name", "is missing"),
    "blank name": (SERVER.replace('"home"', '"  "'), "servers[0].name", "must be a name of visible characters"),
    "name of two lines": (
        SERVER.replace('"home"', '"a\\nb"'),
        "servers[0].name",
        "must be a name of visible characters on one line",
    ),
    "no url": (SERVER.replace('url = "http://plex:32400"', ""), "servers[0].url", "is missing"),
    "no libraries at all": (SERVER + "libraries = []", "servers[0].libraries", "to select all, remove the key"),
    "blank library": (SERVER + "libraries = [' ']", "servers[0].libraries", "entry 0"),
    "library in and out": (
        SERVER + "libraries = ['a', 'b']\nexclude_libraries = ['b']",
        "servers[0].exclude_libraries",
        '"b", which libraries holds too',
    ),
    "TLS name of a URL": (SERVER + "tls_server_name = 'https://x'", "servers[0].tls_server_name", "a host name"),
    # path mappings
    "mapping from nowhere": (
        MAPPING.replace('plex_path = "/media"', ""),
        "servers[0].path_mappings[0].plex_path",
        "is",
    ),
    "mapping to nowhere": (
        MAPPING.replace('local_path = "/mnt"', ""),
        "servers[0].path_mappings[0].local_path",
        "is",
    ),
    "mapping of a relative path": (
        MAPPING.replace("/media", "media"),
        "servers[0].path_mappings[0].plex_path",
        "must be an absolute path",
    ),
    "mapping of a drive's own directory": (
        MAPPING.replace("/media", "M:media"),
        "servers[0].path_mappings[0].plex_path",
        "must be an absolute path",
    ),
    "mapping to a relative path": (
        MAPPING.replace("/mnt", "~/mnt"),
        "servers[0].path_mappings[0].local_path",
        "must be an absolute path",
    ),
    "mapping of a nameless library": (
        MAPPING + "library_name = ''",
        "servers[0].path_mappings[0].library_name",
        "must be the title",
    ),
    "two mappings of one path": (
        MAPPING + "[[servers.path_mappings]]\nplex_path = '/media/'\nlocal_path = '/x'",
        "servers[0].path_mappings[1].plex_path",
        "mapped by servers[0].path_mappings[0] already",
    ),
}


@pytest.mark.parametrize(("toml", "path", "message"), BAD.values(), ids=BAD.keys())
def test_each_rule_reports_its_key_alone(toml: str, path: str, message: str, tmp_path: Path) -> None:
    """A broken rule gives one problem, under the key's path, that says what would be valid."""
    found = problems(toml, tmp_path)
    assert [problem.path for problem in found] == [path]
    assert message in found[0].message


BAD_URLS = {
    "192.168.1.10:32400": "it must start with http:// or https://",
    "plex": "it must start with http:// or https://",
    "ftp://plex:32400": "neither http nor https",
    "http://": "host or port is missing or invalid",
    "http://:32400": "host or port is missing or invalid",
    "http://plex:0": "host or port is missing or invalid",
    "http://plex:99999": "host or port is invalid",
    "http://plex:port": "host or port is invalid",
    "http://[::1:32400": "host or port is invalid",
    "http://me:s3cr3t-t0ken-value@plex:32400": "must not contain a user name or password",
    "http://plex:32400/?X-Plex-Token=s3cr3t-t0ken-value": "must not contain ? or #",
    "http://plex:32400/#top": "must not contain ? or #",
    "http://plex:32400?": "must not contain ? or #",
    "http://plex:32400/a b": "spaces or control characters",
    "http://pl\\nex:32400": "spaces or control characters",
    "http://plex:32400/web/index.html#!/s3cr3t-t0ken-value": 'did you mean "http://plex:32400"?',
    "s3cr3t-t0ken-value": "it must start with http:// or https://",
}


@pytest.mark.parametrize(("url", "message"), BAD_URLS.items())
def test_bad_urls_are_refused_without_being_repeated(url: str, message: str, tmp_path: Path) -> None:
    """An address that cannot be used is refused, and what may hide a token in it is not shown."""
    found = problems(SERVER.replace("http://plex:32400", url), tmp_path)
    assert [problem.path for problem in found] == ["servers[0].url"]
    assert message in found[0].message
    assert SECRET not in str(found)


BAD_TOKENS = {
    "none": ("", "token", "give one of token, token_file, token_env, token_credential"),
    "two": (f"token = '{SECRET}'\ntoken_env = 'SET'", "token_env", "stands beside token"),
    "number": ("token = 12345678", "token", "must be a token as a string, not an integer"),
    "empty": ("token = ' '", "token", "is empty"),
    "two lines": (f'token = "{SECRET}\\n{SECRET}"', "token", "a single token"),
    "not ASCII": ("token = 'tökén-s3cr3t-t0ken-value'", "token", "a single token"),
    "variable unset": (f"token_env = '{SECRET.replace('-', '_')}'", "token_env", "not set"),
    "variable empty": ("token_env = 'EMPTY'", "token_env", "the variable is empty"),
    "variable no name": (f"token_env = '{SECRET}'", "token_env", "the name of an environment variable"),
    "credential missing": (f"token_credential = '{SECRET}'", "token_credential", "no such file"),
    "credential outside": ("token_credential = '../empty'", "token_credential", "the name of a credential"),
    "credential above": ("token_credential = '..'", "token_credential", "the name of a credential"),
    "credential empty": ("token_credential = 'empty'", "token_credential", "the credential is empty"),
}


@pytest.mark.parametrize(("toml", "key", "message"), BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_tokens_are_refused_without_being_shown(toml: str, key: str, message: str, tmp_path: Path) -> None:
    """No problem with a token repeats it, or what was written where its place is to be named."""
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + SECRET.encode("utf-16-le"))
    (tmp_path / "large").write_text("x" * (64 * 1024 + 1))
    (tmp_path / "lines").write_text(f"token\n{SECRET}\n")
    (tmp_path / "loop").symlink_to("loop")
    environ = {"EMPTY": "", "SET": SECRET, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    found = problems(TOKENLESS + toml, tmp_path, **environ)
    assert [problem.path for problem in found] == [f"servers[0].{key}"]
    assert message in found[0].message
    assert SECRET not in str(found)
    assert SECRET.replace("-", "_") not in str(found)


MISSING_FILES = {
    "file missing": (f"token_file = '{SECRET}'", "no such file"),
    "file a directory": ("token_file = '.'", "directory"),
    "file a device": ("token_file = '/dev/null'", "regular file"),
    "file empty": ("token_file = 'empty'", "the file is empty"),
    "file no text": ("token_file = 'binary'", "not text"),
    "file too large": ("token_file = 'large'", "65537 bytes"),
    "file of several lines": ("token_file = 'lines'", "a single token"),
    "file a loop": ("token_file = 'loop'", "cannot be read: too many levels of symbolic links"),
    "authority of a missing file": ("token = 'x'\nca_file = 'none'", "cannot be read"),
    "authority that is none": ("token = 'x'\nca_file = 'lines'", "must be a PEM file with certificates"),
    "authority that is a device": ("token = 'x'\nca_file = '/dev/zero'", "must be a regular file"),
}


@pytest.mark.parametrize(("toml", "message"), MISSING_FILES.values(), ids=MISSING_FILES.keys())
def test_a_file_that_cannot_be_used_costs_nothing_else(toml: str, message: str, tmp_path: Path) -> None:
    """The configuration is valid, and a warning says what does not work; no name or content is shown."""
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + SECRET.encode("utf-16-le"))
    (tmp_path / "large").write_text("x" * (64 * 1024 + 1))
    (tmp_path / "lines").write_text(f"token\n{SECRET}\n")
    (tmp_path / "loop").symlink_to("loop")
    config = parse_config(tomllib.loads(TOKENLESS + toml), base_dir=tmp_path, environ={})
    (warning,) = (each for each in config.warnings if each.message.endswith(" until that is mended"))
    key = "ca_file" if "ca_file" in toml else "token_file"
    assert warning.path == f"servers[0].{key}"
    assert message in warning.message
    assert SECRET not in f"{config} {config.to_plain()} {config.warnings}"
    # No request may hold such a token, and nobody can guess it, even if a check were forgotten.
    if key == "token_file":
        again = parse_config(tomllib.loads(TOKENLESS + toml), base_dir=tmp_path, environ={})
        assert len({"", config.servers[0].token.reveal(), again.servers[0].token.reveal()}) == 3


def test_a_secret_stays_in_use_while_its_file_cannot_be_read(tmp_path: Path) -> None:
    """At a reload: the others are not kept from what changed, and nothing that works stops."""
    for name, content in (("token", SECRET), ("page", f"{SECRET}2"), ("url", f"postgresql://u:{SECRET}@h/d")):
        (tmp_path / name).write_text(content)
    tables = {
        "servers": [{"name": "a", "url": "http://a:1", "token_file": "token"}],
        "web": {"token_file": "page"},
        "postgresql": {"url_file": "url"},
    }

    def load() -> Config:
        return parse_config(tables, base_dir=tmp_path, environ={})

    before = load()
    for name in ("token", "page", "url"):
        (tmp_path / name).unlink()
    without = load()
    assert len(without.warnings) == 3
    assert without != before
    assert without == load()
    assert without.keeping(before) == before
    assert {SECRET, f"{SECRET}2"} <= set(without.keeping(before).secrets())
    # Of another file, nothing is kept.
    tables["servers"] = [{"name": "a", "url": "http://a:1", "token_file": "other"}]
    assert load().keeping(before).servers[0].token.missing is not None
    (tmp_path / "other").write_text("another-token")
    assert load().keeping(before).servers[0].token.reveal() == "another-token"


def test_a_credential_needs_systemd(tmp_path: Path) -> None:
    """Outside a unit with credentials the problem says how they are handed over."""
    (problem,) = problems(TOKENLESS + "token_credential = 'home'", tmp_path)
    assert "LoadCredential=" in problem.message


@pytest.mark.parametrize("directory", [None, "gone"])
def test_a_credential_that_only_the_service_sees_can_be_taken_on_trust(directory, tmp_path: Path) -> None:
    """If another process reads the file on the service's behalf, with a warning; what it can see is checked."""
    path = tmp_path / "config.toml"
    path.touch(mode=0o600)
    path.write_text(TOKENLESS + "token_credential = 'home'")
    environ = {"HOME": "/nowhere"} | ({"CREDENTIALS_DIRECTORY": str(tmp_path / directory)} if directory else {})
    config = load_config(path, environ, trusts_credentials=True)
    assert [(warning.path, warning.message[:15]) for warning in config.warnings] == [
        ("servers[0].token_credential", "was not checked")
    ]
    with pytest.raises(ConfigError):
        load_config(path, environ)
    with pytest.raises(ConfigError, match="no such file"):
        load_config(path, environ | {"CREDENTIALS_DIRECTORY": str(tmp_path)}, trusts_credentials=True)
    path.write_text(TOKENLESS + "token_credential = '../home'")
    with pytest.raises(ConfigError, match="the name of a credential"):
        load_config(path, environ, trusts_credentials=True)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_only_regular_files_are_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    """A pipe would wait for a writer, and a device may send without end."""
    make(tmp_path / "odd")
    for key in ("token_file", "ca_file"):
        server = TOKENLESS if key == "token_file" else SERVER
        config = parse_config(tomllib.loads(server + f"{key} = 'odd'"), base_dir=tmp_path, environ={})
        assert [each.path for each in config.warnings if "regular file" in each.message] == [f"servers[0].{key}"]
    with pytest.raises(ConfigError, match="must be a regular file") as caught:
        load_config(tmp_path / "odd")
    assert "reload" in (caught.value.hint or "")


def test_a_configuration_of_more_than_1_mib_is_refused(tmp_path: Path) -> None:
    """It is no configuration, and would take memory."""
    file = tmp_path / "config.toml"
    file.write_text("#" * 1024 * 1024)
    load_config(file, {"HOME": "/"})
    file.write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="at most 1024 KiB, and it has 1048577 bytes"):
        load_config(file, {"HOME": "/"})


@pytest.mark.parametrize(
    "token", ["xyzAbCdEfGhIjKlMnOp2", "xyzfghijklmnopqrs7", "xyz-AbCdEfGhIjKlMnOp", "xyzJhbGciOiJFZERTQSJ9.eyJ1Ijo.x"]
)
@pytest.mark.parametrize("at", ["{key} = 1", "[{key}]", TOKENLESS + "{key} = 1", MAPPING + "{key} = 1"])
def test_a_token_in_the_place_of_a_key_is_not_shown(token: str, at: str, tmp_path: Path) -> None:
    """Only its beginning, by which the user finds it."""
    found = str(problems(at.format(key=f'"{token}"'), tmp_path))
    assert token[:3] + "…" in found
    assert token[:5] not in found


def test_a_ca_file_without_effect_is_refused(tmp_path: Path) -> None:
    """A ca_file together with verify_tls = false says two things at once."""
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    toml = SERVER + "ca_file = 'ca.pem'\n"
    (server,) = parse_config(tomllib.loads(toml), base_dir=tmp_path, environ={"HOME": "/"}).servers
    assert server.ca_file == tmp_path / "ca.pem"
    (problem,) = problems(toml + "verify_tls = false", tmp_path)
    assert problem.path == "servers[0].ca_file"
    assert "contradicts" in problem.message


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """One reading finds what is wrong in every section and server."""
    toml = "[sync]\ninterval = 1\npage_size = 0\n[web]\nlisten = 1\n" + SERVER.replace("http", "ftp") + TOKENLESS
    assert [problem.path for problem in problems(toml, tmp_path)] == [
        "sync.interval",
        "sync.page_size",
        "web.listen",
        "servers[0].url",
        "servers[1].token",
        "servers[1].name",
    ]


def test_two_servers_of_one_name(tmp_path: Path) -> None:
    """Names are compared without case, and the problem points to both entries."""
    toml = SERVER + SERVER.replace("home", " HOME ").replace("plex:", "other:")
    (problem,) = problems(toml, tmp_path)
    assert problem.path == "servers[1].name"
    assert 'servers[0]: "home"' in problem.message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://plex:32400", "http://PLEX:32400/"),
        ("http://plex", "http://plex:80"),
        ("https://plex/prefix/", "https://plex:443/prefix"),
    ],
)
def test_two_servers_of_one_address(one: str, other: str, tmp_path: Path) -> None:
    """The same address is found in any spelling."""
    toml = SERVER.replace("http://plex:32400", one) + SERVER.replace("home", "other").replace(
        "http://plex:32400", other
    )
    (problem,) = problems(toml, tmp_path)
    assert problem.path == "servers[1].url"
    assert "servers[0]" in problem.message


def test_windows_paths_are_compared_as_windows_does(tmp_path: Path) -> None:
    """Mappings that differ by case or kind of slash map the same directory of a Windows server."""
    toml = f"""{SERVER}
    path_mappings = [
        {{ plex_path = 'M:\\Movies', local_path = "/a" }},
        {{ plex_path = "m:/movies/", local_path = "/b" }},
        {{ plex_path = "m:/movies/", local_path = "/b", library_name = "Movies" }},
    ]"""
    assert [problem.path for problem in problems(toml, tmp_path)] == ["servers[0].path_mappings[1].plex_path"]
