"""The notifications of a simulated server, over websockets and event streams.

| module | responsibility |
|---|---|
| `service` | the two paths; sends what happens in the world to all connections |
| `scripted` | frames that a test or a script sends by hand: lies, floods, malformed frames |
| `quirks` | the forms that differ between versions, and oddities of the line |
| `sequences` | which frames something that happens sends, and in which order |
| `frames` | one frame of each type, before it has an envelope |
| `malformed` | frames that no client can read |
| `envelopes` | from a frame to the bytes on the wire |
| `connections` | what each client wants, and what waits to be sent to it |
| `websocket`, `eventsource` | the life of one connection |
"""

from retrovue_daemon.demo.notifications.frames import Frame, Raw
from retrovue_daemon.demo.notifications.quirks import NotificationQuirks, usual
from retrovue_daemon.demo.notifications.scripted import ScriptedNotifications
from retrovue_daemon.demo.notifications.service import EVENTSOURCE, WEBSOCKET, Notifications

__all__ = [
    "EVENTSOURCE",
    "WEBSOCKET",
    "Frame",
    "NotificationQuirks",
    "Notifications",
    "Raw",
    "ScriptedNotifications",
    "usual",
]
