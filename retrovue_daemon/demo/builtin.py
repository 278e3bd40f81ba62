"""The built-in library: small, pleasant to look at, with one of everything that can trip up a sync."""

from __future__ import annotations

from retrovue_daemon.demo.builtin_films import add_clips, add_films, add_films_in_4k, add_silent_archive
from retrovue_daemon.demo.builtin_rich import enrich
from retrovue_daemon.demo.builtin_shows import add_anime, add_shows
from retrovue_daemon.demo.items import Artist, Media, Photo
from retrovue_daemon.demo.shelf import File, Shelf, new_library, plex_guid
from retrovue_daemon.demo.world import World

DAY = 86_400  # s


def built_in_library() -> World:
    """Return a world of nine libraries: various films, shows and clips, an empty one, and two that are not synced."""
    world = World(name="The Regal, Little Marsden")
    add_films(world)
    add_films_in_4k(world)
    add_shows(world)
    add_anime(world)
    add_silent_archive(world)
    add_clips(world)
    new_library(world, "show", "Documentaries", "/srv/media/documentaries")
    add_music(world)
    add_photos(world)
    enrich(world)
    world.pass_time(DAY)
    for library in world.libraries.values():
        library.scanned_at = world.now
        library.updated_at = world.now + 55
        library.content_changed_at = world.count_change()
    return world


def add_music(world: World) -> None:
    """Add a music library, which is not synced."""
    library = new_library(world, "artist", "Music", "/srv/media/music")
    for name in ("Bessie Smith", "Scott Joplin", "Original Dixieland Jass Band"):
        item_id = world.new_id("item")
        guid = plex_guid("artist", name)
        world.put(Artist(id=item_id, library=library.key, guid=guid, title=name, added_at=world.now))


def add_photos(world: World) -> None:
    """Add a photo library, which is not synced."""
    library = new_library(world, "photo", "Photos", "/srv/media/photos")
    shelf = Shelf(world, library)
    for number in range(1, 4):
        item_id = world.new_id("item")
        title = f"Projection Room {number}"
        media = Media(id=world.new_id("media"), parts=(shelf.part(File(path=f"{title}.jpg", duration=0)),))
        guid = f"local://{item_id}"
        world.put(Photo(id=item_id, library=library.key, guid=guid, title=title, media=(media,), added_at=world.now))
