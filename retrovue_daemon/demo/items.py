"""The items of a simulated server: films, shows, seasons, episodes, their versions and their files.

All values are frozen: a change replaces the old value, which shows what has to be encoded again. No value refers to
another item as an object (an episode stores the ids of its season and show), so there are no cycles, and a million
items cost the garbage collector nothing (`gc=False`).

Times are epoch seconds, durations milliseconds and sizes bytes, as in Plex's responses.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from retrovue_daemon.demo.streams import Format, Stream  # noqa: TC001  # the control side reads the annotations
from retrovue_daemon.demo.timeline import Chapter, Marker  # noqa: TC001  # likewise


class Part(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One file of a version. `stamp` is the file's mtime, which Plex includes in the part's key.

    Without `streams` an analysed file has the usual ones of its format.
    """

    id: int
    file: str | None
    stamp: int
    size: int | None = None
    duration: int | None = None
    container: str | None = None
    streams: tuple[Stream, ...] | None = None


class Media(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One version of an item: a resolution or an encode, in one or more stacked files.

    `format` is None until Plex has analysed the file. `proxy_type` 42 marks a version that Plex optimized.
    `display_offset` (percent) is where the episode starts in a file that holds several.
    """

    id: int
    parts: tuple[Part, ...]
    duration: int | None = None
    format: Format | None = None
    proxy_type: int | None = None
    target: str | None = None
    title: str | None = None
    display_offset: int | None = None
    deleted_at: int | None = None


class Tags(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The people and labels of an item. Listings show only the first few of each kind.

    `characters` are the parts that the first of the `roles` played. Items can be filtered by their `networks`, but
    no response shows them.
    """

    genres: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    characters: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


NO_TAGS = Tags()


class Item(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What every entry of a library has. A value of None is absent from Plex's responses."""

    type: ClassVar[str] = ""

    id: int
    library: str
    guid: str
    title: str
    added_at: int
    updated_at: int | None = None
    external_guids: tuple[str, ...] = ()
    title_sort: str | None = None
    original_title: str | None = None
    summary: str = ""
    year: int | None = None
    originally_available_at: str | None = None
    content_rating: str | None = None
    studio: str | None = None
    rating: float | None = None
    audience_rating: float | None = None
    tags: Tags = NO_TAGS
    deleted_at: int | None = None

    @property
    def rating_key(self) -> str:
        """The id as Plex clients see it: a string."""
        return str(self.id)

    @property
    def parent_id(self) -> int | None:
        """The id of the parent season or show."""
        return None


class Movie(Item, frozen=True, gc=False, kw_only=True):
    """A film, or a clip of an "Other Videos" library (`subtype="clip"`). An edition is an item of its own.

    `chapter_source` ("media", "agent" or "mixed") is shown in listings, its chapters only in details.
    """

    type = "movie"

    media: tuple[Media, ...] = ()
    duration: int | None = None
    tagline: str | None = None
    edition_title: str | None = None
    subtype: str | None = None
    chapters: tuple[Chapter, ...] = ()
    chapter_source: str | None = None
    markers: tuple[Marker, ...] = ()


class Show(Item, frozen=True, gc=False, kw_only=True):
    """A series. `duration` is the usual length of an episode; a `flattened` show is displayed without its seasons.

    `show_ordering` is set where the show has another order of episodes than its agent's usual one (`absolute`).
    """

    type = "show"

    duration: int | None = None
    flattened: bool = False
    tagline: str | None = None
    show_ordering: str | None = None
    has_theme: bool = False


class Season(Item, frozen=True, gc=False, kw_only=True):
    """A season; `index` 0 holds the specials."""

    type = "season"

    show_id: int
    index: int

    @property
    def parent_id(self) -> int:
        """The id of the show."""
        return self.show_id


class Episode(Item, frozen=True, gc=False, kw_only=True):
    """An episode; `index` is None if the episode is known only by its date."""

    type = "episode"

    show_id: int
    season_id: int
    season_index: int
    index: int | None = None
    media: tuple[Media, ...] = ()
    duration: int | None = None
    chapters: tuple[Chapter, ...] = ()
    chapter_source: str | None = None
    markers: tuple[Marker, ...] = ()

    @property
    def parent_id(self) -> int:
        """The id of the season."""
        return self.season_id


class Collection(Item, frozen=True, gc=False, kw_only=True):
    """A collection of the items of one type in its library.

    The items of a plain one name its title among their tags; `order` holds their ids where they have been sorted by
    hand (`sort` 2; 0 is by release, 1 by title). A smart one has a `filter`, the arguments of a listing, such as
    "genre=Horror&sort=year&limit=10". `mode` -1 is the library's default.
    """

    type = "collection"

    item_type: str
    sort: int = 0
    mode: int = -1
    order: tuple[int, ...] = ()
    filter: str | None = None
    has_art: bool = False


class Artist(Item, frozen=True, gc=False, kw_only=True):
    """An entry of a music library, which a sync of films and shows ignores."""

    type = "artist"


class Photo(Item, frozen=True, gc=False, kw_only=True):
    """An entry of a photo library, which a sync of films and shows ignores."""

    type = "photo"

    media: tuple[Media, ...] = ()
