"""``retrovue-daemon discover``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.output import print_failure, print_json, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, ServerOption, YearOption
from retrovue_daemon.cli.startup import import_lightly
from retrovue_daemon.errors import DaemonError, DatabaseMissing, DatabasePlaceMissing
from retrovue_daemon.service.report import describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from retrovue_daemon.api.results import DiscoveredShow
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.service.roster import UnusableServer
    from retrovue_daemon.store.tables.servers import StoredServer


@dataclass(frozen=True, slots=True)
class ServerResult:
    """The shows that one server found, or the ``error`` if the search failed."""

    server: str
    shows: tuple[DiscoveredShow, ...] = ()
    error: DaemonError | None = None


def discover(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="A part of the show's title.")],
    year: YearOption = None,
    server: ServerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the servers for shows by title, in all libraries, including those that are not synced.

    Each show is listed with its year, library, numbers of seasons and episodes, and guid, and with its id in the
    database if it is there. Nothing is written. The exit code is 1 if no show is found.

    Examples:

    - `retrovue-daemon discover "Breaking Bad" --year 2008`
    - `retrovue-daemon discover lighthouse --server home --json`
    """
    if not title.strip():
        raise typer.BadParameter("must not be empty", param_hint="TITLE")
    from retrovue_daemon.config import read_config  # noqa: PLC0415 -- not for --help

    settings = read_config(config, database)
    import_lightly()
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.api.search import search_server  # noqa: PLC0415 -- imports aiohttp, which --help does not need
    from retrovue_daemon.logs.setup import configure_logging, log_uncaught  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.roster import active_servers, choose_active  # noqa: PLC0415 -- likewise

    stored = _stored_servers(settings.database.path)
    usable, unusable = active_servers(settings.servers, stored)
    active: list[ServerSection | UnusableServer] = [*usable, *unusable]
    servers = choose_active(active, server)
    redactor = configure_logging(level="warning")
    log_uncaught()
    for section in usable:
        redactor.learn(section.token.reveal())
    search = partial(search_server, settings.database.path, title, year)
    results = asyncio.run(_search_all(search, servers, stored))
    if as_json:
        print_json({"shows": list(_plain(results)), "errors": [_failed(each) for each in results if each.error]})
    for result in results:
        if result.error is not None:
            print_failure(str(result.error), result.error.hint)
    found = any(result.shows for result in results)
    if found and not as_json:
        print_table(_table(results))
    failed = sum(result.error is not None for result in results)
    if not found and failed < len(results):
        with_year = "" if year is None else f" from {year}" if year else " without a year"
        print_failure(f"no show{with_year} has {title!r} in its title", None)
    if not results:
        print_failure("there is no active server", "add a [[servers]] table to the configuration")
    if failed == len(results):
        raise typer.Exit(3)
    if failed or not found:
        raise typer.Exit(1)


def _stored_servers(path: Path) -> list[StoredServer]:
    """Return the servers of the database; none if the database does not exist yet."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    try:
        with visits.reading(path) as connection:
            return read_servers(connection)
    except (DatabaseMissing, DatabasePlaceMissing):
        return []


async def _search_all(
    search: Callable[[ServerSection, StoredServer | None], Awaitable[list[DiscoveredShow]]],
    servers: Sequence[ServerSection | UnusableServer],
    stored: Sequence[StoredServer],
) -> list[ServerResult]:
    """Search all servers at once; an error becomes part of the server's result."""
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.config import ServerSection  # noqa: PLC0415 -- likewise
    from retrovue_daemon.config.sections import find_named  # noqa: PLC0415 -- likewise

    async def search_one(server: ServerSection | UnusableServer) -> ServerResult:
        if not isinstance(server, ServerSection):
            return ServerResult(server.name, error=server.error)
        try:
            return ServerResult(server.name, tuple(await search(server, find_named(stored, server.name))))
        except DaemonError as error:
            return ServerResult(server.name, error=error)

    return list(await asyncio.gather(*map(search_one, servers)))


def _plain(results: Sequence[ServerResult]) -> Iterator[dict[str, object]]:
    for result in results:
        for show in result.shows:
            guids = [f"{provider}://{external_id}" for provider, external_id in show["guids"]]
            yield {"server": result.server, **show, "guids": guids}


def _failed(result: ServerResult) -> dict[str, object]:
    return {"server": result.server, **(describe(result.error) or {})}


def _table(results: Sequence[ServerResult]) -> Table:
    several = len(results) > 1
    table = Table(
        *(["server"] if several else []), "show", "rating key", "id in the database", drop_first=("rating key",)
    )
    for result in results:
        for show in result.shows:
            stored = "" if show["stored_id"] is None else str(show["stored_id"])
            table.add_row(*([result.server] if several else []), show["disambiguation"], show["rating_key"], stored)
    return table
