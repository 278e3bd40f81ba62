"""Failures that happen once, or a given number of times, on the paths that a test names.

    plex.faults.fail("/library/sections/1/all", status=503, times=3)
    stuck = plex.faults.hang("/library/sections/2/*")
    await stuck.reached.wait()
    stuck.release.set()

Paths are `fnmatch` patterns. Faults apply in the order in which they were set, at most one per request. `times` is
the number of requests affected (None: all), `after` the number that pass unaffected first.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING

from retrovue_daemon.demo.encode import Raw  # noqa: TC001  # the control side reads the annotations at run time
from retrovue_daemon.demo.faults.random_faults import RandomFaults
from retrovue_daemon.demo.faults.spec import parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTIFICATIONS = "/:/"
"""How the paths of notifications begin. Clients request them at any time, so they must not use up counted faults."""


@dataclass(kw_only=True, eq=False)
class Fault:
    """What happens to requests whose path matches: the first `after` pass, then `times` (None: all) are affected."""

    path: str
    times: int | None = 1
    after: int = 0

    def __post_init__(self) -> None:
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError(self)


@dataclass(kw_only=True, eq=False)
class Fail(Fault):
    """An error status with an HTML body, or with XML, as a server sends while it starts."""

    status: int
    retry_after: str | None = None
    body: str | None = None
    content_type: str = "text/html"


@dataclass(kw_only=True, eq=False)
class Replace(Fault):
    """Another body, with status 200."""

    body: bytes
    content_type: str


@dataclass(kw_only=True, eq=False)
class Redirect(Fault):
    """A 302 to another address."""

    location: str


@dataclass(kw_only=True, eq=False)
class Drop(Fault):
    """The connection is closed without a response."""


@dataclass(kw_only=True, eq=False)
class Hang(Fault):
    """No response until `release` is set; `reached` is set when a request is waiting."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(kw_only=True, eq=False)
class Truncate(Fault):
    """The headers promise the whole body, but the connection closes after half of it."""


@dataclass(kw_only=True, eq=False)
class Garble(Fault):
    """A complete body that is neither valid JSON nor valid XML: its last third is missing."""


@dataclass(kw_only=True, eq=False)
class BadBytes(Fault):
    """A body whose first title contains a byte that is not valid UTF-8."""


@dataclass(kw_only=True, eq=False)
class Rewrite(Fault):
    """A body in which every occurrence of one text is replaced with another."""

    old: str
    new: str


@dataclass(kw_only=True, eq=False)
class Miscount(Fault):
    """A listing whose total is off by `by`."""

    by: int


@dataclass(kw_only=True, eq=False)
class Empty(Fault):
    """A page of a listing without entries."""


class Faults:
    """The faults waiting for requests."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._hanging: list[Hang] = []
        self._intruders: list[tuple[str, tuple[Raw, ...]]] = []
        self.keyless: set[int] = set()
        """Ids of items that listings show without a ratingKey, until `clear`."""
        self.damaged: set[int] = set()
        """Ids of items that every response shows with a number that no database holds, until `clear`.

        It is the duration of films and episodes and the year of shows; other items have no such number.
        """
        self._poison: dict[int, Fault] = {}
        self.random: RandomFaults | None = None
        """The random faults that `disturb` set, until `clear`."""

    def disturb(self, spec: str) -> None:
        """Spoil responses at random, as a text such as "seed=7,rate=0.1,kinds=status+reset" says, until `clear`.

        Raise ValueError if the text is not understood.
        """
        self.random = RandomFaults(parse_spec(spec))

    def fail(
        self, path: str, *, status: int, times: int | None = 1, retry_after: str | None = None, after: int = 0
    ) -> None:
        """Answer with an error status and an HTML page. Raise ValueError if the status is not an error."""
        if HTTPStatus(status) < HTTPStatus.BAD_REQUEST:
            raise ValueError(status)
        self._waiting.append(Fail(path=path, times=times, after=after, status=status, retry_after=retry_after))

    def maintenance(self, path: str = "*", *, times: int | None = 1, after: int = 0) -> None:
        """Answer like a server that is migrating its database: 503 with XML, regardless of the Accept header."""
        status = "Plex Media Server is currently running database migrations."
        body = f'<Response code="503" title="Maintenance" status="{status}"/>'
        self._waiting.append(
            Fail(path=path, times=times, after=after, status=503, body=body, content_type="text/xml")
        )

    def redirect(self, path: str, location: str, *, times: int | None = 1, after: int = 0) -> None:
        """Redirect the client to another address."""
        self._waiting.append(Redirect(path=path, times=times, after=after, location=location))

    def replace(
        self, path: str, body: bytes, content_type: str = "image/png", *, times: int | None = 1, after: int = 0
    ) -> None:
        """Send something else, such as a picture of another type or of any size."""
        self._waiting.append(Replace(path=path, times=times, after=after, body=body, content_type=content_type))

    def drop(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Close the connection without a response, like a server that requires TLS."""
        self._waiting.append(Drop(path=path, times=times, after=after))

    def hang(self, path: str, *, times: int | None = 1, after: int = 0) -> Hang:
        """Hold requests until the returned fault's `release` is set."""
        fault = Hang(path=path, times=times, after=after)
        self._waiting.append(fault)
        self._hanging.append(fault)
        return fault

    def truncate(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Close the connection in the middle of the body."""
        self._waiting.append(Truncate(path=path, times=times, after=after))

    def garble(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Send a body that cannot be parsed."""
        self._waiting.append(Garble(path=path, times=times, after=after))

    def bad_bytes(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Put a byte that is not valid UTF-8 into a title."""
        self._waiting.append(BadBytes(path=path, times=times, after=after))

    def rewrite(self, path: str, old: str, new: str, *, times: int | None = 1, after: int = 0) -> None:
        """Replace one text with another. The characters of `new` are sent as bytes, so it may be invalid UTF-8."""
        self._waiting.append(Rewrite(path=path, times=times, after=after, old=old, new=new))

    def miscount(self, path: str, *, by: int, times: int | None = 1, after: int = 0) -> None:
        """Report a wrong total."""
        self._waiting.append(Miscount(path=path, times=times, after=after, by=by))

    def empty(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Send a page of a listing without its entries."""
        self._waiting.append(Empty(path=path, times=times, after=after))

    def poison(self, item_id: int, how: str = "error") -> None:
        """Spoil every response that contains this item, until `clear`.

        `how` is error (500), refusal (404), drop, truncate, garble or hang.
        """
        match how:
            case "error" | "refusal":
                fault: Fault = Fail(path="*", status=500 if how == "error" else 404)
            case _:
                fault = {"drop": Drop, "truncate": Truncate, "garble": Garble, "hang": Hang}[how](path="*")
        if isinstance(fault, Hang):
            self._hanging.append(fault)
        self._poison[item_id] = fault

    def poisoned(self, item_ids: Iterable[int]) -> Fault | None:
        """Return the fault that spoils a response with these items, if any."""
        if not self._poison:
            return None
        return next((self._poison[item_id] for item_id in item_ids if item_id in self._poison), None)

    def intrude(self, path: str, *entries: Raw) -> None:
        """List entries that do not belong to any item: dicts of any content, or bytes sent as they are.

        They come at the end of the listing (not of each page) and count towards its total, until `clear`.
        """
        self._intruders.append((path, entries))

    def intruders(self, path: str) -> list[Raw]:
        """Return the entries that `intrude` added to the listing at a path."""
        return [entry for pattern, entries in self._intruders if fnmatchcase(path, pattern) for entry in entries]

    def clear(self) -> None:
        """Remove all faults and intruders, and release the requests that hang."""
        for fault in self._hanging:
            fault.release.set()
        if self.random is not None:
            self.random.end()
            self.random = None
        self._hanging.clear()
        self._waiting.clear()
        self._intruders.clear()
        self._poison.clear()
        self.keyless.clear()
        self.damaged.clear()

    def take(self, path: str) -> Fault | None:
        """Return the fault for a request to this path, if any, and count it as used.

        Faults that are counted are not used up by notifications, unless their pattern begins like those paths.
        """
        of_notifications = path.startswith(NOTIFICATIONS)
        for fault in self._waiting:
            if not fnmatchcase(path, fault.path):
                continue
            if of_notifications and fault.times is not None and not fault.path.startswith(NOTIFICATIONS):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
            return fault
        return None
