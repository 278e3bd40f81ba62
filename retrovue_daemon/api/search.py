"""Finding shows by title on one server, with texts that distinguish them and the ids of stored rows."""

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
from retrovue_daemon.store.items.lookup import stored_ids
from retrovue_daemon.store.items.titles import simplified
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import FoundShow
    from retrovue_daemon.store.tables.servers import StoredServer

VISITOR: Final = "retrovue-daemon-check"
"""The client identifier for queries without a database, which may not exist yet."""


async def search_server(
    database: Path, title: str, year: int | None, section: ServerSection, stored: StoredServer | None
) -> list[DiscoveredShow]:
    """Find shows on a server over a separate session, and their stored rows if the database knows the server.

    Raises StoreError and PlexError, the latter also if the machine is not the one that the row belongs to.
    """
    async with PlexClient(section, client_identifier=VISITOR, version=__version__) as client:
        await client.confirm_machine(stored.machine_identifier if stored else None)
        found = await find_shows(client, title, year)
    rows = await asyncio.to_thread(stored_shows, database, stored.id, found) if stored else {}
    return combine_results(found, rows)


async def find_shows(client: PlexClient, title: str, year: int | None) -> list[FoundShow]:
    """Return a server's shows whose titles contain a text and that began in a year; exact matches come first.

    Results that do not match are dropped, because a proxy may strip the query. Raises PlexError.
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
    """Return the row ids of shows by rating key; blocks. Raises StoreError."""
    with reading(database) as connection:
        return stored_ids(connection, Kind.SHOW, server_id, [each.show.rating_key for each in found])


def combine_results(found: Sequence[FoundShow], stored: Mapping[str, int]) -> list[DiscoveredShow]:
    """Combine the shows found with the rows stored for them."""
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
    """Describe a show in one line, as in "Title (2008), TV Shows, 5 seasons, 62 episodes, tvdb://81189"."""
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
