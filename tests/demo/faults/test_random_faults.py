"""Random faults: which responses they spoil, and that each kind spoils them."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import aiohttp
import pytest

from retrovue_daemon.demo.faults import KINDS
from retrovue_daemon.demo.faults.bodies import MIB, _packed

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get

MOVIES = "/library/sections/1/all?X-Plex-Container-Start=0&X-Plex-Container-Size=50"
WAITING = ("hang", "drip")
PATHS = {"identity": "/identity", "sections": "/library/sections"}
SEEDS = 6
LARGE = ("bomb", "texts")
"""One response is enough, as it takes a while to read."""


async def seen(get: Get, path: str) -> tuple[object, ...]:
    """Return what a client gets: a response, or the error instead of one."""
    try:
        answer = await get(path)
    except aiohttp.ClientError as error:
        return (type(error).__name__,)
    return answer.status, answer.body, answer.headers.get("X-Plex-Container-Total-Size")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WAITING])
async def test_each_kind_spoils_responses(get: Get, plex: SimulatedPlex, kind: str) -> None:
    """Until the faults are cleared."""
    path = PATHS.get(kind, MOVIES)
    healthy = await seen(get, path)
    spoiled = []
    for seed in range(1 if kind in LARGE else SEEDS):
        plex.faults.disturb(f"seed={seed},rate=1,kinds={kind}")
        spoiled += [await seen(get, path) for _ in range(1 if kind in LARGE else 2)]
        assert plex.faults.random is not None
        assert plex.faults.random.counts[kind] > 0
        plex.faults.clear()
        assert await seen(get, path) == healthy
    assert any(one != healthy for one in spoiled)


@pytest.mark.parametrize("kind", WAITING)
async def test_what_waits_is_released(get: Get, plex: SimulatedPlex, kind: str) -> None:
    """When the faults are cleared, the whole response arrives."""
    healthy = await seen(get, MOVIES)
    plex.faults.disturb(f"rate=1,kinds={kind},paths=/library/*")
    assert plex.faults.random is not None
    waiting = asyncio.create_task(seen(get, MOVIES))
    while not plex.faults.random.counts[kind]:
        await get("/identity")
    assert not waiting.done()
    plex.faults.clear()
    assert await waiting == healthy


async def test_a_seed_repeats_its_faults_in_any_order(get: Get, plex: SimulatedPlex) -> None:
    """The choice belongs to the path and page, so that parallel requests cannot change it."""
    paths = [f"/library/sections/{key}/all?X-Plex-Container-Start={start}" for key in "123" for start in (0, 5, 10)]

    async def spoiled(order: list[str], seed: int) -> dict[str, list[int]]:
        plex.faults.disturb(f"seed={seed},rate=0.5,kinds=status+html")
        got: dict[str, list[int]] = {path: [] for path in paths}
        for path in order:
            answer = await get(path)
            got[path].append(answer.status if answer.status != 200 else len(answer.body))
        plex.faults.clear()
        return got

    first = await spoiled(paths * 2, 7)
    assert await spoiled(paths[::-1] * 2, 7) == first
    assert await spoiled(paths * 2, 8) != first


async def test_a_bad_item_stays_bad(get: Get, plex: SimulatedPlex) -> None:
    """Each response that contains it fails, others do not, until the faults are cleared."""
    plex.faults.disturb("rate=1,kinds=item,times=1")
    keys = [entry["ratingKey"] for entry in (await get(MOVIES)).entries]
    assert (await get(MOVIES)).status == 500
    statuses = [(await get(f"/library/metadata/{key}")).status for key in keys]
    assert sorted(statuses)[-2:] == [200, 500]
    plex.faults.clear()
    assert (await get(MOVIES)).status == 200


@pytest.mark.parametrize("seed", range(6))
async def test_a_cut_listing_ends_at_the_same_entry(get: Get, plex: SimulatedPlex, seed: int) -> None:
    """On whatever pages it is read; and it never says that it is whole."""
    paths = [MOVIES, *(f"/library/sections/1/all?X-Plex-Container-Start={start}" for start in range(30))]
    whole = [entry["ratingKey"] for entry in (await get(MOVIES)).entries]
    plex.faults.disturb(f"seed={seed},rate=1,kinds=cut")
    pages = [await get(path) for path in paths]
    listed = [entry["ratingKey"] for entry in pages[0].entries]
    assert len(whole) - 15 <= len(listed) < len(whole)
    assert listed == whole[: len(listed)]
    for start, page in enumerate(pages[1:]):
        assert [entry["ratingKey"] for entry in page.entries] == listed[start:]
    assert {page.container.get("totalSize") for page in pages} != {len(listed)}


async def test_faults_keep_to_their_paths_and_number(get: Get, plex: SimulatedPlex) -> None:
    """Other paths are healthy, and so is the server after the last fault."""
    plex.faults.disturb("rate=1,kinds=html,paths=/library/*,times=2")
    assert (await get("/identity")).container["machineIdentifier"]
    healthy = [b'"MediaContainer"' in (await get("/library/sections")).body for _ in range(4)]
    assert healthy == [False, False, True, True]


async def test_a_mistake_changes_nothing(plex: SimulatedPlex) -> None:
    """The faults that were set stay set."""
    plex.faults.disturb("kinds=html")
    before = plex.faults.random
    with pytest.raises(ValueError, match="unknown kind"):
        plex.faults.disturb("kinds=nonsense")
    assert plex.faults.random is before


@pytest.mark.parametrize(
    ("start", "unit", "end"), [(b'{"a":"', b" ", b'"}'), (b"<a>", b"<Video/>", b"</a>"), (b"[{}", b",{}", b"]")]
)
def test_a_bomb_is_whole(start: bytes, unit: bytes, end: bytes) -> None:
    """Another program decompresses it, checksum and length included."""
    body = gzip.decompress(_packed(start, unit, 2 * MIB, end))
    assert (body[: len(start)], body[-len(end) :]) == (start, end)
    assert body[len(start) : -len(end)].replace(unit, b"") == b""
    assert len(body) > 2 * MIB - 2 * len(unit)
