"""``retrovue-daemon servers export``: print servers of the database as configuration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.completion import server_names
from retrovue_daemon.cli.display.output import print_failure
from retrovue_daemon.cli.display.toml import server_text
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.service.named import choose_server

if TYPE_CHECKING:
    from retrovue_daemon.records import PathMapping


def export_servers(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="The servers to export. Default: all enabled servers that the database defines.",
            autocompletion=server_names,
        ),
    ] = None,
    with_tokens: Annotated[
        bool, typer.Option("--with-tokens", help="Also print tokens; keep the output private.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Print servers of the database as `[[servers]]` tables for a configuration file.

    The tables include path mappings and disabled libraries. Tokens are omitted unless you pass `--with-tokens`.

    Examples:

    - `retrovue-daemon servers export`
    - `retrovue-daemon servers export attic --with-tokens >> config.toml`
    """
    from retrovue_daemon.store.file.visits import reading  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.mappings import read_mappings  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with reading(place.path) as connection:
        servers = read_servers(connection)
        stored = read_mappings(connection)
        libraries = read_libraries(connection)
    if names:
        servers = [choose_server(servers, name) for name in names]
    else:
        servers = [server for server in servers if server.source == "database" and server.is_active]
    for server in servers:
        table: dict[str, object] = {"name": server.name, "url": server.shown_url}
        if with_tokens and server.token is not None:
            table["token"] = server.token.reveal()
        else:
            print(f"# The token of {server.name!r} is omitted: add token_file, token_env or token_credential.")
        off = [library.name for library in libraries if library.server_id == server.id and not library.sync_enabled]
        if off:
            table["exclude_libraries"] = off
        own = [entry.mapping for entry in stored if entry.server_id == server.id]
        if own:
            table["path_mappings"] = [_plain(mapping) for mapping in own]
        print(server_text(table))
    if not servers:
        print_failure("the database defines no enabled server", "to export a disabled server, pass its NAME")
        raise typer.Exit(1)
    if with_tokens:
        print("warning: the output contains tokens; keep it private", file=sys.stderr)


def _plain(mapping: PathMapping) -> dict[str, str]:
    fields = {
        "plex_path": mapping.plex_path,
        "local_path": mapping.local_path,
        "library_name": mapping.library_name,
        "library_root": mapping.library_root,
    }
    return {name: value for name, value in fields.items() if value is not None}
