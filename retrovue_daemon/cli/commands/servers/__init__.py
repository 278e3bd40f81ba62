"""``retrovue-daemon servers …``: list servers, and add or change those that the database defines."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.commands.servers.accept_identity import accept_identity
from retrovue_daemon.cli.commands.servers.export import export_servers
from retrovue_daemon.cli.commands.servers.probe import probe_servers
from retrovue_daemon.cli.completion import server_names
from retrovue_daemon.cli.contact import check_servers
from retrovue_daemon.cli.display.output import print_error, print_json, print_line, print_table, print_warning
from retrovue_daemon.cli.display.prompts import TokenFileOption, confirm, get_token, require_yes
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    DryRunOption,
    JsonOption,
    YesOption,
    command_group,
)
from retrovue_daemon.cli.place import Place, find_place
from retrovue_daemon.errors import DatabaseMissing
from retrovue_daemon.service.words.live import live_cell
from retrovue_daemon.units import ago, lasting, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.service.management.server_check import ServerCheck
    from retrovue_daemon.store.tables.servers import StoredServer

app = command_group(
    "List the mirrored servers, and add or change those that the database defines.",
    "servers list",
    "servers add home http://192.168.1.10:32400",
)

NewNameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="A name for the server.")]
NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of the server.", autocompletion=server_names)
]
NoTestOption: TypeAlias = Annotated[
    bool, typer.Option("--no-test", help="Do not contact the server to check the token.")
]


@app.command("list")
def list_servers(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List all servers in the database, including those that the configuration defines.

    While a daemon runs, the column `live` shows how each server's changes arrive. For a server that sends
    notifications, that is the channel, since when it is connected, when the last notification came, and how long the
    latest change took to reach the database. For a server that is only polled, it is the reason.

    Examples:

    - `retrovue-daemon servers list`
    - `retrovue-daemon servers list --json --database /srv/retrovue.db`
    """
    from retrovue_daemon.service.json.live import live_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.json.servers import server_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.status import read_live_states  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    servers = choices.stored_servers(place)
    live = read_live_states(place.path)
    states = {server.id: live[server.id] for server in servers if server.is_active and server.id in live}
    if as_json:
        print_json({"servers": [server_json(server, live_json(states.get(server.id))) for server in servers]})
        return
    if not servers:
        print(
            "there are no servers yet; add one with `retrovue-daemon servers add` or [[servers]] in the configuration"
        )
        return
    failing = [server for server in servers if server.is_active and server.problem is not None]
    columns = ("server", "url", "defined in", "state", "version", "libraries", "last synced")
    table = Table(*columns, drop_first=("version", "defined in", "libraries", "last synced"))
    if states:
        table.add_column("live")
    if failing:
        table.add_column("problem")
    for server in servers:
        table.add_row(
            server.name,
            server.shown_url,
            "configuration" if server.source == "config" else "database",
            "on" if server.is_active else "off",
            server.version or "",
            f"{server.enabled} of {server.libraries} on" if server.libraries else "",
            ago(server.last_sync_at),
            *([live_cell(states.get(server.id), fails=server.fails)] if states else []),
            *([_problem(server)] if failing else []),
        )
    print_table(table)


@app.command("add")
def add_server(
    name: NewNameArgument,
    url: Annotated[str, typer.Argument(metavar="URL", help='The address, such as "http://192.168.1.10:32400".')],
    token_file: TokenFileOption = None,
    no_test: NoTestOption = False,
    disabled: Annotated[bool, typer.Option("--disabled", help="Add the server, but do not sync it yet.")] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a server to the database, after checking that it responds and accepts the token.

    The command prompts for the token, or reads it from a file or standard input, so that it never appears on a
    command line. A running daemon starts to sync the server within seconds.

    Examples:

    - `retrovue-daemon servers add home http://192.168.1.10:32400`
    - `retrovue-daemon servers add attic https://plex.example.org/plex --token-file attic.token`
    - `pass show plex | retrovue-daemon servers add home http://127.0.0.1:32400 --token-file -`
    """
    from retrovue_daemon.service.json.servers import server_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management import servers  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.refusals import checked_server, refuse_machine, refuse_taken  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    configured = place.config.servers if place.config else ()
    section = checked_server(name, url, "not-known-yet")
    refuse_taken(_servers_if_any(place), section, configured, place.source)
    section = checked_server(name, url, get_token(section.name, token_file))
    answer = None if no_test else _tested(section)
    if answer:
        refuse_machine(_servers_if_any(place), section, answer.machine_identifier)
    place.make_if_missing()
    with visits.changing(place.path) as connection:
        added = servers.add_server(
            connection,
            section,
            place.definitions,
            machine_identifier=answer.machine_identifier if answer else None,
            is_active=not disabled,
            now=int(time.time()),
        )
    if as_json:
        print_json({"changed": True, "server": server_json(added)})
        return
    print_line(f"added server {section.name!r}{_summary(answer)}")
    if not disabled:
        print("a running daemon syncs it within seconds; without a daemon, run: retrovue-daemon sync")


@app.command("remove")
def remove_server(
    name: NameArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a server from the database, with all its items.

    The Plex server itself is not changed. To keep the items, use `servers disable` instead. With `--json`, either
    `--yes` or `--dry-run` is required.

    Examples:

    - `retrovue-daemon servers remove attic --dry-run`
    - `retrovue-daemon servers remove attic --yes`
    """
    from retrovue_daemon.service.json.servers import server_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import belongings, delete_server, read_servers  # noqa: PLC0415 -- not for --help

    require_yes(yes=yes, dry_run=dry_run, as_json=as_json)
    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        server = choices.own_server(place, read_servers(connection), name, "its entry")
        counts = belongings(connection, server.id)
    if not as_json:
        print(f"rows of server {server.name!r}: {_listed(counts)}")
    if not dry_run:
        if not yes:
            confirm(f"Delete server {server.name!r} and these rows?")
        gone = sum(delete_server(place.path, server.id, int(time.time())))
        if not as_json:
            print(f"removed server {server.name!r} and {plural(gone, 'row')}")
    if as_json:
        print_json({"changed": not dry_run, "server": server_json(server), "rows": dict(counts)})


@app.command("enable")
def enable_server(
    name: NameArgument, config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Enable a server that the database defines, so that it is synced.

    Example:

    - `retrovue-daemon servers enable attic`
    """
    _switch(find_place(config, database), name, is_active=True, as_json=as_json)


@app.command("disable")
def disable_server(
    name: NameArgument, config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Disable a server that the database defines: it is no longer synced.

    Its items stay in the database, but the views omit them.

    Example:

    - `retrovue-daemon servers disable attic`
    """
    _switch(find_place(config, database), name, is_active=False, as_json=as_json)


@app.command("set-token")
def set_token(
    name: NameArgument,
    token_file: TokenFileOption = None,
    no_test: NoTestOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the token of a server that the database defines, after checking that the server accepts it.

    Examples:

    - `retrovue-daemon servers set-token attic`
    - `retrovue-daemon servers set-token attic --token-file attic.token`
    """
    from retrovue_daemon.service.json.servers import server_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management.servers import replace_token  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.refusals import checked_server, refuse_without_token  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    server = choices.own_server(place, choices.stored_servers(place), name, "its token")
    refuse_without_token(server)
    token = get_token(server.name, token_file)
    answer = None if no_test else _tested(checked_server(server.name, server.url, token), server.machine_identifier)
    with visits.changing(place.path) as connection:
        changed = replace_token(connection, server, token, int(time.time()))
    if as_json:
        before = server.token and server.token.reveal()
        print_json({"changed": token.reveal() != before, "server": server_json(changed)})
        return
    print_line(f"replaced the token of server {server.name!r}{_summary(answer)}")


app.command("test")(probe_servers)
app.command("export")(export_servers)
app.command("accept-identity")(accept_identity)


# -- checks before a change -----------------------------------------------------------------------------------------


def _servers_if_any(place: Place) -> list[StoredServer]:
    """Return the stored servers; none if the database does not exist yet."""
    try:
        return choices.stored_servers(place)
    except DatabaseMissing:
        return []


def _tested(section: ServerSection, machine: str | None = None) -> ServerCheck:
    """Contact a server before its row is written; exit if it cannot be used, or is not the machine that is known."""
    machines = {} if machine is None else {section.name: machine}
    (answer,) = check_servers([section], machines, whose_token=True)
    if answer.error is not None:
        print_error(answer.error)
        print("hint: nothing was written; --no-test skips this check", file=sys.stderr)
        raise typer.Exit(3)
    if answer.problems:
        print_warning("; ".join(answer.problems))
    return answer


def _switch(place: Place, name: str, *, is_active: bool, as_json: bool) -> None:
    from retrovue_daemon.service.json.servers import server_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.management.servers import switch_server  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    with visits.changing(place.path) as connection:
        server = choices.own_server(place, read_servers(connection), name, "whether it is on")
        after = switch_server(connection, server, place.definitions, is_active=is_active, now=int(time.time()))
    if as_json:
        print_json({"changed": server.is_active != is_active, "server": server_json(after)})
        return
    word = "on" if is_active else "off"
    print(f"server {server.name!r} {'was' if server.is_active == is_active else 'is now'} {word}")


# -- output ---------------------------------------------------------------------------------------------------------


def _summary(answer: ServerCheck | None) -> str:
    if answer is None:
        return ""
    titles = ", ".join(title for title, _, selected in answer.libraries if selected)
    return f": Plex Media Server {answer.version}; synced libraries: {titles or 'none'}"


def _problem(server: StoredServer) -> list[str]:
    """Return what is wrong with a server, and what to do."""
    problem = server.problem
    if problem is None or not server.is_active:
        return []
    since = "" if problem.since is None else f" (since {lasting(max(0.0, time.time() - problem.since))})"
    return [f"{problem.message}{since}", *filter(None, (problem.hint,))]


def _listed(counts: Mapping[str, int]) -> str:
    words = {"media_files": "files", "sync_requests": "requests", "sync_runs": "sync records"}
    shown = [
        f"{number:,} {words.get(table, table.removeprefix('plex_').replace('_', ' '))}"
        for table, number in counts.items()
        if number
    ]
    return ", ".join(shown) or "no rows"
