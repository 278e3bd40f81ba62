"""Asking servers who they are, whether they take the token, and what libraries they have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from retrovue_daemon import __version__
from retrovue_daemon.cli.imports import import_lightly
from retrovue_daemon.errors import BadAnswer, DaemonError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.config import ServerSection


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """What one server answered; ``libraries`` are (title, type, selected).

    ``unknown`` are the entries of ``libraries`` in the configuration that fit none of them, ``warnings`` what else in
    it fits none.
    ``owner`` says whether the token is the owner's or somebody's whom libraries are shared with.
    """

    name: str
    url: str
    version: str | None = None
    machine_identifier: str | None = None
    libraries: tuple[tuple[str, str, bool], ...] = ()
    error: DaemonError | None = None
    owner: bool | None = None
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def verdict(self, good: str) -> tuple[str, ...]:
        """Return the lines that a table shows: ``good``, or what went wrong and what can be done."""
        if self.error is not None:
            return (str(self.error), *filter(None, (self.error.hint,)))
        unknown = tuple(f"{entry!r} in libraries selects no library" for entry in self.unknown)
        return (*(unknown or (good,)), *self.warnings)


FormerTitles: TypeAlias = "Mapping[str, Sequence[str]]"
"""Titles that libraries had before, by their uuid."""


def stored_titles(path: Path) -> dict[str, tuple[str, ...]]:
    """Return all titles that a database knows of libraries, by uuid; none where it cannot be read."""
    from retrovue_daemon.store import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.former_names import read_names  # noqa: PLC0415 -- likewise

    query = "SELECT uuid, library_name, former_names FROM libraries WHERE uuid IS NOT NULL"
    try:
        with visits.reading(path) as connection:
            return {uuid: (title, *read_names(former)) for uuid, title, former in connection.execute(query)}
    except StoreError:
        return {}


def ask_servers(
    sections: Sequence[ServerSection], *, whose_token: bool = False, former: FormerTitles | None = None
) -> list[ServerCheck]:
    """Ask all servers at once; what goes wrong is part of the answer. ``whose_token`` asks for ``owner`` too."""
    import_lightly()
    return asyncio.run(_ask_all(sections, whose_token=whose_token, former=former or {}))


async def _ask_all(
    sections: Sequence[ServerSection], *, whose_token: bool, former: FormerTitles
) -> list[ServerCheck]:
    from retrovue_daemon.logs import configure_logging  # noqa: PLC0415 -- not for --help

    redactor = configure_logging(level="warning")
    for section in sections:
        redactor.learn(section.token.reveal())
    return list(
        await asyncio.gather(*(_ask(section, whose_token=whose_token, former=former) for section in sections))
    )


async def _ask(section: ServerSection, *, whose_token: bool, former: FormerTitles) -> ServerCheck:
    from retrovue_daemon.config import idle_entries  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.plex.client import PlexClient  # noqa: PLC0415 -- brings aiohttp, which --help does not need
    from retrovue_daemon.sync.targets import LISTINGS  # noqa: PLC0415 -- likewise

    try:
        async with PlexClient(section, client_identifier="retrovue-daemon-check", version=__version__) as client:
            identity = await client.identity()
            if identity.machine_identifier is None:
                raise BadAnswer(section.name, "/identity holds no machineIdentifier")
            libraries = await client.libraries()
            owner = await client.is_owner() if whose_token else None
    except DaemonError as error:
        return ServerCheck(section.name, section.url, error=error)
    taken = {library.title.strip() for library in libraries}
    had = {
        library.key: [name for name in former.get(library.uuid or "", ()) if name.strip() not in taken]
        for library in libraries
    }
    named = [(library.key, (library.title, *had[library.key])) for library in libraries]
    excluded = idle_entries(section.exclude_libraries, named)
    mapped = [mapping.library_name for mapping in section.path_mappings if mapping.library_name is not None]
    known = {title.strip() for _, titles in named for title in titles}
    return ServerCheck(
        section.name,
        section.url,
        identity.version,
        identity.machine_identifier,
        tuple(
            (
                library.title,
                library.kind,
                library.kind in LISTINGS and section.selects(library.title, library.key, had[library.key]),
            )
            for library in libraries
        ),
        owner=owner,
        unknown=idle_entries(section.libraries or (), named),
        warnings=(
            *(f"{entry!r} in exclude_libraries excludes no library" for entry in excluded),
            *(f"a path mapping is for {name!r}, which is no library" for name in mapped if name.strip() not in known),
        ),
    )
