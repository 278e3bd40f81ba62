"""``retrovue-daemon discover``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.output import print_failure, print_json, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    ServerOption,
    YearOption,
    read_config,
)
from retrovue_daemon.cli.startup import import_lightly
from retrovue_daemon.errors import ConfigError, DaemonError, DatabaseMissing, DatabasePlaceMissing, UnknownServer
from retrovue_daemon.service.report import describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from retrovue_daemon.api.results import DiscoveredShow
    from retrovue_daemon.config import Config, ServerSection
    from retrovue_daemon.store.tables.servers import StoredServer


@dataclass(frozen=True, slots=True)
class Answer:
    """What one server found; ``error`` is set where it could not be asked."""

    server: str
    shows: tuple[DiscoveredShow, ...] = ()
    error: DaemonError | None = None


def discover(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What the shows' titles contain.")],
    year: YearOption = None,
    server: ServerOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the servers for shows by their title, in all their libraries, also those that are not synced.

    Says what tells equal titles apart, and which shows the database has. Nothing is written. Where nothing is found
    the exit code is 1.

    Examples:

    - `retrovue-daemon discover "Breaking Bad" --year 2008`
    - `retrovue-daemon discover lighthouse --server home --json`
    """
    if not title.strip():
        raise typer.BadParameter("is empty", param_hint="TITLE")
    settings = read_config(config, database)
    import_lightly()
    from retrovue_daemon.api.search import search_server  # noqa: PLC0415 -- brings aiohttp, which --help does not need
    from retrovue_daemon.logs.setup import configure_logging, log_uncaught  # noqa: PLC0415 -- likewise

    stored = _stored_servers(settings.database.path)
    servers = _servers(settings, stored, server)
    redactor = configure_logging(level="warning")
    log_uncaught()
    for section in servers:
        if not isinstance(section, Answer):
            redactor.learn(section.token.reveal())
    search = partial(search_server, settings.database.path, title, year)
    answers = asyncio.run(_ask_all(search, servers, stored))
    if as_json:
        print_json({"shows": list(_plain(answers)), "errors": [_failed(each) for each in answers if each.error]})
    for answer in answers:
        if answer.error is not None:
            print_failure(str(answer.error), answer.error.hint)
    found = any(answer.shows for answer in answers)
    if found and not as_json:
        print_table(_table(answers))
    failed = sum(answer.error is not None for answer in answers)
    if not found and failed < len(answers):
        began = "" if year is None else f" and began in {year}" if year else " and no year"
        print_failure(f"no show has {title!r} in its title{began}", None)
    if not answers:
        print_failure("there is no active server", "add a [[servers]] table to the configuration")
    if failed == len(answers):
        raise typer.Exit(3)
    if failed or not found:
        raise typer.Exit(1)


def _stored_servers(path: Path) -> dict[str, StoredServer]:
    """Return the servers of the database, by name; none where it is not there yet."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    try:
        with visits.reading(path) as connection:
            return {server.name: server for server in read_servers(connection)}
    except (DatabaseMissing, DatabasePlaceMissing):
        return {}


def _servers(settings: Config, stored: dict[str, StoredServer], only: str | None) -> list[ServerSection | Answer]:
    """Return the active servers, the configuration's first; of one whose row is no good, what is wrong with it."""
    from retrovue_daemon.config import server_from_row  # noqa: PLC0415 -- not for --help

    servers: dict[str, ServerSection | Answer] = {section.name: section for section in settings.servers}
    for row in stored.values():
        if row.source == "database" and row.is_active and row.name not in servers:
            try:
                servers[row.name] = server_from_row(row.name, row.url, row.token.reveal() if row.token else "")
            except ConfigError as error:
                servers[row.name] = Answer(row.name, error=error)
    if only is not None and only.strip() not in servers:
        raise UnknownServer(only, list(servers))
    return [server for name, server in servers.items() if only is None or name == only.strip()]


async def _ask_all(
    search: Callable[[ServerSection, StoredServer | None], Awaitable[list[DiscoveredShow]]],
    servers: Sequence[ServerSection | Answer],
    stored: dict[str, StoredServer],
) -> list[Answer]:
    """Ask all servers at once; what goes wrong is part of the answer."""

    async def ask(server: ServerSection | Answer) -> Answer:
        if isinstance(server, Answer):
            return server
        try:
            return Answer(server.name, tuple(await search(server, stored.get(server.name))))
        except DaemonError as error:
            return Answer(server.name, error=error)

    return list(await asyncio.gather(*map(ask, servers)))


def _plain(answers: Sequence[Answer]) -> Iterator[dict[str, object]]:
    for answer in answers:
        for show in answer.shows:
            guids = [f"{provider}://{external_id}" for provider, external_id in show["guids"]]
            yield {"server": answer.server, **show, "guids": guids}


def _failed(answer: Answer) -> dict[str, object]:
    return {"server": answer.server, **(describe(answer.error) or {})}


def _table(answers: Sequence[Answer]) -> Table:
    several = len(answers) > 1
    table = Table(*(["server"] if several else []), "show", "rating key", "id in the database")
    for answer in answers:
        for show in answer.shows:
            stored = "" if show["stored_id"] is None else str(show["stored_id"])
            table.add_row(*([answer.server] if several else []), show["disambiguation"], show["rating_key"], stored)
    return table
