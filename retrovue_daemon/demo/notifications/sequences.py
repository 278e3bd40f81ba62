"""Which frames a happening sends, and in which order, according to what clients of real servers recorded.

Labels, collections, posters of shows, new files of an item, and libraries that are added, renamed or removed have no
frames of their own on a real server, and so they have none here. What a scan finds is sent within the scan's own
frames; the metadata of new items follows after its end.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from retrovue_daemon.demo.happenings import (
    Checked,
    CollectionChanged,
    Generated,
    Happening,
    ItemsChanged,
    Opened,
    PosterChanged,
    Refreshed,
    ScanFinished,
    ScanStarted,
)
from retrovue_daemon.demo.items import Episode, Movie
from retrovue_daemon.demo.notifications import frames
from retrovue_daemon.demo.notifications.frames import Frame
from retrovue_daemon.demo.shelf import NO_AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrovue_daemon.demo.items import Item
    from retrovue_daemon.demo.notifications.quirks import NotificationQuirks
    from retrovue_daemon.demo.world import Library, World

METADATA_STATES = {0: "created", 2: "queued", 3: "loading", 4: "processing", 9: "deleted"}
SETTLED = 5
SCAN = "library.update.section"
CHECK = "library.refresh.items"
SHORT = (0, 1)
"""The states of a new item in a library without an agent: it never gets to 5."""
ANALYSIS = ("analyzing", "analyzing", "thumbnailing")
"""What becomes of a new item's files before its last entry."""
FIRST_EXTRA = 900_000_000
GENERATING = {
    "intros": "Detecting Intros",
    "credits": "Detecting Credits",
    "bif": "Generating Video Preview Thumbnails",
    "chapter.thumbs": "Generating Chapter Images",
    "loudness": "Generating loudness data",
    "voice.activity": "Detecting Voice Activity",
}


class Sequences:
    """Turns what happens in a world into frames."""

    def __init__(self, world: World, quirks: NotificationQuirks) -> None:
        self.quirks = quirks
        self._world = world
        self._scans: dict[str, str] = {}
        self._activities = 0
        self._extras = 0

    def of(self, happening: Happening) -> Iterator[Frame]:
        """Return the frames that a real server sends when this happens."""
        return _bundled(self._varied(happening)) if self.quirks.bundled else self._varied(happening)

    def _varied(self, happening: Happening) -> Iterator[Frame]:
        for frame in self._usual(happening):
            changed = self._stripped(frame) if frame.type == "timeline" else frame
            for _ in range(1 + self.quirks.duplicates):
                yield changed
            if self.quirks.foreign and frame.type == "timeline":
                yield frames.changed(changed, identifier=frames.GUIDE, state=9, metadataState="deleted")

    def entry(
        self,
        item: Item,
        state: int,
        *,
        title: str | None = None,
        gone: Sequence[Item] = (),
        metadataState: str | None = None,  # noqa: N803  # as in the frame
        mediaState: str | None = None,  # noqa: N803  # likewise
    ) -> Frame:
        """Return an item's entry in a state; `gone` are the items that were deleted with it."""
        shown = frames.title_of(item, self._show_of(item, gone)) if title is None else title
        if metadataState is None:
            created = state == SETTLED and self.quirks.settled == "created"
            metadataState = "created" if created else METADATA_STATES.get(state)  # noqa: N806  # likewise
        return frames.timeline(item, state, title=shown, metadataState=metadataState, mediaState=mediaState)

    def settled(self, item: Item) -> Iterator[Frame]:
        """Return the entries of an item that is complete, in the form of this server."""
        if self.quirks.twice:
            yield self.entry(item, SETTLED, mediaState="analyzing")
        yield self.entry(item, SETTLED)

    def deleted(self, item: Item, gone: Sequence[Item] = ()) -> Iterator[Frame]:
        """Return the entries of a deleted item; `gone` are the items that were deleted with it."""
        if self.quirks.deleted == "type":
            yield frames.changed(self.entry(item, SETTLED, gone=gone), type=frames.REMOVED)
        else:
            yield self.entry(item, 9, gone=gone)
        if self.quirks.after_deletion:
            yield self.entry(item, 3, gone=gone)

    def _usual(self, happening: Happening) -> Iterator[Frame]:
        match happening:
            case ItemsChanged():
                yield from self._items_changed(happening)
            case ScanStarted(library):
                yield from self._scan_start(self._world.libraries[library])
            case ScanFinished(library):
                yield from self._scan_end(self._world.libraries[library])
            case Refreshed(item=item):
                yield from self._refreshed(item)
            case Checked():
                yield from self._checked(happening)
            case Opened():
                yield from self._opened(happening)
            case Generated(item=item, what=what):
                yield from self._generated(item, what)
            case PosterChanged(item):
                if isinstance(item, Movie):
                    yield from self._checked(Checked(item=item))
            case CollectionChanged(collection=collection, deleted=deleted):
                if self.quirks.collections:
                    yield frames.collection_entry(collection, deleted=deleted)

    def _items_changed(self, change: ItemsChanged) -> Iterator[Frame]:
        library = self._world.libraries[change.library]
        scanned = change.scanned and not library.refreshing
        if scanned:
            yield from self._scan_start(library)
        added, deleted = self._in_order(change.added), self._in_order(change.deleted)
        for item in deleted:
            yield from self.deleted(item, change.deleted)
        states = SHORT if library.agent == NO_AGENT else self.quirks.states
        for place, item in enumerate(added):
            for state in states[:1]:
                size = {"queueSize": len(added) - place} if self.quirks.queue_size else {}
                yield frames.changed(self.entry(item, state, title=""), **size)
        if scanned:
            yield from self._scan_end(library)
        for item in added:
            yield from self._described(item, states[1:])
        for item in change.edited:
            yield from self.settled(item)

    def _described(self, item: Item, states: Sequence[int]) -> Iterator[Frame]:
        """Return what follows after a scan has found an item: its metadata, then its files."""
        uuid, title = self._uuid(), f"Updating metadata for {item.title}"
        yield frames.activity("started", uuid, "library.update.item.metadata", title)
        if isinstance(item, Movie) and self.quirks.extras:
            self._extras += 1
            yield frames.extra_of_film(FIRST_EXTRA + self._extras, item.added_at)
        for state in states:
            for media_state in ANALYSIS if state == SETTLED and self.quirks.twice else ():
                yield self.entry(item, state, mediaState=media_state)
            yield self.entry(item, state)
        yield frames.activity("ended", uuid, "library.update.item.metadata", title, progress=100)

    def _refreshed(self, item: Item) -> Iterator[Frame]:
        yield self.entry(item, 3, metadataState="queued")
        yield self.entry(item, 4)
        yield from self.settled(item)

    def _scan_start(self, library: Library) -> Iterator[Frame]:
        uuid = self._scans[library.key] = self._uuid()
        title = f"Scanning {library.title}"
        always, late = self.quirks.context == "always", self.quirks.context in {"always", "late"}
        yield frames.activity("started", uuid, SCAN, title, context=_section(library) if always else None)
        yield frames.scanning(library)
        for number in range(self.quirks.updates):
            folder = library.locations[number % len(library.locations)].path.rpartition("/")[2]
            named = always or (late and number > 0)
            yield frames.progress(f"Scanning {folder}")
            yield frames.activity(
                "updated",
                uuid,
                SCAN,
                title,
                subtitle=folder,
                progress=100 * number // self.quirks.updates,
                context=_section(library) if named else None,
            )

    def _scan_end(self, library: Library) -> Iterator[Frame]:
        uuid = self._scans.pop(library.key, None) or self._uuid()
        context = _section(library) if self.quirks.context != "never" else None
        yield frames.activity("ended", uuid, SCAN, f"Scanning {library.title}", progress=100, context=context)
        yield frames.status("Library scan complete")

    def _checked(self, check: Checked) -> Iterator[Frame]:
        uuid = self._uuid()
        files = {"accessible": check.accessible, "exists": check.exists}
        key = {"key": f"/library/metadata/{check.item.id}"}
        refreshed = {"refreshed": check.refreshed}
        analysis = "Refreshing media analysis"
        for event, subtitle, progress, context in (
            ("started", "", 0, None),
            ("updated", "Checking files", 0, key),
            ("updated", "Refreshing local metadata", 33, files | key),
            ("updated", analysis, 66, files | key | refreshed),
            ("ended", analysis, 100, files | {"analyzed": check.analyzed} | key | refreshed),
        ):
            yield frames.activity(
                event, uuid, CHECK, "Refreshing", subtitle=subtitle, progress=progress, context=context
            )

    def _opened(self, opened: Opened) -> Iterator[Frame]:
        if self.quirks.feedback == "never" or (opened.skip_refresh and self.quirks.feedback == "asked"):
            return
        if not opened.children:
            refreshes = self.quirks.feedback == "refreshes"
            for item in opened.items:
                yield from self._refreshed(item) if refreshes else self._checked(Checked(item=item))
            return
        uuid, context = self._uuid(), {"key": f"/library/metadata/{opened.items[0].id}/children"}
        for event, progress in (("started", 0), ("updated", 0), ("ended", 100)):
            yield frames.activity(
                event, uuid, CHECK, "Refreshing", subtitle="Augmenting metadata", progress=progress, context=context
            )

    def _generated(self, item: Item, what: str) -> Iterator[Frame]:
        uuid, type_ = self._uuid(), f"media.generate.{what}"
        subtitle = frames.title_of(item, self._show_of(item))
        for event, progress in (("started", 0), ("updated", -1), ("ended", 100)):
            yield frames.activity(event, uuid, type_, GENERATING[what], subtitle=subtitle, progress=progress)

    def _show_of(self, item: Item, gone: Sequence[Item] = ()) -> Item | None:
        """Return the show of an episode, which may be deleted, too."""
        if not isinstance(item, Episode):
            return None
        return self._world.items.get(item.show_id) or next((each for each in gone if each.id == item.show_id), None)

    def _stripped(self, frame: Frame) -> Frame:
        """Return an entry without the fields that this server does not send."""
        without: dict[str, None] = {}
        if self.quirks.no_identifier:
            without["identifier"] = None
        if self.quirks.no_section:
            without["sectionID"] = None
        return frames.changed(frame, **without) if without else frame

    def _in_order(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        return items[::-1] if self.quirks.backwards else items

    def _uuid(self) -> str:
        self._activities += 1
        return str(uuid5(NAMESPACE_URL, f"{self._world.machine_identifier}/activities/{self._activities}"))


def _bundled(single: Iterator[Frame]) -> Iterator[Frame]:
    """Join the timeline entries that follow one another."""
    for of_timeline, group in groupby(single, key=lambda frame: frame.type == "timeline"):
        if of_timeline:
            yield Frame("timeline", tuple(entry for frame in group for entry in frame.entries))
        else:
            yield from group


def _section(library: Library) -> dict[str, str]:
    return {"librarySectionID": library.key}
