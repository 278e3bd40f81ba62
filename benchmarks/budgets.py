"""The promised figures, and whether this run met them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.cases import DAEMON, TITLES
from benchmarks.figures import exponent, find
from benchmarks.live import share_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.feed import FeedCost
    from benchmarks.figures import Figures
    from benchmarks.hooks import HookDelays
    from benchmarks.live import Live
    from benchmarks.postgresql import Publishing

FLOOR_RATIO = 0.7
PLEXAPI_RATIO = 6.0
UNCHANGED_RATIO = 2.0
ROWS_A_LIBRARY = 3
"""An unchanged full pass records itself and the library's marks and looks up the server, but touches no item."""

RICH_REQUESTS = 360
"""Of a first sync of 500 shows, 2,000 seasons and 20,000 episodes, with details."""

SMALL_MIB, LARGE_MIB = 80.0, 250.0
BLOCK_MS = 50.0
FIRST_REQUEST_S = 0.5
HELP_S = 0.3
CONCURRENCY = 2
"""The default of [[servers]] concurrency."""

LIVE_REST_S, LIVE_BUSY_S = 3.0, 5.0
"""The median delay from a change on the server to the row, including the seconds for which a hint waits."""

FEED_SHARE = 0.03

HOOK_S = 1.0
"""The delay from a commit to the request of a hook that gathers nothing."""

FILL_RATIO = 0.4
"""The rate of PostgreSQL's first fill, of that of a bare COPY of the same rows into the same tables."""

PUBLISHED_S = 1.0
"""The delay from SQLite's commit to PostgreSQL's, at rest."""

LINEAR = 1.1
"""The exponent; slightly above 1 because the database's trees get deeper."""

SIZES = ("20k", "200k", "500k", "1m")
GROWING = ("20k", "200k", "1m")
"""The sizes between which growth is promised to be linear."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise, as a line of the report; ``holds`` is None for figures without a promise."""

    what: str
    promised: str
    measured: str
    holds: bool | None


def judge(
    figures: list[Figures],
    help_s: float | None,
    live: Live | None = None,
    hooks: HookDelays | None = None,
    publishing: Publishing | None = None,
    feed: FeedCost | None = None,
) -> list[Budget]:
    """Compare the budgets with the measurements; those not measured are omitted."""
    budgets = [*_rates(figures), *_passes(figures), *_growth(figures), *_process(figures)]
    if live is not None:
        budgets += _live(live)
    if hooks is not None:
        worst = max(hooks.rest_s)
        what = "commit to a hook's request, without wait: worst"
        budgets.append(Budget(what, f"≤ {HOOK_S:.0f} s", f"{worst:.2f} s", worst <= HOOK_S))
    if publishing is not None:
        budgets += _publishing(publishing)
    if feed is not None:
        what = f"change feed, {feed.entries} entries: of the processor time of a first sync"
        holds = feed.share <= FEED_SHARE
        budgets.append(Budget(what, f"≤ {FEED_SHARE:.0%}", f"{max(feed.share, 0):.1%}", holds))
    if help_s is not None:
        budgets.append(Budget("--help", f"≤ {HELP_S} s", f"{help_s:.2f} s", help_s <= HELP_S))
    return budgets


def _rates(figures: list[Figures]) -> Iterator[Budget]:
    for each in figures:
        if each.of_plexapi is not None:
            what = f"{TITLES[each.program]}, {each.case.title}: of python-plexapi's rate"
            holds = each.of_plexapi >= PLEXAPI_RATIO
            yield Budget(what, f"≥ {PLEXAPI_RATIO:.0f}", f"{each.of_plexapi:.1f}", holds)
        if each.program == "first" and each.of_floor is not None:
            measured = f"{each.of_floor:.2f} ({each.started_of_floor or 0:.2f} from the first request on)"
            what = f"first sync, {each.case.title}: of the floor's rate"
            yield Budget(what, f"≥ {FLOOR_RATIO}", measured, each.of_floor >= FLOOR_RATIO)
        if each.program == "rich" and each.of_floor is not None:
            measured = f"{each.of_floor:.2f} ({each.cpu_of_floor or 0:.2f} by processor time)"
            what = f"first sync, {each.case.title}: of the floor's rate"
            yield Budget(what, "nothing", measured, None)
            holds = each.requests <= RICH_REQUESTS
            yield Budget(f"{what.partition(':')[0]}: requests", f"≤ {RICH_REQUESTS}", str(each.requests), holds)
        # If the line is the bottleneck, all passes take equally long.
        if each.program == "unchanged" and each.case.name in SIZES and each.started_of_first is not None:
            # A service does not restart for each pass.
            measured = (
                f"{each.started_of_first:.2f} from the first request on ({each.of_first or 0:.2f} with the start)"
            )
            what = f"unchanged full pass, {each.case.title}: of the first sync's rate"
            yield Budget(what, f"≥ {UNCHANGED_RATIO:.0f}", measured, each.started_of_first >= UNCHANGED_RATIO)


def _passes(figures: list[Figures]) -> Iterator[Budget]:
    """Return the case that comes closest to its limit, or exceeds it the most."""
    looks = [each for each in figures if each.program == "quick"]
    if looks:
        worst = max(looks, key=lambda each: each.requests / _most_requests(each))
        most = _most_requests(worst)
        what = f"quick pass, {worst.case.title}: requests"
        yield Budget(what, f"≤ 3 a server + 3 a library: {most}", str(worst.requests), worst.requests <= most)
    watched = [(each.watched, each) for each in figures if each.watched is not None and each.program == "unchanged"]
    if watched:
        seen, worst = max(watched, key=lambda pair: pair[0]["rows"] / _libraries(pair[1]))
        most = ROWS_A_LIBRARY * _libraries(worst)
        measured = f"{seen['rows']} rows, {seen['wal_bytes'] / 1024:.0f} KiB of log"
        what = f"unchanged full pass, {worst.case.title}: rows"
        yield Budget(what, f"no item (≤ {ROWS_A_LIBRARY} a library: {most})", measured, seen["rows"] <= most)


def _libraries(each: Figures) -> int:
    return each.case.servers * each.case.libraries


def _most_requests(each: Figures) -> int:
    return 3 * each.case.servers + 3 * _libraries(each)


def _growth(figures: list[Figures]) -> Iterator[Budget]:
    rich = find(figures, "rich", "rich")
    if rich is not None:
        holds = rich.peak_mib <= SMALL_MIB
        what = f"first sync, {rich.case.title}: memory"
        yield Budget(what, f"≤ {SMALL_MIB:.0f} MiB", f"{rich.peak_mib:.0f} MiB", holds)
        if rich.watched is not None:
            index = rich.watched["index"]
            what = f"{rich.case.title}: index of words ({index['rows']:,} rows)"
            measured = f"{index['cpu_s']:.2f} s of processor time, {index['mib']:.0f} MiB"
            yield Budget(what, "nothing", measured, None)
    for size, mib in (("20k", SMALL_MIB), ("500k", LARGE_MIB)):
        first = find(figures, size, "first")
        if first is not None:
            holds = first.peak_mib <= mib
            yield Budget(
                f"first sync, {first.case.title}: memory", f"≤ {mib:.0f} MiB", f"{first.peak_mib:.0f} MiB", holds
            )
    sizes = [first for size in GROWING if (first := find(figures, size, "first")) is not None]
    for small, large in pairwise(sizes):
        grows = exponent(small, large)
        what = f"first sync, {small.case.title} to {large.case.title}: growth of the processor time after the start"
        yield Budget(what, "linear (exponent 1)", f"{grows:.2f}", grows <= LINEAR)


def _process(figures: list[Figures]) -> Iterator[Budget]:
    blocks = [(each.watched["own_ms"], each) for each in figures if each.watched is not None]
    if blocks:
        longest, where = max(blocks, key=lambda block: block[0])
        measured = f"{longest:.0f} ms ({where.case.title}, {where.program})"
        yield Budget("longest block of the event loop", f"≤ {BLOCK_MS:.0f} ms", measured, longest <= BLOCK_MS)
    first = find(figures, "20k", "first")
    if first is not None and first.first_request_s is not None:
        holds = first.first_request_s <= FIRST_REQUEST_S
        yield Budget(
            "start of the process to first request", f"≤ {FIRST_REQUEST_S} s", f"{first.first_request_s:.2f} s", holds
        )
    ours = [each.most_at_once for each in figures if each.program in DAEMON]
    if ours:
        yield Budget("requests at once, one server", f"≤ {CONCURRENCY}", str(max(ours)), max(ours) <= CONCURRENCY)


def _publishing(publishing: Publishing) -> Iterator[Budget]:
    ratio = share_of(publishing.bare_s, 0.5) / share_of(publishing.fill_s, 0.5)
    what = f"PostgreSQL's first fill, {publishing.episodes:,} episodes: of the rate of a bare COPY"
    yield Budget(what, f"≥ {FILL_RATIO}", f"{ratio:.2f}", ratio >= FILL_RATIO)
    worst = max(publishing.rest_s)
    what = "commit in SQLite to commit in PostgreSQL, at rest: worst"
    yield Budget(what, f"≤ {PUBLISHED_S:.0f} s", f"{worst:.2f} s", worst <= PUBLISHED_S)


def _live(live: Live) -> Iterator[Budget]:
    for when, delays, most in (
        ("at rest", live.rest_s, LIVE_REST_S),
        (f"during full passes of {live.episodes:,} episodes", live.busy_s, LIVE_BUSY_S),
    ):
        median = share_of(delays, 0.5)
        yield Budget(f"change to row, {when}: median", f"≤ {most:.0f} s", f"{median:.2f} s", median <= most)
    block = live.flood.own_ms
    what = f"{live.frames:,} notifications at once: longest block of the event loop"
    yield Budget(what, f"≤ {BLOCK_MS:.0f} ms", f"{block:.0f} ms", block <= BLOCK_MS)
