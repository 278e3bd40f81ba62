"""``/items/{kind}/{id}``: everything that is stored about one item, as ``items show`` reads it, and its history."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.service.words.changes import OPS
from retrovue_daemon.store.feed.item_history import ItemChange, item_history
from retrovue_daemon.store.items import catalog
from retrovue_daemon.store.items.columns import Found  # noqa: TC001 -- a field's type
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.item_addresses import named_item, poster_address
from retrovue_daemon.web.problems import Refusal
from retrovue_daemon.web.rendering import render
from retrovue_daemon.web.time_line import time_line

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from aiohttp import web

    from retrovue_daemon.store.items.catalog import Row

MOST_LISTED: Final = 1_000
"""Rows of a list: seasons, episodes, credits, chapters."""

_CHANGES: Final = 50


class ItemView(msgspec.Struct, frozen=True):
    """An item: ``found`` as lists show it, ``stored`` with all that belongs to it; empty if there is none."""

    found: Found | None
    stored: dict[str, Any]
    history: list[ItemChange]
    is_whole_history: bool


async def show(request: web.Request) -> web.Response:
    """Show an item."""
    kind, item_id = named_item(request)
    view = await context_of(request).reading.run(_read, kind, item_id)
    if view.found is None:
        is_deleted = any(change.op == "deleted" for change in view.history)
        hint = "search for its title: it may have come back with another id" if is_deleted else None
        raise Refusal(404, f"the {kind} {item_id} {'was deleted' if is_deleted else 'does not exist'}", hint=hint)
    stored, item = view.stored, cast("Row", view.stored["item"])
    return render(
        request,
        "item.html",
        title=_title(view.found),
        view=view,
        ops=OPS,
        found=view.found,
        item=item,
        files=stored.get("files", []),
        lists={name: list(stored.get(name, []))[:MOST_LISTED] for name in ("seasons", "episodes", "collections")},
        tags=_by(stored.get("tags", []), "kind"),
        credited=_by(stored.get("credits", [])[:MOST_LISTED], "job"),
        ids=_external_ids(stored, item),
        chapters=stored.get("chapters", [])[:MOST_LISTED],
        markers=stored.get("markers", [])[:MOST_LISTED],
        line=time_line(item.get("duration"), stored.get("chapters", []), stored.get("markers", [])),
        poster=poster_address(kind, item_id, cast("str | None", item.get("thumb"))),
        most_listed=MOST_LISTED,
    )


def _read(connection: sqlite3.Connection, kind: Kind, item_id: int) -> ItemView:
    found = catalog.numbered(connection, str(item_id), (kind,), None, ["id"])
    history, is_whole = item_history(connection, kind, item_id, _CHANGES)
    stored = catalog.everything(connection, kind, item_id) if found else {}
    return ItemView(found[0] if found else None, stored, history, is_whole)


def _title(found: Found) -> str:
    """Return the heading: without the show, which is above it."""
    if found.kind == Kind.SEASON:
        number = found.season_number
        return found.title or ("Specials" if number == 0 else f"Season {number}" if number is not None else "Season")
    return found.title or "(no title)"


def _external_ids(stored: dict[str, Any], item: Row) -> list[str]:
    """Return the guids of an item, its primary one first."""
    guids = [f"{row['provider']}://{row['external_id']}" for row in stored.get("guids", [])]
    return list(dict.fromkeys([*([str(item["source_id"])] if item.get("source_id") else []), *guids]))


def _by(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    """Return rows by the value of a column."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row[column])].append(row)
    return dict(found)
