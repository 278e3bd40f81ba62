"""The options that choose items, which several commands share, and what their values mean."""

from __future__ import annotations

import functools
import inspect
import re
import time
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.completion import stored_names
from retrovue_daemon.cli.options import LibraryOption, ServerOption
from retrovue_daemon.errors import BadInput

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from retrovue_daemon.store.items.filters import Filters

_RESOLUTIONS: Final = ("8k", "4k", "2k", "1080", "720", "576", "480", "sd")
_SAME_RESOLUTION: Final = {"2160": "4k", "uhd": "4k", "4320": "8k", "fhd": "1080", "hd": "720"}
_YEARS: Final = re.compile(r"(\d{1,4})|(\d{1,4})?\.\.(\d{1,4})?")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LENGTH: Final = re.compile(r"(?:\d+h)?(?:\d+m)?(?:\d+s)?")
_SORTS: Final = ("title", "year", "added", "released", "duration", "rating", "series", "random")
_HIGHEST_RATING: Final = 10
_CLOCKS_DIFFER_S: Final = 86400
"""Times of servers that lie further in the future are wrong: they come from the dates of files."""


class KindName(StrEnum):
    """The values of ``--kind``."""

    MOVIE = "movie"
    SHOW = "show"
    SEASON = "season"
    EPISODE = "episode"


class StateName(StrEnum):
    """The values of ``--state``."""

    ACTIVE = "active"
    UNAVAILABLE = "unavailable"
    MISSING = "missing"


def _sorts(incomplete: str) -> list[str]:
    return [sort for name in _SORTS for sort in (name, f"-{name}") if sort.startswith(incomplete)]


def _option(name: str, *names: str, metavar: str, help: str, completed: str | None = None) -> Any:  # noqa: A002 -- as typer names it
    completion = None if completed is None else stored_names(completed)
    return typer.Option(name, *names, metavar=metavar, help=help, show_default=False, autocompletion=completion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The values of the options that choose items, as they were given; each field is an option."""

    kind: Annotated[
        KindName | None, typer.Option("--kind", "-k", help="Only items of this kind.", show_default=False)
    ] = None
    server: ServerOption = None
    library: LibraryOption = None
    year: Annotated[
        str | None,
        _option(
            "--year",
            metavar="YEAR|FROM..TO",
            help="Only of this year or range: 1950..1960, 1950.. or ..1960. For episodes, the year of broadcast.",
        ),
    ] = None
    genre: Annotated[
        list[str] | None,
        _option("--genre", metavar="NAME", help="Only with this genre; repeat it for several.", completed="genre"),
    ] = None
    label: Annotated[
        list[str] | None,
        _option("--label", metavar="NAME", help="Only with this label; repeat it for several.", completed="label"),
    ] = None
    collection: Annotated[
        list[str] | None,
        _option(
            "--collection",
            metavar="TITLE",
            help="Only members of this collection, and the episodes of shows and seasons in it.",
            completed="collection",
        ),
    ] = None
    actor: Annotated[
        list[str] | None,
        _option("--actor", metavar="NAME", help="Only with this actor; repeat it for several.", completed="person"),
    ] = None
    director: Annotated[
        list[str] | None,
        _option("--director", metavar="NAME", help="Only by this director.", completed="person"),
    ] = None
    content_rating: Annotated[
        list[str] | None,
        _option(
            "--content-rating",
            metavar="RATING",
            help="Only with this content rating, such as PG-13; repeat it to allow several.",
            completed="content-rating",
        ),
    ] = None
    min_rating: Annotated[
        float | None,
        _option(
            "--min-rating",
            metavar="NUMBER",
            help="Only with at least this rating, from 0 to 10: the audience's or, if there is none, the critics'.",
        ),
    ] = None
    min_duration: Annotated[
        str | None,
        _option(
            "--min-duration",
            metavar="LENGTH",
            help="Only films and episodes of this length or longer: minutes, or 1h30m.",
        ),
    ] = None
    max_duration: Annotated[
        str | None,
        _option("--max-duration", metavar="LENGTH", help="Only films and episodes of this length or shorter."),
    ] = None
    resolution: Annotated[
        list[str] | None,
        _option(
            "--resolution",
            metavar="NAME",
            help=f"Only with a file of this resolution: {', '.join(_RESOLUTIONS)}; repeat it to allow several.",
        ),
    ] = None
    language: Annotated[
        list[str] | None,
        _option("--language", metavar="CODE", help="Only with sound in this language, such as de or deu."),
    ] = None
    subtitle: Annotated[
        list[str] | None,
        _option(
            "--subtitle",
            metavar="CODE",
            help="Only with subtitles in this language; one file must match --resolution, --language and this.",
        ),
    ] = None
    added_since: Annotated[
        str | None,
        _option(
            "--added-since",
            metavar="DATE|AGE",
            help="Only added to Plex since a date (2026-03-14) or an age (7d); dates in the future do not count.",
        ),
    ] = None
    state: Annotated[
        StateName | None, typer.Option("--state", help="Only items in this state.", show_default=False)
    ] = None
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Only items that their servers no longer list; the same as --state missing."),
    ] = False
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="NAME",
            help=f"Sort by {', '.join(_SORTS[:-1])} or {_SORTS[-1]}; -NAME puts the highest first.",
            show_default=False,
            autocompletion=_sorts,
        ),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "-n", metavar="NUMBER", min=1, help="The maximum number of items.", show_default=False
        ),
    ] = None

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
        if self.sort is not None and self.sort.removeprefix("-") not in _SORTS:
            raise BadInput(f"--sort {self.sort!r} is unknown", hint=f"use one of {', '.join(_SORTS)}")
        server_id, library_ids = self._places(connection)
        kinds = (Kind.MOVIE, Kind.SHOW, Kind.EPISODE) if self.kind is None else (Kind(self.kind.value),)
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
            min_duration=_length("--min-duration", self.min_duration),
            max_duration=_length("--max-duration", self.max_duration),
            resolutions=tuple(map(_resolution, self.resolution or ())),
            languages=tuple(_language("--language", code) for code in self.language or ()),
            subtitles=tuple(_language("--subtitle", code) for code in self.subtitle or ()),
            added_since=None if self.added_since is None else _since(self.added_since),
            added_until=None if self.added_since is None else int(time.time()) + _CLOCKS_DIFFER_S,
            state=self._state() or state,
            guid=read_guid(text) if is_guid and text is not None else None,
        )
        _refuse_empty_span("--min-duration", filters.min_duration, "--max-duration", filters.max_duration)
        return filters, None if is_guid or text is None else text.strip()

    def _places(self, connection: sqlite3.Connection) -> tuple[int | None, tuple[int, ...] | None]:
        from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help
        from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

        server_id = None if self.server is None else choices.choose_server(read_servers(connection), self.server).id
        if self.library is None:
            return server_id, None
        chosen = choices.choose_libraries(read_libraries(connection), self.library, self.server)
        return server_id, tuple(library.id for library in chosen)

    def _rating(self) -> float | None:
        if self.min_rating is not None and not 0 <= self.min_rating <= _HIGHEST_RATING:
            raise BadInput(f"--min-rating {self.min_rating:g} is no rating", hint="use a number from 0 to 10")
        return self.min_rating

    def _state(self) -> str | None:
        if not self.missing:
            return None if self.state is None else self.state.value
        if self.state not in {None, StateName.MISSING}:
            raise BadInput(f"--missing contradicts --state {self.state}", hint="pass only one of them")
        return StateName.MISSING.value


def with_choice(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose items; its parameter ``choice`` gets their values."""
    names = {field.name for field in fields(Choice)}
    hints = get_type_hints(Choice, include_extras=True)
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(Choice)
    ]

    @functools.wraps(command)
    def chosen(**values: Any) -> None:
        choice = Choice(**{name: values.pop(name) for name in names})
        command(**values, choice=choice)

    own = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        kept = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        own += options if parameter.name == "choice" else [kept]
    vars(chosen)["__signature__"] = inspect.Signature(own)
    chosen.__annotations__ = {parameter.name: parameter.annotation for parameter in own}
    return chosen


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
        raise BadInput(
            f"--year {text!r} is neither a year nor a span of years", hint="use 1950, 1950..1960, 1950.. or ..1960"
        )
    year, first, last = (None if part is None else int(part) for part in found.groups())
    if year is not None:
        return year, year
    _refuse_empty_span("the first year", first, "the last year", last)
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
        raise BadInput(f"{option} {text!r} is no length", hint="use minutes, such as 90, or 1h30m, or 45s")
    return round(seconds(word) * 1000)


def _resolution(text: str) -> str:
    word = text.strip().lower().removesuffix("p")
    word = _SAME_RESOLUTION.get(word, word)
    if word not in _RESOLUTIONS:
        raise BadInput(f"--resolution {text!r} is unknown", hint=f"use one of {', '.join(_RESOLUTIONS)}")
    return word


def _language(option: str, text: str) -> str:
    if not _LANGUAGE.fullmatch(text.strip()):
        raise BadInput(f"{option} {text!r} is no code of a language", hint="use a code such as de, deu or pt-BR")
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
        raise BadInput(
            f"--added-since {text!r} is neither a date nor an age", hint="use 2026-03-14, or 7d, or 12h"
        ) from None


def _refuse_empty_span(lower: str, first: int | None, upper: str, last: int | None) -> None:
    if first is not None and last is not None and first > last:
        raise BadInput(f"{lower} is beyond {upper}: nothing can match", hint="exchange the two values")
