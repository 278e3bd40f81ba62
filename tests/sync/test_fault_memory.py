"""When faults of listings count as permanent, and how much is remembered of them."""

from __future__ import annotations

from retrovue_daemon.records import Kind
from retrovue_daemon.sync.faults import FaultMemory, damaged


def test_a_fault_counts_when_it_repeats() -> None:
    """Also where another one was in between; a whole listing ends all."""
    memory = FaultMemory((("a",),))
    assert (memory.settles(["a"]), memory.settles(["b"]), memory.settles(["a", "b"])) == (True, False, False)
    assert FaultMemory(memory.after(["b"])).settles(["a"])
    assert memory.after([]) == ()
    assert FaultMemory().settles([])


def test_faults_that_change_count_at_the_third_listing() -> None:
    """And from then on, until one repeats or there is none."""
    memory, settled = FaultMemory(), []
    for fault in "abcde":
        settled.append(memory.settles(fault))
        memory = FaultMemory(memory.after(fault))
    assert settled == [False, False, True, True, True]
    assert memory.listings == (("c",), ("d",), ("e",))
    memory = FaultMemory(memory.after("d"))
    assert (memory.listings, memory.settles("f")) == ((("d", "c", "e"),), False)


def test_what_is_remembered_stays_small() -> None:
    """Whatever the faults are, and however long ever other ones come."""
    memory = FaultMemory()
    for number in range(20):
        faults = [f"{number} {each}" for each in range(500)]
        memory = FaultMemory(memory.after(faults))
        memory = FaultMemory(memory.after(faults))
    assert len(memory.all) == 1_500
    assert len(damaged({(Kind.MOVIE, str(key)): 1 for key in range(3_000)})) == 1_001
