"""``retrovue-daemon check``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.contact import active_sections, check_servers, stored_knowledge
from retrovue_daemon.cli.display.output import (
    print_error,
    print_failure,
    print_json,
    print_table,
    print_warning,
    print_warnings,
)
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption
from retrovue_daemon.cli.place import Place, announce
from retrovue_daemon.errors import ConfigError, ConfigProblem, DatabasePlaceMissing, StoreError
from retrovue_daemon.service.report import describe
from retrovue_daemon.units import plural

if TYPE_CHECKING:
    from retrovue_daemon.config import Config, DatabaseSection
    from retrovue_daemon.service.management.server_check import ServerCheck


def check(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Contact no server.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, the location of the database, and each active server: identity, token and libraries.

    The check reads a few items of each library to find out whether it can be listed, and whether the token can see
    file paths; the token of the server's owner always can. Nothing is written.

    Exit code 1 means that a server failed the check (3: all servers did, or there is none), that a library could not
    be read, that a token cannot see file paths, that an entry of `libraries` in the configuration matches no library
    of its server, or that two entries are the same server. 75 and 78 mean that a sync by this user could not use the
    database, whatever the servers say. A missing directory is one reason (75); with `--offline`, that is only a
    warning, because systemd may create the directory when it starts the service. Damage within the file is found by
    `database check`.

    Examples:

    - `retrovue-daemon check --config config.toml`
    - `retrovue-daemon check --offline --config /etc/retrovue-daemon/config.toml`
    """
    from retrovue_daemon.config import read_config  # noqa: PLC0415 -- not for --help

    try:
        # Offline no token is used; systemd's `ExecReload=`, which runs this, cannot read the service's credentials.
        settings = read_config(config, database, trusts_credentials=offline)
    except ConfigError as error:
        if as_json:
            print_json({"valid": False, "problems": [plain_problem(problem) for problem in error.problems]})
        raise
    obstacle = _obstacle(settings.database)
    is_fatal = obstacle is not None and not (offline and isinstance(obstacle, DatabasePlaceMissing))
    checks = [] if offline else _checks(settings)
    failed = sum(result.error is not None for result in checks)
    if as_json:
        print_json(
            {
                "valid": True,
                "warnings": [plain_problem(warning) for warning in settings.warnings],
                "database": {"path": str(settings.database.path), "error": describe(obstacle)},
                "servers": [_plain(result) for result in checks],
            }
        )
    else:
        print_warnings(settings.warnings)
        if checks:
            print_table(_table(checks))
        else:
            print(f"the configuration is valid ({plural(len(settings.servers), 'server')}, none contacted)")
    announce(settings)
    if is_fatal and obstacle is not None:
        print_error(obstacle)
    elif obstacle is not None:
        print_warning("; ".join(filter(None, (str(obstacle), obstacle.hint))))
    if is_fatal and obstacle is not None:
        raise typer.Exit(obstacle.exit_code)
    if not checks and not offline:
        print_failure("there is no active server", "add a [[servers]] table to the configuration")
        raise typer.Exit(3)
    if failed:
        raise typer.Exit(3 if failed == len(checks) else 1)
    if any(result.problems for result in checks):
        raise typer.Exit(1)


def _checks(settings: Config) -> list[ServerCheck]:
    """Contact all servers that a sync would: those of the configuration, and those that the database defines."""
    place = Place(settings.database.path, settings, settings.source)
    try:
        sections, unusable = active_sections(place)
    except StoreError:
        return []  # the obstacle says why
    machines, former = stored_knowledge(place.path, sections)
    return [*check_servers(sections, machines, former=former), *unusable]


def _obstacle(place: DatabaseSection) -> StoreError | None:
    """Return what would keep a sync by this user from using the database, or None."""
    from retrovue_daemon.config import default_database  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file.obstacles import obstacle  # noqa: PLC0415 -- likewise

    return obstacle(place.path, group=place.group, own_place=place.path == default_database(os.environ).path)


def plain_problem(problem: ConfigProblem) -> dict[str, str]:
    """Return a problem of a configuration as ``--json`` prints it."""
    return {"path": problem.path, "message": problem.message}


def _plain(result: ServerCheck) -> dict[str, object]:
    return {
        "name": result.name,
        "url": result.url,
        "version": result.version,
        "machine_identifier": result.machine_identifier,
        "libraries": [
            {"title": title, "type": kind, "selected": selected} for title, kind, selected in result.libraries
        ],
        "sees_paths": result.sees_paths,
        "same_as": result.same_as,
        "unknown_libraries": list(result.unknown),
        "unlisted_libraries": list(result.unlisted),
        "warnings": list(result.warnings),
        "error": describe(result.error),
    }


def _table(checks: list[ServerCheck]) -> Table:
    table = Table(
        "server", "url", "version", "synced libraries", "not synced", "result", drop_first=("not synced", "version")
    )
    for result in checks:
        chosen = ", ".join(title for title, _, selected in result.libraries if selected)
        others = ", ".join(title for title, _, selected in result.libraries if not selected)
        verdict = result.failure or (*(result.problems or ("ok",)), *result.warnings)
        table.add_row(result.name, result.url, result.version or "", chosen, others, verdict)
    return table
