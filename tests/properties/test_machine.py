"""Whatever happens to a server, and whatever goes wrong meanwhile: the database stays true, and loses nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from retrovue_daemon.demo import RELEASE_2016, RELEASE_2023, RELEASE_2026
from tests.properties.happenings import Happening
from tests.properties.rounds import Interruption, Manner, Rounds, Trouble

if TYPE_CHECKING:
    from retrovue_daemon.demo import Release
    from tests.properties.rounds import Round

SEEDS = os.environ.get("RETROVUE_MACHINE_SEEDS", "4,5,7-10,12-15")
"""Seeds and ranges of seeds. Each seed is a test of its own with a few examples, so that it stays within the time
limit of a test on a busy machine, and so that a failure can be repeated by its seed.

Other seeds may fail: of 165, twelve did, two of them among the last 35. Each was followed up. One was a fault of the
daemon, the others were promises that left out something rare, such as a key that another item has when a round ends.
"""

EXAMPLES = 4
"""Per seed. The first one is the simplest that there is."""

SHRINKS = "RETROVUE_MACHINE_SHRINK" in os.environ
"""Whether a failure is made as small as possible, which takes minutes."""

WHAT = {
    "film_added": 6, "film_edited": 3, "film_rematched": 1, "films_exchanged": 1, "films_merged": 1, "film_split": 1,
    "show_added": 4, "big_show_added": 1, "episode_added": 5, "show_edited": 2, "season_edited": 1,
    "episode_edited": 2, "episode_moved": 2, "film_deleted": 3, "show_deleted": 1, "season_deleted": 1,
    "episode_deleted": 3, "deleted_came_again": 5, "film_recreated": 2, "show_recreated": 2, "film_moved": 3,
    "show_moved": 2, "film_copied": 2, "file_replaced": 2, "file_upgraded": 1, "file_renamed": 1, "file_split": 1,
    "analysed": 1,
    "keys_reissued": 6,
    "trashed": 2, "restored": 1, "trash_emptied": 1, "library_added": 1, "library_removed": 1, "library_renamed": 4,
    "scan_began": 1, "scan_ended": 2, "library_emptied": 1, "library_hidden": 1, "server_changed": 2,
    "paths_hidden": 2, "locations_left_out": 3,
    "tags_edited": 10, "label_added": 9, "label_removed": 7, "chapters_edited": 6, "markers_edited": 4,
    "markers_made": 2, "subtitle_added": 2, "library_rekeyed": 2, "collection_made": 9, "smart_collection_made": 4,
    "collection_filled": 5, "collection_thinned": 4, "member_exchanged": 4, "collection_sorted": 3,
    "collection_edited": 3, "collection_removed": 3, "collection_made_again": 3, "collections_rekeyed": 2,
}  # fmt: skip
"""Everything that can happen, and how often in relation."""

SHIFTS = (
    "film_added", "film_deleted", "film_recreated", "film_moved", "episode_added", "episode_deleted", "episode_moved",
    "show_deleted", "show_recreated", "show_moved", "scan_began", "tags_edited", "label_added", "chapters_edited",
    "collection_filled", "collection_thinned", "collection_removed", "keys_reissued",
)  # fmt: skip
"""What is awkward while a listing is read: pages are cut by position."""

AT_ONCE = (1, 1, 3) if "RETROVUE_MACHINE_AT_ONCE" in os.environ else (1,)
"""Side by side is as good, but not the same every time: a failure may not come again with its seed."""

PATHS = (
    "*",
    "/library/sections",
    "/library/sections/*/all",
    "/library/sections/*/allLeaves",
    "/library/sections/[123]/all",
    "/library/sections/[45]/all*",
    "/library/metadata/*",
    "/library/metadata/*",
    "/library/sections/*/label",
    "/library/all",
    "/library/collections/*",
)


STRIKING = ("keyless", "damaged", "poison error", "poison garble", "poison refusal", "poison truncate")
"""What befalls a single item."""

numbers = st.integers(0, 40)
happenings = st.builds(
    Happening, st.sampled_from([what for what, often in WHAT.items() for _ in range(often)]), numbers, numbers
)
shifts = happenings.filter(lambda happening: happening.what != "paths_hidden") | st.builds(
    Happening, st.sampled_from(SHIFTS), numbers, numbers
)
lists = st.lists(happenings, max_size=6)
small = st.integers(0, 12)
paths = st.sampled_from(PATHS)
manners = st.builds(
    Manner,
    page_size=st.sampled_from((1, 2, 2, 3, 3, 4, 5, 10)),
    batch_size=st.integers(1, 5),
    order=st.permutations(["1", "2", "3", "4", "5"]).map(tuple),
    full=st.booleans(),
    at_once=st.sampled_from(AT_ONCE),
    names=st.booleans(),
    details=st.sampled_from((True, True, True, False)),
)
troubles = st.builds(
    Trouble,
    st.sampled_from(
        ("error", "refusal", "drop", "truncate", "garble", "maintenance", "fewer", "more", "empty", *STRIKING)
    ),
    paths,
    after=small,
    times=st.integers(0, 3),
)


class Machine(RuleBasedStateMachine):
    """Draws what happens, and when the daemon looks."""

    rounds: Rounds | None = None

    @initialize(
        release=st.sampled_from((RELEASE_2026, RELEASE_2026, RELEASE_2023, RELEASE_2016)),
        retention_days=st.sampled_from((30, 30, 1, 0, None)),
        first=st.lists(happenings, max_size=20),
        manner=manners,
    )
    def begin(self, release: Release, retention_days: int | None, first: list[Happening], manner: Manner) -> None:
        self.rounds = Rounds(release=release, retention_days=retention_days)
        self.rounds.__enter__()
        for number, kind in enumerate(("movie", "movie", "movie", "show", "show")):
            self.rounds.plex.changes.add_library(kind, f"Library {number}", f"/srv/library {number}")
        self.rounds.happen(*first)
        self._told(self.rounds.sync(manner))

    @rule(seconds=st.sampled_from((60, 3_600, 7 * 3_600, 25 * 3_600, 31 * 86_400)))
    def time_passes(self, seconds: int) -> None:
        self._both.now += seconds
        self._both.world.pass_time(seconds)

    @rule(seconds=st.sampled_from((-7 * 86_400, 400 * 86_400)))
    def somebody_sets_the_clock(self, seconds: int) -> None:
        self._both.now += seconds

    @rule(what=lists, manner=manners)
    def the_daemon_looks(self, what: list[Happening], manner: Manner) -> None:
        self._both.happen(*what)
        self._told(self._both.sync(manner))

    @rule(what=lists, manner=manners)
    def it_looks_twice(self, what: list[Happening], manner: Manner) -> None:
        self._both.happen(*what)
        first = self._both.sync(manner)
        if not first.scanning and first.passes.keys() <= first.ended.libraries.keys():
            self._told(self._both.sync_again(manner))

    @rule(what=lists, manner=manners)
    def somebody_accepts_removals(self, what: list[Happening], manner: Manner) -> None:
        self._both.happen(*what)
        self._told(self._both.sync(replace(manner, accept_removals=True, full=True)))

    @rule(what=lists, manner=manners, library=st.sampled_from("12345"))
    def it_looks_at_one_library(self, what: list[Happening], manner: Manner, library: str) -> None:
        self._both.happen(*what)
        self._told(self._both.sync(replace(manner, only=library)))

    @rule(what=lists, manner=manners, trouble=st.lists(troubles, min_size=1, max_size=2))
    def it_looks_in_spite_of_trouble(self, what: list[Happening], manner: Manner, trouble: list[Trouble]) -> None:
        self._both.happen(*what)
        self._told(self._both.sync(manner, troubles=trouble))

    @rule(
        what=lists,
        manner=manners,
        struck=st.lists(small, min_size=1, max_size=3),
        meanwhile=st.none() | st.lists(happenings, max_size=2),
    )
    def values_arrive_damaged(
        self, what: list[Happening], manner: Manner, struck: list[int], meanwhile: list[Happening] | None
    ) -> None:
        self._both.happen(*what)
        trouble = [Trouble("damaged", "*", after=after) for after in struck]
        self._told(self._both.sync(manner, troubles=trouble))
        if meanwhile is not None:
            self._both.happen(*meanwhile)
            self._told(self._both.sync(manner, troubles=trouble))

    @rule(what=lists, manner=manners, path=paths, after=small, meanwhile=st.lists(shifts, min_size=1, max_size=2))
    def things_happen_while_it_looks(
        self, what: list[Happening], manner: Manner, path: str, after: int, meanwhile: list[Happening]
    ) -> None:
        self._both.happen(*what)
        interruption = Interruption(path, after, lambda: self._both.happen(*meanwhile))
        manner = replace(manner, names=False)  # what comes meanwhile has no name yet
        self._told(self._both.sync(manner, interruption=interruption))

    @rule(what=lists, manner=manners, path=paths, after=small)
    def it_is_stopped_while_it_looks(self, what: list[Happening], manner: Manner, path: str, after: int) -> None:
        self._both.happen(*what)
        self._told(self._both.sync(manner, interruption=Interruption(path, after, lambda: None, cancels=True)))

    @rule(what=lists, manner=manners, path=paths, after=small)
    def it_is_killed_while_it_looks(self, what: list[Happening], manner: Manner, path: str, after: int) -> None:
        self._both.happen(*what)
        self._told(self._both.sync(manner, interruption=Interruption(path, after, lambda: None, kills=True)))

    def teardown(self) -> None:
        if self.rounds is not None:
            self.rounds.__exit__(None, None, None)

    @property
    def _both(self) -> Rounds:
        assert self.rounds is not None
        return self.rounds

    def _told(self, done: Round) -> None:
        note(f"  round {done.number}: { {key: each.status for key, each in done.passes.items()} }")


def _seeds() -> list[int]:
    seeds: list[int] = []
    for part in SEEDS.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


@pytest.fixture
def general_constants_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a seed draw the same whichever tests ran before it.

    Hypothesis also draws numbers and texts that stand in the modules loaded so far, which no setting turns off.
    """
    monkeypatch.setattr(providers, "_get_local_constants", Constants)
    providers.CONSTANTS_CACHE.cache.clear()


@pytest.mark.time_limit(1_800 if SHRINKS else 180)
@pytest.mark.parametrize("number", _seeds())
@pytest.mark.usefixtures("general_constants_only")
def test_the_mirror_is_true_whatever_happens(number: int) -> None:
    """See ``promises`` for what is checked after every round."""
    run_state_machine_as_test(
        seed(number)(type("Machine", (Machine,), {})),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            phases=(Phase.generate, Phase.shrink) if SHRINKS else (Phase.generate,),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
