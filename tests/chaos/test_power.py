"""That trials see what a broken daemon does: each part that protects rows is taken out, and a server lies."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.demo.server import Request
from retrovue_daemon.sync import removal
from retrovue_daemon.sync.completeness import ListingLog
from retrovue_daemon.sync.confirmation import Confirmed
from retrovue_daemon.sync.passes import full
from tests.chaos import disturbances, worlds
from tests.chaos.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retrovue_daemon.records import Kind
    from tests.chaos.worlds import TrialServer

SYNCS = 3
"""Of a server that lies: faults are decided when they have repeated."""


def _nothing(*_: object) -> None:
    """Report no reason why a listing is incomplete."""


def _no_refusal(*_: object, **__: object) -> None:
    """Report no reason to wait for a person."""


async def _all_gone(
    _context: object, _library: object, doubtful: Mapping[Kind, Sequence[int]], *_: object, **__: object
) -> Confirmed:
    """Report items as gone without a request."""
    return Confirmed(gone={kind: [*ids] for kind, ids in doubtful.items()})


async def _is_quiet(_pass: object) -> bool:
    """Report that nothing has changed."""
    return True


BROKEN: dict[str, tuple[object, str, Callable[..., object]]] = {
    "a listing is never incomplete": (ListingLog, "incomplete", _nothing),
    "items are not requested one by one": (full, "confirm", _all_gone),
    "no removal waits for a person": (removal, "refusal_of", _no_refusal),
    "a change during a listing is not noticed": (full.FullPass, "_still_quiet", _is_quiet),
}


def cut(plex: TrialServer) -> None:
    """End listings early, and report another total on each page."""
    plex.faults.disturb("seed=0,rate=1,kinds=cut,paths=/library/sections/*/*")


def cut_without_total(plex: TrialServer) -> None:
    """End listings early, as if there were no more."""
    plex.faults.disturb("seed=17,rate=1,kinds=cut,paths=/library/sections/*/*")


def empty(plex: TrialServer) -> None:
    """Respond as if the disk of a library were not mounted."""
    plex.quirks.empty_libraries.add("1")


def shifted(plex: TrialServer) -> None:
    """Let a film leave, and another one come, while the films are listed: another one is on no page."""
    chooser = Random(1)
    plex.quirks.page_cap = 5

    class Requests(deque[Request]):
        def append(self, request: Request) -> None:
            super().append(request)
            if request.path.endswith("/1/all") and len(self) % 4 == 0:
                disturbances.replace_first(plex, chooser)

    plex.requests = Requests(plex.requests)


LIES = {
    "a listing is never incomplete": cut,
    "items are not requested one by one": cut_without_total,
    "no removal waits for a person": empty,
    "a change during a listing is not noticed": shifted,
}


@pytest.mark.parametrize("what", [None, *BROKEN])
async def test_a_wrong_removal_is_seen(tmp_path, monkeypatch, what: str | None) -> None:
    """None is the daemon as it is: it removes nothing that the server has, whatever the server says."""
    if what is not None:
        monkeypatch.setattr(*BROKEN[what])
    found = []
    for number, lie in enumerate(dict.fromkeys(LIES.values()) if what is None else [LIES[what]]):
        home = tmp_path / str(number)
        home.mkdir()
        plex = worlds.small_server(Random(3))
        witness = Witness(home / "mirror.db")
        async with plex:
            await worlds.sync_here(home, {"home": plex})
            witness.watch()
            lie(plex)
            for _ in range(SYNCS):
                await worlds.sync_here(home, {"home": plex})
            found += witness.look({"home": plex})
    assert bool(found) is (what is not None)
