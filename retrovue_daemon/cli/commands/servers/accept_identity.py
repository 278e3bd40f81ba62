"""``retrovue-daemon servers accept-identity``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.completion import server_names
from retrovue_daemon.cli.contact import read_machine
from retrovue_daemon.cli.display.output import print_error, print_json, print_line
from retrovue_daemon.cli.display.prompts import confirm, require_yes
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, DryRunOption, JsonOption, YesOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import PlexError
from retrovue_daemon.service.named import choose_server
from retrovue_daemon.units import plural

if TYPE_CHECKING:
    from retrovue_daemon.config import ServerSection


def accept_identity(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the server.", autocompletion=server_names)],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept a server's new machineIdentifier, for example after Plex was reinstalled.

    A reinstalled server gives its items new rating keys. The next sync matches items by guid and file instead, so
    ids stay the same. Unmatched items are not removed until you run `sync --accept-removals`. If the address
    belongs to a different server, do not accept it; add that server under another name instead. With `--json`,
    either `--yes` or `--dry-run` is required.

    Examples:

    - `retrovue-daemon servers accept-identity home --dry-run`
    - `retrovue-daemon servers accept-identity home --yes`
    """
    from retrovue_daemon.store import reinstalling  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import belongings, read_servers  # noqa: PLC0415 -- not for --help

    require_yes(yes=yes, dry_run=dry_run, as_json=as_json)
    place = find_place(config, database, needs_tokens=True)
    with visits.reading(place.path) as connection:
        server = choose_server(read_servers(connection), name)
        counts = belongings(connection, server.id)
    items = sum(counts[table] for table in ("movies", "shows", "seasons", "episodes"))
    found = _machine(choices.section_of_server(place, server))
    identity = {"server": server.name, "was": server.machine_identifier, "is": found, "items": items}
    changes = found != server.machine_identifier
    if changes and not dry_run:
        if not yes:
            print_line(
                f"the machineIdentifier of server {server.name!r} was {server.machine_identifier}, now {found}"
            )
            confirm(f"Accept it, and match its {plural(items, 'item')} by guid and file?")
        with visits.changing(place.path) as connection:
            reinstalling.accept_identity(connection, server, found, int(time.time()))
    if as_json:
        print_json({**identity, "accepted": changes and not dry_run})
    elif not changes:
        print(f"the machineIdentifier of server {server.name!r} has not changed; there is nothing to accept")
    elif dry_run:
        print_line(
            f"the machineIdentifier of server {server.name!r} would change from {identity['was']} to {found};"
            f" the next sync would match {plural(items, 'item')}"
        )
    else:
        print_line(
            f"accepted machineIdentifier {found} for server {server.name!r};"
            f" the next sync matches {plural(items, 'item')}"
        )


def _machine(section: ServerSection) -> str:
    """Return a server's current machineIdentifier; exit if the server cannot be used."""
    try:
        return read_machine(section)
    except PlexError as error:
        print_error(error)
        print("hint: nothing was changed", file=sys.stderr)
        raise typer.Exit(3) from None
