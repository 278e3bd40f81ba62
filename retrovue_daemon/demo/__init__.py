"""A simulated Plex Media Server, for the demo, the tests and the benchmarks. It imports nothing of the daemon.

| module | what it knows |
|---|---|
| `world` | the model of the truth: libraries and items, without HTTP |
| `items` | the values in it: films, shows, seasons, episodes, versions, files |
| `shelf` | putting new things into a library: ids, guids, paths |
| `builtin`, `builtin_films`, `builtin_shows`, `public_domain` | the built-in library |
| `generate` | libraries of any size |
| `changes` | what happens to a library in the course of time |
| `marks` | which marks move then |
| `versions` | the new values of versions and files that changes put in the place of the old |
| `release` | versions of the server and what each can do |
| `entries`, `files`, `details`, `shape` | item -> entry, as listings and as details show it |
| `containers`, `meta` | the attributes and lists around entries, endpoint by endpoint |
| `encode` | entries -> JSON and XML |
| `stencil` | the same for films and episodes, several times as fast |
| `query` | which page, filters, order and elements a request asks for |
| `endpoints` | the paths |
| `pages` | error pages and common headers |
| `faults`, `quirks`, `misbehaviour` | what goes wrong once; what is always odd; how both show |
| `server` | SimulatedPlex: the port, the recording, the tokens |
| `control` | changes, faults and quirks over HTTP, on another port |
"""

from retrovue_daemon.demo.builtin import built_in_library
from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.demo.control import Control
from retrovue_daemon.demo.faults import Faults
from retrovue_daemon.demo.generate import generated_library
from retrovue_daemon.demo.quirks import Quirks
from retrovue_daemon.demo.release import RELEASE_2016, RELEASE_2023, RELEASE_2026, RELEASES, Release
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
    "Quirks",
    "Release",
    "Request",
    "Shape",
    "SimulatedPlex",
    "World",
    "built_in_library",
    "generated_library",
]
