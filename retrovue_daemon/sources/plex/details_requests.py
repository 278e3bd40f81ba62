"""Requests for the details of many items: ``/library/metadata/1,2,3``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from retrovue_daemon.errors import AnswerTooLarge, PlexError, RequestRefused, ServerTimeout
from retrovue_daemon.sources.plex.arguments import ALL_DETAILS, TIMES_ONLY
from retrovue_daemon.sources.plex.details import UNKNOWN, parse_details
from retrovue_daemon.sources.plex.narrowing import MOST_IN_A_ROW, MOST_TIMEOUTS_IN_A_ROW, Halving, may_be_one_entry
from retrovue_daemon.sources.plex.pace import LONG_S, SHORT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from retrovue_daemon.records import Details, DetailsPage, Kind
    from retrovue_daemon.sources.plex.transport import Response, Transport, Turn

MOST_IDS: Final = 100
"""Rating keys per request: servers accept more than twice as many."""

MOST_BYTES_OF_IDS: Final = 3_500
"""The same in bytes: many proxies limit a request's first line to 8 KB, and some encode the commas."""

HEAVY: Final = 8 * 1024 * 1024
"""Bytes of an answer, about, from which on the caller is to store it first; that for 100 items has three million.

A response that has so many takes five times as much memory while it is read.
"""

_BYTES_PER_ELEMENT: Final = 300
"""A credit takes that beside its texts."""

_ANSWERS_UNTIL_MORE: Final = 8
"""Responses after which more items are requested at once again, once one was too large or heavy."""

_FEWEST_IDS: Final = 10
_NOT_FOUND: Final = 404
_TOO_LONG: Final = frozenset({400, 413, 414, 431})
"""Statuses with which servers and proxies refuse requests that are too long."""


class DetailsAnswer(msgspec.Struct):
    """What a server sent for some items; ``found`` has the details by rating key.

    ``unreadable`` are the items that spoil every response that contains them, ``ignored`` counts entries that were
    not requested. ``failure`` is set if the server failed; the items that are in neither list were then not
    requested, otherwise the server does not have them. ``rest`` are those to request next, if the answer is heavy.
    """

    found: dict[str, Details] = msgspec.field(default_factory=dict)
    unreadable: dict[str, PlexError] = msgspec.field(default_factory=dict)
    ignored: int = 0
    together: set[str] = msgspec.field(default_factory=set)
    """The found items that were requested with others."""
    failure: PlexError | None = None
    rest: frozenset[str] = frozenset()


class DetailsRequests:
    """Requests the details of items from one server, one request at a time; ``turn`` is entered for each.

    ``at_once`` is how many to request at once. It is lowered while responses take long.
    """

    def __init__(self, transport: Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self.at_once = self._most = MOST_IDS
        self._until_more = 0
        self._omits = False
        """Whether a response was seen that has some of the requested items only. Then one without any means that the
        server has none of them. Some servers send nothing if they lack one of the items, or if several are requested.
        """

    async def read(
        self,
        rating_keys: Sequence[str],
        kind: Kind,
        *,
        cast: int,
        times_only: bool = False,
        durations: Mapping[str, int | None] = UNKNOWN,
    ) -> DetailsAnswer:
        """Request the details of items of one kind, with ``cast`` actors each, or chapters and markers only.

        If that fails, items are requested in halves, down to the one that the server cannot send. Never raises
        PlexError: what was read before a failure is part of the answer. ``durations`` are those known, by rating
        key: chapters and markers end there if the response has none.
        """
        answer, weight = DetailsAnswer(), 0
        parse = partial(parse_details, cast=cast, times_only=times_only, durations=durations)
        requests = Halving(_in_lines(rating_keys, self.at_once))
        for keys in requests:
            try:
                page = await self._request(keys, parse, times_only=times_only, tries=requests.tries(keys))
            except PlexError as error:
                if _is_too_long(error) and len(keys) > 1:
                    self._most = self.at_once = len(keys) // 2
                    requests.halve(keys)
                    continue
                if not may_be_one_entry(error):
                    answer.failure = error
                    return answer
                if requests.failed(keys, error):
                    answer.unreadable[keys[0]] = error
                    most = MOST_TIMEOUTS_IN_A_ROW if isinstance(error, ServerTimeout) else MOST_IN_A_ROW
                    if requests.in_a_row >= most:
                        answer.failure = error
                        return answer
                continue
            if page is not None:
                _add(answer, keys, kind, page)
                weight += self._weigh(answer, keys, page)
            absent = [key for key in keys if key not in answer.found]
            if len(absent) < len(keys):
                # Some servers send fewer items than requested at once.
                self._omits = self._omits or bool(absent)
                requests.succeeded(absent)
            elif len(keys) == 1 or self._omits:
                requests.succeeded()
            else:
                requests.halve(keys)
            if weight > HEAVY:
                answer.rest = frozenset(requests.rest)
                break
        return answer

    async def _request(
        self, rating_keys: Sequence[str], parse: Callable[..., DetailsPage], *, times_only: bool, tries: int | None
    ) -> DetailsPage | None:
        """Request items at once; return None if the server has none of them. Raise PlexError."""

        def read(response: Response) -> DetailsPage:
            self._adapt(response.seconds, len(rating_keys))
            return parse(response.body, content_type=response.content_type)

        try:
            return await self._transport.get(
                f"/library/metadata/{','.join(quote(key, safe='') for key in rating_keys)}",
                read,
                params=TIMES_ONLY if times_only else ALL_DETAILS,
                tries=tries,
                turn=self._turn,
            )
        except RequestRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
        except AnswerTooLarge:
            self._request_fewer(len(rating_keys))
            raise
        except ServerTimeout:
            self._adapt(LONG_S + 1, len(rating_keys))
            raise
        return None

    def _weigh(self, answer: DetailsAnswer, keys: Sequence[str], page: DetailsPage) -> int:
        """Return how many bytes a response adds to an answer, about: none without any of the items."""
        found = [answer.found[key] for key in keys if key in answer.found]
        weight = page.size + _BYTES_PER_ELEMENT * sum(item.elements for item in found) if found else 0
        if weight > HEAVY:
            self._request_fewer(len(keys))
        return weight

    def _request_fewer(self, asked: int) -> None:
        """Request half as many items at once for a while, after a response that held too much, or would have."""
        self.at_once, self._until_more = max(1, min(self.at_once, asked // 2)), _ANSWERS_UNTIL_MORE

    def _adapt(self, seconds: float, asked: int) -> None:
        """Request fewer items at once after a slow response, and more again after a fast one."""
        if seconds > LONG_S:
            self.at_once = min(self._most, max(_FEWEST_IDS, min(self.at_once, asked) // 2))
        elif self._until_more:
            self._until_more -= 1
        elif seconds < SHORT_S and asked >= self.at_once:
            self.at_once = min(self._most, self.at_once * 2)


def _is_too_long(error: PlexError) -> bool:
    return isinstance(error, RequestRefused) and error.status in _TOO_LONG


def _add(answer: DetailsAnswer, keys: Sequence[str], kind: Kind, page: DetailsPage) -> None:
    """Add a response to an answer; entries that were not requested are counted and ignored."""
    answer.ignored += page.skipped
    for item in page.items:
        if item.kind is kind and item.rating_key in keys and item.rating_key not in answer.found:
            answer.found[item.rating_key] = item
            if len(keys) > 1:
                answer.together.add(item.rating_key)
        else:
            answer.ignored += 1


def _in_lines(rating_keys: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Cut rating keys into as many as fit into the first line of a request."""
    line: list[str] = []
    size = 0
    for key in rating_keys:
        length = len(quote(key, safe="")) + 1
        if line and (len(line) >= most or size + length > MOST_BYTES_OF_IDS):
            yield line
            line, size = [], 0
        line.append(key)
        size += length
    if line:
        yield line
