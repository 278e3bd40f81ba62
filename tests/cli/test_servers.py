"""``servers``: what the database defines beside the configuration."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from retrovue_daemon.config import parse_config


def _assert_refused(finished, *words: str, code: int = 2) -> None:
    """One line of error, perhaps one of hint, and nothing on standard output."""
    assert finished.code == code
    assert finished.err.startswith("error: ")
    assert finished.err.count("\n") <= 2
    assert "Traceback" not in finished.err
    for word in words:
        assert word in finished.err


# -- add ------------------------------------------------------------------------------------------------------------


def test_the_first_server_makes_the_database(run, plex, tmp_path) -> None:
    """Its identity is requested first; its name, address and token are stored only in the database."""
    path = tmp_path / "new.db"
    finished = run(
        "servers", "add", "attic", plex.url + "/", "--token-file", "-", "--database", path, stdin=plex.token
    )
    assert (finished.code, finished.err) == (0, "")
    assert "Plex Media Server" in finished.out
    assert "TV Shows" in finished.out
    assert plex.token not in finished.out
    assert path.stat().st_mode & 0o777 == 0o600
    (server,) = json.loads(run("servers", "list", "--json", "--database", path).out)["servers"]
    assert (server["name"], server["url"], server["is_active"], server["has_token"]) == (
        "attic",
        plex.url,
        True,
        True,
    )


def test_a_new_database_gets_the_configured_permissions(run, plex, tmp_path) -> None:
    """As if the daemon had made it."""
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\npath = "{tmp_path / "new.db"}"\nmode = "0644"\n')
    assert run("servers", "add", "a", plex.url, "--token-file", "-", "--config", config, stdin=plex.token).code == 0
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o644


def test_a_token_comes_from_a_file(on, second_plex, tmp_path, rows) -> None:
    """White space around it does not count."""
    file = tmp_path / "token"
    file.write_text(f"  {second_plex.token}\n")
    assert on("servers", "add", "attic", second_plex.url, "--token-file", file).code == 0
    assert rows("SELECT token, source FROM plex_servers WHERE name = 'attic'") == [(second_plex.token, "database")]


def test_a_terminal_prompts_for_the_token_and_hides_it(plex, tmp_path) -> None:
    """It never stands on a command line."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "retrovue_daemon", "servers", "add", "attic", plex.url]
    with subprocess.Popen(
        [*command, "--database", tmp_path / "new.db"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    ) as process:
        os.close(terminal)
        shown = b""
        while b"input is hidden" not in shown:
            shown += os.read(controller, 1024)
        os.write(controller, plex.token.encode() + b"\n")
        out, _ = process.communicate()
    shown += os.read(controller, 1024)
    os.close(controller)
    assert process.returncode == 0, shown
    assert b"added server 'attic'" in out
    assert plex.token.encode() not in out + shown


def test_without_a_terminal_there_is_no_prompt(on, plex) -> None:
    """The hint says what to do instead."""
    _assert_refused(on("servers", "add", "attic", plex.url), "without a terminal", "--token-file -")


@pytest.mark.parametrize("token", ["", "two words", "wörter", "\0\0", "x" * 70_000 + " y"])
def test_what_cannot_be_a_token_is_refused(on, plex, token) -> None:
    """And not repeated."""
    finished = on("servers", "add", "attic", plex.url, "--token-file", "-", stdin=token)
    _assert_refused(finished, "the token")
    assert not token or token not in finished.err


def test_a_wrong_token_is_refused_unless_the_test_is_skipped(on, second_plex, rows) -> None:
    """The token is tested on the server; if it is rejected, nothing is written."""
    add = ("servers", "add", "attic", second_plex.url, "--token-file", "-")
    finished = on(*add, stdin="wrong-token")
    assert finished.code == 3
    assert "rejected the token" in finished.err
    assert "--no-test" in finished.err
    assert "wrong-token" not in finished.out + finished.err
    assert rows("SELECT count(*) FROM plex_servers") == [(1,)]

    asked = len(second_plex.requests)
    assert on(*add, "--no-test", "--disabled", stdin="wrong-token").code == 0
    assert rows("SELECT token, is_active FROM plex_servers WHERE name = 'attic'") == [("wrong-token", 0)]
    assert len(second_plex.requests) == asked


def test_a_shared_token_is_taken(on, second_plex) -> None:
    """It may see libraries, and that is sufficient."""
    finished = on("servers", "add", "attic", second_plex.url, "--token-file", "-", stdin=second_plex.shared_token)
    assert finished.code == 0


def test_names_addresses_and_machines_in_use_are_refused(on, plex, rows, config_file) -> None:
    """With the database by name, address and machine; with the configuration by name and address."""
    rows("UPDATE plex_servers SET server_url = ?", plex.url)
    add = ("servers", "add")
    token = ("--token-file", "-")
    _assert_refused(on(*add, "HOME", "http://127.0.0.1:1", *token, stdin="t"), "'home' already exists")
    _assert_refused(on(*add, "attic", plex.url, *token, stdin="t"), "'home' already has the url")
    elsewhere = plex.url.replace("127.0.0.1", "localhost")
    _assert_refused(on(*add, "attic", elsewhere, *token, stdin=plex.token), "'home' has the same machine")
    config = config_file('[[servers]]\nname = "cellar"\nurl = "http://127.0.0.1:2"\ntoken = "t"\n')
    for given in (("Cellar", "http://127.0.0.1:1"), ("attic", "http://127.0.0.1:2/")):
        finished = on(*add, *given, *token, "--config", config, stdin="t")
        _assert_refused(finished, "'cellar'", str(config))
    assert rows("SELECT count(*) FROM plex_servers") == [(1,)]


@pytest.mark.parametrize(
    ("url", "word"),
    [("10.0.0.1:32400", "http://"), ("ftp://a", "neither http"), ("http://a?X-Plex-Token=s3cret", "token")],
)
def test_addresses_are_checked_as_in_the_configuration(on, url, word) -> None:
    """The check comes before the prompt for a token, and the error does not repeat what may contain one."""
    finished = on("servers", "add", "attic", url)
    _assert_refused(finished, "url must", word)
    assert "s3cret" not in finished.err


@pytest.mark.parametrize("stored", ["ftp://x", "http://[", "http://h:port", "", "nonsense"])
def test_an_invalid_stored_address_does_not_affect_other_servers(on, plex, rows, stored) -> None:
    """Another program may have written it; the test says what is wrong with it."""
    rows("UPDATE plex_servers SET server_url = ?", stored)
    assert on("servers", "add", "attic", plex.url, "--no-test", "--token-file", "-", stdin=plex.token).code == 0
    assert on("servers", "list").code == on("status").code == 0
    _assert_refused(on("servers", "test", "home"), "server 'home': url must")
    rows("UPDATE plex_servers SET token = ? WHERE name = 'attic'", plex.token)
    finished = on("servers", "test", "--json")
    assert finished.code == 1
    attic, home = json.loads(finished.out)["servers"]
    assert (attic["connected"], home["error"]["type"]) == (True, "BadInput")


def test_a_secret_in_a_stored_address_is_not_shown(on, rows) -> None:
    """Another program may have put the token there."""
    rows("UPDATE plex_servers SET server_url = 'http://me:s3cret@h:1/p?X-Plex-Token=s3cret'")
    for command in (("servers", "list"), ("servers", "test"), ("status",)):
        for options in ((), ("--json",)):
            finished = on(*command, *options)
            assert "s3cret" not in finished.out + finished.err
    for line in (["servers", "export"], ["servers", "add", "home", "http://127.0.0.1:1"]):
        finished = on(*line)
        assert "s3cret" not in finished.out + finished.err
    assert "http://***@h:1/p" in on("servers", "list").out


def test_a_server_that_left_the_configuration_can_be_taken_over(on, plex, rows) -> None:
    """Its row, and what hangs on it, keep their ids."""
    rows("UPDATE plex_servers SET source = 'config', is_active = 0, token = NULL")
    _assert_refused(on("servers", "enable", "home"), "removed from the configuration", "servers add")
    _assert_refused(on("servers", "set-token", "home"), "removed from the configuration", "servers add")
    before = rows("SELECT id FROM movies")
    assert on("servers", "add", "home", plex.url, "--token-file", "-", stdin=plex.token).code == 0
    assert rows("SELECT id, source, is_active, token FROM plex_servers") == [(1, "database", 1, plex.token)]
    assert rows("SELECT id FROM movies") == before


# -- change and remove ----------------------------------------------------------------------------------------------


def test_servers_are_switched_off_and_on(on, rows) -> None:
    """What was mirrored stays."""
    assert "is now off" in on("servers", "disable", "home").out
    assert rows("SELECT is_active FROM plex_servers") == [(0,)]
    assert "was off" in on("servers", "disable", "home").out
    assert "is now on" in on("servers", "enable", "home").out
    assert rows("SELECT is_active, (SELECT count(*) FROM movies) FROM plex_servers") == [(1, 36)]


def test_a_token_is_exchanged_after_a_test(on, plex, rows) -> None:
    """A wrong one changes nothing."""
    rows("UPDATE plex_servers SET server_url = ?", plex.url)
    assert on("servers", "set-token", "home", "--token-file", "-", stdin="wrong").code == 3
    assert rows("SELECT token FROM plex_servers") == [(plex.token,)]
    assert on("servers", "set-token", "home", "--token-file", "-", stdin=plex.shared_token).code == 0
    assert rows("SELECT token FROM plex_servers") == [(plex.shared_token,)]


def test_a_new_token_is_not_sent_to_another_machine(on, plex, rows) -> None:
    """Only /identity, which needs no token, is requested from it."""
    rows("UPDATE plex_servers SET server_url = ?, machine_identifier = 'the-one-before'", plex.url)
    plex.requests.clear()
    refused = on("servers", "set-token", "home", "--token-file", "-", stdin=plex.token)
    assert refused.code == 3
    assert "accept-identity" in refused.err
    assert {request.path for request in plex.requests} == {"/identity"}


def test_removal_shows_what_goes_and_prompts(on, rows) -> None:
    """A dry run and a no change nothing; without a terminal only --yes removes."""
    finished = on("servers", "remove", "home", "--dry-run")
    assert finished.code == 0
    assert "45 episodes, 36 movies, 82 files" in finished.out
    finished = on("servers", "remove", "home", stdin="n\n", terminal=True)
    assert finished.code == 1
    assert "nothing was changed" in finished.out
    finished = on("servers", "remove", "home")
    assert finished.code == 2
    assert "--yes" in finished.err
    assert rows("SELECT count(*) FROM episodes") == [(45,)]


def test_ctrl_c_at_a_question_is_no_answer(database, rows) -> None:
    """The code is that of an interruption, and nothing is changed."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "retrovue_daemon", "servers", "remove", "home", "--database", str(database)]
    try:
        process = subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            assert process.stdout is not None
            told = b""
            while b"[y/N]" not in told and (more := os.read(process.stdout.fileno(), 65_536)):
                told += more
            _until_it_reads(process)
            process.send_signal(signal.SIGINT)
            try:
                _, err = process.communicate(timeout=20)
            finally:
                process.kill()
    finally:
        os.close(leader)
        os.close(follower)
    assert (process.returncode, b"Traceback" in err) == (130, False)
    assert rows("SELECT count(*) FROM plex_servers") == [(1,)]


def _until_it_reads(process: subprocess.Popen[bytes]) -> None:
    """Return once the process waits for its standard input: a signal that comes before would be seen after it.

    proc_pid_syscall(5) begins with the number of the system call and its first argument, here the file descriptor.
    """
    call = Path(f"/proc/{process.pid}/syscall")
    while process.poll() is None and call.read_text().split()[1:2] != ["0x0"]:
        os.sched_yield()


@pytest.mark.parametrize("answer", [("--yes",), ()])
def test_removal_leaves_nothing_of_the_server(on, rows, answer) -> None:
    """All tables that name it are empty then, and those of other servers are as they were."""
    rows("INSERT INTO plex_servers (name, server_url) VALUES ('attic', 'http://127.0.0.1:1')")
    rows("INSERT INTO libraries (server_id, library_key, library_name, library_type) VALUES (2, '1', 'M', 'movie')")
    finished = on("servers", "remove", "home", *answer, stdin="y\n", terminal=True)
    assert finished.code == 0
    tables = (
        "movies",
        "shows",
        "seasons",
        "episodes",
        "media_files",
        "movie_guids",
        "library_locations",
        "sync_runs",
    )
    assert [rows(f"SELECT count(*) FROM {table}") for table in tables] == [[(0,)]] * len(tables)
    assert rows("SELECT name, (SELECT count(*) FROM libraries) FROM plex_servers") == [("attic", 1)]
    assert rows("PRAGMA foreign_key_check") == []


def test_what_the_configuration_defines_is_changed_there(on, rows, config_file) -> None:
    """Every change is refused with the name of the file, or of the option that names it."""
    commands = (("disable",), ("enable",), ("set-token", "--token-file", "-"), ("remove", "--yes"))
    config = config_file('[[servers]]\nname = "home"\nurl = "http://127.0.0.1:2"\ntoken = "t"\n')
    for name, *options in commands:
        finished = on("servers", name, "home", *options, "--config", config)
        _assert_refused(finished, "'home' is defined in", str(config), "[[servers]]")
    rows("UPDATE plex_servers SET source = 'config', token = NULL")
    for name, *options in commands:
        _assert_refused(on("servers", name, "home", *options), "'home' is defined in", "--config")
    _assert_refused(on("servers", "test", "home"), "in a configuration file that was not found", "--config")
    assert rows("SELECT is_active FROM plex_servers") == [(1,)]


def test_a_row_that_the_configuration_no_longer_names_can_be_removed(run, rows, config_file) -> None:
    """Also before a daemon has noticed that it left."""
    rows("UPDATE plex_servers SET source = 'config', token = NULL")
    assert run("servers", "remove", "home", "--yes", "--config", config_file()).code == 0
    assert rows("SELECT count(*) FROM plex_servers") == [(0,)]


@pytest.mark.parametrize(
    "command", [("remove", "--yes"), ("enable",), ("disable",), ("set-token",), ("test",), ("export",)]
)
def test_unknown_servers_are_reported_with_near_names(on, command) -> None:
    """In every command."""
    name, *options = command
    _assert_refused(on("servers", name, "hone", *options), "no server is named 'hone'", "did you mean 'home'?")


def test_letter_case_does_not_count_in_the_name_of_a_server(on, rows) -> None:
    """Neither in commands nor in options; a row of the same spelling comes first."""
    assert on("servers", "disable", "HOME").code == 0
    assert rows("SELECT is_active FROM plex_servers") == [(0,)]
    assert on("libraries", "list", "--server", "Home").code == on("mappings", "list", "--server", "HOME").code == 0
    rows("INSERT INTO plex_servers (name, server_url, is_active) VALUES ('HOME', 'http://127.0.0.1:1', 0)")
    assert on("servers", "enable", "HOME").code == 0
    assert rows("SELECT name FROM plex_servers WHERE is_active = 1") == [("HOME",)]


# -- test and export ------------------------------------------------------------------------------------------------


def test_test_shows_whose_token_it_is(on, plex, rows) -> None:
    """A shared one, which may not see who is watching, counts as connected nevertheless."""
    for token, is_owner in ((plex.token, True), (plex.shared_token, False)):
        rows("UPDATE plex_servers SET server_url = ?, token = ?", plex.url, token)
        finished = on("servers", "test", "--json")
        assert finished.code == 0
        (server,) = json.loads(finished.out)["servers"]
        assert (server["connected"], server["is_owner"]) == (True, is_owner)
        assert server["machine_identifier"] == plex.world.machine_identifier
        assert {library["title"]: library["selected"] for library in server["libraries"]}["Music"] is False
        assert token not in finished.out + finished.err
    assert plex.requests_for("/status/sessions")
    assert "shared" in on("servers", "test").out


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_server_that_does_not_say_whose_token_it_is_is_connected(on, plex, rows, status) -> None:
    """Neither adding nor testing a server needs that."""
    plex.faults.fail("/status/sessions", status=status, times=None)
    rows("DELETE FROM plex_servers")
    added = on("servers", "add", "loft", plex.url, "--token-file", "-", stdin=plex.token)
    assert (added.code, added.err) == (0, "")
    (server,) = json.loads(on("servers", "test", "loft", "--json").out)["servers"]
    assert (server["connected"], server["is_owner"]) == (True, None)


@pytest.mark.parametrize("hides", ["folders", "paths"])
def test_test_shows_whether_the_token_sees_file_paths(on, plex, rows, hides) -> None:
    """With what to do; such a server is connected nevertheless."""
    rows("UPDATE plex_servers SET server_url = ?, token = ?", plex.url, plex.token)
    assert json.loads(on("servers", "test", "--json").out)["servers"][0]["sees_paths"] is True
    plex.quirks.hides = hides
    finished = on("servers", "test")
    assert finished.code == 0
    for words in ("connected", "the token cannot see file paths", "use the token of the server's owner"):
        assert words in finished.out
    assert json.loads(on("servers", "test", "--json").out)["servers"][0]["sees_paths"] is False


def test_a_token_that_does_not_see_paths_is_taken_with_a_warning(on, plex, rows) -> None:
    """By `servers add` and `servers set-token`."""
    rows("UPDATE plex_servers SET server_url = ?", plex.url)
    plex.quirks.hides = "folders"
    finished = on("servers", "set-token", "home", "--token-file", "-", stdin=plex.token)
    assert finished.code == 0
    assert finished.err.startswith("warning: the token cannot see file paths, only file names; use the token")


def test_test_knows_a_renamed_library(on, plex, rows, config_file) -> None:
    """Both titles are named, and nothing is said to select nothing."""
    plex.changes.rename_library("1", "Films")
    config = config_file(
        f'[[servers]]\nname = "home"\nurl = "{plex.url}"\ntoken = "{plex.token}"\nlibraries = ["Movies"]\n'
    )
    finished = on("servers", "test", "--config", config)
    assert "in libraries matches no library" not in finished.out
    assert "'Movies' is the former title of library 'Films'" in finished.out


def test_test_includes_the_servers_of_the_configuration(on, plex, second_plex, rows, config_file) -> None:
    """Exit code 1 if some fail, 3 if all do; a disabled server is tested only if named."""
    rows("UPDATE plex_servers SET server_url = ?", plex.url)
    config = config_file(f'[[servers]]\nname = "cellar"\nurl = "{second_plex.url}"\ntoken = "wrong"\n')
    finished = on("servers", "test", "--json", "--config", config)
    assert finished.code == 1
    cellar, home = json.loads(finished.out)["servers"]
    assert (cellar["name"], cellar["error"]["type"], home["connected"]) == ("cellar", "Unauthorized", True)
    rows("UPDATE plex_servers SET is_active = 0")
    assert on("servers", "test", "--config", config).code == 3
    assert on("servers", "test", "home", "--config", config).code == 0
    assert on("servers", "test").code == 3  # no server to test


def test_export_gives_a_configuration(on, rows, plex) -> None:
    """With mappings and libraries that are off; tokens only when requested."""
    rows("UPDATE plex_servers SET server_url = ?", plex.url)
    assert on("libraries", "disable", "Movies 4K").code == 0
    assert on("mappings", "add", "/srv/media", r"\\nas\media", "--server", "home").code == 0
    finished = on("servers", "export")
    assert finished.code == 0
    assert plex.token not in finished.out
    assert "token_file" in finished.out
    assert "token" not in tomllib.loads(finished.out)["servers"][0]

    finished = on("servers", "export", "--with-tokens")
    (section,) = parse_config(tomllib.loads(finished.out), environ={}).servers
    assert (section.name, section.url, section.token.reveal()) == ("home", plex.url, plex.token)
    assert not section.selects("Movies 4K", "2")
    assert section.path_mappings[0].local_path == r"\\nas\media"
    assert "contains tokens; keep it private" in finished.err


def test_export_of_several_servers_is_one_file(on, rows) -> None:
    """Each has a table of its own, also to be appended to what is there; what is off comes only by name."""
    rows("INSERT INTO plex_servers (name, server_url, token) VALUES ('attic', 'http://127.0.0.1:1', 'x')")
    rows("INSERT INTO plex_servers (name, server_url, is_active) VALUES ('off', 'http://127.0.0.1:2', 0)")
    exported = on("servers", "export").out
    assert [server["name"] for server in tomllib.loads(exported)["servers"]] == ["attic", "home"]
    assert len(tomllib.loads(exported + on("servers", "export", "off").out)["servers"]) == 3


def test_the_list_says_where_each_server_is_defined(on, rows) -> None:
    """For people and for programs, without tokens."""
    rows("UPDATE plex_servers SET token = 's3cret-token'")
    rows("INSERT INTO plex_servers (name, server_url, source, is_active) VALUES ('gone', 'http://x:1', 'config', 0)")
    table = on("servers", "list").out
    assert "configuration" in table
    assert "7 of 7 on" in table
    listed = on("servers", "list", "--json").out
    assert [(server["name"], server["source"]) for server in json.loads(listed)["servers"]] == [
        ("gone", "config"),
        ("home", "database"),
    ]
    assert "s3cret" not in table + listed
