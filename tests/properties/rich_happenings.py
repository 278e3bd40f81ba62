"""What can happen to tags, credits, chapters, markers, streams, labels and collections; see ``happenings``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from retrovue_daemon.demo.items import Collection, Episode, Item, Movie, Season, Show
from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.demo.timeline import Chapter, Marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.demo import SimulatedPlex

T = TypeVar("T")

MOST_COLLECTIONS = 6
NAMES = ("A", "B", "C", "D", "E", "F")
"""Of tags and people, so that one person may do several jobs."""

LABELS = ("Kids", "Late", "A")
TITLES = ("Red", "Green", "Blue")
FILTERS = ("sort=titleSort&limit=2", "genre=A", "sort=year:desc&limit=3", "label=Kids", "year>=1902")
DAY_MS = 86_400_000


class RichHappenings:
    """Lets things happen to one simulated server; remembers the collections that were removed."""

    def __init__(self, plex: SimulatedPlex) -> None:
        self._plex = plex
        self._world = plex.world
        self._rich = plex.rich
        self._gone: list[tuple[str, str, list[int]]] = []

    # Items

    def tags_edited(self, which: int, other: int) -> None:
        """Give an item other tags and people; where those come after the first ones, no listing shows it."""
        if (item := _pick(self._tagged(), which)) is not None:
            most = 25 if other % 13 == 12 else other % 5
            people = tuple(f"{NAMES[(which + n) % 6]} {n // 6}" for n in range(most))
            names = [NAMES[(other + n) % 6] for n in range(other % 5)]
            if other % 2:
                names = [*item.tags.genres[:2], *(name for name in names if name not in item.tags.genres[:2])]
            tags = replace(
                item.tags,
                genres=tuple(names),
                countries=tuple(names[:3]),
                directors=tuple(names[1:]),
                writers=people[:3],
                producers=people[1:],
                roles=people,
                characters=people[2:],
            )
            self._plex.changes.edit(item.id, tags=tags)

    def label_added(self, which: int, other: int) -> None:
        """Put a label on an item: nothing shows it but the details and the list of labels."""
        if (item := _pick(self._tagged(), which)) is not None:
            self._rich.add_label(item.id, LABELS[other % 3])

    def label_removed(self, which: int, _other: int) -> None:
        """Take a label off an item."""
        if (item := _pick([each for each in self._tagged() if each.tags.labels], which)) is not None:
            self._rich.remove_label(item.id, item.tags.labels[0])

    def chapters_edited(self, which: int, other: int) -> None:
        """Give an item other chapters, or none: some out of order, beyond the end, or without a length."""
        starts = [60_000 * (other + n) % 4_000_000 for n in range(other % 4)]
        chapters = tuple(
            Chapter(start, (None, start + 60_000, start, DAY_MS)[(other + n) % 4], (None, f"Chapter {n}")[n % 2])
            for n, start in enumerate(reversed(starts))
        )
        if (item := _pick(self._playable(), which)) is not None:
            if other % 3:
                source = "media" if chapters else None
                self._plex.changes.edit(item.id, chapters=chapters, chapter_source=source)
            else:
                self._rich.set_chapters(item.id, *chapters)

    def markers_edited(self, which: int, other: int) -> None:
        """Give an item other markers, or none."""
        markers = tuple(
            Marker(("intro", "credits", "bookmark")[n], 1_000 * (other + n), 1_000 * other + 9_000 * n, n == 1)
            for n in range(other % 4)[:3]
        )
        if (item := _pick(self._playable(), which)) is not None:
            if other % 3:
                self._plex.changes.edit(item.id, markers=markers)
            else:
                self._rich.set_markers(item.id, *markers)

    def markers_made(self, which: int, _other: int) -> None:
        """Look for intros in a film or a season: nothing shows it."""
        items: list[Item] = [*self._world.movies(), *self._world.seasons()]
        if (item := _pick(items, which)) is not None:
            self._rich.generate_markers(item.id)

    def subtitle_added(self, which: int, other: int) -> None:
        """Put a subtitle beside a file: no time moves, but the listed streams show it."""
        items = [each for each in self._playable() if each.media and each.media[0].format is not None]
        if (item := _pick(items, which)) is not None:
            self._rich.add_subtitle(item.id, ("de", "en", "fr")[other % 3], forced=bool(other % 2))

    def library_rekeyed(self, which: int, other: int) -> None:
        """Give the rating keys of all items of one kind in a library out again, each to the next one."""
        library = _pick(list(self._world.libraries.values()), which)
        if library is not None:
            kind = "movie" if library.type == "movie" else ("show", "season", "episode")[other % 3]
            ids = [item.id for item in self._world.in_library(library.key, kind)]
            if len(ids) > 1:
                reissue_keys(self._world, *ids)

    # Collections

    def collection_made(self, which: int, other: int) -> None:
        """Make a collection by hand."""
        library = _pick(list(self._world.libraries.values()), which)
        title = TITLES[other % 3]
        if (
            library is None
            or len(self._world.collections) >= MOST_COLLECTIONS
            or self._world.collection_titled(library.key, title) is not None
        ):
            return
        items = self._members_for(library.key, ("movie",) if library.type == "movie" else SHOW_KINDS, other)
        if items:
            some = [items[(other + n) % len(items)] for n in range(other % 4)]
            self._rich.add_collection(library.key, title, list(dict.fromkeys(some)), sort=other // 3 % 3)

    def smart_collection_made(self, which: int, other: int) -> None:
        """Make a collection of all that passes a filter."""
        library = _pick(list(self._world.libraries.values()), which)
        if library is not None and len(self._world.collections) < MOST_COLLECTIONS:
            kind = "movie" if library.type == "movie" else SHOW_KINDS[other % 3]
            wanted = FILTERS[other % len(FILTERS)]
            self._rich.add_smart_collection(library.key, f"Smart {which} {other}", wanted, kind)

    def collection_filled(self, which: int, other: int) -> None:
        """Put an item into a collection."""
        if (collection := _pick(self._plain(), which)) is not None:
            items = [each.id for each in self._world.in_library(collection.library, collection.item_type)]
            if (item := _pick(items, other)) is not None:
                self._rich.add_to_collection(collection.id, item)

    def collection_thinned(self, which: int, other: int) -> None:
        """Take an item out of a collection."""
        collection = _pick([each for each in self._plain() if self._members(each)], which)
        if collection is not None and (item := _pick(self._members(collection), other)) is not None:
            self._rich.remove_from_collection(collection.id, item.id)

    def member_exchanged(self, which: int, other: int) -> None:
        """Take an item out of a collection and put another one in: not even the number of its members shows it."""
        self.collection_thinned(which, other)
        self.collection_filled(which, other + 1)

    def collection_sorted(self, which: int, other: int) -> None:
        """Sort a collection by hand."""
        if (collection := _pick(self._plain(), which)) is not None:
            ids = [item.id for item in self._members(collection)]
            first = other % len(ids) if ids else 0
            self._rich.sort_collection(collection.id, *reversed(ids[first:]), *ids[:first])

    def collection_edited(self, which: int, other: int) -> None:
        """Edit a collection's title or text, or the filter of a smart one."""
        collection = _pick(list(self._world.collections.values()), which)
        if collection is None:
            return
        if collection.filter is not None and other % 2:
            self._rich.edit_filter(collection.id, FILTERS[other % len(FILTERS)])
            return
        title = f"Renamed {other}"
        if other % 3 == 0 and self._world.collection_titled(collection.library, title) is None:
            self._rich.edit_collection(collection.id, title=title)
        else:
            self._rich.edit_collection(collection.id, summary=f"Text {other}")

    def collection_removed(self, which: int, _other: int) -> None:
        """Remove a collection."""
        collection = _pick(list(self._world.collections.values()), which)
        if collection is not None:
            if collection.filter is None:
                ids = [item.id for item in self._members(collection)]
                self._gone.append((collection.library, collection.title, ids))
            self._rich.remove_collection(collection.id)

    def collection_made_again(self, which: int, _other: int) -> None:
        """Make a collection again that was removed, with those of its members that are still there."""
        gone = _pick(self._gone, which)
        if gone is None:
            return
        library, title, ids = gone
        items = [self._world.items[each] for each in ids if each in self._world.items]
        there = library in self._world.libraries and self._world.collection_titled(library, title) is None
        if there and {(item.library, item.type) for item in items} == {(library, items[0].type) if items else None}:
            self._gone.remove(gone)
            self._rich.add_collection(library, title, [item.id for item in items])

    def collections_rekeyed(self, which: int, other: int) -> None:
        """Let two collections exchange their rating keys."""
        collections = list(self._world.collections.values())
        first, second = _pick(collections, which), _pick(collections, other)
        if first is not None and second is not None and first.id != second.id:
            self._world.put_collection(replace(first, id=second.id))
            self._world.put_collection(replace(second, id=first.id))

    # How it is done

    def _tagged(self) -> list[Movie | Show | Episode]:
        return [each for each in self._world.items.values() if isinstance(each, Movie | Show | Episode)]

    def _playable(self) -> list[Movie | Episode]:
        return [*self._world.movies(), *self._world.episodes()]

    def _plain(self) -> list[Collection]:
        return [each for each in self._world.collections.values() if each.filter is None]

    def _members(self, collection: Collection) -> list[Item]:
        there = self._world.in_library(collection.library, collection.item_type)
        return [item for item in there if collection.title in item.tags.collections]

    def _members_for(self, library: str, kinds: Sequence[str], which: int) -> list[int]:
        return [item.id for item in self._world.in_library(library, kinds[which % len(kinds)])]


SHOW_KINDS = tuple(kind.type for kind in (Show, Season, Episode))


def _pick(things: Sequence[T], which: int) -> T | None:
    return things[which % len(things)] if things else None
