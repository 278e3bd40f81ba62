"""The attributes of a MediaContainer, and the lists beside its entries, per endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.demo.pictures import art, thumb
from retrovue_daemon.demo.shelf import NO_AGENT
from retrovue_daemon.demo.tags import TAG_FIELDS, tag_entry, tag_id

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Item, Season, Show
    from retrovue_daemon.demo.shape import Entry
    from retrovue_daemon.demo.world import Library, World

LIBRARY_PLUGIN = {
    "identifier": "com.plexapp.plugins.library",
    "mediaTagPrefix": "/system/bundle/media/flags/",
    "mediaTagVersion": 1_766_000_000,
}
TYPE_TITLES = {"movie": "Movies", "show": "Shows", "artist": "Artists", "photo": "Photos"}
PROVIDER_GROUPS = {"tv.plex.agents.movie": 1, "tv.plex.agents.series": 2, "tv.plex.agents.music": 3}
TAG_TYPES = {
    "1": "genre", "4": "director", "5": "writer", "6": "actor", "7": "producer", "8": "country", "11": "label",
    "319": "network",
}  # fmt: skip
PICTURES = {"movie": "movie", "show": "show", "artist": "artist", "photo": "photo"}


def identity(world: World) -> Entry:
    """Return /identity, the only response that requires no token."""
    api = {"apiVersion": world.release.api_version} if world.release.api_version else {}
    return {
        "size": 0,
        **api,
        "claimed": True,
        "machineIdentifier": world.machine_identifier,
        "version": world.release.version,
    }


def root(world: World) -> Entry:
    """Return /: what the server is and can do."""
    return {
        "allowCameraUpload": False,
        "allowChannelAccess": True,
        "allowMediaDeletion": False,
        "allowSharing": True,
        "allowSync": False,
        "backgroundProcessing": True,
        "certificate": False,
        "companionProxy": True,
        "eventStream": True,
        "friendlyName": world.name,
        "hubSearch": True,
        "machineIdentifier": world.machine_identifier,
        "multiuser": True,
        "myPlex": True,
        "myPlexMappingState": "mapped",
        "myPlexSigninState": "ok",
        "myPlexSubscription": False,
        "ownerFeatures": "",
        "platform": "Linux",
        "platformVersion": "",
        "pluginHost": False,
        "readOnlyLibraries": False,
        "requestParametersInCookie": True,
        "sync": True,
        "transcoderActiveVideoSessions": 0,
        "updatedAt": world.now,
        "updater": True,
        "version": world.release.version,
    }


def sections() -> Entry:
    """Return the container of /library/sections."""
    return {"allowSync": False, "title1": "Plex Library"}


def section(world: World, library: Library) -> Entry:
    """Return one library in the list of sections."""
    counter = {"contentChangedAt": library.content_changed_at} if world.release.content_changed_at else {}
    pictures, provider = {}, {}
    if not world.release.metadata_providers:
        pictures = {
            "art": f"/:/resources/{PICTURES[library.type]}-fanart.jpg",
            "composite": f"/library/sections/{library.key}/composite/{library.scanned_at}",
            "thumb": f"/:/resources/{PICTURES[library.type]}.png",
        }
    elif library.agent in PROVIDER_GROUPS:
        provider = {"metadataAgentProviderGroupId": PROVIDER_GROUPS[library.agent]}
    return {
        "allowSync": True,
        **pictures,
        "filters": True,
        "refreshing": library.refreshing,
        "key": library.key,
        "type": library.type,
        "title": library.title,
        "agent": library.agent,
        "scanner": library.scanner,
        "language": library.language,
        **provider,
        "uuid": library.uuid,
        "updatedAt": library.updated_at,
        "createdAt": library.created_at,
        "scannedAt": library.scanned_at,
        "content": True,
        "directory": True,
        **counter,
        "hidden": library.hidden,
        "Location": [{"id": location.id, "path": location.path} for location in library.locations],
    }


def of_library(library: Library) -> Entry:
    """Return the attributes that a library's listings carry once instead of on each entry."""
    return {
        "allowSync": True,
        **LIBRARY_PLUGIN,
        "librarySectionID": int(library.key),
        "librarySectionTitle": library.title,
        "librarySectionUUID": library.uuid,
    }


def listing(library: Library) -> Entry:
    """Return the attributes of /library/sections/{key}/all and allLeaves.

    The titles depend on the library's type, whatever type is listed.
    """
    kind = PICTURES[library.type]
    is_other_videos = library.type == "movie" and library.agent == NO_AGENT
    return {
        **of_library(library),
        "art": f"/:/resources/{kind}-fanart.jpg",
        **({"nocache": True} if library.type == "show" else {}),
        "thumb": "/:/resources/video.png" if is_other_videos else f"/:/resources/{kind}.png",
        "title1": library.title,
        "title2": f"All {library.title if is_other_videos else TYPE_TITLES[library.type]}",
        "viewGroup": library.type,
        "viewMode": 65592,
    }


def seasons(library: Library, show: Show) -> Entry:
    """Return the attributes of /library/metadata/{show}/children: the show's data, once for all its seasons."""
    return {
        **of_library(library),
        "art": art(show),
        "key": show.rating_key,
        "nocache": True,
        "parentIndex": 1,
        "parentTitle": show.title,
        **({"parentYear": show.year} if show.year is not None else {}),
        "summary": show.summary,
        "thumb": thumb(show),
        "title1": library.title,
        "title2": show.title,
        "viewGroup": "season",
        "viewMode": 65593,
    }


def episodes(library: Library, show: Show, season: Season) -> Entry:
    """Return the attributes of /library/metadata/{season}/children.

    Plex itself sends the numeric ratingKey and the empty title.
    """
    return {
        **of_library(library),
        "art": art(show),
        **({"grandparentContentRating": show.content_rating} if show.content_rating else {}),
        "grandparentRatingKey": show.id,
        **({"grandparentStudio": show.studio} if show.studio else {}),
        "grandparentThumb": thumb(show),
        "grandparentTitle": show.title,
        "key": season.rating_key,
        "nocache": True,
        "parentIndex": season.index,
        "parentTitle": "",
        "thumb": thumb(season),
        "title1": show.title,
        "title2": season.title,
        "viewGroup": "episode",
        "viewMode": 65592,
    }


def leaves(library: Library, show: Show) -> Entry:
    """Return the attributes of /library/metadata/{show}/allLeaves: its episodes span seasons, so no season's data."""
    return {
        **of_library(library),
        "art": art(show),
        "key": show.rating_key,
        "mixedParents": True,
        "nocache": True,
        "parentIndex": 1,
        "parentTitle": show.title,
        **({"parentYear": show.year} if show.year is not None else {}),
        "thumb": thumb(show),
        "title1": library.title,
        "title2": show.title,
        "viewGroup": "episode",
        "viewMode": 65592,
    }


def all_episodes(world: World, show: Show) -> Entry:
    """Return the pseudo entry in a show's list of seasons: it has no ratingKey and no type, but is counted."""
    return {
        "leafCount": world.count_leaves(show.id),
        "thumb": thumb(show),
        "viewedLeafCount": 0,
        "key": f"/library/metadata/{show.id}/allLeaves",
        "title": "All episodes",
    }


def choices(library: Library, field: str) -> Entry:
    """Return the attributes of /library/sections/{key}/genre and similar paths."""
    kind = PICTURES[library.type]
    return {
        "allowSync": False,
        "art": f"/:/resources/{kind}-fanart.jpg",
        "content": "secondary",
        **LIBRARY_PLUGIN,
        **({"nocache": True} if library.type == "show" else {}),
        "thumb": f"/:/resources/{kind}.png",
        "title1": library.title,
        "title2": f"By {field.title()}",
        "viewGroup": "secondary",
    }


def tag_choices(library: Library, field: str, items: list[Item]) -> list[Entry]:
    """Return the tags that occur in a library, by name."""
    _, attribute = TAG_FIELDS[field]
    sets = {id(item.tags): item.tags for item in items}  # many items share one
    tags = sorted({tag for of_items in sets.values() for tag in getattr(of_items, attribute)})
    return [
        {
            "fastKey": f"/library/sections/{library.key}/all?{field}={tag_id(field, tag)}",
            "key": str(tag_id(field, tag)),
            "title": tag,
            "type": field,
        }
        for tag in tags
    ]


def all_tags(world: World, number: str) -> list[Entry]:
    """Return the tags of one type, by its number in Plex's database, of items and collections of all libraries."""
    field = TAG_TYPES.get(number)
    if field is None:
        return []
    _, attribute = TAG_FIELDS[field]
    sets = {id(each.tags): each.tags for each in (*world.items.values(), *world.collections.values())}
    tags = sorted({tag for of_items in sets.values() for tag in getattr(of_items, attribute)})
    return [{**tag_entry(field, tag), "tagType": int(number)} for tag in tags]
