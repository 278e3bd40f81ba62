"""``retrovue-daemon servers accept-identity``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.completion import server_names
from retrovue_daemon.cli.contact import ask_servers
from retrovue_daemon.cli.display.output import print_error, print_json, print_line
from retrovue_daemon.cli.display.prompts import confirm
from retrovue_daemon.cli.display.units import plural
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    DryRunOption,
    JsonOption,
    YesOption,
    find_place,
)

if TYPE_CHECKING:
    from retrovue_daemon.config import ServerSection


def accept_identity(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the server is called here.", autocompletion=server_names)
    ],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Believe that a server is the one that it was, although its machineIdentifier is another one.

    That is so after Plex was installed anew. All rating keys mean other items then, so the next sync finds each item
    again by its guid or its file: ids stay. What it does not find again is held back, until sync --accept-removals.
    Where the address leads to another server by mistake, give that one an entry of its own instead.

    Examples:

    - `retrovue-daemon servers accept-identity home --dry-run`
    - `retrovue-daemon servers accept-identity home --yes`
    """
    from retrovue_daemon.store import reinstalling  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import belongings, read_servers  # noqa: PLC0415 -- not for --help

    place = find_place(config, database, needs_tokens=True)
    with visits.reading(place.path) as connection:
        server = choices.choose_server(read_servers(connection), name)
        counts = belongings(connection, server.id)
    items = sum(counts[table] for table in ("movies", "shows", "seasons", "episodes"))
    found = _machine(choices.section_of_server(place, server))
    told = {"server": server.name, "was": server.machine_identifier, "is": found, "items": items}
    changes = found != server.machine_identifier
    if changes and not dry_run:
        if not yes and not as_json:
            print_line(f"server {server.name!r} was {server.machine_identifier}, and is {found} now")
            confirm(f"Look for its {items:,} items there, by guid and file?")
        with visits.changing(place.path) as connection:
            reinstalling.accept_identity(connection, server, found, int(time.time()))
    if as_json:
        print_json({**told, "accepted": changes and not dry_run})
    elif not changes:
        print(f"server {server.name!r} is the same machine as before; there is nothing to accept")
    elif dry_run:
        print_line(f"{plural(items, 'item')} of {server.name!r} would be looked for on {found}; it was {told['was']}")
    else:
        print_line(
            f"accepted {found} as server {server.name!r}; the next sync looks for its {plural(items, 'item')} there"
        )


def _machine(section: ServerSection) -> str:
    """Ask a server which machine it is; ends the command where it does not answer, or does not take the token."""
    (answer,) = ask_servers([section])
    if answer.error is not None:
        print_error(answer.error)
        print("hint: nothing was changed", file=sys.stderr)
        raise typer.Exit(3)
    return answer.machine_identifier or ""
