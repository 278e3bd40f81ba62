"""Checks of servers: their identity, whether they accept the token, and which libraries they have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from retrovue_daemon.errors import DaemonError, DuplicateServer
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import LibraryListing
    from retrovue_daemon.sources.plex.retries import RetryPolicy
    from retrovue_daemon.sync.visible_paths import VisiblePaths


HIDDEN_HINT = "use the token of the server's owner: with this one, stored paths are kept and new files have none"

_CLIENT = "retrovue-daemon-check"
"""How checks identify themselves to servers."""


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """The result of one server's check; ``libraries`` are (title, type, selected).

    ``unlisted`` says which libraries could not be read, and why; ``unknown`` are the entries of ``libraries`` in the
    configuration that match no library of the server; ``warnings`` are about its other names that match none, or only
    by a former title. ``owner`` is whether the token is the owner's; None if that was not checked. ``paths`` is what
    the token sees of file paths; None without files. ``same_as`` is the name of an earlier entry that is the same
    server.
    """

    name: str
    url: str
    version: str | None = None
    machine_identifier: str | None = None
    libraries: tuple[tuple[str, str, bool], ...] = ()
    error: DaemonError | None = None
    owner: bool | None = None
    paths: VisiblePaths | None = None
    unlisted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    same_as: str | None = None

    @property
    def sees_paths(self) -> bool | None:
        """Whether the token sees file paths; None if unknown."""
        return None if self.paths is None else self.paths.problem is None

    @property
    def problems(self) -> tuple[str, ...]:
        """Why a sync would be incomplete, although the server responds."""
        hidden = self.paths.problem if self.paths is not None else None
        return (
            *((f"{self.same_as!r} is the same server", DuplicateServer.hint) if self.same_as is not None else ()),
            *(f"{entry!r} in libraries matches no library" for entry in self.unknown),
            *self.unlisted,
            *((hidden, HIDDEN_HINT) if hidden is not None else ()),
        )

    @property
    def failure(self) -> tuple[str, ...]:
        """Why the server could not be used, followed by the hint; empty if it responded."""
        return () if self.error is None else (str(self.error), *filter(None, (self.error.hint,)))


FormerTitles: TypeAlias = "Mapping[str, Sequence[str]]"
"""The titles that libraries have or had, by uuid."""


async def check_all(
    sections: Sequence[ServerSection],
    machines: Mapping[str, str],
    *,
    whose_token: bool = False,
    former: FormerTitles | None = None,
) -> list[ServerCheck]:
    """Check all servers at once; errors become part of the results. ``whose_token`` also determines ``owner``.

    ``machines`` are the machineIdentifiers that are known, by the server's name: another machine gets no token.
    """
    import asyncio  # noqa: PLC0415 -- not for --help

    results = await asyncio.gather(
        *(
            check_server(section, machines.get(section.name), whose_token=whose_token, former=former)
            for section in sections
        )
    )
    first: dict[str, str] = {}
    return [
        result
        if result.machine_identifier is None
        or first.setdefault(result.machine_identifier, result.name) == result.name
        else replace(result, same_as=first[result.machine_identifier])
        for result in results
    ]


async def machine_at(section: ServerSection, *, link_local: bool = True, retry: RetryPolicy | None = None) -> str:
    """Return the machineIdentifier of a server, requested without the token. Raise PlexError."""
    from retrovue_daemon.sources.plex.client import PlexClient  # noqa: PLC0415 -- imports aiohttp, which --help does not need

    async with PlexClient(
        section, client_identifier=_CLIENT, version=__version__, retry=retry, link_local=link_local
    ) as client:
        return (await client.identity()).machine_identifier


async def check_server(
    section: ServerSection,
    machine: str | None,
    *,
    whose_token: bool = False,
    former: FormerTitles | None = None,
    link_local: bool = True,
    retry: RetryPolicy | None = None,
) -> ServerCheck:
    """Check one server, as `check_all` does. Unless ``link_local``, link-local addresses are refused."""
    from retrovue_daemon.sources.plex.client import PlexClient  # noqa: PLC0415 -- imports aiohttp, which --help does not need
    from retrovue_daemon.sync.visible_paths import read_samples  # noqa: PLC0415 -- likewise

    try:
        async with PlexClient(
            section, client_identifier=_CLIENT, version=__version__, retry=retry, link_local=link_local
        ) as client:
            identity = await client.confirm_machine(machine)
            libraries = await client.libraries()
            owner = await client.is_owner() if whose_token else None
            offer = _ListedLibraries(section, libraries, former or {})
            samples = await read_samples(client, filter(offer.is_selected, libraries))
    except DaemonError as error:
        return ServerCheck(section.name, section.url, error=error)
    return ServerCheck(
        section.name,
        section.url,
        identity.version,
        identity.machine_identifier,
        tuple((library.title, library.kind, offer.is_selected(library)) for library in libraries),
        owner=owner,
        paths=samples.paths,
        unlisted=tuple(f"library {title!r}: {error}" for title, error in samples.failures.items()),
        unknown=offer.unknown,
        warnings=offer.warnings,
    )


class _ListedLibraries:
    """The libraries that a server lists, compared with the names in the configuration."""

    def __init__(self, section: ServerSection, libraries: Sequence[LibraryListing], former: FormerTitles) -> None:
        self._section = section
        self._libraries = libraries
        taken = {library.title.strip() for library in libraries}
        self._had = {
            library.key: [name for name in former.get(library.uuid or "", ()) if name.strip() not in taken]
            for library in libraries
        }
        self._named = [(library.key, (library.title, *self._had[library.key])) for library in libraries]

    def is_selected(self, library: LibraryListing) -> bool:
        """Return whether a sync would read a library, as far as the configuration decides."""
        from retrovue_daemon.sync.target import LISTINGS  # noqa: PLC0415 -- not for --help

        had = self._had[library.key]
        return library.kind in LISTINGS and self._section.selects(library.title, library.key, had)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The entries of ``libraries`` that match no library."""
        from retrovue_daemon.config import idle_entries  # noqa: PLC0415 -- not for --help

        return idle_entries(self._section.libraries or (), self._named)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the other names in the configuration: those that match no library, and former titles."""
        from retrovue_daemon.config import idle_entries  # noqa: PLC0415 -- not for --help

        mapped = [mapping.library_name for mapping in self._section.path_mappings if mapping.library_name is not None]
        known = {title.strip() for _, titles in self._named for title in titles}
        return (
            *(() if any(map(self.is_selected, self._libraries)) else ("no library of this server would be synced",)),
            *(
                f"{entry!r} in exclude_libraries matches no library"
                for entry in idle_entries(self._section.exclude_libraries, self._named)
            ),
            *(f"{name!r} in a path mapping matches no library" for name in mapped if name.strip() not in known),
            *(
                f"{used!r} is the former title of library {library.title.strip()!r}"
                for library in self._libraries
                if (used := self._former_name_in_use(library, mapped)) is not None
            ),
        )

    def _former_name_in_use(self, library: LibraryListing, mapped: Sequence[str]) -> str | None:
        """Return a former title that the configuration still uses for a library, or None."""
        had = self._had[library.key]
        named = {name.strip() for name in mapped}
        return self._section.former_name_in_use(library.title, library.key, had) or next(
            (name for name in had if name.strip() in named), None
        )
