"""The kinds of random faults, by the names that a specification uses."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retrovue_daemon.demo.faults import bodies, connections, listings, responses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from retrovue_daemon.demo.faults.disturbance import Disturbance

ANY = ("*",)
IDENTITY = ("/identity",)
SECTIONS = ("/library/sections",)
LISTINGS = ("/library/sections/*/*",)
ENTRIES = (*LISTINGS, "/library/metadata/*")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of random fault: what it does to a response, and which paths it fits."""

    spoil: Callable[[Disturbance], Awaitable[web.StreamResponse]]
    paths: tuple[str, ...] = ANY

    @property
    def does(self) -> str:
        """What it does, in one line."""
        return (inspect.getdoc(self.spoil) or "").partition("\n")[0]

    def fits(self, path: str) -> bool:
        """Return whether it can spoil a response at this path."""
        return any(fnmatchcase(path, pattern) for pattern in self.paths)


KINDS = {
    "status": Kind(responses.status),
    "html": Kind(responses.html),
    "redirect": Kind(responses.redirect),
    "truncate": Kind(connections.truncate),
    "reset": Kind(connections.reset),
    "hang": Kind(connections.hang),
    "drip": Kind(connections.drip),
    "chunk": Kind(connections.chunk),
    "gzip": Kind(connections.gzip),
    "double": Kind(connections.double),
    "totals": Kind(listings.totals, LISTINGS),
    "paging": Kind(listings.paging, LISTINGS),
    "cut": Kind(listings.cut, LISTINGS),
    "duplicates": Kind(listings.duplicates, LISTINGS),
    "keyless": Kind(listings.keyless, LISTINGS),
    "item": Kind(listings.item, LISTINGS),
    "identity": Kind(listings.identity, IDENTITY),
    "sections": Kind(listings.sections, SECTIONS),
    "bomb": Kind(bodies.bomb),
    "nesting": Kind(bodies.nesting),
    "texts": Kind(bodies.texts),
    "numbers": Kind(bodies.numbers, (*ENTRIES, *SECTIONS)),
    "encoding": Kind(bodies.encoding),
    "entities": Kind(bodies.entities),
}
