"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from retrovue_daemon.cli.completion import library_names, server_names
from retrovue_daemon.errors import BadInput

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration file. Default: the first that exists of $RETROVUE_DAEMON_CONFIG,"
        " /etc/retrovue-daemon/config.toml and ~/.config/retrovue-daemon/config.toml.",
        show_default=False,
        readable=False,
    ),
]
DatabaseOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--database",
        metavar="FILE",
        help="The database file, instead of the one that the configuration names.",
        show_default=False,
        readable=False,  # unreadable files are reported by our own errors
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
ServerOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        "-s",
        metavar="NAME",
        help="Only this server.",
        show_default=False,
        autocompletion=server_names,
    ),
]
LibraryOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--library",
        "-l",
        metavar="NAME",
        help="Only the library with this title or key.",
        show_default=False,
        autocompletion=library_names,
    ),
]


def _read_year(text: str) -> int:
    """Read a year, or "none"."""
    from retrovue_daemon.service.selection import NO_YEAR, check_year  # noqa: PLC0415 -- imports asyncio, which --help does not need

    if text.strip().lower() == "none":
        return NO_YEAR
    try:
        year = int(text)
        check_year(year or -1)
    except (ValueError, BadInput):
        raise typer.BadParameter('must be a year from 1 to 9999, or "none" for a show without a year') from None
    return year


YearOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--year",
        metavar="YEAR",
        help="The first year of the show, or 'none' for a show without a year.",
        show_default=False,
        parser=_read_year,
    ),
]
QuietOption: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="Hide progress; print only the result, warnings and errors.")
]
DryRunOption: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, without changing anything.")
]
YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def with_examples(explanation: str, *examples: str) -> str:
    """Return a help text with examples; pass the examples without the program name."""
    listed = "\n".join(f"- `retrovue-daemon {example}`" for example in examples)
    return f"{explanation}\n\n{'Examples' if len(examples) > 1 else 'Example'}:\n\n{listed}"


def command_group(explanation: str, *examples: str) -> typer.Typer:
    """Return a new group of commands."""
    return typer.Typer(
        help=with_examples(explanation, *examples),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
