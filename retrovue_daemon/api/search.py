"""Shows found by their title on one server: told apart, and compared with what is stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from retrovue_daemon.api.results import DiscoveredShow
from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.records import Kind
from retrovue_daemon.service.selection import is_of_year
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.items.catalog import simplified
from retrovue_daemon.store.items.lookup import stored_ids
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import FoundShow
    from retrovue_daemon.store.tables.servers import StoredServer

VISITOR: Final = "retrovue-daemon-check"
"""The client identifier of whoever only asks: a database may not be there yet."""


async def search_server(
    database: Path, title: str, year: int | None, section: ServerSection, stored: StoredServer | None
) -> list[DiscoveredShow]:
    """Find shows on a server over a session of its own, and what the database has of them, where it knows the server.

    Raises PlexError, also where the machine is not the one that the row belongs to; StoreError.
    """
    async with PlexClient(section, client_identifier=VISITOR, version=__version__) as client:
        await client.confirm_machine(stored.machine_identifier if stored else None)
        found = await find_shows(client, title, year)
    rows = await asyncio.to_thread(stored_shows, database, stored.id, found) if stored else {}
    return discovered(found, rows)


async def find_shows(client: PlexClient, title: str, year: int | None) -> list[FoundShow]:
    """Ask a server for the shows whose titles contain a text, and which began in a year; equal titles come first.

    What does not fit is left out, for a proxy may drop the question. Raises PlexError.
    """
    if not is_utf8(title):
        return []
    wanted = simplified(title.strip())
    found = [
        each
        for each in await client.shows_called(title.strip(), year or None)
        if wanted in simplified(each.show.title) and is_of_year(each.show.year, year)
    ]
    return sorted(
        found, key=lambda each: (simplified(each.show.title) != wanted, each.show.title, each.show.year or 0)
    )


def stored_shows(database: Path, server_id: int, found: Sequence[FoundShow]) -> dict[str, int]:
    """Return the ids of the rows of shows, by rating key; blocks. Raises StoreError."""
    with reading(database) as connection:
        return stored_ids(connection, Kind.SHOW, server_id, [each.show.rating_key for each in found])


def discovered(found: Sequence[FoundShow], stored: Mapping[str, int]) -> list[DiscoveredShow]:
    """Make what is returned of what was found and what is stored."""
    texts = [_text(each) for each in found]
    alike = Counter(texts)
    return [
        DiscoveredShow(
            rating_key=each.show.rating_key,
            title=each.show.title,
            year=each.show.year,
            library_key=each.library_key,
            library=each.library,
            seasons=each.show.total_seasons,
            episodes=each.show.total_episodes,
            guids=list(each.show.guids),
            disambiguation=text if alike[text] == 1 else f"{text}, rating key {each.show.rating_key}",
            stored=each.show.rating_key in stored,
            stored_id=stored.get(each.show.rating_key),
        )
        for each, text in zip(found, texts, strict=True)
    ]


def _text(found: FoundShow) -> str:
    """Say in one line which show is meant, as in "Title (2008), TV Shows, 5 seasons, 62 episodes, tvdb://81189"."""
    show = found.show
    parts = (
        show.title if show.year is None else f"{show.title} ({show.year})",
        found.library or (f"library {found.library_key}" if found.library_key else None),
        _counted(show.total_seasons, "season"),
        _counted(show.total_episodes, "episode"),
        show.guid_primary or show.guid,
    )
    return ", ".join(part for part in parts if part)


def _counted(number: int | None, noun: str) -> str | None:
    if number is None:
        return None
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
