"""A simulated Plex Media Server for the demo, the tests and the benchmarks. It imports nothing from the daemon.

| module | responsibility |
|---|---|
| `world` | the reference data: libraries and items, without HTTP |
| `items` | its value types: films, shows, seasons, episodes, versions, files |
| `shelf` | adding new items to a library: ids, guids, paths |
| `builtin`, `builtin_films`, `builtin_shows`, `builtin_film_data`, `builtin_rich` | the built-in library |
| `generate`, `generate_rich` | libraries of any size |
| `changes` | changes that a library goes through over time |
| `rich_changes` | changes of tags, collections, chapters, markers and subtitles |
| `edits` | the values of an edit: converted, checked, compared |
| `rescan` | deleted items that a scan finds again |
| `happenings` | what happens in a world, as values for those who listen to it |
| `notifications` | the frames that a server sends about it, over websockets and event streams |
| `marks` | the timestamps and counters that each change moves |
| `versions` | the new versions and files that a change produces |
| `release` | Plex versions and what each supports |
| `streams`, `timeline` | value types and elements of streams, chapters and markers |
| `entries`, `files`, `tags`, `pictures`, `details`, `shape` | item -> entry, in listings and in details |
| `memberships` | which items are in a collection, and in which order |
| `collection_entries`, `collection_endpoints` | the entries and the paths of collections |
| `containers`, `meta` | the attributes and lists around entries, per endpoint |
| `encode` | entries -> JSON and XML |
| `stencil` | the same for films and episodes, several times faster |
| `query` | the page, filters, order and elements that a request asks for |
| `endpoints` | the paths |
| `responses` | from the items of a listing to a response |
| `pages` | error pages and common headers |
| `faults` | failures: set by a test, or at random from a seed |
| `quirks`, `misbehaviour` | permanent oddities; how they and the failures that a test sets are carried out |
| `server` | SimulatedPlex: the port, the recorded requests, the tokens |
| `control` | changes, faults, notifications and quirks over HTTP, on a second port |
"""

from retrovue_daemon.demo.builtin import built_in_library
from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.demo.control import Control
from retrovue_daemon.demo.faults import Faults
from retrovue_daemon.demo.generate import generated_library
from retrovue_daemon.demo.memberships import Memberships
from retrovue_daemon.demo.notifications import NotificationQuirks
from retrovue_daemon.demo.quirks import Quirks
from retrovue_daemon.demo.release import RELEASE_2016, RELEASE_2023, RELEASE_2026, RELEASES, Release
from retrovue_daemon.demo.rich_changes import RichChanges
from retrovue_daemon.demo.server import Request, SimulatedPlex
from retrovue_daemon.demo.shape import Shape
from retrovue_daemon.demo.world import Library, Location, World

__all__ = [
    "RELEASES",
    "RELEASE_2016",
    "RELEASE_2023",
    "RELEASE_2026",
    "Changes",
    "Control",
    "Faults",
    "Library",
    "Location",
    "Memberships",
    "NotificationQuirks",
    "Quirks",
    "Release",
    "Request",
    "RichChanges",
    "Shape",
    "SimulatedPlex",
    "World",
    "built_in_library",
    "generated_library",
]
