"""The reference page of all commands, generated from the texts of ``--help``.

``python -m retrovue_daemon.cli.reference`` prints it; ``make docs`` writes it to ``docs/cli.md``.
"""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from retrovue_daemon.cli.app import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Command: TypeAlias = TyperCommand | TyperGroup

PROGRAM: Final = "retrovue-daemon"

_HEAD: Final = """\
# Commands

`make docs` generates this page from the texts of `--help`. Commands print results to standard output and everything
else to standard error. An error takes one line, or one per problem of the configuration; most are
followed by a hint on how to fix it. Missing or malformed arguments are reported in a box, below the command's usage.
"""

_OF_MANY: Final = 4
"""An option with the same text in at least so many commands is described once."""


def reference() -> str:
    """Return the page as Markdown."""
    root = typer.main.get_group(command_line())
    commands = list(_below(root, PROGRAM))
    times = Counter(record for path, command in commands for record in _options(path, command))
    shared = [record for record, number in times.items() if number >= _OF_MANY]
    parts = [
        *(_HEAD, inspect.cleandoc(root.epilog or "")),
        *("## Common options", _listed(shared)),
    ]
    for path, command in commands:
        parts += _section(path, command, shared)
    return "\n\n".join(filter(None, (part.strip("\n") for part in parts))) + "\n"


def _below(group: TyperGroup, path: str) -> Iterator[tuple[str, Command]]:
    """Yield every command and group below a group, each with its full command line."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield f"{path} {name}", command
            yield from _below(command, f"{path} {name}")
        elif isinstance(command, TyperCommand):
            yield f"{path} {name}", command


def _section(path: str, command: Command, shared: Sequence[tuple[str, str]]) -> list[str]:
    heading = "#" * (1 + path.count(" "))
    help_text = inspect.cleandoc(command.help or "")
    if isinstance(command, TyperGroup):
        return [f"{heading} {path}", help_text]
    context = _context(path, command)
    usage = " ".join([path, *(piece.strip("{}") for piece in command.collect_usage_pieces(context))])
    arguments = [
        record
        for parameter in command.get_params(context)
        if parameter.param_type_name == "argument" and (record := parameter.get_help_record(context))
    ]
    options = _options(path, command)
    own = [record for record in options if record not in shared]
    of_many = ", ".join(f"`{_name(record)}`" for record in options if record in shared)
    return [
        f"{heading} {path}",
        f"```text\n{usage}\n```",
        help_text,
        "Arguments and options:" if arguments or own else "",
        _listed([*arguments, *own]),
        f"Common options: {of_many}." if of_many else "",
    ]


def _options(path: str, command: Command) -> list[tuple[str, str]]:
    """Return the options of a command, except ``--help``: how each is typed, and its help text."""
    if isinstance(command, TyperGroup):
        return []
    context = _context(path, command)
    return [
        record
        for parameter in command.get_params(context)
        if parameter.param_type_name == "option" and (record := parameter.get_help_record(context))
        if "--help" not in record[0]
    ]


def _context(path: str, command: Command) -> typer.Context:
    return typer.Context(command, info_name=path)


def _listed(records: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- `{typed}`: {' '.join(explanation.split())}" for typed, explanation in records)


def _name(record: tuple[str, str]) -> str:
    """Return the long name of an option."""
    return next(word.strip(",") for word in record[0].split() if word.startswith("--"))


if __name__ == "__main__":
    print(reference(), end="")
