"""The commands as a user meets them: their output and exit codes; a real process for each where that may matter."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import stat
import tomllib
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from retrovue_daemon import __version__
from tests.support.patience import PATIENCE_S
from tests.support.processes import Finished

pytestmark = pytest.mark.commands("here")
AS_PROCESSES = pytest.mark.commands("process")
AS_PROGRAM = pytest.mark.commands("program")


def _json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def _assert_one_clear_error(finished, *words: str) -> None:
    """No traceback, and the words that say what is wrong."""
    assert "Traceback" not in finished.err + finished.out
    for word in words:
        assert word in finished.err + finished.out


@AS_PROGRAM
async def test_the_version_is_reported(commands) -> None:
    """Also by `python -m`."""
    finished = await commands.run("--version")
    assert (finished.code, finished.out) == (0, f"retrovue-daemon {__version__}\n")


@pytest.mark.parametrize("command", ["run", "sync", "check", "discover", "init", "demo"])
async def test_every_command_explains_itself(commands, command) -> None:
    """With an example."""
    finished = await commands.run(command, "--help")
    assert finished.code == 0
    assert f"retrovue-daemon {command}" in finished.out


# -- init and check -------------------------------------------------------------------------------------------------


async def test_init_writes_a_private_example_that_loads(commands, tmp_path) -> None:
    """And refuses to write over it."""
    target = tmp_path / "config.toml"
    assert (await commands.run("init", target)).code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert tomllib.loads(target.read_text())["servers"]

    target.write_text("mine")
    finished = await commands.run("init", target)
    assert finished.code == 2
    _assert_one_clear_error(finished, "exists")
    assert target.read_text() == "mine"


async def test_init_can_print_the_example(commands) -> None:
    """To look at it, or to pipe it."""
    finished = await commands.run("init", "-")
    assert tomllib.loads(finished.out)["servers"]


async def test_init_writes_where_the_configuration_is_found(commands, tmp_path) -> None:
    """Without an argument."""
    assert (await commands.run("init")).code == 0
    assert (tmp_path / ".config" / "retrovue-daemon" / "config.toml").exists()


async def test_check_shows_what_each_server_answers(commands, plex, config_file) -> None:
    """Version and libraries, chosen and omitted."""
    finished = await commands.run("check", "--config", config_file(plex))
    assert finished.code == 0
    for word in ("home", plex.url, "Movies 4K", "Music", "ok"):
        assert word in finished.out
    finished = await commands.run("check", "--json", "--config", config_file(plex))
    (server,) = json.loads(finished.out)["servers"]
    assert server["machine_identifier"] == plex.world.machine_identifier
    assert {library["title"]: library["selected"] for library in server["libraries"]}["Music"] is False
    assert server["error"] is None


async def test_check_offline_contacts_no_server(commands, plex, config_file) -> None:
    """The file alone is looked at."""
    finished = await commands.run("check", "--offline", "--config", config_file(plex))
    assert finished.code == 0
    assert not plex.requests


async def test_check_offline_trusts_that_systemd_has_the_credentials(commands, tmp_path) -> None:
    """Before a reload, systemd runs this check without access to the service's credentials."""
    file = tmp_path / "config.toml"
    file.touch(mode=0o600)
    file.write_text('[[servers]]\nname = "home"\nurl = "http://127.0.0.1:1"\ntoken_credential = "home"\n')
    finished = await commands.run("check", "--offline", "--config", file)
    assert finished.code == 0
    assert finished.err.startswith("warning: servers[0].token_credential: was not checked")
    assert (await commands.run("check", "--config", file)).code == 78


async def test_check_finds_a_database_that_a_sync_could_not_use(commands, plex, config_file, tmp_path) -> None:
    """With the sync's exit code; a missing directory is a warning offline, as systemd creates it at the start."""
    file, place = config_file(plex), tmp_path / "unmounted" / "mirror.db"
    for foreign in (False, True):
        code = 78 if foreign else 75
        if foreign:
            place.parent.mkdir()
            place.write_text("not a database, but it is long enough to be taken for one" * 20)
        finished = await commands.run("check", "--config", file, "--database", place)
        assert finished.code == code
        assert f"error: database {place}: " in finished.err
        assert "hint: " in finished.err
        finished = await commands.run("check", "--config", file, "--database", place, "--json")
        answer = json.loads(finished.out)["database"]
        assert answer["path"] == str(place)
        assert answer["error"]["type"] == ("DatabaseUnusable" if foreign else "DatabasePlaceMissing")
        finished = await commands.run("check", "--offline", "--config", file, "--database", place)
        assert (finished.code, finished.err.partition(":")[0]) == ((78, "error") if foreign else (0, "warning"))
        assert list(tmp_path.glob("unmounted/*")) == [place] * foreign
        assert (await commands.run("sync", "--config", file, "--database", place)).code == code
    assert json.loads((await commands.run("check", "--config", file, "--json")).out)["database"]["error"] is None


async def test_check_finds_a_library_that_cannot_be_listed(commands, plex, config_file) -> None:
    """As a sync would, with its exit code."""
    plex.faults.fail("/library/sections/1/all", status=404, times=None)
    for command in ("check", "sync"):
        finished = await commands.run(command, "--config", config_file(plex))
        assert (finished.code, "Movies" in finished.out) == (1, True)
    (server,) = json.loads((await commands.run("check", "--json", "--config", config_file(plex))).out)["servers"]
    (text,) = server["unlisted_libraries"]
    assert text.startswith("library 'Movies': server 'home' rejected a request: HTTP 404")


async def test_check_contacts_servers_that_the_database_defines(commands, plex, tmp_path, path) -> None:
    """A sync does, too; without any server, both have exit code 3."""
    file, token = tmp_path / "config.toml", tmp_path / "token"
    file.write_text(f'[database]\npath = "{path}"\n')
    for command in ("check", "sync"):
        finished = await commands.run(command, "--config", file)
        assert (finished.code, "there is no active server\nhint: " in finished.err) == (3, True)
    assert (await commands.run("check", "--offline", "--config", file)).code == 0
    token.write_text("a-wrong-token")
    await commands.run("servers", "add", "attic", plex.url, "--token-file", token, "--no-test", "--config", file)
    finished = await commands.run("check", "--config", file)
    assert (finished.code, "'attic' rejected the token" in finished.out) == (3, True)


async def test_check_distinguishes_good_servers_from_bad_ones(commands, plex, config_file) -> None:
    """Exit code 1 where some answer, 3 where none does."""
    file = config_file(plex)
    file.write_text(file.read_text() + '[[servers]]\nname = "dead"\nurl = "http://127.0.0.1:1"\ntoken = "x-token"\n')
    finished = await commands.run("check", "--config", file)
    assert finished.code == 1
    assert "cannot be reached" in finished.out
    plex.token = "another"
    assert (await commands.run("check", "--config", file)).code == 3


async def test_check_finds_one_server_under_two_names(commands, plex, config_file) -> None:
    """A sync would refuse the second; so exit code 1, and both ways of output say which is the first."""
    file = config_file(plex)
    again = plex.url.replace("127.0.0.1", "localhost")
    file.write_text(f'{file.read_text()}[[servers]]\nname = "again"\nurl = "{again}"\ntoken = "{plex.token}"\n')
    finished = await commands.run("check", "--config", file)
    assert finished.code == 1
    assert "'home' is the same server" in finished.out
    finished = await commands.run("check", "--json", "--config", file)
    assert [server["same_as"] for server in json.loads(finished.out)["servers"]] == [None, "home"]


async def test_a_config_full_of_nonsense_is_reported_in_full(commands, tmp_path) -> None:
    """Every problem at once, each with its key, and exit code 78."""
    file = tmp_path / "config.toml"
    file.write_text(
        '[sync]\nintervall = "5m"\nconcurrency = "many"\npage_size = 5000\n'
        '[[servers]]\nname = "home"\nurl = "ftp://nowhere"\ntoken = 12345678\n[nonsense]\n'
    )
    for command in (["check", "--offline"], ["sync"], ["run"]):
        finished = await commands.run(*command, "--config", file)
        assert finished.code == 78
        _assert_one_clear_error(
            finished,
            *("sync.intervall", "did you mean", "interval", "sync.concurrency", "sync.page_size"),
            *("servers[0].url", "servers[0].token", "nonsense"),
        )
        assert "12345678" not in finished.err


async def test_check_json_reports_bad_configurations(commands, tmp_path) -> None:
    """One object on standard output, also then."""
    file = tmp_path / "config.toml"
    file.write_text("[sync]\npage_size = 5000\n")
    finished = await commands.run("check", "--json", "--config", file)
    assert finished.code == 78
    result = json.loads(finished.out)
    assert result["valid"] is False
    assert [problem["path"] for problem in result["problems"]] == ["sync.page_size"]


async def test_warnings_of_the_configuration_are_log_lines(commands, plex, config_file) -> None:
    """Where a program reads them, every line is JSON."""
    file = config_file(plex)
    file.chmod(0o644)
    finished = await commands.run("sync", "--config", file)
    assert finished.code == 0
    first, *_ = _json_lines(finished.err)
    assert (first["event"], first["key"]) == ("config.warning", "servers[0].token")


async def test_a_reader_that_goes_away_does_not_end_the_work(commands, plex, config_file, rows) -> None:
    """Lines are lost then, nothing else."""
    process = await commands.start("sync", "--config", config_file(plex))
    assert process.stderr is not None
    process.stderr._transport.close()
    assert await process.wait() == 0
    assert rows("SELECT count(*) FROM sync_runs WHERE status = 'ok'") == [(7,)]


async def test_no_configuration_is_reported_with_the_places_looked_at(commands) -> None:
    """And with what to do."""
    finished = await commands.run("sync")
    assert finished.code == 78
    _assert_one_clear_error(finished, "retrovue-daemon init", ".config/retrovue-daemon/config.toml")


# -- sync -----------------------------------------------------------------------------------------------------------


@AS_PROGRAM
async def test_sync_prints_one_object_of_counts(commands, plex, config_file, rows) -> None:
    """On standard output; log lines in JSON on standard error; no token in either."""
    finished = await commands.run("sync", "--json", "--config", config_file(plex))
    assert finished.code == 0
    result = json.loads(finished.out)
    (server,) = result["servers"]
    counts = {library["library"]: library["added"] for library in server["libraries"]}
    assert counts["Movies"] == rows("SELECT count(*) FROM movies WHERE library_id = 1")[0][0] == 27
    events = [line for line in _json_lines(finished.err) if line["event"] == "sync.finished"]
    assert {line["library"] for line in events} == set(counts)
    assert plex.token not in finished.out + finished.err


@AS_PROCESSES
async def test_sync_prints_a_table_for_people(commands, plex, config_file) -> None:
    """A row for each library."""
    finished = await commands.run("sync", "--config", config_file(plex))
    assert finished.code == 0
    assert "Silent Archive" in finished.out


async def test_sync_takes_one_server_or_one_library(commands, plex, config_file) -> None:
    """Names that do not exist are usage errors that say which do."""
    file = config_file(plex)
    finished = await commands.run("sync", "--json", "--library", "Movies 4K", "--config", file)
    (server,) = json.loads(finished.out)["servers"]
    assert [library["library"] for library in server["libraries"]] == ["Movies 4K"]

    finished = await commands.run("sync", "--server", "hone", "--config", file)
    assert finished.code == 2
    _assert_one_clear_error(finished, "'hone'", "did you mean 'home'?")
    finished = await commands.run("sync", "--library", "Movie", "--config", file)
    assert finished.code == 2
    _assert_one_clear_error(finished, "'Movie'", "did you mean 'Movies'?")


async def test_servers_of_the_database_are_synced_too(commands, plex, config_file, tmp_path, path) -> None:
    """Another program may add them; then a configuration is not even needed."""
    assert (await commands.run("sync", "--config", config_file())).code == 3
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO plex_servers (name, server_url, token) VALUES ('attic', ?, ?)", (plex.url, plex.token)
        )
        connection.commit()
    finished = await commands.run("sync", "--json", "--database", path)
    assert finished.code == 0
    assert [server["server"] for server in json.loads(finished.out)["servers"]] == ["attic"]
    assert plex.token not in finished.out + finished.err


async def test_a_servers_row_that_cannot_be_used_is_reported(commands, plex, config_file, path) -> None:
    """It costs the others nothing, but not all went well."""
    file = config_file(plex)
    assert (await commands.run("sync", "--config", file)).code == 0
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO plex_servers (name, server_url, token) VALUES ('bad', 'ftp://x', 't-o-k-e-n')"
        )
        connection.commit()
    finished = await commands.run("sync", "--json", "--config", file)
    assert finished.code == 1
    home, bad = json.loads(finished.out)["servers"]
    assert (home["error"], bad["server"], bad["error"]["type"]) == (None, "bad", "ConfigError")
    assert (await commands.run("sync", "--server", "bad", "--config", file)).code == 1


async def test_titles_are_printed_as_they_are(commands, plex, config_file) -> None:
    """Brackets are no markup, and letters that the terminal lacks are no reason to fail."""
    plex.world.libraries["1"].title = "Odd [/x] [b]title[/b] :smile: 映画"
    file = config_file(plex)
    for command in ("check", "sync"):
        assert "Odd [/x] [b]title[/b] :smile: 映画" in (await commands.run(command, "--config", file)).out
        finished = await commands.run(command, "--config", file, PYTHONIOENCODING="ascii")
        assert finished.code == 0
        assert "[b]title[/b]" in finished.out
        finished = await commands.run(command, "--json", "--config", file, PYTHONIOENCODING="latin-1")
        # JSON is UTF-8 whatever the encoding.
        assert "映画" in json.dumps(json.loads(finished.out.encode("latin-1")), ensure_ascii=False)


async def test_a_library_that_is_not_synced_is_distinguished_from_none(commands, plex, config_file) -> None:
    """Music is there, but not mirrored."""
    finished = await commands.run("sync", "--library", "Music", "--config", config_file(plex))
    assert finished.code == 2
    _assert_one_clear_error(finished, "holds neither films nor shows")


async def test_progress_is_plain_lines_where_there_are_no_bars(commands, plex, config_file) -> None:
    """Before the result, each library's beginning and end; log lines stay JSON, as does a result that is to be."""
    file = config_file(plex)
    finished = await commands.run("sync", "--full", "--config", file)
    lines = [line for line in finished.out.splitlines() if line.startswith("home / ")]
    assert finished.out.splitlines()[: len(lines)] == lines
    assert next(line for line in lines if "Movies:" in line) == "home / Movies: reading"
    assert sum(line.endswith(": reading") for line in lines) == 7
    assert sum(line.endswith(" of 7 libraries)") for line in lines) == 7
    assert [line["event"] for line in _json_lines(finished.err)].count("sync.finished") == 7

    for option in ("--json", "--quiet"):
        finished = await commands.run("sync", "--full", option, "--config", file)
        assert finished.code == 0
        assert "reading" not in finished.out
        assert ("sync.finished" in finished.err) is (option == "--json")
    assert "TV Shows" in finished.out
    assert finished.err == ""


async def test_an_impossible_name_is_refused_before_any_request(commands, plex, config_file) -> None:
    """In the words of who typed it."""
    file = config_file(plex)
    for arguments, words in {
        ("--library", ""): "invalid library name ''",
        ("--show", " "): "invalid show title ' '",
        ("--library", "\udcff"): r"invalid library name '\udcff'",
        ("--show", "a\udcff"): r"invalid show title 'a\udcff'",
        ("--show", "a", "--year", "10000"): 'must be a year from 1 to 9999, or "none"',
        ("--show", "a", "--year", "0"): 'must be a year from 1 to 9999, or "none"',
    }.items():
        finished = await commands.run("sync", *arguments, "--config", file)
        assert finished.code == 2
        assert words in " ".join(finished.err.replace("│", "").split())
    assert plex.requests_for("/identity") == []


async def test_why_a_library_is_not_synced_is_reported(commands, plex, config_file) -> None:
    """By its key or its title; what cannot be synced is not offered."""
    file = config_file(plex)
    assert (await commands.run("sync", "--config", file)).code == 0
    assert (await commands.run("libraries", "disable", "Anime", "--config", file)).code == 0
    for name in ("4", "Anime"):
        finished = await commands.run("sync", "--library", name, "--config", file)
        assert (finished.code, "the library exists, but is switched off" in finished.err) == (2, True)
    music = next(library for library in plex.world.libraries.values() if library.type == "artist")
    finished = await commands.run("sync", "--library", music.key, "--config", file)
    assert "the library exists, but holds neither films nor shows" in finished.err
    finished = await commands.run("sync", "--library", "nothing like it", "--config", file)
    assert "'Movies'" in finished.err
    assert "'Anime'" not in finished.err
    assert repr(music.title) not in finished.err
    finished = await commands.run("sync", "--library", "3", "--show", "nothing like it", "--config", file)
    assert "no show is named 'nothing like it'" in finished.err
    assert "`retrovue-daemon discover`" in finished.err


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
async def test_programs_read_why_nothing_was_synced(commands, plex, config_file, options) -> None:
    """The error is in the object, as the exit code alone says little, and on standard error."""
    for wanted, kind in (("--library", "UnknownLibrary"), ("--show", "UnknownShow")):
        finished = await commands.run("sync", wanted, "Nothing", "--json", *options, "--config", config_file(plex))
        printed = json.loads(finished.out)
        assert (finished.code, printed["exit_code"], printed["error"]["type"]) == (2, 2, kind)
        assert f"error: {printed['error']['message']}\nhint: {printed['error']['hint']}\n" in finished.err


async def test_a_title_of_several_shows_lists_them(commands, plex, config_file) -> None:
    """In one line, with what to do; a program gets the years."""
    plex.changes.add_show("4", "The Lighthouse Keepers", 1961)
    file = config_file(plex)
    finished = await commands.run("sync", "--show", "the lighthouse keepers", "--config", file)
    assert (finished.code, finished.out) == (2, "")
    assert "'The Lighthouse Keepers' (1961) in library 'Anime', 'The Lighthouse Keepers' (2019)" in finished.err
    assert "--year" in finished.err
    finished = await commands.run("sync", "--show", "the lighthouse keepers", "--json", "--config", file)
    assert finished.code == 2
    assert json.loads(finished.out)["servers"][0]["error"]["years"] == [1961, 2019]


async def test_a_full_output_is_a_clear_failure(commands, plex, config_file) -> None:
    """No traceback; the work is done all the same."""
    with Path("/dev/full").open("wb") as full:
        process = await commands.start("sync", "--config", config_file(plex), stdout=full)
        _, err = await process.communicate()
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert b"No space left" in err


async def test_a_full_output_hides_no_other_failure(commands, plex, config_file) -> None:
    """The exit code still says that no server could be used."""
    file = config_file(plex)
    plex.token = "another-token"
    with Path("/dev/full").open("wb") as full:
        process = await commands.start("sync", "--config", file, stdout=full)
        await process.communicate()
    assert process.returncode == 3


async def test_a_wrong_token_is_a_clear_failure(commands, plex, config_file) -> None:
    """Exit code 3, one line that says what and what to do, and the token in no output."""
    file = config_file(plex)
    old, plex.token = plex.token, "another-token"
    finished = await commands.run("sync", "--config", file)
    assert finished.code == 3
    (line,) = _json_lines(finished.err)
    assert line["event"] == "server.unauthorized"
    assert "rejected the token" in str(line["error"])
    assert "check the token" in str(line["hint"])
    assert old not in finished.out + finished.err


async def test_nothing_listening_is_a_clear_failure(commands, config_file, plex) -> None:
    """Exit code 3 and the name of the server."""
    file = config_file(plex)
    await plex.stop()
    finished = await commands.run("sync", "--config", file)
    assert finished.code == 3
    _assert_one_clear_error(finished, "server.unreachable", "cannot be reached")


@pytest.mark.parametrize("answer", ["html", "json"])
async def test_a_server_that_is_not_plex_is_a_clear_failure(commands, plex, config_file, answer) -> None:
    """Another program at that address answers with a page, or with JSON of its own."""
    plex.quirks.not_plex = answer
    finished = await commands.run("sync", "--config", config_file(plex))
    assert finished.code == 3
    _assert_one_clear_error(finished, "does not respond like a Plex Media Server")


async def test_a_dead_server_costs_the_others_nothing(commands, plex, config_file) -> None:
    """The healthy one is synced; exit code 1 says that not all went well."""
    file = config_file(plex)
    file.write_text(file.read_text() + '[[servers]]\nname = "dead"\nurl = "http://127.0.0.1:1"\ntoken = "x-token"\n')
    finished = await commands.run("sync", "--json", "--config", file)
    assert finished.code == 1
    home, dead = json.loads(finished.out)["servers"]
    assert len(home["libraries"]) == 7
    assert dead["error"]["type"] == "ServerUnreachable"


async def test_another_programs_database_is_refused(commands, plex, config_file, path) -> None:
    """Exit code 78, and the file is not touched."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
    before = path.read_bytes()
    finished = await commands.run("sync", "--config", config_file(plex))
    assert finished.code == 78
    _assert_one_clear_error(finished, "another program", "left unchanged")
    assert path.read_bytes() == before


async def test_a_place_that_cannot_be_written_is_refused(commands, plex, config_file) -> None:
    """Exit code 78 where it cannot be written, 75 where it may come with a mount."""
    file = config_file(plex)
    finished = await commands.run("sync", "--config", file, "--database", "/proc/mirror.db")
    assert finished.code == 78
    _assert_one_clear_error(finished, "/proc/mirror.db", "hint:")
    finished = await commands.run("sync", "--config", file, "--database", "/nowhere/mirror.db")
    assert finished.code == 75
    _assert_one_clear_error(finished, "the directory /nowhere does not exist")


# -- demo -----------------------------------------------------------------------------------------------------------


@AS_PROCESSES
async def test_the_demo_shows_its_story(commands, path, rows) -> None:
    """Each act as it should be: what changed by name, what was held back, and questions that are answered.

    Then the daemon goes on with its page, until Ctrl-C.
    """
    process = await commands.start("demo", "--fast", "--page", "--database", path)
    lines: list[str] = []
    while not (lines and lines[-1].startswith("Ctrl-C ends")):
        lines.append((await process.stdout.readline()).decode())
        assert lines[-1]
    (address,) = re.findall(r"its page is at (http://127\.0\.0\.1:\d+/)", "".join(lines))
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        page = await response.text()
    assert "<bdi>attic</bdi>" in page
    assert '<span class="state warn">held back</span>' in page
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    finished = Finished(process.returncode, "".join(lines) + out.decode(), err.decode())
    assert finished.code == 0
    assert finished.err == ""
    for act in ("== 1.", "== 2.", "== 3.", "== 4.", "== 5."):
        assert act in finished.out
    changed = [line for line in finished.out.splitlines() if line.rstrip().endswith(("(movie)", "(episode)"))]
    assert [line.split()[0] for line in changed[:5]] == ["updated", "updated", "removed", "moved", "added"]
    arrived = [re.sub(r"after \d+\.\d s +", "", line).split()[0] for line in changed[5:]]
    assert arrived == ["updated", "added", "removed"]
    assert "the server lists none of the 400 known items" in finished.out
    assert finished.out.count("SELECT") == 3
    assert "Man with a Movie Camera" in finished.out
    assert rows("SELECT count(*) FROM movies WHERE state = 'missing'") == [(2,)]
    assert rows("SELECT count(*) > 0 FROM sync_runs WHERE kind = 'events'") == [(1,)]
    assert rows("SELECT count(*) FROM active_movies WHERE server_name = 'attic'") == [(400,)]
    assert str(path) in finished.out


@AS_PROCESSES
async def test_the_demo_is_one_object_for_programs(commands, tmp_path) -> None:
    """With the summary of each sync, and each change."""
    finished = await commands.run("demo", "--fast", "--json", TMPDIR=str(tmp_path))
    told = json.loads(finished.out)
    assert (finished.code, told["exit_code"], told["guarded"]["exit_code"]) == (0, 0, 1)
    assert {change["change"] for change in told["changes"]} == {"updated", "removed", "moved", "added"}
    assert [(each["change"], each["kind"]) for each in told["live"]] == [
        ("updated", "movie"), ("added", "episode"), ("removed", "movie")
    ]  # fmt: skip
    assert all(0 < each["delay_s"] < PATIENCE_S for each in told["live"])
    assert told["database"].startswith(str(tmp_path))


async def test_the_demo_touches_nothing_that_was_there(commands, path) -> None:
    """A file that is named must not exist yet."""
    path.write_text("mine")
    finished = await commands.run("demo", "--fast", "--database", path)
    assert finished.code == 2
    _assert_one_clear_error(finished, "exists", "another file")
    assert path.read_text() == "mine"


@AS_PROCESSES
@pytest.mark.time_limit(300)  # it runs three demos, one after the other
async def test_a_kept_demo_is_not_replaced_by_the_next(commands, tmp_path) -> None:
    """Without --keep the next demo takes the place of the last one."""
    places = []
    for options in (["--keep"], [], []):
        finished = await commands.run("demo", "--json", "--movies", "1", *options, TMPDIR=str(tmp_path))
        places.append(json.loads(finished.out)["database"])
    assert places[0] != places[1] == places[2]
    assert sorted(file.parent.name for file in tmp_path.glob("*/retrovue.db")) == sorted(
        place.split("/")[-2] for place in set(places)
    )


async def test_the_demo_can_be_of_any_size(commands, path, rows) -> None:
    """Generated, and the same for the same numbers."""
    finished = await commands.run(
        *("demo", "--json", "--movies", "30", "--shows", "2", "--episodes", "7", "--database", path)
    )
    assert finished.code == 0
    assert json.loads(finished.out)["exit_code"] == 0
    assert rows("SELECT (SELECT count(*) FROM movies), (SELECT count(*) FROM episodes)") == [(30, 14)]


@AS_PROCESSES
async def test_a_port_in_use_is_a_clear_failure(commands, plex) -> None:
    """With what to do."""
    finished = await commands.run("demo", "--serve", "--port", plex.url.rsplit(":", 1)[1])
    assert finished.code == 1
    _assert_one_clear_error(finished, "cannot serve on port", "--port 0")


async def test_the_demo_can_only_serve(commands) -> None:
    """One line of JSON once it answers, then it serves until a signal."""
    process = await commands.start("demo", "--serve", "--json")
    assert process.stdout is not None
    address = json.loads(await process.stdout.readline())
    port = int(address["url"].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    process.terminate()
    assert await process.wait() == 0
