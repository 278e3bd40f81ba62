"""``retrovue-daemon mappings …``: list, change and test path mappings."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.commands.mappings.add import add_mapping
from retrovue_daemon.cli.display.output import print_failure, print_json, print_line, print_table, print_warning
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    LibraryOption,
    ServerOption,
    command_group,
)
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.service.named import choose_libraries, choose_servers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.service.management.coverage import Group
    from retrovue_daemon.store.tables.mappings import StoredMapping

app = command_group(
    "List, change and test path mappings, which translate a server's file paths to local paths.",
    "mappings suggest",
    "mappings add --server home /srv/media /mnt/nas",
)


@app.command("list")
def list_mappings(
    server: ServerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all path mappings, including those that the configuration defines.

    Examples:

    - `retrovue-daemon mappings list`
    - `retrovue-daemon mappings list --server home --json`
    """
    from retrovue_daemon.service.json.mappings import mapping_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.mappings import read_mappings  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        chosen = {entry.id for entry in choose_servers(read_servers(connection), server)}
        stored = [entry for entry in read_mappings(connection) if entry.server_id in chosen]
    if as_json:
        print_json({"mappings": [mapping_json(entry) for entry in stored]})
        return
    if not stored:
        print("there are no path mappings: local paths are the same as on the servers")
        return
    table = Table("id", "server", "plex path", "local path", "only for", "defined in", drop_first=("defined in",))
    for entry in stored:
        source = "configuration" if entry.source == "config" else "database"
        table.add_row(str(entry.id), entry.server, *_sides(entry.mapping), _narrowed(entry.mapping), source)
    print_table(table)


app.command("add")(add_mapping)


@app.command("remove")
def remove_mapping(
    mapping_id: Annotated[int, typer.Argument(metavar="ID", help="The id from `mappings list`.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a path mapping from the database.

    Example:

    - `retrovue-daemon mappings remove 3`
    """
    from retrovue_daemon.service.json.mappings import mapping_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management import mappings  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.changing(place.path) as connection:
        entry = mappings.mapping_with(connection, mapping_id)
        mappings.remove_mapping(connection, entry, place.definitions)
    if as_json:
        print_json({"changed": True, "mapping": mapping_json(entry)})
        return
    print_line(f"removed mapping {mapping_id} of server {entry.server!r}: {entry.mapping.plex_path}")


@app.command("test")
def try_path(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The path of a file on the server.")],
    server: ServerOption = None,
    library: LibraryOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""Show which mapping applies to a path, the local path that results, and whether the file exists.

    Unless you pass `--library`, the folders of the libraries decide which one the path belongs to. Exit code 1 means
    that no mapping applies, or that the file does not exist.

    Examples:

    - `retrovue-daemon mappings test "/data/media/movies/Metropolis (1927)/Metropolis.mkv"`
    - `retrovue-daemon mappings test 'M:\Films\M.mkv' --server attic --library Movies --json`
    """
    from retrovue_daemon.service.management.coverage import try_mappings  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.mappings import read_mappings  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        servers = choose_servers(read_servers(connection), server)
        libraries = read_libraries(connection)
        if library is not None:
            libraries = choose_libraries(libraries, library, server)
        stored = read_mappings(connection)
    results = try_mappings(path, servers, libraries, stored, given=library is not None)
    if as_json:
        print_json({"path": path, "results": [result.plain() for result in results]})
    elif not any(result.mapping for result in results):
        print_failure(
            f"no mapping applies to {path!r}: the local path is the same",
            "add one with `retrovue-daemon mappings add`; `mappings suggest` shows which are needed",
        )
    else:
        table = Table("server", "library", "mapping", "local path", "file")
        for result in results:
            which = "none" if result.mapping is None else f"{result.mapping.id}: {result.mapping.mapping.plex_path}"
            table.add_row(result.server, result.library or "", which, result.local_path, _existence(result.exists))
        print_table(table)
    if not any(result.mapping and result.exists is not False for result in results):
        raise typer.Exit(1)


@app.command("suggest")
def suggest_mappings(
    server: ServerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suggest mappings for stored paths that have none, and check that mapped files exist.

    The command looks for a few files per directory on this system. A path without a mapping needs none if its files
    are found under that path.

    Examples:

    - `retrovue-daemon mappings suggest`
    - `retrovue-daemon mappings suggest --server home --json`
    """
    from retrovue_daemon.service.json.mappings import coverage_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management.coverage import look_for, read_coverage  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        found = read_coverage(connection, {row.id for row in choose_servers(read_servers(connection), server)})
    if as_json:
        print_json(coverage_json(found, [look_for(group.samples) for group in found.groups]))
        return
    _print_suggestions(found.groups, found.unused, found.without_path)


def _print_suggestions(groups: Sequence[Group], unused: Sequence[StoredMapping], bare: int) -> None:
    from retrovue_daemon.service.management import coverage  # noqa: PLC0415 -- not for --help

    if bare:
        print_warning(
            f"only the names of {bare:,} files are stored: the token cannot see their paths, which mappings need"
        )
    elif not groups:
        print("no files are stored yet: run `retrovue-daemon sync` first")
    table = Table(
        "server", "plex path", "libraries", "files", "mapped to", "files found here", drop_first=("libraries",)
    )
    unmapped = []
    for group in groups:
        there = coverage.look_for(group.samples)
        target = "no mapping" if group.mapping is None else group.mapping.mapping.local_path
        verdict = f"{there.found} of {there.looked_at} tested" if there.looked_at else "cannot be checked here"
        table.add_row(group.server, group.prefix, ", ".join(group.libraries), f"{group.files:,}", target, verdict)
        if coverage.lacks_mapping(group, there):
            unmapped.append(group)
    for entry in unused:
        table.add_row(entry.server, entry.mapping.plex_path, "", "0", entry.mapping.local_path, "matches no file")
    if groups or unused:
        print_table(table)
    if unmapped:
        print("if these files have another path on this system, add mappings with the right LOCAL_PATH:")
    for server, prefix in coverage.common_prefixes(unmapped):
        print_line(f"  retrovue-daemon mappings add --server {shlex.quote(server)} {shlex.quote(prefix)} LOCAL_PATH")


# -- output ---------------------------------------------------------------------------------------------------------


def _sides(mapping: PathMapping) -> tuple[str, str]:
    return mapping.plex_path, mapping.local_path


def _narrowed(mapping: PathMapping) -> str:
    parts = [f"library {mapping.library_name!r}"] if mapping.library_name is not None else []
    parts += [f"the library with root {mapping.library_root}"] if mapping.library_root is not None else []
    return " and ".join(parts)


def _existence(exists: bool | None) -> str:
    return {True: "exists", False: "does not exist", None: "cannot be checked here"}[exists]
