"""Changes of what channels are scheduled by: tags, labels, collections, chapters, markers and subtitles.

Few of them leave a trace in timestamps, and none moves contentChangedAt or scannedAt of the library:

| change | updatedAt of the item | what else a listing shows |
|---|---|---|
| `edit_tags` | moves | the first two or three tags of each kind |
| `change_poster` | moves | the paths of pictures |
| `add_label`, `remove_label` | stays | nothing |
| `add_to_collection`, `remove_from_collection` | stays | the item's Collection tags, the collection's childCount |
| `sort_collection` | stays | nothing |
| a smart collection gets or loses members | stays | perhaps its childCount |
| `set_chapters` | stays | chapterSource |
| `set_markers`, `generate_markers` | stays | nothing |
| `add_subtitle` | stays | its stream, where streams are requested |

A collection's own updatedAt moves if `edit_collection` changes it, not if its members change. That, and what happens
to updatedAt of an item with new markers, is inferred; no recording shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from retrovue_daemon.demo.edits import converted, only_labelled
from retrovue_daemon.demo.files import streams_of
from retrovue_daemon.demo.happenings import CollectionChanged, Generated, PosterChanged
from retrovue_daemon.demo.items import Collection, Episode, Item, Movie, Season, Show
from retrovue_daemon.demo.marks import Marks
from retrovue_daemon.demo.memberships import CUSTOM, Memberships
from retrovue_daemon.demo.query import BadQuery
from retrovue_daemon.demo.shelf import collection_guid, title_sort
from retrovue_daemon.demo.streams import LANGUAGES, Stream
from retrovue_daemon.demo.timeline import Chapter, Marker
from retrovue_daemon.demo.versions import with_first_part

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Tags
    from retrovue_daemon.demo.world import World

AnItem = TypeVar("AnItem", bound=Item)
INTRO = Marker("intro", 30_000, 90_000)
CREDITS = Marker("credits", 60_000, 0, final=True, from_end=True)
NOT_EDITED = frozenset({"id", "library", "filter", "item_type"})
"""The fields that `edit_collection` does not change."""


class RichChanges:
    """Changes one world. Methods identify items and collections by id and return them in their new state.

    Impossible changes are refused as in `Changes`.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._marks = Marks(world)
        self._memberships = Memberships(world)

    # Tags

    def edit_tags(self, item_id: int, **tags: list[str]) -> Item:
        """Replace an item's tags of the given kinds: `edit_tags(17, genres=["Horror"], roles=["Ada Quill"])`."""
        item = self._world.item(item_id)
        edited = replace(item.tags, **{name: tuple(values) for name, values in tags.items()})
        new = self._put(replace(item, tags=edited, updated_at=self._marks.tick()))
        if not only_labelled(item, new):
            self._marks.edited(new)
        return new

    def change_poster(self, item_id: int) -> Item:
        """Choose another poster for an item."""
        item = self._put(replace(self._world.item(item_id), updated_at=self._marks.tick()))
        self._world.announce(PosterChanged(item))
        return item

    def add_label(self, item_id: int, label: str) -> Item:
        """Put a label on an item."""
        self._marks.tick()
        tags = self._world.item(item_id).tags
        return self._tagged(item_id, replace(tags, labels=tuple(dict.fromkeys((*tags.labels, label)))))

    def remove_label(self, item_id: int, label: str) -> Item:
        """Take a label off an item."""
        self._marks.tick()
        tags = self._world.item(item_id).tags
        return self._tagged(item_id, replace(tags, labels=tuple(each for each in tags.labels if each != label)))

    # Collections

    def add_collection(self, library: str, title: str, item_ids: list[int], *, sort: int = 0) -> Collection:
        """Create a collection of items of one type. `sort`: 0 by release, 1 by title, 2 as given."""
        items = [self._world.item(item_id) for item_id in item_ids]
        types = {item.type for item in items}
        if self._world.collection_titled(library, title) is not None or len(types) > 1:
            raise ValueError(title, types)
        default = self._world.libraries[library].type
        collection = self._new(library, title, types.pop() if types else default, sort=sort)
        return self.add_to_collection(collection.id, *item_ids) if items else collection

    def add_smart_collection(self, library: str, title: str, wanted: str, item_type: str | None = None) -> Collection:
        """Create a collection of all items that pass a filter, such as "genre=Horror&sort=year:desc&limit=10"."""
        return self._new(library, title, item_type or self._world.libraries[library].type, wanted=wanted)

    def edit_collection(self, collection_id: int, **fields: object) -> Collection:
        """Edit a collection's fields by their names in `items`; a new title reaches its members' tags."""
        collection = self._world.collections[collection_id]
        values = converted(collection, fields, NOT_EDITED)
        members = [item.id for item in self._memberships.of(collection)] if collection.filter is None else []
        edited = replace(collection, **{"updated_at": self._marks.tick(), **values})
        for item_id in members:
            tags = self._world.item(item_id).tags
            titles = tuple(edited.title if each == collection.title else each for each in tags.collections)
            self._tagged(item_id, replace(tags, collections=titles))
        self._world.put_collection(edited)
        self._world.announce(CollectionChanged(collection=edited))
        return edited

    def edit_filter(self, collection_id: int, wanted: str) -> Collection:
        """Change which items a smart collection holds."""
        collection = self._world.collections[collection_id]
        if collection.filter is None:
            raise ValueError(collection_id)
        self._marks.tick()
        return self._put_checked(replace(collection, filter=wanted, updated_at=self._world.now))

    def add_to_collection(self, collection_id: int, *item_ids: int) -> Collection:
        """Put items of its library and type into a plain collection, at its end."""
        collection = self._plain(collection_id)
        for item in [self._world.item(item_id) for item_id in item_ids]:
            if (item.library, item.type) != (collection.library, collection.item_type):
                raise ValueError(item.id)
        self._marks.tick()
        for item_id in item_ids:
            tags = self._world.item(item_id).tags
            titles = tuple(dict.fromkeys((*tags.collections, collection.title)))
            self._tagged(item_id, replace(tags, collections=titles))
        return self._ordered(collection, (*collection.order, *item_ids))

    def remove_from_collection(self, collection_id: int, *item_ids: int) -> Collection:
        """Take items out of a plain collection. An empty collection stays."""
        collection = self._plain(collection_id)
        items = [self._world.item(item_id) for item_id in item_ids]
        self._marks.tick()
        for item in items:
            titles = tuple(title for title in item.tags.collections if title != collection.title)
            self._tagged(item.id, replace(item.tags, collections=titles))
        return self._ordered(collection, tuple(each for each in collection.order if each not in item_ids))

    def sort_collection(self, collection_id: int, *item_ids: int) -> Collection:
        """Put the members of a plain collection in this order, by hand."""
        self._marks.tick()
        collection = replace(self._plain(collection_id), sort=CUSTOM)
        return self._ordered(collection, item_ids)

    def remove_collection(self, collection_id: int) -> None:
        """Remove a collection. Its members stay, without its tag."""
        collection = self._world.collections[collection_id]
        if collection.filter is None:
            self.remove_from_collection(collection_id, *(item.id for item in self._memberships.of(collection)))
        self._world.drop_collection(collection_id)
        self._world.announce(CollectionChanged(collection=collection, deleted=True))

    # Chapters, markers and subtitles

    def set_chapters(self, item_id: int, *chapters: Chapter) -> Movie | Episode:
        """Replace the chapters of a film or an episode."""
        item = self._playable(item_id)
        self._marks.tick()
        return self._put(replace(item, chapters=chapters, chapter_source="media" if chapters else None))

    def set_markers(self, item_id: int, *markers: Marker) -> Movie | Episode:
        """Replace the markers of a film or an episode."""
        item = self._playable(item_id)
        self._marks.tick()
        return self._put(replace(item, markers=markers))

    def generate_markers(self, item_id: int) -> list[Movie | Episode]:
        """Detect intro and credits, hours after the add: of a film or an episode, or of a whole season or show."""
        item = self._world.item(item_id)
        if isinstance(item, Show):
            below: list[Episode] = self._world.leaves_of(item_id)
        elif isinstance(item, Season):
            below = self._world.episodes_of(item_id)
        else:
            return [self._generated(item_id)]
        return [self._generated(episode.id) for episode in below]

    def add_subtitle(self, item_id: int, language: str, *, forced: bool = False) -> Movie | Episode:
        """Put a subtitle file beside an item's first file; `language` is a BCP 47 tag."""
        item = self._playable(item_id)
        if language not in LANGUAGES:
            raise ValueError(language)
        media = item.media[0]
        subtitle = Stream(kind="subtitle", codec="srt", language=language, forced=forced, external=True)
        streams = (*streams_of(media, media.parts[0]), subtitle)
        self._marks.tick()
        return self._put(replace(item, media=with_first_part(item.media, {}, streams=streams)))

    def _generated(self, item_id: int) -> Movie | Episode:
        item = self.set_markers(item_id, CREDITS, INTRO)
        self._world.announce(Generated(item=item, what="intros"))
        self._world.announce(Generated(item=item, what="credits"))
        return item

    def _new(
        self, library: str, title: str, item_type: str, *, sort: int = 0, wanted: str | None = None
    ) -> Collection:
        now = self._marks.tick()
        return self._put_checked(
            Collection(
                id=self._world.new_id("item"),
                library=library,
                guid=collection_guid(library, title),
                title=title,
                title_sort=title_sort(title),
                item_type=item_type,
                sort=sort,
                filter=wanted,
                added_at=now,
                updated_at=now,
            )
        )

    def _put_checked(self, collection: Collection) -> Collection:
        try:
            self._memberships.count(collection)
        except BadQuery as error:
            raise ValueError(collection.filter) from error
        self._world.put_collection(collection)
        self._world.announce(CollectionChanged(collection=collection))
        return collection

    def _ordered(self, collection: Collection, order: tuple[int, ...]) -> Collection:
        ordered = replace(collection, order=tuple(dict.fromkeys(order)))
        self._world.put_collection(ordered)
        self._world.announce(CollectionChanged(collection=ordered))
        return ordered

    def _plain(self, collection_id: int) -> Collection:
        collection = self._world.collections[collection_id]
        if collection.filter is not None:
            raise ValueError(collection_id)
        return collection

    def _playable(self, item_id: int) -> Movie | Episode:
        item = self._world.item(item_id)
        if not isinstance(item, Movie | Episode):
            raise TypeError(item.type)
        return item

    def _tagged(self, item_id: int, tags: Tags) -> Item:
        return self._put(replace(self._world.item(item_id), tags=tags))

    def _put(self, item: AnItem) -> AnItem:
        self._world.put(item)
        return item
