"""``retrovue-daemon mappings add``: add a path mapping, after the checks of a configuration file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.output import print_json, print_line, print_warning
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, LibraryOption, ServerOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import BadInput, ConfigError
from retrovue_daemon.service.named import choose_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.store.tables.servers import StoredServer


def add_mapping(
    plex_path: Annotated[str, typer.Argument(metavar="PLEX_PATH", help="A directory on the server.")],
    local_path: Annotated[str, typer.Argument(metavar="LOCAL_PATH", help="The same directory on this system.")],
    server: ServerOption = None,
    library: LibraryOption = None,
    root: Annotated[
        str | None,
        typer.Option(
            "--root", metavar="PATH", help="Only for the library with this folder on the server.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""Add a path mapping to the database.

    The mapping with the longest matching PLEX_PATH applies; only whole directory names match. Mappings for a library
    take precedence over those for its whole server. A running daemon updates the stored local paths within seconds;
    otherwise the next sync does.

    Examples:

    - `retrovue-daemon mappings add /data/media /mnt/nas/media`
    - `retrovue-daemon mappings add 'M:\Films' /mnt/films --server attic --library Movies`
    """
    from retrovue_daemon.service.json.mappings import mapping_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management import mappings  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.changing(place.path) as connection:
        owner = _one_server(read_servers(connection), server)
        title = None if library is None else mappings.title_of(read_libraries(connection), library, owner)
        mapping = _checked(plex_path, local_path, title, root)
        added = mappings.add_mapping(connection, owner.id, mapping, int(time.time()))
    if as_json:
        print_json({"changed": True, "mapping": mapping_json(added)})
    else:
        print_line(f"added mapping {added.id} of server {owner.name!r}: {plex_path} -> {local_path}")
    from retrovue_daemon.service.management.coverage import seen  # noqa: PLC0415 -- not for --help

    if seen(mapping.local_path) is False:
        print_warning(f"{mapping.local_path} does not exist on this system")


def _one_server(servers: Sequence[StoredServer], name: str | None) -> StoredServer:
    if name is not None:
        return choose_server(servers, name)
    if len(servers) == 1:
        return servers[0]
    if not servers:
        raise BadInput("there is no server yet", hint="add one with `retrovue-daemon servers add`")
    known = ", ".join(repr(server.name) for server in servers)
    raise BadInput(f"the mapping needs a server, and there are several: {known}", hint="select one with --server")


def _checked(plex_path: str, local_path: str, title: str | None, root: str | None) -> PathMapping:
    """Return a mapping after the same checks as in a configuration file. Raise BadInput with all problems."""
    from retrovue_daemon.config.loading import path_mapping  # noqa: PLC0415 -- not for --help

    names = {
        "plex_path": "PLEX_PATH",
        "local_path": "LOCAL_PATH",
        "library_name": "--library",
        "library_root": "--root",
    }
    try:
        return path_mapping(plex_path, local_path, library_name=title, library_root=root)
    except ConfigError as error:
        problems = (f"{names.get(problem.path, problem.path)} {problem.message}" for problem in error.problems)
        raise BadInput("; ".join(problems)) from None
