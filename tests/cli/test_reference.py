"""The page about the commands, and what every command promises of itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import typer.main
from typer.core import TyperGroup

from retrovue_daemon.cli.app import COMMANDS, GROUPS, command_line
from retrovue_daemon.cli.reference import reference
from tests.support.commands import run_here

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def _commands(group=None, path=()):
    group = group or typer.main.get_group(command_line())
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_the_page_is_the_one_that_the_code_makes() -> None:
    """`make docs` writes it anew."""
    assert DOCS.read_text("utf-8") == reference()


def test_every_command_has_an_example_that_names_it() -> None:
    """In its help and so on the page."""
    assert [path for path, command in _commands() if f"retrovue-daemon {path}" not in (command.help or "")] == []


def test_every_group_has_examples_of_its_commands() -> None:
    """So has the program itself; what they name is there."""
    root = typer.main.get_group(command_line())
    groups = {"": root} | {name: group for name, group in root.commands.items() if isinstance(group, TyperGroup)}
    for name, group in groups.items():
        examples = re.findall(rf"`retrovue-daemon {name} ?([a-z]+)", group.help or "")
        assert examples, name
        assert set(examples) <= set(group.commands), name


def test_every_option_and_argument_says_what_it_is_for() -> None:
    """Nobody has to guess."""
    for path, command in _commands():
        for parameter in command.params:
            assert parameter.help, (path, parameter.name)


def test_every_listing_speaks_json_too() -> None:
    """Programs read no tables."""
    listings = {path for path, _ in _commands() if path.split()[-1] in {"list", "search", "show", "test", "suggest"}}
    listings |= {"status", "history", "database check", "database stats", "config dump"}
    options = {
        path: {name for parameter in command.params for name in parameter.opts} for path, command in _commands()
    }
    assert len(listings) >= 12
    assert all("--json" in options[path] for path in listings)


def test_every_command_speaks_json_but_a_few() -> None:
    """These print or write a file of another format, or the log."""
    without = {
        path for path, command in _commands() if "--json" not in {n for each in command.params for n in each.opts}
    }
    assert without == {"run", "init", "servers export", "config schema"}


def test_every_command_takes_both_options() -> None:
    """The configuration, and the database alone; but for those that make their own."""
    without = {"init", "demo"}
    options = {
        path: {name for parameter in command.params for name in parameter.opts} for path, command in _commands()
    }
    for path, names in options.items():
        if path not in without:
            assert {"--config", "--database"} <= names, path


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_what_one_command_needs_is_what_it_is_in_the_whole(name) -> None:
    """A command line of one command starts sooner, and takes the same arguments."""
    whole, alone = (typer.main.get_group(made).commands for made in (command_line(), command_line(name)))
    assert list(alone) == [name]
    assert _described(alone[name]) == _described(whole[name])


def _described(command):
    """All that is promised of a command, and of those below it."""
    below = getattr(command, "commands", {})
    options = [(parameter.opts, parameter.help, parameter.required) for parameter in command.params]
    return command.help, options, {name: _described(each) for name, each in below.items()}


def test_a_name_that_is_no_command_is_refused(run) -> None:
    """By the whole command line, which knows what there is."""
    done = run("synk")
    assert done.code == 2
    assert "sync" in done.err


def test_the_help_of_a_command_does_without_the_heavy_imports() -> None:
    """None of what takes long is needed to explain oneself."""
    code = (
        "import sys, typer.main; from retrovue_daemon.cli.app import command_line;"
        "typer.main.get_command(command_line());"
        "print(*{'aiohttp', 'aiosqlite', 'structlog', 'rich', 'tomli_w', 'msgspec', 'ssl'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() in ([], ["ssl"])  # asyncio brings it


def _asked(words: str, **environment: str) -> dict[str, str]:
    """Return the environment in which the shell starts the command when Tab is pressed after these words."""
    return {
        "PATH": "/usr/bin:/bin",
        "_RETROVUE_DAEMON_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
        **environment,
    }


def _completed(words: str, **environment: str) -> list[str]:
    """Complete as the shell does, in this process; the variables have the name of the program that was started."""
    with (
        patch.object(sys.modules["__main__"], "__package__", None),
        patch.dict(os.environ, _asked(words, **environment), clear=True),
    ):
        done = run_here()
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"), [("retrovue-daemon servers set-", "set-token\n"), ("retrovue-daemon rel", "reload\n")]
)
def test_completion_completes_commands_and_options(words: str, offered: str) -> None:
    """As typer gives it; this is what the shell calls."""
    command = Path(sys.executable).with_name("retrovue-daemon")
    done = subprocess.run([command], capture_output=True, text=True, check=True, env=_asked(words))
    assert (done.stdout, done.stderr) == (offered, "")


def test_completion_offers_the_names_that_the_database_knows(database) -> None:
    """Of the database that the options so far name; bash gets them as they would have to be typed."""
    there = f"retrovue-daemon {{}} --database {database} {{}}"
    assert _completed(there.format("sync", "--server ")) == ["home"]
    assert _completed(there.format("sync", "--library Mov")) == ["Movies", r"Movies\ 4K"]
    assert _completed(there.format("sync", "--server attic --library Mov")) == [""]
    fish = {"_RETROVUE_DAEMON_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    words = there.format("libraries disable", "Sil")
    assert _completed(words, **fish, _TYPER_COMPLETE_ARGS=words) == ["Silent Archive"]
    assert _completed(there.format("servers disable", "")) == ["home"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (r"Movies\ 4", r"Movies\ 4K"),
        ('"Movies 4', "Movies 4K"),
        ("'Movies 4", "Movies 4K"),
        ("Bob", r"Bob\'s\ \"best\"\ \$1"),
        (r"Bob\'s\ \"b", r"Bob\'s\ \"best\"\ \$1"),
        ("\"Bob's ", r"Bob's \"best\" \$1"),
        ("'Bob'\\''s ", "Bob'\\''s \"best\" $1"),
    ],
)
def test_completion_continues_behind_spaces_and_quotes(database, rows, typed, offered) -> None:
    """What was typed is compared as the shell will read it; what is offered fits the quotation mark that is open."""
    rows("UPDATE libraries SET library_name = 'Bob''s \"best\" $1' WHERE library_name = 'Anime'")
    assert _completed(f"retrovue-daemon sync --database {database} --library {typed}", COMP_CWORD="5") == [offered]


def test_completion_without_a_database_offers_nothing_and_says_nothing(tmp_path) -> None:
    """Nobody wants a message between what is typed."""
    assert _completed("retrovue-daemon servers disable ", HOME=str(tmp_path)) == [""]
    assert _completed(f"retrovue-daemon sync --database {tmp_path / 'nothing.db'} --library ") == [""]
    assert _completed(f"retrovue-daemon sync --config {tmp_path / 'nothing.toml'} --library ") == [""]


DESTRUCTIVE = sorted(
    path for path, command in _commands() if {"yes", "as_json"} <= {each.name for each in command.params}
)


def test_the_commands_that_ask_for_confirmation() -> None:
    """So that the next test cannot pass without testing anything."""
    assert {"database restore", "servers accept-identity", "servers remove"} <= set(DESTRUCTIVE)


@pytest.mark.parametrize("path", DESTRUCTIVE)
def test_json_confirms_nothing(on, path: str) -> None:
    """A program must say --yes, as a script must."""
    finished = on(*path.split(), "x", "--json")
    assert (finished.code, finished.out) == (2, "")
    assert "requires --yes or --dry-run" in finished.err
