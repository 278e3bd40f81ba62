"""The options that choose items, which several commands share, and what their values mean."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from retrovue_daemon.cli.completion import stored_names
from retrovue_daemon.cli.options import LibraryOption, ServerOption
from retrovue_daemon.service.item_choice import RESOLUTIONS, SORTS, ItemChoice

if TYPE_CHECKING:
    from collections.abc import Callable


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
    return [sort for name in SORTS for sort in (name, f"-{name}") if sort.startswith(incomplete)]


def _option(name: str, *names: str, metavar: str, help: str, completed: str | None = None) -> Any:  # noqa: A002 -- as typer names it
    completion = None if completed is None else stored_names(completed)
    return typer.Option(name, *names, metavar=metavar, help=help, show_default=False, autocompletion=completion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(ItemChoice):
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
            help=f"Only with a file of this resolution: {', '.join(RESOLUTIONS)}; repeat it to allow several.",
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
            help=f"Sort by {', '.join(SORTS[:-1])} or {SORTS[-1]}; -NAME puts the highest first.",
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
