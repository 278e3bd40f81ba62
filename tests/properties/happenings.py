"""What can happen to a server and its libraries, each as a value that a test can draw, print and repeat.

A happening names its objects by numbers that are taken modulo what there is; where there is nothing that it could
happen to, it does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from retrovue_daemon.demo import SimulatedPlex, World
from retrovue_daemon.demo.items import Episode, Item, Movie, Season, Show, Tags
from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.demo.shelf import SD, UHD, File, Shelf, plex_guid
from retrovue_daemon.demo.world import media_of
from tests.properties.rich_happenings import RichHappenings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrovue_daemon.demo import Library

T = TypeVar("T")

WORKS = 5
"""Guids are of so few works that the same one often stands in several libraries, or several times in one."""

MOST_LIBRARIES, MOST_FILMS, MOST_SHOWS, MOST_EPISODES = 7, 15, 4, 15
"""Of the server, and of each library."""

BIG_SHOW = 24
"""Episodes: more than may leave at once."""


class Happening(NamedTuple):
    """Something that happens: to the thing number ``which``; what ``other`` means depends."""

    what: str
    which: int = 0
    other: int = 0


class Happenings:
    """Lets things happen to one simulated server; remembers what was deleted, as it may come again."""

    def __init__(self, plex: SimulatedPlex) -> None:
        self._plex = plex
        self._world = plex.world
        self._changes = plex.changes
        self._rich = RichHappenings(plex)
        self._gone: list[list[Item]] = []
        self._made = 0

    def happen(self, *happenings: Happening) -> None:
        """Let them happen, one after the other."""
        for happening in happenings:
            owner = self if hasattr(self, happening.what) else self._rich
            method: Callable[[int, int], object] = getattr(owner, happening.what)
            method(happening.which, happening.other)

    # Films

    def film_added(self, which: int, other: int) -> None:
        """Find a film: ``other`` says which work it is and how it is stored."""
        library = _pick(self._libraries("movie"), which)
        if library is None or len(list(self._world.movies(library.key))) >= MOST_FILMS:
            return
        self._made += 1
        work, manner = other % WORKS, other // WORKS % 7
        guid = f"local://{self._made}-of-nobody" if manner == 1 else plex_guid("movie", work)
        film = self._changes.add_movie(library.key, f"Film {self._made}", 1900 + work, guid=guid)
        shelf = Shelf(self._world, library)
        folder = f"Film {self._made} once more"
        match manner:
            case 2:
                self._put(film, external_guids=(f"imdb://tt{work}", f"tmdb://{work}"), updated_at=None)
            case 3:
                second = shelf.media(File(path=f"{folder}/sd.mp4", duration=5_000_000, format=SD))
                self._put(film, media=(*film.media, second))
            case 4:
                stacked = [File(path=f"{folder}/cd{n}.mkv", duration=n * 1_000_000, format=UHD) for n in (1, 2)]
                self._put(film, media=(shelf.media(*stacked),))
            case 5:
                optimized = shelf.media(File(path=f"{folder}/mobile.mp4", duration=5_400_000, format=SD))
                optimized = msgspec.structs.replace(optimized, proxy_type=42, target="Optimized for Mobile")
                self._put(film, media=(optimized, *film.media))
            case 6:
                self._put(film, media=(), duration=None)

    def film_edited(self, which: int, other: int) -> None:
        """Edit a film."""
        changes: Sequence[dict[str, object]] = (
            {"title": "Another Title"},
            {"year": None, "studio": "Studio"},
            {"summary": "…", "content_rating": None},
            {"tags": Tags(genres=("A", "B", "C"), directors=("D",))},
            {"edition_title": "Director's Cut"},
            {"edition_title": None},
            {"external_guids": (f"imdb://tt{other}", f"tvdb://{other}")},
        )
        self._edit(_pick(self._films(), which), other, changes)

    def film_rematched(self, which: int, other: int) -> None:
        """Match a film to another work, or to none."""
        if (film := _pick(self._films(), which)) is not None:
            guid = plex_guid("movie", other % WORKS) if other % 3 else f"local://{film.id}"
            self._changes.rematch(film.id, guid, *([f"imdb://tt{other}"] if other % 2 else []))

    def films_exchanged(self, which: int, other: int) -> None:
        """Let two films exchange title and guids, as when each was taken for the other."""
        first, second = _pick(self._films(), which), _pick(self._films(), other)
        if first is not None and second is not None and first != second:
            for film, like in ((first, second), (second, first)):
                self._changes.edit(film.id, title=like.title, guid=like.guid, external_guids=like.external_guids)

    def films_merged(self, which: int, other: int) -> None:
        """Make two films of a library versions of one."""
        into = _pick(self._films(), which)
        others = [film for film in self._films() if into is not None and film.library == into.library]
        film = _pick([film for film in others if film != into], other)
        if into is not None and film is not None:
            self._changes.merge(into.id, film.id)

    def film_split(self, which: int, _other: int) -> None:
        """Make each version a film of its own."""
        if (film := _pick([film for film in self._films() if len(film.media) > 1], which)) is not None:
            self._changes.split(film.id)

    # Shows

    def show_added(self, which: int, other: int) -> None:
        """Find a show with a few episodes, or none."""
        library = _pick(self._libraries("show"), which)
        if library is None or len(list(self._world.shows(library.key))) >= MOST_SHOWS:
            return
        self._made += 1
        guid = f"local://{self._made}-of-nobody" if other % 4 == 1 else plex_guid("show", other % WORKS)
        show = self._changes.add_show(library.key, f"Show {self._made}", 1950, guid=guid)
        if other % 4 == 2:
            self._changes.edit(show.id, external_guids=(f"tvdb://{other}",), tags=Tags(genres=("A", "B", "C")))
        for number in range(other % 7):
            self._changes.add_episode(show.id, number % 3, number // 3 + 1, f"Episode {number}")

    def big_show_added(self, which: int, _other: int) -> None:
        """Find a show that is too big to leave unquestioned."""
        library = _pick(self._libraries("show"), which)
        if library is not None and len(list(self._world.episodes())) < BIG_SHOW:
            self._made += 1
            show = self._changes.add_show(library.key, f"Show {self._made}", 1950)
            for number in range(BIG_SHOW):
                self._changes.add_episode(show.id, 1, number, f"Episode {number}")

    def episode_added(self, which: int, other: int) -> None:
        """Find an episode: of a season that is there or a new one, with a number or with a date instead."""
        show = _pick(list(self._world.shows()), which)
        if show is None or len(list(self._world.episodes(show.library))) >= MOST_EPISODES:
            return
        self._made += 1
        index = None if other % 5 == 4 else other // 3
        episode = self._changes.add_episode(show.id, other % 3, index, f"Episode {self._made}")
        if index is None:
            self._put(episode, originally_available_at=f"1960-01-{other % 28 + 1:02d}", updated_at=None)
        elif other % 2 and episode.guid.startswith("plex://"):
            self._put(episode, external_guids=(f"tvdb://{episode.id}", f"imdb://tt{episode.id}"))

    def show_edited(self, which: int, other: int) -> None:
        """Edit a show."""
        changes: Sequence[dict[str, object]] = (
            {"title": "Another"},
            {"content_rating": f"TV-{other}"},
            {"guid": plex_guid("show", other % WORKS)},
        )
        self._edit(_pick(list(self._world.shows()), which), other, changes)

    def season_edited(self, which: int, other: int) -> None:
        """Edit a season."""
        self._edit(_pick(list(self._world.seasons()), which), other, [{"title": f"Part {other}"}])

    def episode_edited(self, which: int, other: int) -> None:
        """Edit an episode."""
        changes: Sequence[dict[str, object]] = (
            {"title": "Another"},
            {"index": other},
            {"summary": "…", "content_rating": f"TV-{other}"},
            {"originally_available_at": "1961-02-03"},
        )
        self._edit(_pick(list(self._world.episodes()), which), other, changes)

    def episode_moved(self, which: int, other: int) -> None:
        """Let an episode belong to another season, perhaps of another show, of its library."""
        episode = _pick(list(self._world.episodes()), which)
        if episode is not None and (show := _pick(list(self._world.shows(episode.library)), other)) is not None:
            self._changes.move_episode(episode.id, show.id, other % 4, other)

    # Things leave, and come again

    def film_deleted(self, which: int, _other: int) -> None:
        """Delete a film."""
        self._delete(_pick(self._films(), which))

    def show_deleted(self, which: int, _other: int) -> None:
        """Delete a show with all that hangs below it."""
        self._delete(_pick(list(self._world.shows()), which))

    def season_deleted(self, which: int, _other: int) -> None:
        """Delete a season; its show goes with its last one."""
        self._delete(_pick(list(self._world.seasons()), which))

    def episode_deleted(self, which: int, _other: int) -> None:
        """Delete an episode; its season goes with its last one."""
        self._delete(_pick(list(self._world.episodes()), which))

    def deleted_came_again(self, which: int, other: int) -> None:
        """Find again what was deleted before, under new rating keys; now and then in another library."""
        gone = _pick(self._gone, which)
        if gone is None:
            return
        libraries = [library.key for library in self._libraries("movie" if isinstance(gone[0], Movie) else "show")]
        elsewhere = _pick(libraries, other)
        here = gone[0].library if gone[0].library in libraries else elsewhere
        library = elsewhere if other % 3 == 2 else here
        if library is None or not self._parents_are_there(gone, library):
            return
        self._gone.remove(gone)
        self._changes.add_again(*(msgspec.structs.replace(item, library=library) for item in gone))

    def film_recreated(self, which: int, _other: int) -> None:
        """Delete a film and find it again at once."""
        if (film := _pick(self._films(), which)) is not None:
            self._changes.recreate(film.id)

    def show_recreated(self, which: int, other: int) -> None:
        """Delete a show, season or episode and find it again at once."""
        below: Sequence[list[Item]] = (
            list(self._world.shows()),
            list(self._world.seasons()),
            list(self._world.episodes()),
        )
        if (item := _pick(below[other % 3], which)) is not None:
            self._changes.recreate(item.id)

    def film_moved(self, which: int, other: int) -> None:
        """Move a film to another library."""
        self._move(_pick(self._films(), which), self._libraries("movie"), other)

    def show_moved(self, which: int, other: int) -> None:
        """Move a show to another library."""
        self._move(_pick(list(self._world.shows()), which), self._libraries("show"), other)

    def film_copied(self, which: int, other: int) -> None:
        """Find a copy of a film in another library."""
        film = _pick(self._films(), which)
        library = _pick(
            [each for each in self._libraries("movie") if film is not None and each.key != film.library], other
        )
        if film is not None and library is not None:
            self._made += 1
            self._changes.add_movie(library.key, f"Film {self._made}", film.year, guid=film.guid)

    def keys_reissued(self, which: int, other: int) -> None:
        """Give the rating keys of two or three items of one kind out again, as after a backup was put back."""
        kinds: Sequence[list[Item]] = (
            [*self._films()],
            [*self._world.shows()],
            [*self._world.seasons()],
            [*self._world.episodes()],
        )
        items = kinds[which % 4]
        first, second = which // 4, which // 4 + 1 + other
        chosen = (
            {items[number % len(items)].id for number in (first, second, *([other] if other % 3 == 0 else []))}
            if items
            else set()
        )
        if len(chosen) > 1:
            reissue_keys(self._world, *chosen)

    # Files

    def file_replaced(self, which: int, other: int) -> None:
        """Put another file in the place of one: no updatedAt moves."""
        if (item := _pick(self._playable(), which)) is not None:
            self._changes.replace_file(item.id, size=other + 1, duration=1_000_000 + other)

    def file_upgraded(self, which: int, _other: int) -> None:
        """Put a better file under another name in the place of one."""
        item = _pick(self._playable(), which)
        if item is not None and media_of(item)[0].parts[0].file is not None:
            self._changes.upgrade_file(item.id)

    def file_renamed(self, which: int, _other: int) -> None:
        """Rename a file."""
        if (item := _pick(self._playable(), which)) is not None:
            self._made += 1
            root = self._world.libraries[item.library].locations[0].path
            self._changes.rename_file(item.id, f"{root}/renamed {self._made}.mkv")

    def file_split(self, which: int, _other: int) -> None:
        """Put two files in the place of one."""
        item = _pick(self._playable(), which)
        if item is not None and len(media_of(item)[0].parts) == 1:
            self._changes.split_file(item.id)

    def analysed(self, which: int, _other: int) -> None:
        """Look into an item's files anew: no mark moves."""
        if (item := _pick(self._playable(), which)) is not None:
            self._changes.analyse(item.id)

    def trashed(self, which: int, _other: int) -> None:
        """Find the files of a film or an episode gone, without emptying the trash."""
        items: list[Item] = [*self._films(), *self._world.episodes()]
        if (item := _pick([item for item in items if item.deleted_at is None], which)) is not None:
            self._changes.trash(item.id)

    def restored(self, which: int, _other: int) -> None:
        """Find the files of something trashed again."""
        items: list[Item] = [*self._films(), *self._world.episodes()]
        if (item := _pick([item for item in items if item.deleted_at is not None], which)) is not None:
            self._changes.restore(item.id)

    def trash_emptied(self, which: int, _other: int) -> None:
        """Empty the trash of a library."""
        if (library := _pick(self._libraries(), which)) is not None:
            self._changes.empty_trash(library.key)

    # Libraries and the server

    def library_added(self, _which: int, other: int) -> None:
        """Add an empty library."""
        if len(self._world.libraries) < MOST_LIBRARIES:
            self._made += 1
            kind = "show" if other % 5 in {1, 3} else "movie"
            self._changes.add_library(kind, f"Library {self._made}", f"/srv/{self._made}")

    def library_removed(self, which: int, _other: int) -> None:
        """Remove a library with everything in it."""
        libraries = self._libraries()
        if len(libraries) > 2 and (library := _pick(libraries, which)) is not None:
            self._changes.remove_library(library.key)

    def library_renamed(self, which: int, other: int) -> None:
        """Rename a library."""
        if (library := _pick(self._libraries(), which)) is not None:
            self._changes.rename_library(library.key, f"Renamed {other}")

    def scan_began(self, which: int, _other: int) -> None:
        """Begin to scan a library."""
        if (library := _pick(self._libraries(), which)) is not None:
            self._changes.start_scan(library.key)

    def scan_ended(self, which: int, _other: int) -> None:
        """End a scan."""
        if (library := _pick([each for each in self._libraries() if each.refreshing], which)) is not None:
            self._changes.finish_scan(library.key)

    def library_emptied(self, which: int, _other: int) -> None:
        """Answer as if a library were empty, as where its disk is not mounted, or as it is again."""
        if (library := _pick(self._libraries(), which)) is not None:
            self._plex.quirks.empty_libraries ^= {library.key}

    def library_hidden(self, which: int, _other: int) -> None:
        """Leave a library out of the list, or list it again."""
        if (library := _pick(self._libraries(), which)) is not None:
            self._plex.quirks.hidden_libraries ^= {library.key}

    def paths_hidden(self, which: int, _other: int) -> None:
        """Respond as to a token that cannot see file paths, or to one that can."""
        self._plex.quirks.hides = (None, "folders", "paths")[which % 3]

    def locations_left_out(self, _which: int, _other: int) -> None:
        """Leave the libraries' folders out of the list, or show them again."""
        self._plex.quirks.no_locations = not self._plex.quirks.no_locations

    def server_changed(self, which: int, other: int) -> None:
        """Let another version, or a proxy in between, answer in a manner of its own."""
        quirks = self._plex.quirks
        match which % 5:
            case 0:
                quirks.page_cap = other % 4 or None
            case 1:
                quirks.no_totals = not quirks.no_totals
            case 2:
                quirks.always_xml = not quirks.always_xml
            case 3:
                quirks.refuses_all_leaves = (None, 400, 404, 501)[other % 4]
            case 4:
                self._world.pass_time(other)

    # How it is done

    def _libraries(self, kind: str | None = None) -> list[Library]:
        return [library for library in self._world.libraries.values() if kind in {None, library.type}]

    def _films(self) -> list[Movie]:
        return list(self._world.movies())

    def _playable(self) -> list[Item]:
        items: list[Item] = [*self._films(), *self._world.episodes()]
        return [item for item in items if media_of(item)]

    def _edit(self, item: Item | None, which: int, changes: Sequence[dict[str, object]]) -> None:
        if item is not None:
            self._changes.edit(item.id, **changes[which % len(changes)])

    def _put(self, item: Item, **fields: object) -> None:
        self._world.put(msgspec.structs.replace(item, **fields))

    def _delete(self, item: Item | None) -> None:
        if item is not None:
            self._gone.append(self._changes.delete(item.id))

    def _move(self, item: Movie | Show | None, libraries: list[Library], which: int) -> None:
        library = _pick([each for each in libraries if item is not None and each.key != item.library], which)
        if item is not None and library is not None:
            self._changes.move(item.id, library.key)

    def _parents_are_there(self, gone: list[Item], library: str) -> bool:
        """Tell whether what the first of these hangs on, if anything, is in that library.

        The key of an episode's season may have gone to a season of another show meanwhile.
        """
        first = gone[0]
        if first.parent_id is None:
            return True
        parent = self._world.items.get(first.parent_id)
        moved = isinstance(first, Episode) and isinstance(parent, Season) and parent.show_id != first.show_id
        return parent is not None and parent.library == library and not moved


def _pick(things: Sequence[T], which: int) -> T | None:
    return things[which % len(things)] if things else None


def neighbour() -> World:
    """Make a small world that has rating keys, guids and paths in common with any other that things happen to."""
    plex = SimulatedPlex(World(name="Neighbour", machine_identifier="b0b"))
    happenings = Happenings(plex)
    for title, kind in (("Films 1", "movie"), ("Shows 1", "show")):
        plex.changes.add_library(kind, title, f"/srv/{title}")
    happenings.happen(*(Happening("film_added", 0, work) for work in range(WORKS)))
    happenings.happen(*(Happening("show_added", 0, 4 * work + 3) for work in range(2)))
    for which in range(10):
        for what in ("tags_edited", "label_added", "chapters_edited", "markers_edited", "collection_made"):
            happenings.happen(Happening(what, which, which + 4))
    happenings.happen(Happening("smart_collection_made", 0, 0))
    return plex.world
