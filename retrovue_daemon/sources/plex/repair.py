"""From raw decoded values to the structs of ``json_structs.py``: values that do not fit are repaired, or become None.

If a response does not fit the declared types, each struct in it is converted on its own and, if that fails too, each
field on its own. A bad value therefore affects only itself, never its entry, and a bad entry never affects the
others.

An entry is damaged if a value was lost: invalid UTF-8, lone surrogates, NaN, numbers that are too large, values of
another type, list elements that are not objects. Other spellings of a value (``"8"``, ``8.0``, an object instead of a
list of one) are no damage, nor are negative lengths, times without a date, ratings of NaN and dropped control
characters: they lose nothing storable.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast, get_args

import msgspec

from retrovue_daemon.sources.plex.json_structs import (
    LONGEST_KEY,
    LONGEST_NAME,
    LONGEST_SUMMARY,
    LONGEST_TEXT,
    MOST_ELEMENTS,
    Container,
    Entry,
    Flag,
    GuidList,
    GuidRef,
    Identity,
    Key,
    LibrariesOfEntries,
    LibraryOfEntry,
    Location,
    Media,
    MediaList,
    Moment,
    Name,
    Natural,
    Number,
    Part,
    PartList,
    Section,
    Sections,
    Stream,
    StreamList,
    Summary,
    Tag,
    TagList,
    Text,
    Whole,
)
from retrovue_daemon.sources.plex.scalars import (
    as_any_number,
    as_flag,
    as_moment,
    as_natural,
    as_number,
    as_whole,
    at_most,
    cut_to,
)
from retrovue_daemon.sources.plex.streams import MOST_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S", bound=msgspec.Struct)

_ENTRY_LISTS: Final = tuple(
    (field.name, field.encode_name) for field in msgspec.structs.fields(Container) if field.type == list[Entry] | None
)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
"""NUL ends a text in half of SQLite's functions; lone surrogates are not valid UTF-8."""


def mend_container(raw: dict[str, Any], struct: type[S], *, unstorable: bool) -> S:
    """Return a container for a raw response; its damaged entries say so in ``mended``.

    ``unstorable`` says that some text may contain NUL or a surrogate, which also stands for an invalid byte. Raise
    RecursionError if the response is nested too deeply.
    """
    if not unstorable:
        try:
            return msgspec.convert(raw, struct, strict=False)
        except (msgspec.ValidationError, RecursionError):
            pass
    if unstorable:
        raw = {_storable(key): value for key, value in raw.items()}
    entries = {}
    if struct is Container:
        entries = {
            name: _mended_entries(raw.pop(key), unstorable=unstorable)
            for name, key in _ENTRY_LISTS
            if raw.get(key) is not None
        }
    container = mend(_storable(raw) if unstorable else raw, struct)
    for name, mended in entries.items():
        setattr(container, name, mended)
    return container


def _mended_entries(value: Any, *, unstorable: bool) -> list[Entry]:
    """Repair one entry after the other in place, so that the memory never holds all entries twice."""
    entries = _elements(value)
    for number, raw in enumerate(entries):
        lost = _lost_fields(raw, Entry) if isinstance(raw, dict) else []
        entry = entries[number] = mend(_storable(raw) if unstorable else raw, Entry)
        entry.mended = ", ".join(lost) or None
        entry.cut = (", ".join(_cut_fields(raw, Entry)) or None) if isinstance(raw, dict) else None
    return entries


def _elements(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


class _Check(NamedTuple):
    """How the values of one field are checked; ``keep`` returns None for a value that is lost."""

    key: str
    keep: Callable[[object], object]
    longest: int | None
    inner: type[msgspec.Struct] | None
    """The struct of the field's elements."""


@cache
def _checks(struct: type[msgspec.Struct]) -> tuple[_Check, ...]:
    """Return the checks of a struct's fields; to evaluate their types for each entry would take most of the time."""
    return tuple(
        _Check(
            field.encode_name,
            _KEPT.get(field.type, _MENDERS[field.type]),
            _LONGEST.get(field.type),
            _INNER.get(field.type),
        )
        for field in msgspec.structs.fields(struct)
    )


def _lost_fields(raw: dict[str, Any], struct: type[msgspec.Struct]) -> list[str]:
    """Return the keys of the values that cannot be kept as received, without duplicates."""
    lost: dict[str, None] = {}
    for key, keep, _, inner in _checks(struct):
        value = raw.get(key)
        if value is None or value == "":
            continue
        if inner is None:
            kept = keep(value)
            if kept is None or (isinstance(kept, str) and _SURROGATE.search(kept)):
                lost[key] = None
            continue
        for element in _elements(value)[:MOST_ELEMENTS]:
            if isinstance(element, dict):
                lost.update(dict.fromkeys(f"{key}.{name}" for name in _lost_fields(element, inner)))
            elif not isinstance(element, str) or len(_FIELDS[inner]) > 1 or _SURROGATE.search(element):
                lost[key] = None
    return list(lost)


def _cut_fields(raw: dict[str, Any], struct: type[msgspec.Struct]) -> list[str]:
    """Return the keys of the texts and lists that are too long, without duplicates."""
    cut: dict[str, None] = {}
    for key, _, longest, inner in _checks(struct):
        value = raw.get(key)
        if isinstance(value, str) and longest is not None and len(value) > longest:
            cut[key] = None
        elif inner is not None:
            elements = _elements(value)
            if len(elements) > MOST_ELEMENTS:
                cut[key] = None
            for element in elements[:MOST_ELEMENTS]:
                if isinstance(element, dict):
                    cut.update(dict.fromkeys(f"{key}.{name}" for name in _cut_fields(element, inner)))
    return list(cut)


def _storable(value: Any) -> Any:
    """Drop NUL characters and replace lone surrogates in all texts of a JSON value, including keys."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(lambda match: "" if match.group() == "\0" else "\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_storable(element) for element in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(element) for key, element in value.items()}
    return value


def mend(raw: object, struct: type[S]) -> S:
    """Return a ``struct`` for a raw JSON value; for anything but an object, one without values. Never raises."""
    try:
        return msgspec.convert(raw, struct, strict=False)
    except (msgspec.ValidationError, RecursionError):
        return struct(**_mended_fields(raw, struct))


def _mended_fields(raw: object, struct: type[msgspec.Struct]) -> dict[str, Any]:
    fields = _FIELDS.get(struct) or _fields_of(struct)
    if isinstance(raw, dict):
        return {name: mend_field(raw.get(key)) for name, key, mend_field in fields}
    # Elements of Guid, Genre and Location have a single value, which is accepted without the enclosing object.
    return {fields[0][0]: raw} if len(fields) == 1 and isinstance(raw, str) else {}


def _each(struct: type[S]) -> Callable[[object], list[S] | None]:
    """Repair every element of a list; a single object counts as a list of one; other values become empty structs."""

    def mend_list(value: object) -> list[S] | None:
        if value is None:
            return None
        return [mend(element, struct) for element in (value if isinstance(value, list) else [value])]

    return mend_list


def _usable(struct: type[S]) -> Callable[[object], list[S] | None]:
    """Repair like ``_each``, but omit what is neither an object nor a text."""
    mend_each = _each(struct)

    def mend_list(value: object) -> list[S] | None:
        elements = (value if isinstance(value, list) else [value])[:MOST_ELEMENTS]
        return mend_each([element for element in elements if isinstance(element, dict | str)])

    return mend_list


def _streams(value: object) -> list[Stream] | None:
    """Repair streams, and keep one more than are stored, which shows that there are too many."""
    if value is None:
        return None
    elements = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
    return [mend(element, Stream) for element in elements[: MOST_STREAMS + 1]]


_LONGEST: Final[dict[Any, int]] = {Text: LONGEST_TEXT, Summary: LONGEST_SUMMARY}

_MENDERS: Final[dict[Any, Callable[[object], object]]] = {
    Whole: as_whole,
    Natural: as_natural,
    Moment: as_moment,
    Number: as_number,
    Text: cut_to(LONGEST_TEXT),
    Summary: cut_to(LONGEST_SUMMARY),
    Name: at_most(LONGEST_NAME),
    Key: at_most(LONGEST_KEY),
    Flag: as_flag,
    GuidList: _usable(GuidRef),
    TagList: _usable(Tag),
    PartList: _usable(Part),
    StreamList: _streams,
    MediaList: _usable(Media),
    list[Entry] | None: _each(Entry),
    list[LibraryOfEntry] | None: _usable(LibraryOfEntry),
    list[Location] | None: _usable(Location),
    list[Section] | None: _each(Section),
}

_KEPT: Final[dict[Any, Callable[[object], object]]] = {
    Natural: as_whole,
    Moment: as_whole,
    Number: as_any_number,
}
"""What is no damage although it becomes None: negative lengths, times without a date, ratings that are NaN."""

_INNER: Final[dict[Any, type[msgspec.Struct]]] = {
    GuidList: GuidRef,
    TagList: Tag,
    PartList: Part,
    MediaList: Media,
}
"""The structs in lists of an entry whose lost values count; streams are compared on their own."""

_FIELDS: Final[dict[type[msgspec.Struct], list[tuple[str, str, Callable[[object], Any]]]]] = {
    struct: [(field.name, field.encode_name, _MENDERS[field.type]) for field in msgspec.structs.fields(struct)]
    for struct in (
        GuidRef,
        Tag,
        Stream,
        Part,
        Media,
        Entry,
        Container,
        LibraryOfEntry,
        LibrariesOfEntries,
        Location,
        Section,
        Sections,
        Identity,
    )
}
"""Per struct: the attribute, the key in the response, and the function that returns the declared type."""


@cache
def _fields_of(struct: type[msgspec.Struct]) -> list[tuple[str, str, Callable[[object], Any]]]:
    """Return the same for a struct whose lists are as long as the server makes them."""
    return [
        (field.name, field.encode_name, _MENDERS.get(field.type) or _each(_element_of(field.type)))
        for field in msgspec.structs.fields(struct)
    ]


def _element_of(optional_list: Any) -> type[msgspec.Struct]:
    """Return the struct in a type such as ``list[Person] | None``."""
    ((struct,),) = (get_args(part) for part in get_args(optional_list) if part is not type(None))
    return cast("type[msgspec.Struct]", struct)
