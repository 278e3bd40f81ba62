"""Fast encoding of similar items: JSON with holes, derived from the general encoder's output for one of them.

The entries of a large library differ in a few dozen values and hardly ever in their form. For the first item of a
form, a dummy whose values are all unique is created and encoded. Each place where one of these values appears in the
JSON is a hole, and all items of that form only fill the holes. If the holes, filled with the first item's own values,
do not give the general encoder's output for it, some value is transformed on its way into the entry, and that form is
left to the general encoder. So are items that do not have exactly one version in one file.

The result is the pieces of a page, which `joined` encodes and joins in one go: at this speed, a call or copy per
value, or even per entry, would be noticeable.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import count
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, get_args

import msgspec
from msgspec.structs import astuple

from retrovue_daemon.demo.entries import (
    Inherited,
    episode_entry,
    listing_entry,
    movie_entry,
    rating_image,
    slug,
)
from retrovue_daemon.demo.files import streams_of
from retrovue_daemon.demo.items import Media, Movie, Part
from retrovue_daemon.demo.pictures import blur
from retrovue_daemon.demo.streams import stream_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrovue_daemon.demo.items import Episode, Item
    from retrovue_daemon.demo.shape import Entry, Shape
    from retrovue_daemon.demo.world import World

MOST_FORMS: Final = 1_000
"""How many forms are cached; a generated library has about two hundred."""

MET_BEFORE: Final = 32
"""How many items with the same tags are encoded by the general encoder before a form is learnt from the next.

Learning a form takes as long as encoding forty entries, and in a small library almost every item has its own form.
"""

MOST_ENTRIES: Final = 1_000
"""How many entries of the general encoder are cached: all of a small library."""

DECISIVE: Final = frozenset({"subtype", "tags", "format", "container", "streams"})
"""The fields that are more than a value in an entry: they determine its form."""

DUMMY_NUMBERS: Final = 7_770_007_770_000_000
"""Numbers from here on occur in no item."""

UNKNOWN: Final = None, msgspec.Raw()
"""An item whose entry is not cached."""

Piece = Any
"""Part of a page: encoded JSON (`msgspec.Raw`), or a value to be encoded."""

Row = tuple[Any, ...]
"""Everything that makes up an entry: the fields of an item, its version and its file, derived values, ids."""

AStruct = TypeVar("AStruct", bound=msgspec.Struct)
_json: Final = msgspec.json.Encoder()


def joined(pieces: Sequence[Piece]) -> bytes:
    """Return the JSON that the pieces form. Pieces that are JSON already must not contain newlines."""
    return _json.encode_lines(pieces).replace(b"\n", b"")


class InheritedPieces(NamedTuple):
    """What the entries of a season's episodes inherit; `fields` is already encoded as the end of an entry."""

    poster: str
    background: str
    fields: msgspec.Raw

    @classmethod
    def of(cls, above: Inherited) -> InheritedPieces:
        """Return the pieces, prepared once for all episodes."""
        return cls(above.poster, above.background, msgspec.Raw(b",%b" % _json.encode(above.fields)[1:]))


class Stencils:
    """The stencils for one shape of entries."""

    def __init__(self, world: World, shape: Shape) -> None:
        self._world = world
        self._shape = shape
        self._learnt: dict[tuple[int, int], list[Stencil]] = {}
        """Stencils by the length of their rows and the `id()` of their tags, which they keep alive."""
        self._forms = 0
        self._met: Counter[tuple[int, int]] = Counter()
        """How many items were encoded without a stencil, by the same keys."""
        self._entries: dict[int, tuple[Item, msgspec.Raw]] = {}
        """Items with their entries. A server that hides something of an item lists another object with its id."""

    def forget(self, item_id: int) -> None:
        """Encode the entry of an item anew: it looks different now."""
        self._entries.pop(item_id, None)

    def movie(self, movie: Movie) -> list[Piece]:
        """Return the pieces of a film's entry."""
        known, entry = self._entries.get(movie.id, UNKNOWN)
        if known is movie:
            return [entry]
        if not _is_one_file(movie.media):
            return [self._general(movie)]
        return self._pieces(movie, self._with_streams(movie, _movie_row(movie)))

    def episode(self, episode: Episode, above: InheritedPieces) -> list[Piece]:
        """Return the pieces of an episode's entry."""
        known, entry = self._entries.get(episode.id, UNKNOWN)
        if known is episode:
            return [entry]
        if not _is_one_file(episode.media):
            return [self._general(episode)]
        return self._pieces(episode, self._with_streams(episode, _episode_row(episode, above)))

    def _pieces(self, item: Movie | Episode, row: Row) -> list[Piece]:
        form = len(row), id(item.tags)
        for stencil in self._learnt.get(form, ()):
            if stencil.fits(row):
                break
        else:
            if self._met[form] < MET_BEFORE:
                self._met[form] += 1
                return [self._general(item)]
            stencil = self._learn(item, row)
        return stencil.filled(row) if stencil.is_right else [self._general(item)]

    def _general(self, item: Movie | Episode) -> msgspec.Raw:
        entry = msgspec.Raw(_json.encode(listing_entry(self._world, item, self._shape)))
        if len(self._entries) == MOST_ENTRIES:
            self._entries.clear()
        self._entries[item.id] = item, entry
        return entry

    def _with_streams(self, item: Movie | Episode, row: Row) -> Row:
        if not self._shape.streams:
            return row
        media = item.media[0]
        part = media.parts[0]
        return (*row, *stream_ids(part.id, streams_of(media, part)))

    def _learn(self, item: Movie | Episode, row: Row) -> Stencil:
        numbers = count(DUMMY_NUMBERS)
        dummy = _dummy(item, numbers)
        if isinstance(dummy, Movie):
            entry = movie_entry(self._world.release, dummy, self._shape)
            dummy_row = self._with_streams(dummy, _movie_row(dummy))
        else:
            above = Inherited(f"dummy {next(numbers)}", f"dummy {next(numbers)}", {"dummy": next(numbers)})
            entry = episode_entry(self._world.release, dummy, above, self._shape) | above.fields
            dummy_row = self._with_streams(dummy, _episode_row(dummy, InheritedPieces.of(above)))
        stencil = Stencil(item, row, dummy_row, entry)
        stencil.is_right = joined(stencil.filled(row)) == bytes(self._general(item))
        if self._forms == MOST_FORMS:
            self._learnt.clear()
            self._met.clear()
            self._forms = 0
        self._learnt.setdefault((len(row), id(item.tags)), []).append(stencil)
        self._forms += 1
        return stencil


class Stencil:
    """The JSON of an entry with holes.

    `row` belongs to the first item of its form; `entry` and `dummy_row` belong to the dummy made from it.
    """

    def __init__(self, item: Movie | Episode, row: Row, dummy_row: Row, entry: Entry) -> None:
        places = _places(type(item))
        optional = [*places.optional, *range(places.fields, len(row) - len(item.external_guids))]
        self._decisive = itemgetter(*places.decisive, *(place for place in optional if row[place] is None))
        self._decided = self._decisive(row)
        self._given = itemgetter(*(place for place in optional if row[place] is not None))
        needles = {
            _json.encode(value): place
            for place, value in enumerate(dummy_row)
            if isinstance(value, int | float | str | dict | msgspec.Raw)
        }
        longest_first = sorted(needles, key=len, reverse=True)
        between_and_found = re.split(b"(%b)" % b"|".join(map(re.escape, longest_first)), _json.encode(entry))
        self._pieces: list[Piece] = [msgspec.Raw(piece) for piece in between_and_found]
        self._holes = itemgetter(*(needles[found] for found in between_and_found[1::2]))
        self.is_right = False

    def fits(self, row: Row) -> bool:
        """Return whether an item has this form: the same fields are set, and the decisive ones are equal."""
        return self._decisive(row) == self._decided and None not in self._given(row)

    def filled(self, row: Row) -> list[Piece]:
        """Return the pieces of an entry of this form, filled with the item's values."""
        pieces = self._pieces.copy()
        pieces[1::2] = self._holes(row)
        return pieces


class _Places(NamedTuple):
    """Where a row of an item has what: first come the fields of the item, its version and its file."""

    fields: int
    decisive: list[int]
    optional: list[int]


@cache
def _places(kind: type[Movie | Episode]) -> _Places:
    # msgspec evaluates the annotations at each call.
    fields = [field for struct in (kind, Media, Part) for field in msgspec.structs.fields(struct)]
    return _Places(
        len(fields),
        [place for place, field in enumerate(fields) if field.name in DECISIVE],
        [place for place, field in enumerate(fields) if NoneType in get_args(field.type)],
    )


def _is_one_file(media: tuple[Media, ...]) -> bool:
    return len(media) == 1 and len(media[0].parts) == 1


def _movie_row(movie: Movie) -> Row:
    media = movie.media[0]
    return (
        *astuple(movie),
        *astuple(media),
        *astuple(media.parts[0]),
        slug(movie),
        rating_image(movie),
        blur(movie),
        *movie.external_guids,
    )


def _episode_row(episode: Episode, above: InheritedPieces) -> Row:
    media = episode.media[0]
    return (*astuple(episode), *astuple(media), *astuple(media.parts[0]), *above, *episode.external_guids)


def _dummy(struct: AStruct, numbers: Iterator[int]) -> AStruct:
    """Return a copy in which every value is unique."""
    values = {name: getattr(struct, name) for name in struct.__struct_fields__ if name not in DECISIVE}
    return msgspec.structs.replace(struct, **{name: _other(value, numbers) for name, value in values.items()})


def _other(value: object, numbers: Iterator[int]) -> object:
    match value:
        case str():
            # The scheme of a guid shows whether its item is matched.
            scheme, separator, _ = value.rpartition("://")
            return f"{scheme}{separator}dummy {next(numbers)}"
        case int():
            return next(numbers)
        case float():
            return float(next(numbers))
        case tuple():
            return tuple(_other(element, numbers) for element in value)
        case msgspec.Struct():
            return _dummy(value, numbers)
    return value
