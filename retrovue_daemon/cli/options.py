"""Options that several commands share, and the configuration that they lead to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from retrovue_daemon.errors import ConfigError

if TYPE_CHECKING:
    from retrovue_daemon.config import Config

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Default: $RETROVUE_DAEMON_CONFIG, /etc/retrovue-daemon/config.toml,"
        " ~/.config/retrovue-daemon/config.toml, the first that exists.",
        show_default=False,
    ),
]
DatabaseOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--database", metavar="FILE", help="The database, over [database] path.", show_default=False),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


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
