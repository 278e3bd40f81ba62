"""How a server is disturbed during one schedule.

It fails at random, lies, changes while it is listed, stumbles once, or pretends to be another server.

A server that fails at random seldom lets a pass end, and so seldom tempts it to remove anything. One that lies
responds in time and in good form, so that passes end; but what it says is wrong or contradicts itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from retrovue_daemon.demo.faults import KINDS, FaultSpec

if TYPE_CHECKING:
    import random

    from tests.chaos.worlds import TrialServer

MANNERS = {"fails": 10, "lies": 8, "changes": 4, "stumbles": 3, "pretends": 2}
"""How often each is drawn."""

RATES = (0.05, 0.2, 0.5, 0.8, 1.0)
PATHS = ("*", "*", "*", "/identity", "/library/sections", "/library/sections/*", "/library/metadata/*")
LIES = ("totals", "paging", "duplicates", "keyless", "item")
STUMBLES = ("reset", "truncate", "chunk")
"""The kinds that a client may put down to the network: one more attempt must help."""

LARGE = ("bomb", "nesting", "texts")
"""The kinds that cost a client without limits its memory."""

LISTINGS = "/library/sections/*/*"
MORE_THAN_MAY_LEAVE = 25
"""Items: the guard lets 20 go."""

FEW = 2
"""Items that disappear for a while; they come back with their ids."""

SHIFTS = 2
"""Items that leave while their library is listed: few, because each counts towards what may leave within a day."""


class Disturbance(NamedTuple):
    """What was set, and a text with which a person can repeat it."""

    spec: FaultSpec
    oddities: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((f"--faults '{self.spec}'", *self.oddities))


def manner(chooser: random.Random, *, is_known: bool) -> str:
    """Draw how the servers of one schedule are disturbed; at first contact, no client can check who they are."""
    how = chooser.choices(list(MANNERS), list(MANNERS.values()))[0]
    return "fails" if how == "pretends" and not is_known else how


def disturb(plex: TrialServer, how: str, chooser: random.Random, *, is_known: bool) -> Disturbance:
    """Disturb a server until `calm`. ``is_known`` says whether it was contacted before."""
    match how:
        case "lies":
            disturbance = _lie(plex, chooser)
        case "changes":
            plex.quirks.page_cap, plex.quirks.latency = chooser.choice((4, 7)), chooser.choice((0.002, 0.01))
            oddity = f"with pages of {plex.quirks.page_cap} entries, changing while it is listed"
            disturbance = Disturbance(FaultSpec(rate=0.0), (oddity,))
        case "pretends":
            disturbance = Disturbance(FaultSpec(chooser.randrange(2**30), 1.0, ("identity",), "/identity"))
        case "stumbles":
            kinds = chooser.sample(STUMBLES, 2)
            spec = FaultSpec(chooser.randrange(2**30), 0.3, tuple(k for k in KINDS if k in kinds), times=1)
            disturbance = Disturbance(spec)
        case _:
            disturbance = _fail(chooser, is_known=is_known)
    plex.faults.disturb(str(disturbance.spec))
    if chooser.random() < 0.3:
        _repeat_the_token(plex, chooser)
    return disturbance


def calm(plex: TrialServer) -> None:
    """End all disturbances of a server."""
    plex.faults.clear()
    plex.quirks.no_totals, plex.quirks.page_cap, plex.quirks.latency = False, None, 0.0
    for hidden in (plex.quirks.empty_libraries, plex.quirks.hidden_libraries, plex.quirks.unlisted):
        hidden.clear()


def _fail(chooser: random.Random, *, is_known: bool) -> Disturbance:
    """Draw random faults. Which server it is at first contact, no client can check: there, it says the truth."""
    few = chooser.random() < 0.7
    every = [kind for kind in KINDS if is_known or kind != "identity"]
    kinds = chooser.sample(every, chooser.randint(1, 4)) if few else every
    if chooser.random() < 0.2:
        kinds = list(LARGE)
    paths = chooser.choice(PATHS)
    return Disturbance(
        FaultSpec(chooser.randrange(2**30), chooser.choice(RATES), tuple(k for k in KINDS if k in kinds), paths)
    )


def _lie(plex: TrialServer, chooser: random.Random) -> Disturbance:
    """Draw what is wrong with the listings, and which oddities the server has beside that."""
    quirks, oddities = plex.quirks, []
    is_cut = chooser.random() < 0.4
    kinds = ["cut"] if is_cut else chooser.sample(LIES, chooser.randint(1, 3))
    if not is_cut and chooser.random() < 0.3:
        quirks.no_totals = True
        oddities.append("without totals")
    if chooser.random() < 0.5:
        quirks.page_cap = chooser.choice((4, 7, 10))
        oddities.append(f"with pages of {quirks.page_cap} entries at most")
    key = chooser.choice(list(plex.world.libraries))
    match chooser.choice(("nothing", "nothing", "nothing", "empty", "hidden", "many", "few")):
        case "empty":
            quirks.empty_libraries.add(key)
            oddities.append(f"library {key} empty")
        case "hidden":
            quirks.hidden_libraries.add(key)
            oddities.append(f"library {key} hidden")
        case "few":
            films = [film.id for film in plex.world.movies()]
            for film in chooser.sample(films, FEW):
                plex.withhold(film)
            oddities.append(f"{FEW} films not listed")
        case "many":
            films = [film.id for film in plex.world.movies()]
            if len(films) > MORE_THAN_MAY_LEAVE:
                quirks.unlisted.update(chooser.sample(films, MORE_THAN_MAY_LEAVE))
                oddities.append(f"{MORE_THAN_MAY_LEAVE} films not listed")
    rate = 1.0 if is_cut else chooser.choice((0.0, 0.2, 0.5, 0.8))
    spec = FaultSpec(chooser.randrange(2**30), rate, tuple(k for k in KINDS if k in kinds), LISTINGS)
    return Disturbance(spec, tuple(oddities))


def _repeat_the_token(plex: TrialServer, chooser: random.Random) -> None:
    """Let the server say the token, where a log would repeat it: as the title of a film and of a library."""
    plex.changes.edit(next(plex.world.movies()).id, title=f"A film {plex.token}")
    plex.changes.rename_library(chooser.choice(list(plex.world.libraries)), f"Library {plex.token}")


async def shift(plex: TrialServer, chooser: random.Random) -> None:
    """Until cancelled: when a later page of a listing was requested, let an item leave whose page was read before.

    Another one comes, so that the total stays and all that follows moves by one position.
    """
    seen, left = len(plex.requests), SHIFTS
    while left:
        await asyncio.sleep(0.002)
        for request in list(plex.requests)[seen:]:
            start = request.headers.get("x-plex-container-start") or request.query.get("X-Plex-Container-Start")
            if request.path.endswith("/all") and start not in {None, "0"} and left and chooser.random() < 0.3:
                left -= 1
                replace_first(plex, chooser)
        seen = len(plex.requests)


def replace_first(plex: TrialServer, chooser: random.Random) -> None:
    """Delete one of the first films of a library, and add one at its end."""
    films = sorted(plex.world.movies(), key=lambda film: film.id)
    film = chooser.choice(films[:4])
    plex.changes.delete(film.id)
    plex.changes.add_movie(film.library, f"Film after {film.id}", 1950)
