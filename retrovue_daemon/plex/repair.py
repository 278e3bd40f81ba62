"""Raw values, as any decoder gives them, as wire structs: what does not fit is mended, or becomes None.

Where an answer does not fit the declared types, each struct in it is converted alone, and where that fails too, each
field alone. So a bad value costs itself, never its entry, and a bad entry never costs the others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from retrovue_daemon.plex.wire import (
    INT64_MAX,
    INT64_MIN,
    Container,
    Entry,
    Flag,
    GuidRef,
    Identity,
    Key,
    Location,
    Media,
    Part,
    Place,
    Places,
    Section,
    Sections,
    Tag,
    Text,
    Whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S", bound=msgspec.Struct)


def mend(raw: object, struct: type[S]) -> S:
    """Make a ``struct`` of a raw JSON value; of anything that is no object, one without values. Never raises."""
    try:
        return msgspec.convert(raw, struct, strict=False)
    except (msgspec.ValidationError, RecursionError):
        return struct(**_mended_fields(raw, struct))


def _mended_fields(raw: object, struct: type[msgspec.Struct]) -> dict[str, Any]:
    fields = _FIELDS[struct]
    if isinstance(raw, dict):
        return {name: mend_field(raw.get(key)) for name, key, mend_field in fields}
    # Elements of Guid, Genre and Location have one value each: without the object around it it is as good.
    return {fields[0][0]: raw} if len(fields) == 1 and isinstance(raw, str) else {}


def _whole(value: object) -> int | None:
    number: object = value
    if isinstance(value, str):
        try:
            number = float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            return None
    if isinstance(number, float):
        number = int(number) if math.isfinite(number) and number.is_integer() else None
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    return number if INT64_MIN <= number <= INT64_MAX else None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    whole = _whole(value)
    return str(value if whole is None else whole)


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return value.strip().lower() in {"1", "true"}
    return bool(value) if isinstance(value, int) else None


def _each(struct: type[S]) -> Callable[[object], list[S] | None]:
    """Mend every element of a list; a single object is a list of one, and what is no object becomes an empty one."""

    def mend_list(value: object) -> list[S] | None:
        if value is None:
            return None
        return [mend(element, struct) for element in (value if isinstance(value, list) else [value])]

    return mend_list


def _usable(struct: type[S]) -> Callable[[object], list[S] | None]:
    """Mend like ``_each``, but leave out what is neither an object nor a text."""
    mend_each = _each(struct)

    def mend_list(value: object) -> list[S] | None:
        elements = value if isinstance(value, list) else [value]
        return mend_each([element for element in elements if isinstance(element, dict | str)])

    return mend_list


_MENDERS: Final[dict[Any, Callable[[object], object]]] = {
    Whole: _whole,
    Text: _text,
    Key: _text,
    Flag: _flag,
    list[GuidRef] | None: _usable(GuidRef),
    list[Tag] | None: _usable(Tag),
    list[Part] | None: _usable(Part),
    list[Media] | None: _usable(Media),
    list[Entry] | None: _each(Entry),
    list[Place] | None: _usable(Place),
    list[Location] | None: _usable(Location),
    list[Section] | None: _each(Section),
}

_FIELDS: Final[dict[type[msgspec.Struct], list[tuple[str, str, Callable[[object], Any]]]]] = {
    struct: [(field.name, field.encode_name, _MENDERS[field.type]) for field in msgspec.structs.fields(struct)]
    for struct in (GuidRef, Tag, Part, Media, Entry, Container, Place, Places, Location, Section, Sections, Identity)
}
"""Per struct: attribute, key of the answer, and what makes a value of the declared type."""
