"""The shipped unit and drop-ins: systemd accepts them, they are closed enough, and what they run is there."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon import errors
from retrovue_daemon.config import SYSTEM_CONFIG, default_database, files
from tests.support.programs import required_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIRECTORY = Path(__file__).parents[2] / "systemd"
UNIT = DIRECTORY / "retrovue-daemon.service"
FROM_USR = DIRECTORY / "from-usr.conf"
NOTIFY_RELOAD = DIRECTORY / "notify-reload.conf"
COMMANDS = Path(sys.executable).parent
"""Where the command of the environment under test is, instead of where it gets installed."""

EXAMPLES = re.findall(r"```ini\n(.*?)```", (DIRECTORY / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="session")
def analyze() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run systemd-analyze, which needs no running systemd for these checks."""
    program = required_program("systemd-analyze")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., Path]:
    """Put the unit and drop-ins where systemd finds them, with the commands of this environment."""

    def install(*dropins: str) -> Path:
        unit = tmp_path / UNIT.name
        unit.write_text(here(UNIT.read_text()))
        directory = tmp_path / f"{UNIT.name}.d"
        directory.mkdir()
        for number, text in enumerate(dropins):
            (directory / f"{number}.conf").write_text(here(text))
        return unit

    return install


def here(text: str) -> str:
    return re.sub(r"/(opt/retrovue-daemon|usr)/bin(?=/retrovue-daemon )", str(COMMANDS), text)


def settings(file: Path) -> Iterator[tuple[str, str]]:
    """Give each key and value in order; a key may come several times."""
    for line in file.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield key, value


def values(file: Path, key: str) -> list[str]:
    return [value for name, value in settings(file) if name == key]


def version(analyze: Callable[..., subprocess.CompletedProcess[str]]) -> int:
    found = re.match(r"systemd (\d+)", analyze("--version").stdout)
    assert found is not None
    return int(found[1])


# -- what systemd says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dropins", [[], [FROM_USR.read_text()]], ids=["opt", "usr"])
def test_systemd_has_nothing_to_say_about_the_unit(analyze, installed, dropins) -> None:
    """Neither an unknown key, nor a value that it ignores, nor a command that is not there."""
    ended = analyze("verify", installed(*dropins))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_command_that_is_not_there_would_be_noticed(analyze, tmp_path) -> None:
    """So that the silence above means something: here nothing is put in the commands' place."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/", "/nowhere/"))
    assert "is not executable" in analyze("verify", unit).stderr


def test_systemd_takes_the_dropin_for_its_own_kind_of_reload(analyze, installed) -> None:
    """From 253 on; an older one says that it does not know the type, and nothing else."""
    ended = analyze("verify", installed(NOTIFY_RELOAD.read_text()))
    if version(analyze) >= 253:
        assert (ended.returncode, ended.stderr) == (0, "")
    else:
        (line,) = ended.stderr.splitlines()
        assert re.search("service type, ignoring: notify-reload$", line)


@pytest.mark.parametrize("example", EXAMPLES)
def test_systemd_takes_the_examples_of_the_manual(analyze, installed, example) -> None:
    """What an operator pastes into ``systemctl edit``; a mount that it names does not have to be there."""
    ended = analyze("verify", installed(example))
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("dropins", [[], [FROM_USR.read_text()], [NOTIFY_RELOAD.read_text()]], ids=len)
def test_the_unit_is_closed_enough(analyze, installed, dropins) -> None:
    """An exposure of 1.5 at most, of 10; the manual says which."""
    ended = analyze("security", "--offline=true", "--no-pager", "--threshold=15", installed(*dropins))
    found = re.search(r"Overall exposure level for retrovue-daemon\.service: ([\d.]+)", ended.stdout)
    assert found is not None, ended.stderr
    assert ended.returncode == 0
    assert float(found[1]) <= 1.5


# -- what it says of the daemon -------------------------------------------------------------------------------------


def test_only_failures_that_stay_keep_it_off() -> None:
    """The exit codes of the unit are those of the exceptions: invalid usage, bad configuration, bad database."""
    prevented = {int(code) for code in values(UNIT, "RestartPreventExitStatus")[0].split()}
    assert prevented == {
        errors.UnknownServer.exit_code,
        errors.ConfigError.exit_code,
        errors.DatabaseUnusable.exit_code,
    }
    worth_a_restart = (errors.DaemonError, errors.DatabaseHeld, errors.DatabasePlaceMissing)
    assert prevented.isdisjoint(kind.exit_code for kind in worth_a_restart)
    assert values(UNIT, "Restart") == ["always"]


def test_wrong_usage_has_the_code_that_keeps_it_off() -> None:
    """The command line's own mistakes are no exceptions of ours."""
    ended = subprocess.run([COMMANDS / "retrovue-daemon", "run", "--nonsense"], capture_output=True, check=False)
    assert ended.returncode == errors.UnknownServer.exit_code


@pytest.mark.parametrize("file", [UNIT, FROM_USR], ids=lambda file: file.name)
def test_all_commands_read_the_same_configuration(file) -> None:
    """The one that is looked for without a word."""
    commands = values(file, "ExecStart") + values(file, "ExecReload")
    named = [shlex.split(command)[-1] for command in commands if "retrovue-daemon" in command]
    assert named == [str(SYSTEM_CONFIG)] * 2
    state = Path("/var/lib", values(UNIT, "StateDirectory")[0])
    assert state == files.SYSTEM_STATE
    assert default_database({"STATE_DIRECTORY": str(state)}).path == state / "retrovue.db"


def test_the_dropin_for_usr_changes_the_path_only() -> None:
    """What the unit runs, it runs too; it first takes away what the unit runs."""
    for key in ("ExecStart", "ExecReload"):
        first, *others = values(FROM_USR, key)
        assert first == ""
        assert [command.replace("/usr/bin/", "/opt/retrovue-daemon/bin/") for command in others] == values(UNIT, key)


def test_the_start_is_a_command_that_there_is(tmp_path) -> None:
    """Its options are taken: what it does not like is the file."""
    (command,) = values(UNIT, "ExecStart")
    arguments = shlex.split(here(command).replace(str(SYSTEM_CONFIG), str(tmp_path / "gone.toml")))
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (errors.ConfigError.exit_code, "")
    assert ended.stderr == f"error: {tmp_path}/gone.toml: cannot be read: no such file or directory\n"


def test_a_reload_checks_the_file_first(tmp_path) -> None:
    """A valid one is followed by the signal, a bad one ends the reload: systemd stops at the first failing line."""
    check, _ = values(UNIT, "ExecReload")
    file = tmp_path / "config.toml"
    file.touch(mode=0o600)
    arguments = shlex.split(here(check).replace(str(SYSTEM_CONFIG), str(file)))
    file.write_text('[[servers]]\nname = "home"\nurl = "http://127.0.0.1:9"\ntoken_credential = "home"\n')
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == 0
    file.write_text("[sync]\nintervall = 5\n")
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == errors.ConfigError.exit_code


def test_a_reload_then_signals_the_daemon() -> None:
    """SIGHUP to the process that systemd names, by a shell's own means."""
    _, send = values(UNIT, "ExecReload")
    with subprocess.Popen(["sleep", "60"]) as process:
        subprocess.run(shlex.split(send), env={"MAINPID": str(process.pid)}, check=True)
        assert process.wait() == -signal.SIGHUP
