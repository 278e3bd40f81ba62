"""Frames that a test or a script sends by hand, whether or not anything happened.

    plex.notify.lie("deleted", 3)
    plex.notify.malformed("not_utf8")
    plex.notify.flood(5000)
    plex.notify.drop()

Nothing in the world changes. Frames go to the connections that are open and want them, in the form that
`plex.notifications.quirks` says. Methods refuse arguments that do not fit with a ValueError or KeyError.
"""

from __future__ import annotations

from itertools import cycle, islice, repeat
from typing import TYPE_CHECKING, Any, Literal

from retrovue_daemon.demo.happenings import Checked, Generated, ItemsChanged, Refreshed
from retrovue_daemon.demo.notifications import frames
from retrovue_daemon.demo.notifications.frames import Frame, Raw
from retrovue_daemon.demo.notifications.malformed import BODIES, FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.demo.notifications.service import Notifications
    from retrovue_daemon.demo.world import World

LIES: dict[str, dict[str, Any]] = {
    "deleted": {"state": 9, "metadataState": "deleted"},
    "removed": {"type": frames.REMOVED, "state": 5, "metadataState": "created"},
    "removed_9": {"type": frames.REMOVED, "state": 9, "metadataState": "deleted"},
    "media_deleted": {"state": 5, "mediaState": "deleted"},
    "guide": {"identifier": frames.GUIDE, "state": 9, "metadataState": "deleted"},
    "other_provider": {"identifier": "com.plexapp.agents.imdb", "state": 9, "metadataState": "deleted"},
    "no_library": {"sectionID": "999999"},
    "section_-1": {"sectionID": "-1"},
    "extra": {"sectionID": "-1", "type": frames.EXTRA},
    "playlist": {"type": 15},
    "collection": {"type": 18},
    "other_type": {"type": 13},
    "stuck": {"state": 4, "metadataState": "processing"},
    "analyzing": {"state": 5, "mediaState": "analyzing"},
    "future": {"updatedAt": 4_102_444_800},
    "past": {"updatedAt": 1},
    "unknown_item": {"itemID": "987654321"},
}
"""What a lie about an item says instead of the truth, by name."""

NOISE: tuple[Frame, ...] = (
    Frame(
        "playing",
        (
            {
                "sessionKey": "556",
                "clientIdentifier": "00000000-0000-4000-8000-000000000001",
                "ratingKey": "3",
                "key": "/library/metadata/3",
                "viewOffset": 1_294_833,
                "state": "playing",
                "playQueueID": 126_025,
                "playQueueItemID": 2_670_220,
                "guid": "",
            },
        ),
    ),
    Frame("transcodeSession.update", ({"key": "/transcode/sessions/1", "progress": 12.5, "speed": 8.1},)),
    Frame("backgroundProcessingQueue", ({"queueID": 1, "event": "queueRegenerated"},)),
    Frame("update.statechange", ({"key": "", "version": "", "state": "done"},)),
    Frame("reachability", ({"reachability": True},)),
    Frame("preference", ({"id": "FriendlyName", "type": "text", "value": "Simulated Plex"},)),
)
"""One frame each of types that do not concern a library."""


class ScriptedNotifications:
    """Sends frames of all kinds."""

    def __init__(self, world: World, notifications: Notifications) -> None:
        self._world = world
        self._notifications = notifications

    # Well-formed frames

    def entry(self, item_id: int, state: int = 5, **fields: Any) -> None:
        """Send a timeline entry of an item; `fields` are added to the entry or replace its values."""
        frame = self._entry(item_id, state)
        self._send(Frame(frame.type, (frame.entries[0] | fields,)))

    def frame(self, type_: str, *entries: dict[str, Any]) -> None:
        """Send a frame of any type with any entries."""
        self._send(Frame(type_, entries))

    def raw(self, body: str, *, type_: str = "timeline", binary: bool = False, encoding: str = "utf-8") -> None:
        """Send any text as one message; with the encoding "latin-1", its characters are the bytes that are sent."""
        try:
            encoded = body.encode(encoding)
        except LookupError as error:
            raise ValueError(encoding) from error
        self._send(Raw(type_, encoded, binary))

    def status(self, title: str = "Library scan complete") -> None:
        """Send a status, which names a library by its title at most."""
        self._send(frames.status(title))

    def scan(self, library: str) -> None:
        """Send the frames of a scan that found nothing. The library's marks do not move."""
        self._announce(ItemsChanged(library=self._world.libraries[library].key, scanned=True))

    def settled(self, item_id: int) -> None:
        """Send an item's settled entry again, as a busy server does about every 40 seconds."""
        for frame in self._notifications.sequences.settled(self._world.item(item_id)):
            self._send(frame)

    def check(
        self,
        item_id: int,
        *,
        accessible: bool = True,
        exists: bool = True,
        refreshed: bool = False,
        analyzed: bool = False,
    ) -> None:
        """Send what happens when somebody opens or watches an item. A lost file is neither accessible nor exists."""
        item = self._world.item(item_id)
        found = {"accessible": accessible, "exists": exists, "refreshed": refreshed, "analyzed": analyzed}
        self._announce(Checked(item=item, **found))

    def refresh(self, item_id: int) -> None:
        """Send that an item's metadata is fetched again: states 3, 4 and 5, also without a difference."""
        self._announce(Refreshed(item=self._world.item(item_id)))

    def refresh_library(self, library: str) -> None:
        """Send the same for all items of a library: thousands of frames."""
        key = self._world.libraries[library].key
        for item in [item for item in self._world.items.values() if item.library == key]:
            self._announce(Refreshed(item=item))

    def generate(
        self,
        item_id: int,
        what: Literal["intros", "credits", "bif", "chapter.thumbs", "loudness", "voice.activity"],
    ) -> None:
        """Send that the server generates markers or previews of an item."""
        self._announce(Generated(item=self._world.item(item_id), what=what))

    def noise(self, rounds: int = 1) -> None:
        """Send frames of types that do not concern a library, as somebody who watches causes them."""
        for frame in NOISE * rounds:
            self._send(frame)

    # Trouble

    def lie(self, kind: str, item_id: int) -> None:
        """Send an entry about an item that is not true.

        The kinds: deleted, removed, removed_9, media_deleted, guide, other_provider, no_library, section_-1, extra,
        playlist, collection, other_type, stuck, analyzing, future, past, unknown_item, and other_library, which
        names the next library that there is.
        """
        if kind == "other_library":
            own = self._world.item(item_id).library
            lie: dict[str, Any] = {"sectionID": next(key for key in self._world.libraries if key != own)}
        else:
            lie = LIES[kind]
        self.entry(item_id, **{"state": 5, **lie})

    def malformed(self, kind: str, item_id: int = 3) -> None:
        """Send a frame that cannot be read, or an item's entry with an odd value; `kind` is a name in `malformed`."""
        if kind in BODIES:
            self._send(Raw("timeline", BODIES[kind]()))
            return
        odd = FIELDS[kind]
        entry = self._entry(item_id, 5).entries[0] | odd
        self._send(Frame("timeline", ({name: value for name, value in entry.items() if value is not ...},)))

    def flood(
        self, count: int, *, library: str | None = None, type_: Literal["timeline", "activity"] = "timeline"
    ) -> None:
        """Send so many frames at once: settled entries of a library's items in turn, or progress of its scan.

        Without a library, it is the first one.
        """
        key = next(iter(self._world.libraries)) if library is None else self._world.libraries[library].key
        if type_ == "activity":
            title = f"Scanning {self._world.libraries[key].title}"
            flood: Iterator[Frame] = repeat(
                frames.activity("updated", f"flood-{key}", "library.update.section", title, progress=50)
            )
        else:
            flood = cycle(self._entry(item.id, 5) for item in self._world.items.values() if item.library == key)
        for frame in islice(flood, count):
            self._send(frame)

    def close(self, code: int = 1001) -> None:
        """Close all connections properly, after what waits to be sent."""
        if not 1000 <= code < 5000:  # noqa: PLR2004  # what the protocol allows
            raise ValueError(code)
        for connection in self._notifications.connections:
            connection.end(code)

    def drop(self) -> None:
        """Break all connections without a word."""
        for connection in self._notifications.connections:
            connection.abort()

    def _entry(self, item_id: int, state: int) -> Frame:
        return self._notifications.sequences.entry(self._world.item(item_id), state)

    def _announce(self, happening: Checked | Generated | ItemsChanged | Refreshed) -> None:
        self._notifications.announce(happening)

    def _send(self, frame: Frame | Raw) -> None:
        self._notifications.send(frame)
