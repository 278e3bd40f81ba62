"""Things that go wrong once, or a number of times, on the paths that a test names.

    plex.faults.fail("/library/sections/1/all", status=503, times=3)
    stuck = plex.faults.hang("/library/sections/2/*")
    await stuck.reached.wait()
    stuck.release.set()

Paths are patterns as in `fnmatch`. Faults wait in the order in which they were set; each request meets one at most.
`times` says how many requests are hit (None: all), `after` how many go by before.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING

from retrovue_daemon.demo.encode import Raw  # noqa: TC001  # the control side reads the annotations at run time

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(kw_only=True, eq=False)
class Fault:
    """What happens to requests whose path matches: the first `after` go by, then `times` (None: all) are hit."""

    path: str
    times: int | None = 1
    after: int = 0

    def __post_init__(self) -> None:
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError(self)


@dataclass(kw_only=True, eq=False)
class Fail(Fault):
    """An error status with a body of HTML (or `xml`, as a server that starts up sends it)."""

    status: int
    retry_after: str | None = None
    body: str | None = None
    content_type: str = "text/html"


@dataclass(kw_only=True, eq=False)
class Redirect(Fault):
    """A 302 to another address."""

    location: str


@dataclass(kw_only=True, eq=False)
class Drop(Fault):
    """The connection is closed without any answer."""


@dataclass(kw_only=True, eq=False)
class Hang(Fault):
    """No answer until `release` is set; `reached` is set when a request waits."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(kw_only=True, eq=False)
class Truncate(Fault):
    """The head promises the whole body, half of it comes, then the connection closes."""


@dataclass(kw_only=True, eq=False)
class Garble(Fault):
    """A complete body that is no JSON (and no XML either): its last third is gone."""


@dataclass(kw_only=True, eq=False)
class BadBytes(Fault):
    """A body in which a byte that is no UTF-8 stands in the first title."""


@dataclass(kw_only=True, eq=False)
class Rewrite(Fault):
    """A body in which one text stands instead of another, wherever that is found."""

    old: str
    new: str


@dataclass(kw_only=True, eq=False)
class Miscount(Fault):
    """A listing whose total is off by `by`."""

    by: int


@dataclass(kw_only=True, eq=False)
class Empty(Fault):
    """A page of a listing without any entry."""


class Faults:
    """The faults that are waiting for requests."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._hanging: list[Hang] = []
        self._intruders: list[tuple[str, tuple[Raw, ...]]] = []
        self.keyless: set[int] = set()
        """Ids of items that listings show without a ratingKey, until `clear`."""
        self._poison: dict[int, Fault] = {}

    def fail(
        self, path: str, *, status: int, times: int | None = 1, retry_after: str | None = None, after: int = 0
    ) -> None:
        """Answer with an error status and a page of HTML. A status that is no error is a ValueError."""
        if HTTPStatus(status) < HTTPStatus.BAD_REQUEST:
            raise ValueError(status)
        self._waiting.append(Fail(path=path, times=times, after=after, status=status, retry_after=retry_after))

    def maintenance(self, path: str = "*", *, times: int | None = 1, after: int = 0) -> None:
        """Answer as a server that is migrating its database: 503 with XML, whatever was accepted."""
        status = "Plex Media Server is currently running database migrations."
        body = f'<Response code="503" title="Maintenance" status="{status}"/>'
        self._waiting.append(
            Fail(path=path, times=times, after=after, status=503, body=body, content_type="text/xml")
        )

    def redirect(self, path: str, location: str, *, times: int | None = 1, after: int = 0) -> None:
        """Send the client elsewhere."""
        self._waiting.append(Redirect(path=path, times=times, after=after, location=location))

    def drop(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Close the connection without an answer, as a server that insists on TLS does."""
        self._waiting.append(Drop(path=path, times=times, after=after))

    def hang(self, path: str, *, times: int | None = 1, after: int = 0) -> Hang:
        """Let requests wait until the returned fault's `release` is set."""
        fault = Hang(path=path, times=times, after=after)
        self._waiting.append(fault)
        self._hanging.append(fault)
        return fault

    def truncate(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Break off in the middle of the body."""
        self._waiting.append(Truncate(path=path, times=times, after=after))

    def garble(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Send a body that does not parse."""
        self._waiting.append(Garble(path=path, times=times, after=after))

    def bad_bytes(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Put a byte that is no UTF-8 into a title."""
        self._waiting.append(BadBytes(path=path, times=times, after=after))

    def rewrite(self, path: str, old: str, new: str, *, times: int | None = 1, after: int = 0) -> None:
        """Put one text in the place of another; characters of the new one are bytes, so that it may be no UTF-8."""
        self._waiting.append(Rewrite(path=path, times=times, after=after, old=old, new=new))

    def miscount(self, path: str, *, by: int, times: int | None = 1, after: int = 0) -> None:
        """Give a total that is off."""
        self._waiting.append(Miscount(path=path, times=times, after=after, by=by))

    def empty(self, path: str, *, times: int | None = 1, after: int = 0) -> None:
        """Send a page of a listing without its entries."""
        self._waiting.append(Empty(path=path, times=times, after=after))

    def poison(self, item_id: int, how: str = "error") -> None:
        """Spoil each answer that holds this item, until `clear`.

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
        """Return what spoils an answer that holds these items."""
        if not self._poison:
            return None
        return next((self._poison[item_id] for item_id in item_ids if item_id in self._poison), None)

    def intrude(self, path: str, *entries: Raw) -> None:
        """List entries that no item stands behind: dicts of any content, or bytes to be sent as they are.

        They stand at the end of the listing (not of each page) and count in its total, until `clear`.
        """
        self._intruders.append((path, entries))

    def intruders(self, path: str) -> list[Raw]:
        """Return the entries that `intrude` put into the listing at a path."""
        return [entry for pattern, entries in self._intruders if fnmatchcase(path, pattern) for entry in entries]

    def clear(self) -> None:
        """Forget all faults and intruders. What hangs goes on."""
        for fault in self._hanging:
            fault.release.set()
        self._hanging.clear()
        self._waiting.clear()
        self._intruders.clear()
        self._poison.clear()
        self.keyless.clear()

    def take(self, path: str) -> Fault | None:
        """Return the fault that a request for this path meets now; it counts as used."""
        for fault in self._waiting:
            if not fnmatchcase(path, fault.path):
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
