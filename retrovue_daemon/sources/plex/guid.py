"""Plex guids as (provider, external id) pairs.

A guid identifies a *work*: ``plex://movie/5d77…`` in Plex's own catalogue, ``imdb://tt0111161`` in another, and
``com.plexapp.agents.imdb://tt0111161?lang=en`` in that same catalogue through an agent from before 2020. The forms
were collected from recorded server responses and from clients that match by guid.

No function here raises, whatever the string: an unknown form is kept under its scheme, so that a query for ``imdb``
or ``tvdb`` never finds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.records import Guids

UNKNOWN: Final = "unknown"
"""The provider of a guid without a scheme."""

_PROVIDER_OF_SCHEME: Final = {
    "plex": "plex",
    "imdb": "imdb",
    "tmdb": "tmdb",
    "tvdb": "tvdb",
    "mbid": "mbid",
    "iva": "iva",
    "anidb": "anidb",
    "local": "local",
    "none": "none",
    "com.plexapp.agents.imdb": "imdb",
    "com.plexapp.agents.thetvdb": "tvdb",
    "com.plexapp.agents.themoviedb": "tmdb",
    "com.plexapp.agents.none": "none",
    "tv.plex.agents.none": "none",
    "thetvdb": "tvdb",
    "themoviedb": "tmdb",
}

_NAMING: Final = {scheme: provider for scheme, provider in _PROVIDER_OF_SCHEME.items() if provider != "none"}
"""The schemes whose guids identify something."""

_HAMA_SCHEMES: Final = frozenset({"com.plexapp.agents.hama", "hama"})
_PROVIDER_OF_HAMA: Final = {"tsdb": "tmdb"}
_HAMA_ID: Final = re.compile(r"([a-z]+)([2-6]?)-(.+)", re.IGNORECASE | re.DOTALL)


class GUIDParser:
    """Parses guids; it has no state, so an instance can be shared or created where needed.

    Results are not cached: nearly every guid of a library is different, so a cache would cost more than the look-up
    it saves and keep all guids in memory.
    """

    __slots__ = ()

    @staticmethod
    def parse_guid(guid: str | None) -> tuple[str, str]:
        """Split a guid into its provider and the provider's id of the item.

        Providers are lower case. Agents of a catalogue count as the catalogue (``com.plexapp.agents.thetvdb`` is
        ``tvdb``) and lose their ``?lang=``; their episodes are ``("tvdb", "268592/1/2")``: series, season, episode.
        An unknown scheme is its own provider; a text without a scheme gets the provider ``unknown``. Never raises.
        """
        if not guid:
            return UNKNOWN, ""
        scheme, separator, rest = guid.strip().partition("://")
        provider = _PROVIDER_OF_SCHEME.get(scheme)
        if provider is None or not separator:
            return _parse_unusual(scheme, separator, rest)
        return provider, _without_language(rest)

    @classmethod
    def external_ids(cls, primary: str | None, ids: Iterable[str | None]) -> Guids:
        """Parse an item's primary guid and the ids of its ``Guid`` list, in this order, without duplicate pairs.

        Pairs without an id, and those of the agent ``none``, which looks nothing up, are omitted because they
        identify nothing. ``("local", key)`` is kept, although it has a meaning only on its own server.
        """
        pairs: dict[tuple[str, str], None] = {}
        for guid in (primary, *ids):
            if not guid:
                continue
            # The form of nearly every guid, handled without another call: this halves the time of the loop.
            scheme, _, external_id = guid.strip().partition("://")
            provider = _NAMING.get(scheme)
            if provider is None or not external_id or "?" in external_id:
                provider, external_id = cls.parse_guid(guid)
                if not external_id or provider == "none":
                    continue
            pairs[provider, external_id] = None
        return tuple(pairs)

    @staticmethod
    def extract_guids_from_plex_metadata(metadata: Mapping[str, object]) -> list[str]:
        """Return the raw guids of one entry of a ``Metadata`` array: the primary one, then its ``Guid`` list.

        ``guid`` and ``Guid`` differ only by case. Missing values and unexpected types are ignored; a single object
        instead of the list, and plain strings in it, are accepted.
        """
        children = metadata.get("Guid")
        entries = children if isinstance(children, list | tuple) else (children,)
        ids = (entry.get("id") if isinstance(entry, Mapping) else entry for entry in entries)
        texts = [text.strip() for text in (metadata.get("guid"), *ids) if isinstance(text, str)]
        return list(dict.fromkeys(filter(None, texts)))


extract_guids_from_plex_metadata = GUIDParser.extract_guids_from_plex_metadata
"""The name under which other programs know it."""


def _parse_unusual(scheme: str, separator: str, rest: str) -> tuple[str, str]:
    """Parse a guid that is not literally in the table."""
    if not separator or not scheme:
        return UNKNOWN, f"{scheme}{separator}{rest}"
    scheme = scheme.lower()
    identifier = _without_language(rest)
    if scheme in _HAMA_SCHEMES:
        return _parse_hama(identifier)
    return _PROVIDER_OF_SCHEME.get(scheme, scheme), identifier


def _parse_hama(identifier: str) -> tuple[str, str]:
    """Parse the id of the HAMA agent: ``anidb-69``, ``tvdb-81797/1/2``, ``tvdb4-81797``.

    A digit selects how episodes are renumbered (https://github.com/ZeroQI/Absolute-Series-Scanner). The series stays
    the same; only the episodes of ``tvdb2`` have the catalogue's own numbers, the others keep the digit.
    """
    match = _HAMA_ID.fullmatch(identifier)
    if match is None:
        return "hama", identifier
    catalogue, digit, external_id = match.groups()
    catalogue = catalogue.lower()
    if digit and "/" in external_id and catalogue + digit != "tvdb2":
        return catalogue + digit, external_id
    return _PROVIDER_OF_HAMA.get(catalogue, catalogue), external_id


def _without_language(identifier: str) -> str:
    """Remove the ``?lang=`` that every legacy agent appends: the language of the texts is not part of the id."""
    return identifier.partition("?lang=")[0]
