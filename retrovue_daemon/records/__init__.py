"""The value types that travel from a media server to the database.

All are frozen and compare by value. Durations are milliseconds, sizes bytes, bitrates kbit/s, times Unix seconds,
exactly as Plex sends them; ``None`` means that the server sent no value.
"""

from retrovue_daemon.records.beside import NO_ARTWORK, STREAM_COLUMNS, Artwork, StreamRow, Streams
from retrovue_daemon.records.collections import Collection, CollectionMember, CollectionPage, Label
from retrovue_daemon.records.details import (
    Chapter,
    Credit,
    Details,
    DetailsPage,
    Job,
    Marker,
    TagKind,
)
from retrovue_daemon.records.hints import (
    Changed,
    CollectionChanged,
    Hint,
    LibraryBusy,
    LibrarySettled,
    MarkersMade,
    Refreshed,
    Removed,
    ScanCompleted,
)
from retrovue_daemon.records.items import Episode, Guids, Item, Kind, MediaFile, Movie, Season, Show, State
from retrovue_daemon.records.names import folded
from retrovue_daemon.records.pages import FoundPage, FoundShow, LocatedPage, Page, Skipped
from retrovue_daemon.records.server import LibraryListing, PathMapping, ServerIdentity

__all__ = [
    "NO_ARTWORK",
    "STREAM_COLUMNS",
    "Artwork",
    "Changed",
    "Chapter",
    "Collection",
    "CollectionChanged",
    "CollectionMember",
    "CollectionPage",
    "Credit",
    "Details",
    "DetailsPage",
    "Episode",
    "FoundPage",
    "FoundShow",
    "Guids",
    "Hint",
    "Item",
    "Job",
    "Kind",
    "Label",
    "LibraryBusy",
    "LibraryListing",
    "LibrarySettled",
    "LocatedPage",
    "Marker",
    "MarkersMade",
    "MediaFile",
    "Movie",
    "Page",
    "PathMapping",
    "Refreshed",
    "Removed",
    "ScanCompleted",
    "Season",
    "ServerIdentity",
    "Show",
    "Skipped",
    "State",
    "StreamRow",
    "Streams",
    "TagKind",
    "folded",
]
