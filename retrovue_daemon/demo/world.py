"""The reference data: one simulated server's libraries and everything in them.

The endpoints answer from it, `changes` modifies it, and tests compare a mirror with it. It knows nothing of HTTP.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.demo.items import Collection, Episode, Item, Media, Movie, Part, Photo, Season, Show
from retrovue_daemon.demo.release import RELEASE_2026, Release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, ValuesView

    from retrovue_daemon.demo.happenings import Happening

OPENING = 1_767_225_600
"""The first second of a world's clock: 2026-01-01T00:00:00Z."""


class Location(msgspec.Struct, frozen=True):
    """A folder of a library, as the server's machine sees it."""

    id: int
    path: str


class Library(msgspec.Struct, kw_only=True):
    """A library ("section" in the API).

    `content_changed_at` is not a time but a value of a server-wide counter. `hidden`: 0 visible, 1 not on the home
    screen, 2 not in searches either; all three are listed.
    """

    key: str
    type: str
    title: str
    agent: str
    scanner: str
    uuid: str
    locations: tuple[Location, ...]
    language: str = "en-US"
    created_at: int = OPENING
    updated_at: int = OPENING
    scanned_at: int = OPENING
    content_changed_at: int = 0
    hidden: int = 0
    refreshing: bool = False


class World:
    """One server's content: `libraries` by key, in listing order, and the items in them.

    A world has its own clock, so that two runs are identical: the clock stands still until something changes or
    `pass_time` is called. `revision` increases with every change.
    """

    def __init__(
        self,
        *,
        name: str = "Simulated Plex",
        machine_identifier: str = "5ca1ab1e0ddba11c0ffee5ca1ab1e0ddba11c0ff",
        release: Release = RELEASE_2026,
    ) -> None:
        self.name = name
        self.machine_identifier = machine_identifier
        self.release = release
        self.libraries: dict[str, Library] = {}
        self.now = OPENING
        self.revision = 0
        self._items: dict[int, Item] = {}
        self._collections: dict[int, Collection] = {}
        self._by_library: defaultdict[tuple[str, str], dict[int, Item]] = defaultdict(dict)
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._last_ids: defaultdict[str, int] = defaultdict(int)
        self._change_counter = 0
        self._watchers: list[set[int]] = []
        self._listeners: list[Callable[[Happening], None]] = []

    # Reading

    @property
    def items(self) -> Mapping[int, Item]:
        """Every item by its id."""
        return self._items

    def item(self, rating_key: str | int) -> Item:
        """Return the item with that rating key. Raise KeyError if there is none."""
        return self._items[int(rating_key)]

    @property
    def collections(self) -> Mapping[int, Collection]:
        """Every collection by its id. Items and collections never share an id."""
        return self._collections

    def collection_titled(self, library: str, title: str) -> Collection | None:
        """Return the plain collection of that title in a library, or None if there is none."""
        return next(
            (
                each
                for each in self._collections.values()
                if each.library == library and each.title == title and each.filter is None
            ),
            None,
        )

    def in_library(self, key: str, item_type: str) -> ValuesView[Item]:
        """Return all items of one type ("movie", "episode", …) in a library, in no particular order."""
        return self._by_library[key, item_type].values()

    def movies(self, library: str | None = None) -> Iterator[Movie]:
        """Iterate over all films, or those of one library."""
        return (item for item in self._of_type("movie", library) if isinstance(item, Movie))

    def shows(self, library: str | None = None) -> Iterator[Show]:
        """Iterate over all shows, or those of one library."""
        return (item for item in self._of_type("show", library) if isinstance(item, Show))

    def seasons(self, library: str | None = None) -> Iterator[Season]:
        """Iterate over all seasons, or those of one library."""
        return (item for item in self._of_type("season", library) if isinstance(item, Season))

    def episodes(self, library: str | None = None) -> Iterator[Episode]:
        """Iterate over all episodes, or those of one library."""
        return (item for item in self._of_type("episode", library) if isinstance(item, Episode))

    def parts(self, library: str | None = None) -> Iterator[tuple[Movie | Episode, Media, Part]]:
        """Iterate over every file of every version of every film and episode."""
        playable: Iterator[Movie | Episode] = chain(self.movies(library), self.episodes(library))
        for item in playable:
            for media in item.media:
                for part in media.parts:
                    yield item, media, part

    def seasons_of(self, show_id: int) -> list[Season]:
        """Return a show's seasons by number, specials first."""
        seasons = [item for item in self._below(show_id) if isinstance(item, Season)]
        return sorted(seasons, key=lambda season: season.index)

    def episodes_of(self, season_id: int) -> list[Episode]:
        """Return a season's episodes by number, followed by those without a number, by date."""
        episodes = [item for item in self._below(season_id) if isinstance(item, Episode)]
        return sorted(episodes, key=_episode_order)

    def leaves_of(self, show_id: int) -> list[Episode]:
        """Return a show's episodes, season by season."""
        return [episode for season in self.seasons_of(show_id) for episode in self.episodes_of(season.id)]

    def count_children(self, item_id: int) -> int:
        """Return the number of seasons in a show, or of episodes in a season."""
        return len(self._children.get(item_id, ()))

    def count_leaves(self, show_id: int) -> int:
        """Return the number of episodes in a show."""
        return sum(self.count_children(season) for season in self._children.get(show_id, ()))

    def has_specials(self, show_id: int) -> bool:
        """Return whether a show has a season 0."""
        return any(season.index == 0 for season in self._below(show_id) if isinstance(season, Season))

    def show_of(self, item: Season | Episode) -> Show:
        """Return the show of a season or episode."""
        show = self._items[item.show_id]
        assert isinstance(show, Show)  # noqa: S101  # show_id only ever holds ids of shows
        return show

    def season_of(self, episode: Episode) -> Season:
        """Return the season of an episode."""
        season = self._items[episode.season_id]
        assert isinstance(season, Season)  # noqa: S101  # season_id only ever holds ids of seasons
        return season

    # Building and changing

    def add_library(self, library: Library) -> Library:
        """Append a library to the list."""
        self.libraries[library.key] = library
        self.revision += 1
        return library

    def drop_library(self, key: str) -> None:
        """Remove a library and everything in it."""
        for item in [
            item for (owner, _), items in self._by_library.items() if owner == key for item in items.values()
        ]:
            self.drop(item.id)
        for collection in [each for each in self._collections.values() if each.library == key]:
            self.drop_collection(collection.id)
        del self.libraries[key]
        self.revision += 1

    def put(self, item: Item) -> None:
        """Add an item, or replace the one with its id, which keeps its place among the others."""
        before = self._items.get(item.id)
        if before is not None:
            if before.parent_id != item.parent_id:
                self._notify_watchers(before)
            if (before.library, before.parent_id) != (item.library, item.parent_id):
                self._unfile(before)
                before = None
        self._items[item.id] = item
        self._by_library[item.library, item.type][item.id] = item
        parent = item.parent_id
        if parent is not None and before is None:
            self._children[parent].append(item.id)
        self.revision += 1
        self._notify_watchers(item)

    def put_collection(self, collection: Collection) -> None:
        """Add a collection, or replace the one with its id."""
        self._collections[collection.id] = collection
        self.revision += 1

    def drop_collection(self, collection_id: int) -> None:
        """Remove a collection. Its members stay."""
        del self._collections[collection_id]
        self.revision += 1

    def put_episodes(self, season: Season, episodes: list[Episode]) -> None:
        """Add new episodes of one season at once, which is much faster than one by one for a million of them."""
        by_id = {episode.id: episode for episode in episodes}
        self._items.update(by_id)
        self._by_library[season.library, "episode"].update(by_id)
        self._children[season.id].extend(by_id)
        self.revision += 1
        self._notify_watchers(season)

    def drop(self, item_id: int) -> None:
        """Remove one item; everything below it must have been removed before."""
        item = self._items.pop(item_id)
        self._unfile(item)
        self.revision += 1
        self._notify_watchers(item)

    def drop_empty(self, season_id: int, show_id: int) -> list[Item]:
        """Remove a season without episodes, then a show without seasons, and return what was removed, show first."""
        gone: list[Item] = []
        for item_id in (season_id, show_id):
            if item_id in self._items and not self.count_children(item_id):
                gone.insert(0, self._items[item_id])
                self.drop(item_id)
        return gone

    def watch(self) -> set[int]:
        """Return a set that collects, from now on, the ids of all items that may look different.

        The caller empties the set whenever it has caught up.
        """
        stale: set[int] = set()
        self._watchers.append(stale)
        return stale

    def unwatch(self, stale: set[int]) -> None:
        """End what `watch` began."""
        self._watchers = [watcher for watcher in self._watchers if watcher is not stale]

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Call a function with everything that happens from now on."""
        self._listeners.append(listener)

    def announce(self, happening: Happening) -> None:
        """Pass on what has happened to those who listen. The methods that put and drop items do not announce."""
        for listener in self._listeners:
            listener(happening)

    def new_id(self, kind: str) -> int:
        """Return the next free id of a kind: "item", "media", "part" or "location". No id is ever reused."""
        self._last_ids[kind] += 1
        return self._last_ids[kind]

    def new_ids(self, kind: str, count: int) -> range:
        """Return a range of that many new ids."""
        first = self._last_ids[kind] + 1
        self._last_ids[kind] += count
        return range(first, first + count)

    def pass_time(self, seconds: int) -> int:
        """Advance the clock and return the new time."""
        self.now += seconds
        return self.now

    def count_change(self) -> int:
        """Return the next value of the counter behind contentChangedAt, which grows unevenly, as on a real server."""
        self._change_counter += 3 + self._change_counter % 7
        return self._change_counter

    def _of_type(self, item_type: str, library: str | None) -> Iterator[Item]:
        keys = self.libraries if library is None else (library,)
        return (item for key in keys for item in self._by_library[key, item_type].values())

    def _below(self, parent_id: int) -> list[Item]:
        return [self._items[item_id] for item_id in self._children.get(parent_id, ())]

    def _unfile(self, item: Item) -> None:
        self._by_library[item.library, item.type].pop(item.id)
        if item.parent_id is not None:
            self._children[item.parent_id].remove(item.id)

    def _notify_watchers(self, item: Item) -> None:
        if not self._watchers:
            return
        # The entries above count their leaves; those below carry the item's title and pictures.
        looks_different = {item.id, *self._ids_above(item), *self._ids_below(item.id)}
        for stale in self._watchers:
            stale.update(looks_different)

    def _ids_above(self, item: Item | None) -> Iterator[int]:
        while item is not None and item.parent_id is not None:
            yield item.parent_id
            item = self._items.get(item.parent_id)

    def _ids_below(self, item_id: int) -> Iterator[int]:
        for child in self._children.get(item_id, ()):
            yield child
            yield from self._ids_below(child)


def _episode_order(episode: Episode) -> tuple[bool, int, str, int]:
    return episode.index is None, episode.index or 0, episode.originally_available_at or "", episode.id


def media_of(item: Item) -> tuple[Media, ...]:
    """Return the versions of an item; empty for items without files."""
    return item.media if isinstance(item, Movie | Episode | Photo) else ()
