"""Asking servers who they are, whether they take the token, and what libraries they have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrovue_daemon import __version__
from retrovue_daemon.cli.imports import import_lightly
from retrovue_daemon.errors import BadAnswer, DaemonError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.config import ServerSection


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """What one server answered; ``libraries`` are (title, type, selected).

    ``owner`` says whether the token is the owner's or somebody's whom libraries are shared with.
    """

    name: str
    url: str
    version: str | None = None
    machine_identifier: str | None = None
    libraries: tuple[tuple[str, str, bool], ...] = ()
    error: DaemonError | None = None
    owner: bool | None = None

    def verdict(self, good: str) -> tuple[str, ...]:
        """Return the lines that a table shows: ``good``, or what went wrong and what can be done."""
        return (good,) if self.error is None else (str(self.error), *filter(None, (self.error.hint,)))


def ask_servers(sections: Sequence[ServerSection], *, whose_token: bool = False) -> list[ServerCheck]:
    """Ask all servers at once; what goes wrong is part of the answer. ``whose_token`` asks for ``owner`` too."""
    import_lightly()
    return asyncio.run(_ask_all(sections, whose_token=whose_token))


async def _ask_all(sections: Sequence[ServerSection], *, whose_token: bool) -> list[ServerCheck]:
    from retrovue_daemon.logs import configure_logging  # noqa: PLC0415 -- not for --help

    redactor = configure_logging(level="warning")
    for section in sections:
        redactor.learn(section.token.reveal())
    return list(await asyncio.gather(*(_ask(section, whose_token=whose_token) for section in sections)))


async def _ask(section: ServerSection, *, whose_token: bool) -> ServerCheck:
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
    return ServerCheck(
        section.name,
        section.url,
        identity.version,
        identity.machine_identifier,
        tuple(
            (
                library.title,
                library.kind,
                library.kind in LISTINGS and section.selects(library.title, library.key),
            )
            for library in libraries
        ),
        owner=owner,
    )
