"""``retrovue-daemon servers test``: check that servers respond and accept their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.completion import server_names
from retrovue_daemon.cli.contact import (
    active_sections,
    check_servers,
    servers_if_usable,
    stored_knowledge,
)
from retrovue_daemon.cli.display.output import print_failure, print_json, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption
from retrovue_daemon.cli.place import Place, find_place
from retrovue_daemon.errors import UnknownName
from retrovue_daemon.service.report import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.service.management.server_check import ServerCheck


def probe_servers(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Only this server. Default: all active servers.",
            autocompletion=server_names,
        ),
    ] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test whether servers respond and accept the token, and show which libraries the token gives access to.

    The table also shows whether the token is that of the server's owner. Plex may hide file paths from other users;
    the test reads a few items of each library to find out. If paths are hidden, a sync keeps those already stored,
    and new files have none. Nothing is written.

    Examples:

    - `retrovue-daemon servers test`
    - `retrovue-daemon servers test home --json`
    """
    place = find_place(config, database, needs_tokens=True)
    sections, unusable = ([_named(place, name)], []) if name is not None else active_sections(place)
    machines, former = stored_knowledge(place.path, sections)
    answers = check_servers(sections, machines, whose_token=True, former=former)
    checks = [*answers, *unusable]
    if not checks:
        print_failure("there is no active server", "add one with `retrovue-daemon servers add`")
        raise typer.Exit(3)
    if as_json:
        print_json({"servers": [_plain_check(check) for check in checks]})
    else:
        print_table(_check_table(checks))
    failed = sum(check.error is not None for check in checks)
    if failed:
        raise typer.Exit(3 if failed == len(checks) else 1)


def _named(place: Place, name: str) -> ServerSection:
    """Return the server of this name with its token; it may be disabled."""
    if section := place.section(name):
        return section
    from retrovue_daemon.config.sections import find_named  # noqa: PLC0415 -- not for --help

    stored = servers_if_usable(place)
    server = find_named(stored, name)
    if server is None:
        configured = [section.name for section in place.config.servers] if place.config else []
        raise UnknownName("server", name, list(dict.fromkeys([*configured, *(server.name for server in stored)])))
    return choices.section_of_server(place, server)


def _plain_check(check: ServerCheck) -> dict[str, object]:
    return {
        "name": check.name,
        "url": check.url,
        "connected": check.error is None,
        "version": check.version,
        "machine_identifier": check.machine_identifier,
        "is_owner": check.owner,
        "sees_paths": check.sees_paths,
        "libraries": [{"title": title, "type": kind, "selected": chosen} for title, kind, chosen in check.libraries],
        "error": describe(check.error),
    }


def _check_table(checks: Sequence[ServerCheck]) -> Table:
    table = Table("server", "url", "version", "token", "libraries", "result", drop_first=("libraries", "version"))
    for check in checks:
        whose = {None: "", True: "the owner's", False: "shared"}[check.owner]
        titles = ", ".join(title for title, _, selected in check.libraries if selected)
        verdict = check.failure or ("connected", *check.problems, *check.warnings)
        table.add_row(check.name, check.url, check.version or "", whose, titles, verdict)
    return table
