"""Options that several commands share, and the configuration that they lead to."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from retrovue_daemon.cli.completion import library_names, server_names
from retrovue_daemon.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from retrovue_daemon.config import Config, ServerSection

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Default: $RETROVUE_DAEMON_CONFIG, /etc/retrovue-daemon/config.toml,"
        " ~/.config/retrovue-daemon/config.toml, the first that exists.",
        show_default=False,
        readable=False,
    ),
]
DatabaseOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--database",
        metavar="FILE",
        help="The database, over [database] path.",
        show_default=False,
        readable=False,  # what cannot be read is told in words of our own
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
        help="Only this library: title or key.",
        show_default=False,
        autocompletion=library_names,
    ),
]


def _read_year(text: str) -> int:
    """Read a year, or "none"."""
    from retrovue_daemon.service.selection import NO_YEAR, check_year  # noqa: PLC0415 -- brings asyncio, which --help lacks

    if text.strip().lower() == "none":
        return NO_YEAR
    try:
        year = int(text)
        check_year(year or -1)
    except (ValueError, BadInput):
        raise typer.BadParameter("must be a number from 1 to 9999, or none for a show without a year") from None
    return year


YearOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--year",
        metavar="YEAR",
        help="The year in which the show began; none: one without a year.",
        show_default=False,
        parser=_read_year,
    ),
]
QuietOption: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress: only the result, warnings and errors.")
]
DryRunOption: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Only say what would be changed.")]
YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def with_examples(explanation: str, *examples: str) -> str:
    """Return the help of a group of commands, with examples that are given without the program's name."""
    listed = "\n".join(f"- `retrovue-daemon {example}`" for example in examples)
    return f"{explanation}\n\n{'Examples' if len(examples) > 1 else 'Example'}:\n\n{listed}"


def command_group(explanation: str, *examples: str) -> typer.Typer:
    """Make a group of commands."""
    return typer.Typer(
        help=with_examples(explanation, *examples),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is, and the configuration as far as it can be read; ``source`` is its file."""

    path: Path
    config: Config | None = None
    source: Path | None = None

    @property
    def is_of_config(self) -> bool:
        """Tell whether the configuration was read and is this database's, so that it knows all that it defines."""
        return self.config is not None and self.config.database.path == self.path

    def section(self, name: str) -> ServerSection | None:
        """Return what the configuration says of a server; letter case does not count in its name."""
        from retrovue_daemon.config.identity import find_named  # noqa: PLC0415 -- not for --help

        return find_named(self.config.servers if self.config else (), name)

    def make_if_missing(self) -> None:
        """Make an empty database where there is none, with the permissions that the configuration gives it."""
        from retrovue_daemon.config import default_database_path  # noqa: PLC0415 -- not for --help
        from retrovue_daemon.store.file.visits import make_if_missing  # noqa: PLC0415 -- likewise

        own_place = self.path == default_database_path(os.environ)
        if self.config is None:
            make_if_missing(self.path, own_place=own_place)
        else:
            place = self.config.database
            make_if_missing(self.path, mode=place.mode, group=place.group, own_place=own_place)


def find_place(config: Path | None, database: Path | None, *, needs_tokens: bool = False) -> Place:
    """Find the database that the options name; then a configuration that cannot be read does not matter.

    Unless it ``needs_tokens``, credentials that systemd shows to its service only count as good. Raises ConfigError
    where the configuration was asked for, or has to say where the database is.
    """
    from retrovue_daemon.config import find_config, load_config  # noqa: PLC0415 -- not for --help

    try:
        source = find_config(config)
        settings = load_config(source, trusts_credentials=not needs_tokens)
    except ConfigError as error:
        if database is None or config is not None:
            error.hint = error.hint or "--database FILE names the database without any configuration"
            raise
        return Place(database.absolute())
    return Place(settings.database.path if database is None else database.absolute(), settings, source)


def read_config(path: Path | None, database: Path | None = None, *, trusts_credentials: bool = False) -> Config:
    """Load the configuration that the options name; a database alone is enough where it defines servers."""
    from retrovue_daemon.config import find_config, load_config, parse_config  # noqa: PLC0415 -- not for --help

    try:
        found = find_config(path)
    except ConfigError:
        if database is None:
            raise
        config = parse_config({})
    else:
        config = load_config(found, trusts_credentials=trusts_credentials)
    if database is None:
        return config
    return replace(config, database=replace(config.database, path=database.absolute()))
