"""The model of the truth: one simulated server's libraries and everything in them.

Tests compare a mirror with it, the endpoints answer from it, and `changes` alters it. It knows nothing of HTTP.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.demo.items import Episode, Item, Media, Movie, Part, Photo, Season, Show
from retrovue_daemon.demo.release import RELEASE_2026, Release

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

OPENING = 1_767_225_600
"""The first second of a world's clock: 2026-01-01T00:00:00Z."""


class Location(msgspec.Struct, frozen=True):
    """A folder of a library, as the server's machine sees it."""

    id: int
    path: str


class Library(msgspec.Struct, kw_only=True):
    """A library ("section" in the API).

    `content_changed_at` is no time but the value of a counter of the whole server. `hidden`: 0 visible, 1 not on the
    home screen, 2 nor in searches; all three are listed.
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
    """One server's content: `libraries` by key, in the order in which they are listed, and the items in them.

    The clock is the world's own, so that two runs are alike: it stands still until something changes or `pass_time`
    is called. `revision` grows with every change.
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
        self._by_library: defaultdict[tuple[str, str], dict[int, Item]] = defaultdict(dict)
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._last_ids: defaultdict[str, int] = defaultdict(int)
        self._change_counter = 0
        self._watchers: list[set[int]] = []

    # What is there

    @property
    def items(self) -> Mapping[int, Item]:
        """Every item by its id."""
        return self._items

    def item(self, rating_key: str | int) -> Item:
        """Return the item with that rating key. Raises KeyError."""
        return self._items[int(rating_key)]

    def in_library(self, key: str, item_type: str) -> Collection[Item]:
        """Return all items of one type ("movie", "episode", …) in a library, in no promised order."""
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
        """Return a show's seasons by their number, specials first."""
        seasons = [item for item in self._below(show_id) if isinstance(item, Season)]
        return sorted(seasons, key=lambda season: season.index)

    def episodes_of(self, season_id: int) -> list[Episode]:
        """Return a season's episodes by number, then (those without one) by date."""
        episodes = [item for item in self._below(season_id) if isinstance(item, Episode)]
        return sorted(episodes, key=_episode_order)

    def leaves_of(self, show_id: int) -> list[Episode]:
        """Return a show's episodes, season by season."""
        return [episode for season in self.seasons_of(show_id) for episode in self.episodes_of(season.id)]

    def count_children(self, item_id: int) -> int:
        """Count how many seasons a show has, or episodes a season."""
        return len(self._children.get(item_id, ()))

    def count_leaves(self, show_id: int) -> int:
        """Count how many episodes a show has."""
        return sum(self.count_children(season) for season in self._children.get(show_id, ()))

    def has_specials(self, show_id: int) -> bool:
        """Tell whether a show has a season 0."""
        return any(season.index == 0 for season in self._below(show_id) if isinstance(season, Season))

    def show_of(self, item: Season | Episode) -> Show:
        """Return the show that a season or an episode belongs to."""
        show = self._items[item.show_id]
        assert isinstance(show, Show)  # noqa: S101  # ids of shows are put in show_id, and only there
        return show

    def season_of(self, episode: Episode) -> Season:
        """Return the season that an episode belongs to."""
        season = self._items[episode.season_id]
        assert isinstance(season, Season)  # noqa: S101  # likewise
        return season

    # How it is built and altered

    def add_library(self, library: Library) -> Library:
        """Put a library at the end of the list."""
        self.libraries[library.key] = library
        self.revision += 1
        return library

    def drop_library(self, key: str) -> None:
        """Take a library away with everything in it."""
        for item in [
            item for (owner, _), items in self._by_library.items() if owner == key for item in items.values()
        ]:
            self.drop(item.id)
        del self.libraries[key]
        self.revision += 1

    def put(self, item: Item) -> None:
        """Add an item, or put a new value in the place of the one with its id."""
        before = self._items.get(item.id)
        if before is not None:
            if before.parent_id != item.parent_id:
                self._tell_watchers(before)
            self._unfile(before)
        self._items[item.id] = item
        self._by_library[item.library, item.type][item.id] = item
        parent = item.parent_id
        if parent is not None:
            self._children[parent].append(item.id)
        self.revision += 1
        self._tell_watchers(item)

    def put_episodes(self, season: Season, episodes: list[Episode]) -> None:
        """Add new episodes of one season: much faster than one by one, where there are a million."""
        by_id = {episode.id: episode for episode in episodes}
        self._items.update(by_id)
        self._by_library[season.library, "episode"].update(by_id)
        self._children[season.id].extend(by_id)
        self.revision += 1
        self._tell_watchers(season)

    def drop(self, item_id: int) -> None:
        """Take one item away; what hangs below it must have gone before."""
        item = self._items.pop(item_id)
        self._unfile(item)
        self.revision += 1
        self._tell_watchers(item)

    def drop_empty(self, season_id: int, show_id: int) -> list[Item]:
        """Take a season without episodes away, then a show without seasons; return what went, the show first."""
        gone: list[Item] = []
        for item_id in (season_id, show_id):
            if item_id in self._items and not self.count_children(item_id):
                gone.insert(0, self._items[item_id])
                self.drop(item_id)
        return gone

    def watch(self) -> set[int]:
        """Return a set that gathers, from now on, the ids of all items that may look different.

        Who empties it has caught up.
        """
        stale: set[int] = set()
        self._watchers.append(stale)
        return stale

    def unwatch(self, stale: set[int]) -> None:
        """End what `watch` began."""
        self._watchers = [watcher for watcher in self._watchers if watcher is not stale]

    def new_id(self, kind: str) -> int:
        """Return the next free id of a kind: "item", "media", "part" or "location". None is ever used twice."""
        self._last_ids[kind] += 1
        return self._last_ids[kind]

    def new_ids(self, kind: str, count: int) -> range:
        """Return as many ids, one after the other."""
        first = self._last_ids[kind] + 1
        self._last_ids[kind] += count
        return range(first, first + count)

    def pass_time(self, seconds: int) -> int:
        """Move the clock and return the new time."""
        self.now += seconds
        return self.now

    def count_change(self) -> int:
        """Return the next value of the counter behind contentChangedAt: it grows unevenly, as a real one does."""
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

    def _tell_watchers(self, item: Item) -> None:
        if not self._watchers:
            return
        # The entry above counts its leaves, those below carry its title and pictures.
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
    """Return the versions of an item; none for those that have no files of their own."""
    return item.media if isinstance(item, Movie | Episode | Photo) else ()
