"""Changes that a real server's libraries go through. `marks` defines which timestamps and counters each moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from retrovue_daemon.demo.edits import check_parents, converted, only_labelled
from retrovue_daemon.demo.happenings import Checked, ItemsChanged, ScanFinished, ScanStarted
from retrovue_daemon.demo.items import Episode, Item, Movie, Season, Show
from retrovue_daemon.demo.marks import Marks
from retrovue_daemon.demo.rescan import put_again
from retrovue_daemon.demo.shelf import AGENTS, File, Shelf, file_name, new_library
from retrovue_daemon.demo.versions import analysed_again, in_two_files, share_of, upgraded, with_first_part
from retrovue_daemon.demo.world import Library, media_of

if TYPE_CHECKING:
    from retrovue_daemon.demo.world import World

FILM_MS = 5_400_000
EPISODE_MS = 1_500_000
NOT_EDITED = frozenset({"id", "library"})
"""The fields that `edit` does not change; `recreate` and `move` do."""

AnItem = TypeVar("AnItem", bound=Item)


class Changes:
    """Changes one world. Methods identify items by id and return the item in its new state.

    An impossible change is refused before anything is modified: with a KeyError if something does not exist,
    otherwise with another ValueError, TypeError or IndexError. Callers must pass arguments of the right types.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._marks = Marks(world)
        self._deleted: dict[int, Item] = {}

    # Adding, removing and moving items

    def add_movie(self, library: str, title: str, year: int | None = None, *, guid: str | None = None) -> Movie:
        """Add a film with one file, in the library's first folder."""
        shelf = self._shelf(library, "movie")
        name = file_name(title, year)
        movie = shelf.movie(
            title, year, media=(shelf.media(File(path=f"{name}/{name}.mkv", duration=FILM_MS)),), guid=guid
        )
        self._marks.scan_found(library, added=[movie])
        return movie

    def add_show(self, library: str, title: str, year: int | None = None, *, guid: str | None = None) -> Show:
        """Add a show without seasons, as it briefly appears during a scan."""
        show = self._shelf(library, "show").show(title, year, guid=guid)
        self._marks.scan_found(library, added=[show])
        return show

    def add_episode(self, show_id: int, season_index: int, index: int | None, title: str) -> Episode:
        """Add an episode with one file, and its season if it does not exist yet."""
        show = self._item(Show, show_id)
        shelf = self._shelf(show.library, "show")
        seasons = {season.index: season for season in self._world.seasons_of(show_id)}
        season = seasons.get(season_index) or shelf.season(show, season_index)
        number = f"E{index:02d}" if index is not None else ""
        folder = f"{file_name(show.title, show.year)}/Season {season_index:02d}"
        name = f"{file_name(show.title)} - S{season_index:02d}{number} - {file_name(title)}.mkv"
        file = File(path=f"{folder}/{name}", duration=EPISODE_MS)
        episode = shelf.episode(season, index, title, media=(shelf.media(file),))
        self._marks.scan_found(show.library, added=[episode] if season_index in seasons else [season, episode])
        return episode

    def delete(self, item_id: int) -> list[Item]:
        """Delete an item and everything below it, then the season and the show that are left empty.

        Return the deleted items, parents first, so that `add_again` can restore them.
        """
        world = self._world
        item = world.item(item_id)
        gone: list[Item] = [item]
        if isinstance(item, Show):
            gone += [*world.seasons_of(item_id), *world.leaves_of(item_id)]
        elif isinstance(item, Season):
            gone += world.episodes_of(item_id)
        for each in reversed(gone):
            world.drop(each.id)
        if isinstance(item, Episode | Season):
            season_id = item.season_id if isinstance(item, Episode) else item.id
            gone = [*world.drop_empty(season_id, item.show_id), *gone]
        self._deleted.update((each.id, each) for each in gone)
        self._marks.scan_found(item.library, deleted=gone)
        return gone

    def add_again(self, *gone: Item | int) -> list[Item]:
        """Restore deleted items like a scan that finds their files again: with new ids, but the same guids and files.

        Pass the items that `delete` returned, or their ids, parents first. Each item can be restored once.
        """
        items = [self._deleted[each] if isinstance(each, int) else each for each in gone]
        if len({item.id for item in items}) < len(items):
            raise ValueError(gone)
        for item in items:
            if type(item) is not type(self._deleted.get(item.id)):
                raise KeyError(item.id)
        again = put_again(self._world, items, items[0].library)
        for item in items:
            del self._deleted[item.id]
        self._marks.scan_found(items[0].library, added=again)
        return again

    def recreate(self, item_id: int) -> list[Item]:
        """Delete an item and let the next scan find its files again."""
        return self.add_again(*self.delete(item_id))

    def move(self, item_id: int, library: str) -> Item:
        """Move a film's or show's files to another library's folder. It gets a new id there and keeps its guid."""
        item = self._world.item(item_id)
        if not isinstance(item, Movie | Show):
            raise TypeError(item.type)  # seasons and episodes move with their show
        if self._world.libraries[library].type != self._world.libraries[item.library].type:
            raise ValueError(library)
        if not self._world.libraries[library].locations:
            raise ValueError(library)
        gone = self.delete(item_id)
        moved = put_again(self._world, gone, library)
        for each in gone:
            del self._deleted[each.id]
        self._marks.scan_found(library, added=moved)
        return next(each for each in moved if type(each) is type(item))

    def move_episode(self, item_id: int, show_id: int, season_index: int, index: int | None) -> Episode:
        """Move an episode to another number, season or show of its library, as a different episode order does.

        The episode keeps its id and files. A missing season is created; an emptied season or show is removed.
        """
        world = self._world
        episode, show = self._item(Episode, item_id), self._item(Show, show_id)
        if show.library != episode.library:
            raise ValueError(show.library)
        shelf = self._shelf(show.library, "show")
        there = {season.index: season for season in world.seasons_of(show_id)}
        season = there.get(season_index) or shelf.season(show, season_index)
        place = {"show_id": show_id, "season_id": season.id, "season_index": season_index, "index": index}
        moved = self._replace(episode, **place, updated_at=world.now)
        emptied = world.drop_empty(episode.season_id, episode.show_id)
        if emptied or season_index not in there:
            self._marks.count(show.library)
        self._marks.edited(moved, added=[] if season_index in there else [season], deleted=emptied)
        return moved

    def merge(self, into_id: int, other_id: int) -> Movie:
        """Merge another film into this one: its files become versions of this film, and its id disappears."""
        into, other = self._item(Movie, into_id), self._item(Movie, other_id)
        if other.library != into.library or other.id == into.id:
            raise ValueError(other_id)
        self._world.drop(other_id)
        merged = self._replace(into, media=into.media + other.media, updated_at=self._marks.tick())
        self._marks.count(into.library)
        self._marks.edited(merged, deleted=[other])
        return merged

    def split(self, item_id: int) -> list[Movie]:
        """Turn every version into a film of its own. The first keeps the id; the others get new ids and no match."""
        movie = self._item(Movie, item_id)
        now = self._marks.tick()
        films = [self._replace(movie, media=movie.media[:1], duration=movie.media[0].duration, updated_at=now)]
        for media in movie.media[1:]:
            new_id = self._world.new_id("item")
            films.append(
                self._replace(
                    movie,
                    id=new_id,
                    guid=f"local://{new_id}",
                    external_guids=(),
                    media=(media,),
                    duration=media.duration,
                    added_at=now,
                    updated_at=now,
                )
            )
        self._marks.count(movie.library)
        self._marks.edited(films[0], added=films[1:])
        return films

    # Editing descriptions

    def edit(self, item_id: int, **fields: object) -> Item:
        """Edit an item's fields by their names in `items`: `edit(17, title="Nosferatu", year=1922)`.

        Values may be given in their JSON form: `edit(17, tags={"genres": ["Horror"]})`.
        """
        item = self._world.item(item_id)
        values = converted(item, fields, NOT_EDITED)
        check_parents(self._world, item, values)
        edited = self._replace(item, **{"updated_at": self._marks.tick(), **values})
        if not only_labelled(item, edited):
            self._marks.edited(edited)
        return edited

    def rematch(self, item_id: int, guid: str, *external_guids: str) -> Item:
        """Match an item to something else. The id stays; all guids change."""
        return self.edit(item_id, guid=guid, external_guids=external_guids)

    # Changing files

    def replace_file(self, item_id: int, *, size: int, duration: int) -> Item:
        """Replace the first file under the same name: its size, duration and mtime change."""
        now = self._marks.tick()
        item = self._world.item(item_id)
        item = self._replace(
            item,
            media=with_first_part(media_of(item), {"duration": duration}, size=size, duration=duration, stamp=now),
            duration=duration,
        )
        self._marks.scanned(item.library)
        return item

    def upgrade_file(self, item_id: int) -> Item:
        """Replace the first file with a better one under a new name: a new version and part of the same item."""
        now = self._marks.tick()
        item = self._world.item(item_id)
        item = self._replace(item, media=upgraded(media_of(item), self._world.new_id, now), updated_at=now)
        self._marks.scan_found(item.library)
        return item

    def split_file(self, item_id: int) -> Item:
        """Replace the first file with two consecutive ones: a new version of the same item."""
        now = self._marks.tick()
        item = self._world.item(item_id)
        item = self._replace(item, media=in_two_files(media_of(item), self._world.new_id), updated_at=now)
        self._marks.scan_found(item.library)
        return item

    def separate_episodes(self, item_id: int) -> list[Episode]:
        """Replace a file that holds several episodes with one file per episode: new versions of the same episodes."""
        now = self._marks.tick()
        episode = self._item(Episode, item_id)
        shared = episode.media[0].parts[0].file
        together = [
            each
            for each in self._world.leaves_of(episode.show_id)
            if each.media and each.media[0].parts and each.media[0].parts[0].file == shared
        ]
        title = file_name(self._world.show_of(episode).title)
        separated: list[Episode] = []
        for each in together:
            name = f"{title} - S{each.season_index:02d}E{each.index or 0:02d} - {file_name(each.title)}"
            media = share_of(each.media, len(together), name, self._world.new_id)
            separated.append(self._replace(each, media=media, duration=media[0].duration, updated_at=now))
        self._marks.scan_found(episode.library)
        return separated

    def rename_file(self, item_id: int, path: str) -> Item:
        """Rename the first file; `path` is its full new path on the server's machine."""
        item = self._world.item(item_id)
        media = with_first_part(media_of(item), {}, id=self._world.new_id("part"), file=path)
        item = self._replace(item, media=media)
        self._marks.scan_found(item.library)
        return item

    def analyse(self, item_id: int) -> Item:
        """Analyse an item's files again: the bitrate changes slightly, and no timestamp moves."""
        self._marks.tick()
        before = self._world.item(item_id)
        item = self._replace(before, media=analysed_again(media_of(before)))
        self._world.announce(Checked(item=item, analyzed=True))
        return item

    # The trash

    def trash(self, item_id: int) -> Item:
        """Mark an item whose files have disappeared as trashed: it stays listed, with deletedAt."""
        now = self._marks.tick()
        item = self._world.item(item_id)
        media = tuple(msgspec.structs.replace(version, deleted_at=now) for version in media_of(item))
        item = self._replace(item, deleted_at=now, **({"media": media} if media else {}))
        self._marks.scan_found(item.library)
        return item

    def restore(self, item_id: int) -> Item:
        """Take an item out of the trash because its files are back in place."""
        item = self._world.item(item_id)
        media = tuple(msgspec.structs.replace(version, deleted_at=None) for version in media_of(item))
        item = self._replace(item, deleted_at=None, **({"media": media} if media else {}))
        self._marks.scan_found(item.library)
        return item

    def empty_trash(self, library: str) -> list[Item]:
        """Delete all trashed items of a library."""
        of_library = [item for item in self._world.items.values() if item.library == library]
        trashed = [item for item in of_library if item.deleted_at is not None]
        return [gone for item in trashed if item.id in self._world.items for gone in self.delete(item.id)]

    # Libraries

    def add_library(self, library_type: str, title: str, *paths: str) -> Library:
        """Add an empty library with one or more folders."""
        if not paths or library_type not in AGENTS:
            raise ValueError(library_type, *paths)
        self._marks.tick()
        library = new_library(self._world, library_type, title, *paths)
        self._world.announce(ItemsChanged(library=library.key, scanned=True))  # a new library is scanned at once
        return library

    def remove_library(self, key: str) -> None:
        """Remove a library and everything in it. Its key is not reused."""
        self._world.drop_library(key)
        self._marks.tick()

    def rename_library(self, key: str, title: str) -> Library:
        """Rename a library. Its key and uuid stay."""
        library = self._world.libraries[key]
        library.title = title
        library.updated_at = self._marks.tick()
        return library

    def start_scan(self, key: str) -> Library:
        """Start a scan: the library is `refreshing` until `finish_scan`."""
        library = self._world.libraries[key]
        self._marks.tick()
        library.refreshing = True
        self._world.announce(ScanStarted(key))
        return library

    def finish_scan(self, key: str) -> Library:
        """Finish a scan that found nothing new."""
        self._marks.scanned(key)
        library = self._world.libraries[key]
        if library.refreshing:
            library.refreshing = False
            self._world.announce(ScanFinished(key))
        return library

    def _replace(self, item: AnItem, **fields: object) -> AnItem:
        new = msgspec.structs.replace(item, **fields)
        self._world.put(new)
        return new

    def _shelf(self, library: str, library_type: str) -> Shelf:
        shelf = Shelf(self._world, self._world.libraries[library])
        if shelf.library.type != library_type:
            raise ValueError(library)
        self._marks.tick()
        return shelf

    def _item(self, kind: type[AnItem], item_id: int) -> AnItem:
        item = self._world.item(item_id)
        if not isinstance(item, kind):
            raise TypeError(item.type)
        return item
