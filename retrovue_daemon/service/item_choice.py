"""Which items a person names: the values of options and of form fields, and the filters that they mean."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence  # noqa: TC003 -- the command line reads the annotations at run time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import BadInput, BadOption
from retrovue_daemon.service.named import choose_libraries, choose_server

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.store.items.filters import Filters

# What is only needed to search is imported where it is: `--help` imports this module, too.

RESOLUTIONS: Final = ("8k", "4k", "2k", "1080", "720", "576", "480", "sd")
SORTS: Final = ("title", "year", "added", "released", "duration", "rating", "series", "random")
KINDS: Final = ("movie", "show", "season", "episode")
STATES: Final = ("active", "unavailable", "missing")

_SAME_RESOLUTION: Final = {"2160": "4k", "uhd": "4k", "4320": "8k", "fhd": "1080", "hd": "720"}
_YEARS: Final = re.compile(r"(\d{1,4})|(\d{1,4})?\.\.(\d{1,4})?")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LENGTH: Final = re.compile(r"(?:\d+h)?(?:\d+m)?(?:\d+s)?")
_HIGHEST_RATING: Final = 10
_CLOCKS_DIFFER_S: Final = 86400
"""Times of servers that lie further in the future are wrong: they come from the dates of files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChoice:
    """A choice of items, as it was typed. None, and an empty sequence, mean that everything is chosen."""

    kind: str | None = None
    server: str | None = None
    library: str | None = None
    year: str | None = None
    genre: Sequence[str] | None = None
    label: Sequence[str] | None = None
    collection: Sequence[str] | None = None
    actor: Sequence[str] | None = None
    director: Sequence[str] | None = None
    content_rating: Sequence[str] | None = None
    min_rating: float | None = None
    min_duration: str | None = None
    max_duration: str | None = None
    resolution: Sequence[str] | None = None
    language: Sequence[str] | None = None
    subtitle: Sequence[str] | None = None
    added_since: str | None = None
    state: str | None = None
    missing: bool = False
    sort: str | None = None

    def filters(
        self, connection: sqlite3.Connection, text: str | None = None, *, state: str | None = None
    ) -> tuple[Filters, str | None]:
        """Return what the options and a text mean: filters, and a part of a title.

        ``state`` is the state to choose if no option names one. Raise BadInput or UnknownName.
        """
        from retrovue_daemon.records import Kind  # noqa: PLC0415 -- not for --help
        from retrovue_daemon.store.items.filters import Filters  # noqa: PLC0415 -- likewise

        if text is not None and not text.strip():
            raise BadInput("TEXT must not be empty", hint="pass a part of a title, or a guid")
        if self.sort is not None and self.sort.removeprefix("-") not in SORTS:
            raise BadOption("sort", f"{self.sort!r} is unknown", hint=f"use one of {', '.join(SORTS)}")
        for name, value, known in (("kind", self.kind, KINDS), ("state", self.state, STATES)):
            if value is not None and value not in known:
                raise BadOption(name, f"{value!r} is unknown", hint=f"use one of {', '.join(known)}")
        server_id, library_ids = self._places(connection)
        kinds = (Kind.MOVIE, Kind.SHOW, Kind.EPISODE) if self.kind is None else (Kind(self.kind),)
        is_guid = text is not None and "://" in text
        filters = Filters(
            kinds=kinds,
            server_id=server_id,
            library_ids=library_ids,
            years=None if self.year is None else _years(self.year),
            genres=tuple(self.genre or ()),
            labels=tuple(self.label or ()),
            collections=tuple(self.collection or ()),
            actors=tuple(self.actor or ()),
            directors=tuple(self.director or ()),
            content_ratings=tuple(self.content_rating or ()),
            min_rating=self._rating(),
            min_duration=_length("min_duration", self.min_duration),
            max_duration=_length("max_duration", self.max_duration),
            resolutions=tuple(map(_resolution, self.resolution or ())),
            languages=tuple(_language("language", code) for code in self.language or ()),
            subtitles=tuple(_language("subtitle", code) for code in self.subtitle or ()),
            added_since=None if self.added_since is None else _since(self.added_since),
            added_until=None if self.added_since is None else int(time.time()) + _CLOCKS_DIFFER_S,
            state=self._state() or state,
            guid=read_guid(text) if is_guid and text is not None else None,
        )
        _refuse_empty_span(
            "min_duration", filters.min_duration, "is longer than --max-duration", filters.max_duration
        )
        return filters, None if is_guid or text is None else text.strip()

    def _places(self, connection: sqlite3.Connection) -> tuple[int | None, tuple[int, ...] | None]:
        from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help
        from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

        server_id = None if self.server is None else choose_server(read_servers(connection), self.server).id
        if self.library is None:
            return server_id, None
        chosen = choose_libraries(read_libraries(connection), self.library, self.server)
        return server_id, tuple(library.id for library in chosen)

    def _rating(self) -> float | None:
        if self.min_rating is not None and not 0 <= self.min_rating <= _HIGHEST_RATING:
            raise BadOption("min_rating", f"{self.min_rating:g} is no rating", hint="use a number from 0 to 10")
        return self.min_rating

    def _state(self) -> str | None:
        if not self.missing:
            return self.state
        if self.state not in {None, "missing"}:
            raise BadOption("missing", f"contradicts --state {self.state}", hint="pass only one of them")
        return "missing"


def read_guid(guid: str) -> tuple[str, str]:
    """Return the provider and external id of a guid. Raise BadInput if it is invalid."""
    from retrovue_daemon.sources.plex.guid import UNKNOWN, GUIDParser  # noqa: PLC0415 -- not for --help

    provider, external_id = GUIDParser.parse_guid(guid)
    if provider == UNKNOWN or not external_id:
        missing = "a scheme such as imdb://" if provider == UNKNOWN else "an id after ://"
        raise BadInput(f"{guid!r} is not a guid: it lacks {missing}", hint="a guid looks like imdb://tt0017136")
    return provider, external_id


def _years(text: str) -> tuple[int | None, int | None]:
    found = _YEARS.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise BadOption(
            "year", f"{text!r} is neither a year nor a span of years", hint="use 1950, 1950..1960, 1950.. or ..1960"
        )
    year, first, last = (None if part is None else int(part) for part in found.groups())
    if year is not None:
        return year, year
    _refuse_empty_span("year", first, f"{text!r}: the first year is beyond the last year", last)
    return first, last


def _length(option: str, text: str | None) -> int | None:
    """Return milliseconds."""
    from retrovue_daemon.config.values import seconds  # noqa: PLC0415 -- not for --help

    if text is None:
        return None
    word = text.replace(" ", "").lower().removesuffix("in")
    if word.isascii() and word.isdecimal():
        word += "m"
    if not word or len(word) > 12 or not _LENGTH.fullmatch(word):  # noqa: PLR2004 -- longer than any film
        raise BadOption(option, f"{text!r} is no length", hint="use minutes, such as 90, or 1h30m, or 45s")
    return round(seconds(word) * 1000)


def _resolution(text: str) -> str:
    word = text.strip().lower().removesuffix("p")
    word = _SAME_RESOLUTION.get(word, word)
    if word not in RESOLUTIONS:
        raise BadOption("resolution", f"{text!r} is unknown", hint=f"use one of {', '.join(RESOLUTIONS)}")
    return word


def _language(option: str, text: str) -> str:
    if not _LANGUAGE.fullmatch(text.strip()):
        raise BadOption(option, f"{text!r} is no code of a language", hint="use a code such as de, deu or pt-BR")
    return text.strip()


def _since(text: str) -> int:
    """Return the Unix time of a date, or of an age before now."""
    from retrovue_daemon.config.values import seconds  # noqa: PLC0415 -- not for --help

    word = text.replace(" ", "").lower()
    if re.fullmatch(r"(?:\d{1,5}[dhm])+", word):
        return max(0, int(time.time() - seconds(word)))
    try:
        return int(datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError, OSError):
        raise BadOption(
            "added_since", f"{text!r} is neither a date nor an age", hint="use 2026-03-14, or 7d, or 12h"
        ) from None


def _refuse_empty_span(name: str, first: int | None, problem: str, last: int | None) -> None:
    if first is not None and last is not None and first > last:
        raise BadOption(name, f"{problem}: nothing can match", hint="exchange the two values")
