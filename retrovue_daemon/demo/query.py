"""What a request asks of a list: the page, the filters, the order, and the elements of each entry.

An operator precedes the equals sign: `updatedAt>=5` arrives as the key `updatedAt>` with the value `5`, `title==x` as
`title` with `=x`. Dates compare as integers and may be relative (`-30d`). An item without a value matches no
comparison: no recording shows what a real server does, and this is what its database would do.
"""

from __future__ import annotations

import math
import re
from itertools import groupby
from operator import attrgetter, le
from typing import TYPE_CHECKING, Any, TypeVar
from unicodedata import normalize

import msgspec

from retrovue_daemon.demo.items import Episode, Item, Movie, Season, Tags
from retrovue_daemon.demo.shape import Shape
from retrovue_daemon.demo.tags import TAG_FIELDS, tag_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from multidict import MultiMapping

    from retrovue_daemon.demo.world import World

AnItem = TypeVar("AnItem", bound=Item)
TYPE_NUMBERS = {"movie": 1, "show": 2, "season": 3, "episode": 4, "artist": 8, "photo": 13, "collection": 18}
TYPES_BY_NUMBER = {number: name for name, number in TYPE_NUMBERS.items()}

NATURAL = re.compile(r"[0-9]{1,18}")
"""ASCII digits only, and no number too large for a database."""
NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "mon": 2_592_000, "y": 31_536_000}
RELATIVE = re.compile(r"-([0-9]{1,9})(m|h|d|w|mon|y)")
FILTER = re.compile(r"(?:(?P<level>[a-z]+)\.)?(?P<field>[A-Za-z]+)(?P<operator>[^A-Za-z.]*)$")
DIGITS = re.compile(r"[0-9]+")
BRACKETS = frozenset({"push", "or", "pop"})
"""Words that combine filters other than by AND, which the simulated server does not support."""
ACCENTS = re.compile("[\u0300-\u036f]")

NEVER_EXCLUDED = frozenset({"ratingKey", "type"})
"""A client asks for exclusions and the server decides: these are never excluded, because they identify an entry."""


STREAMS = "Stream"
"""The only element that listings add on request (includeElements)."""


class BadQuery(Exception):
    """A filter or sort that the server does not understand: it answers 400."""


class Window(msgspec.Struct, frozen=True):
    """The requested page. `size` is None if only a start was given."""

    start: int
    size: int | None


NUMBERS: dict[str, Callable[[Item], Any]] = {
    "id": attrgetter("id"),
    "index": lambda item: item.index if isinstance(item, Episode | Season) else None,
    "year": attrgetter("year"),
    "addedAt": attrgetter("added_at"),
    "updatedAt": attrgetter("updated_at"),
    "rating": attrgetter("rating"),
    "audienceRating": attrgetter("audience_rating"),
    "duration": lambda item: getattr(item, "duration", None),
    "trash": lambda item: int(item.deleted_at is not None),
    "unmatched": lambda item: int(item.guid.startswith("local://")),
}
TEXTS: dict[str, Callable[[Item], str | None]] = {
    "title": attrgetter("title"),
    "titleSort": lambda item: item.title_sort or item.title,
    "studio": attrgetter("studio"),
    "contentRating": attrgetter("content_rating"),
    "originallyAvailableAt": attrgetter("originally_available_at"),
    "editionTitle": lambda item: item.edition_title if isinstance(item, Movie) else None,
    "guid": attrgetter("guid"),
}
EXACT_TEXTS = frozenset({"guid", "contentRating"})

DEFAULT_SORTS = {
    "season": "show.titleSort,index",
    "episode": "show.titleSort,season.index:nullsLast,index:nullsLast,originallyAvailableAt:nullsLast,titleSort,id",
}


def window(query: Mapping[str, str], headers: Mapping[str, str]) -> Window | None:
    """Return the page requested in headers or query, or None if the request does not mention paging."""
    start, size = (
        _natural_or_bad(name, query.get(name, headers.get(name)))
        for name in ("X-Plex-Container-Start", "X-Plex-Container-Size")
    )
    return None if start is None and size is None else Window(start or 0, size)


def shape(query: Mapping[str, str]) -> Shape:
    """Return which elements the entries should have."""
    without = [
        name for key in ("excludeElements", "excludeFields") for name in query.get(key, "").split(",") if name.strip()
    ]
    return Shape(
        guids=query.get("includeGuids") == "1",
        streams=STREAMS in query.get("includeElements", "").split(","),
        chapters=query.get("includeChapters") == "1",
        markers=query.get("includeMarkers") == "1",
        without=frozenset(without) - NEVER_EXCLUDED,
    )


def item_type(query: Mapping[str, str], default: str) -> str | None:
    """Return the item type that `type=` names, or None if the server has no such type."""
    number = _natural_or_bad("type", query.get("type"))
    return default if number is None else TYPES_BY_NUMBER.get(number)


def limit(query: Mapping[str, str]) -> int | None:
    """Return the number of entries after which the whole list ends, or None without such a limit."""
    return _natural_or_bad("limit", query.get("limit"))


def natural(text: str) -> int | None:
    """Return the number written in ASCII digits, or None for any other text and for absurdly long numbers."""
    return int(text) if NATURAL.fullmatch(text) else None


def filtered(world: World, items: Iterable[AnItem], query: MultiMapping[str]) -> list[AnItem]:
    """Return the items that pass every filter of the query. Arguments that are not fields are not filters."""
    kept = list(items)
    for key, value in query.items():
        if key in BRACKETS:
            raise BadQuery(key)
        parsed = FILTER.match(key)
        if parsed is None:
            continue
        field, operator, wanted = parsed["field"], parsed["operator"] + "=", value
        if value.startswith("="):  # title==x
            operator, wanted = operator + "=", value[1:]
        test = _test(world, field, operator, wanted)
        if test is not None:
            if level := parsed["level"]:
                kept = [item for item in kept if test(_at_level(world, item, level))]
            else:
                kept = [item for item in kept if test(item)]
        elif operator != "=":
            raise BadQuery(f"{key}={value}")
    return kept


def ordered(world: World, items: Iterable[AnItem], sort: str | None, listed_type: str) -> list[AnItem]:
    """Return the items in the requested order, or in the default order of their type.

    The default order of episodes has six terms: sorting a million of them takes several seconds, during which no
    other request is answered. Sorting by id is fast because the items are already in that order.
    """
    result = list(items)
    for term in reversed((sort or DEFAULT_SORTS.get(listed_type, "titleSort,id")).split(",")):
        name, _, direction = term.strip().partition(":")
        level, _, field = name.rpartition(".")
        if field not in NUMBERS | TEXTS or direction not in ("", "asc", "desc", "nullsLast"):
            raise BadQuery(f"sort={term}")
        of_level: Sequence[Item] = [_at_level(world, item, level) for item in result] if level else result
        numbers: list[Any] = [*map(NUMBERS[field], of_level)] if field in NUMBERS else _places(of_level, TEXTS[field])
        if None in numbers:
            # Items without a value come first, as in SQLite, unless the request says nullsLast.
            missing = math.inf if direction == "nullsLast" else -math.inf
            numbers = [missing if number is None else number for number in numbers]
        if direction == "desc" or not all(map(le, numbers, numbers[1:])):
            order = sorted(range(len(result)), key=numbers.__getitem__, reverse=direction == "desc")
            result = [result[place] for place in order]
    return result


def _places(items: Sequence[Item], get: Callable[[Item], str | None]) -> list[int | None]:
    """Return the rank of each item's text: a million items have far fewer distinct texts to compare."""
    texts = [*map(get, items)]
    keys = {text: natural_key(text) for text in set(texts) if text is not None}
    place_of_key = {key: place for place, (key, _) in enumerate(groupby(sorted(keys.values())))}
    places = {text: place_of_key[key] for text, key in keys.items()}
    return [None if text is None else places[text] for text in texts]


def natural_key(text: str) -> str:
    """Return a sort key that puts "Part 9" before "Part 10" and "Häxan" before "House".

    It implements the parts of ICU's order that show in titles: numbers by value, then letters without case and
    accents.
    """
    folded = text.casefold()
    if not folded.isascii():
        folded = ACCENTS.sub("", normalize("NFKD", folded))
    return DIGITS.sub(_number_key, folded)


def _number_key(digits: re.Match[str]) -> str:
    number = digits[0].lstrip("0")
    return f"0{chr(len(number))}{number}"  # the longer of two numbers is the greater one


def _at_level(world: World, item: Item, level: str) -> Item:
    if level == "show" and isinstance(item, Season | Episode):
        return world.show_of(item)
    if level == "season" and isinstance(item, Episode):
        return world.season_of(item)
    return item


def _test(world: World, field: str, operator: str, value: str) -> Callable[[Item], bool] | None:
    """Return a filter as a function, or None if the field does not support the operator."""
    if field in NUMBERS:
        return _number_test(NUMBERS[field], operator, [_number(world, text) for text in value.split(",")])
    if field in TEXTS:
        return _text_test(TEXTS[field], "==" if field in EXACT_TEXTS and operator == "=" else operator, value)
    if field in TAG_FIELDS:
        return _tag_test(field, operator, value.split(","))
    return None


def _number_test(
    get: Callable[[Item], Any], operator: str, numbers: Sequence[float]
) -> Callable[[Item], bool] | None:
    number = numbers[0]
    comparisons: dict[str, Callable[[float], bool]] = {
        "=": lambda value: value in numbers,
        "!=": lambda value: value not in numbers,
        ">=": lambda value: value >= number,
        "<=": lambda value: value <= number,
        ">>=": lambda value: value > number,
        "<<=": lambda value: value < number,
    }
    compare = comparisons.get(operator)
    return None if compare is None else lambda item: (value := get(item)) is not None and compare(value)


def _text_test(get: Callable[[Item], str | None], operator: str, wanted: str) -> Callable[[Item], bool] | None:
    folded = wanted.casefold()
    comparisons: dict[str, Callable[[str], bool]] = {
        "=": lambda value: folded in value,
        "!=": lambda value: folded not in value,
        "==": lambda value: value == folded,
        "!==": lambda value: value != folded,
        "<=": lambda value: value.startswith(folded),
        ">=": lambda value: value.endswith(folded),
    }
    compare = comparisons.get(operator)
    return None if compare is None else lambda item: (value := get(item)) is not None and compare(value.casefold())


def _tag_test(field: str, operator: str, wanted: Sequence[str]) -> Callable[[Item], bool] | None:
    _, attribute = TAG_FIELDS[field]

    known: dict[int, tuple[Tags, bool]] = {}  # many items share their tags

    def has_one(item: Item) -> bool:
        tags = item.tags
        found = known.get(id(tags))
        if found is None:
            names = getattr(tags, attribute)
            has = any(name in wanted or str(tag_id(field, name)) in wanted for name in names)
            found = known[id(tags)] = (tags, has)
        return found[1]

    if operator == "=":
        return has_one
    return (lambda item: not has_one(item)) if operator == "!=" else None


def _number(world: World, text: str) -> float:
    if relative := RELATIVE.fullmatch(text):
        return world.now - int(relative[1]) * SECONDS[relative[2]]
    if not NUMBER.fullmatch(text):
        raise BadQuery(text)
    return float(text) if "." in text else int(text)


def _natural_or_bad(name: str, text: str | None) -> int | None:
    number = None if text is None else natural(text)
    if number is None and text is not None:
        raise BadQuery(f"{name}={text}")
    return number
