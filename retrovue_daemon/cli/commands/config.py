"""``retrovue-daemon config …``: show the effective configuration, its schema and its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.cli.display.output import print_json, print_warnings
from retrovue_daemon.cli.display.toml import config_text
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, command_group
from retrovue_daemon.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from pathlib import Path

app = command_group(
    "Show the effective configuration, its schema or its path.",
    "config dump",
    "config path --json",
)


@app.command("dump")
def dump_config(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Print the effective configuration as TOML, including default values. Tokens are shown as `***`.

    Examples:

    - `retrovue-daemon config dump`
    - `retrovue-daemon config dump --config config.toml --json | jq .sync`
    """
    from retrovue_daemon.config import read_config  # noqa: PLC0415 -- not for --help

    settings = read_config(config, database, trusts_credentials=True)
    print_warnings(settings.warnings)
    if as_json:
        print_json(settings.to_plain())
        return
    print(config_text(settings.to_plain()), end="")


@app.command("schema")
def print_schema(
    config: ConfigOption = None,  # noqa: ARG001 -- every command accepts it
    database: DatabaseOption = None,  # noqa: ARG001 -- likewise
) -> None:
    """Print a JSON Schema of the configuration, with which editors complete and check TOML files.

    Editors based on Taplo read the schema's path from a first line such as `#:schema ./retrovue-daemon.schema.json`.

    Example:

    - `retrovue-daemon config schema > retrovue-daemon.schema.json`
    """
    from retrovue_daemon.config.schema import json_schema  # noqa: PLC0415 -- not for --help

    print_json(json_schema())


@app.command("path")
def print_path(
    config: ConfigOption = None,
    database: DatabaseOption = None,  # noqa: ARG001 -- every command accepts it
    as_json: JsonOption = False,
) -> None:
    """Print the path of the configuration that other commands would use.

    Examples:

    - `retrovue-daemon config path`
    - `"$EDITOR" "$(retrovue-daemon config path)"`
    """
    from retrovue_daemon.config import find_config  # noqa: PLC0415 -- not for --help

    path = find_config(config).absolute()
    if not _may_exist(path):
        raise ConfigError(path, [ConfigProblem("", "does not exist")])
    if as_json:
        print_json({"path": str(path)})
    else:
        print(path)


def _may_exist(path: Path) -> bool:
    """Return whether a file exists, or may exist where this user may not look."""
    try:
        return path.exists()
    except PermissionError:
        return True
