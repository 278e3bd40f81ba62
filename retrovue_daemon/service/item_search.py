"""Searches of items, page by page: from typed values to hits, and to the cursor of the next page."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from retrovue_daemon.errors import BadCursor, BadOption
from retrovue_daemon.service.item_choice import ItemChoice
from retrovue_daemon.store.items.chosen import MOST_RANKED, Chosen
from retrovue_daemon.store.items.columns import Hit  # noqa: TC001 -- a field's type

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.store.items.chosen import Place

LONGEST_VALUE: Final = 500
"""Characters of a value; no name or title that anyone types is longer."""

MOST_VALUES: Final = 20
"""Values of one filter that may be repeated."""

_REPEATED: Final = frozenset({
    "genre", "label", "collection", "actor", "director", "content_rating", "resolution", "language", "subtitle",
})  # fmt: skip
_NAMES: Final = tuple(field.name for field in fields(ItemChoice) if field.name != "missing")

FIELDS: Final = ("text", *_NAMES)
"""What a search can be given, by name."""

_PLACE: Final = msgspec.json.Decoder(
    list[str | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None]
)
"""Whole numbers as SQLite has them; it cannot be given others."""

_LONGEST_PLACE: Final = 3_000
"""Bytes; an address has at most 8 KiB. A title that is longer ends the pages."""


class ItemPage(msgspec.Struct, frozen=True):
    """Some hits, and the cursor of the page behind them unless it is the last.

    ``is_capped`` says that there are more matches than are ranked, ``is_index_behind`` that only titles were searched
    because the index of words is not complete.
    """

    hits: list[Hit]
    cursor: str | None
    is_capped: bool
    is_index_behind: bool


def read_choice(given: Mapping[str, Sequence[str]]) -> tuple[ItemChoice, str | None]:
    """Return the choice and the text that values by name mean; empty values count as not given. Raise BadOption."""
    values: dict[str, Any] = {}
    for name in FIELDS:
        texts = [text.strip() for text in given.get(name, ()) if text.strip()]
        if not texts:
            continue
        most = MOST_VALUES if name in _REPEATED else 1
        if len(texts) > most:
            raise BadOption(name, "is given too often", hint=f"give {'one' if most == 1 else f'at most {most}'}")
        if any(len(text) > LONGEST_VALUE for text in texts):
            raise BadOption(name, "is too long", hint=f"use at most {LONGEST_VALUE} characters")
        if any(letter < " " or letter == "\x7f" for text in texts for letter in text):
            raise BadOption(name, "holds control characters", hint="use one line of text")
        values[name] = tuple(texts) if name in _REPEATED else texts[0]
    text = values.pop("text", None)
    if (rating := values.get("min_rating")) is not None:
        try:
            values["min_rating"] = float(rating.replace(",", "."))
        except ValueError:
            raise BadOption("min_rating", f"{rating!r} is no number", hint="use a number from 0 to 10") from None
    return ItemChoice(**values), text


def search(
    connection: sqlite3.Connection, choice: ItemChoice, text: str | None, *, cursor: str | None, limit: int
) -> ItemPage:
    """Return a page of a search: the first one, or the one that a cursor of the same search names.

    Raise BadInput, BadOption or UnknownName for what cannot be searched, and BadCursor.
    """
    search_id = _digest(choice, text)
    after = None if cursor is None else _place_in(cursor, search_id)
    filters, title = choice.filters(connection, text)
    # Sorted, all matches are needed; the best ones are sought among some.
    most = MOST_RANKED if choice.sort is None else None
    chosen = Chosen(connection, filters, title, most=most, counts=False)
    hits, last = chosen.page(sort=choice.sort, after=after, limit=limit)
    following = None if last is None else _cursor(search_id, last)
    return ItemPage(hits, following, chosen.is_capped, chosen.is_index_behind)


def _digest(choice: ItemChoice, text: str | None) -> str:
    return hashlib.sha256(msgspec.json.encode([text, asdict(choice)])).hexdigest()[:12]


def _cursor(search_id: str, place: Place) -> str | None:
    content = msgspec.json.encode([search_id, *place])
    return base64.urlsafe_b64encode(content).decode().rstrip("=") if len(content) < _LONGEST_PLACE else None


def _place_in(cursor: str, search_id: str) -> Place:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        own, *place = _PLACE.decode(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
    except ValueError:  # also of msgspec and base64
        raise BadCursor from None
    if own != search_id:
        raise BadCursor
    return tuple(place)
