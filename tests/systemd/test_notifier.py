"""What arrives at a real notify socket, and that nothing about that socket can disturb the daemon."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.clock import Clock
from retrovue_daemon.logs.journal import journal_stream
from retrovue_daemon.service.systemd import Notifier, keep_extending_timeout

if TYPE_CHECKING:
    from pathlib import Path


class Jumping(Clock):
    """A clock that jumps over every sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@retrovue-test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def listener(listen, address: str):
    return listen(address)


@pytest.fixture
def notifier(address: str) -> Notifier:
    return Notifier.from_environ({"NOTIFY_SOCKET": address})


def test_each_message_is_one_datagram_in_order(listener, notifier) -> None:
    """Both kinds of socket: one with a path, and one with a name only."""
    notifier.ready()
    notifier.status("syncing TV Shows")
    notifier.watchdog()
    notifier.extend_timeout(2.5)
    notifier.stopping()
    assert listener.heard() == [
        "READY=1",
        "STATUS=syncing TV Shows",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=2500000",
        "STOPPING=1",
    ]


def test_a_change_and_its_status_arrive_together(listener, notifier) -> None:
    """Nobody sees the new state with the old line."""
    notifier.ready("2 servers")
    notifier.stopping("committing the last batch")
    assert listener.heard() == ["READY=1\nSTATUS=2 servers", "STOPPING=1\nSTATUS=committing the last batch"]


def test_a_reload_carries_the_time_of_its_beginning(listener, notifier) -> None:
    """In microseconds of the monotonic clock, between the moments before and after the call."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    notifier.reloading("reading the configuration")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    (message,) = listener.heard()
    state, began, status = message.split("\n")
    assert state == "RELOADING=1"
    assert before <= int(began.removeprefix("MONOTONIC_USEC=")) <= after
    assert status == "STATUS=reading the configuration"


def test_no_state_follows_the_last_one(listener, notifier) -> None:
    """A reload that ends meanwhile must not look like a service that continues; what it does, it may still say."""
    notifier.stopping("stopping")
    notifier.reloading()
    notifier.ready("ready")
    notifier.stopping()
    notifier.watchdog()
    notifier.extend_timeout(10)
    notifier.status("committing the last batch")
    assert listener.heard() == [
        "STOPPING=1\nSTATUS=stopping",
        "EXTEND_TIMEOUT_USEC=10000000",
        "STATUS=committing the last batch",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\v", "\x85", "\u2028", "\0"])
def test_no_text_can_begin_another_assignment(listener, notifier, end) -> None:
    """Titles come from servers; one of them must not be able to end the service."""
    notifier.status(f"syncing Films{end}STOPPING=1{end}")
    assert listener.heard() == ["STATUS=syncing Films STOPPING=1"]


def test_a_text_is_cut_before_systemd_would_drop_it(listener, notifier) -> None:
    """A message of more than 4,096 bytes is thrown away whole, with the change of state in it."""
    notifier.ready("\N{FILM PROJECTOR}" * 5_000)
    (message,) = listener.heard()
    assert message.startswith("READY=1\nSTATUS=\N{FILM PROJECTOR}")
    assert message.endswith("\N{FILM PROJECTOR}…")
    assert len(message.encode()) < 4_096


def test_letters_that_are_none_are_no_hindrance(listener, notifier) -> None:
    """Half a surrogate pair, as it comes from a file name that is no UTF-8, cannot be encoded."""
    notifier.status("Films \udcff end")
    assert listener.heard() == ["STATUS=Films end"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_socket_nothing_happens(environ) -> None:
    """The daemon also runs in a terminal."""
    notifier = Notifier.from_environ(environ)
    with capture_logs() as lines:
        notifier.ready("1 server")
        notifier.watchdog()
        notifier.stopping()
    assert lines == []


@pytest.mark.parametrize("name", ["gone", "x" * 200, "."])
def test_a_broken_socket_is_reported_once_and_disturbs_nothing(tmp_path, name) -> None:
    """Whatever is wrong with it: not there, too long a name, no socket at all."""
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": str(tmp_path / name)})
    with capture_logs() as lines:
        for _ in range(20):
            notifier.ready()
            notifier.status("well")
            notifier.watchdog()
    assert [(line["event"], line["log_level"]) for line in lines] == [("systemd.notify_failed", "warning")]


def test_a_full_socket_blocks_nothing_and_loses_no_change_of_state(listener, notifier) -> None:
    """The manager was slow: signs of life are lost, but not that a reload began and ended, in that order."""
    sent = 0
    with capture_logs() as lines:
        while not lines:
            notifier.watchdog()
            sent += 1
            assert sent < 100_000
        notifier.reloading()
        notifier.ready()
        notifier.status("lost")
    assert listener.heard() == ["WATCHDOG=1"] * (sent - 1)
    notifier.status("well")
    reloading, *rest = listener.heard()
    assert reloading.startswith("RELOADING=1\n")
    assert rest == ["READY=1", "STATUS=well"]
    notifier.watchdog()
    assert listener.heard() == ["WATCHDOG=1"]


def test_trouble_with_the_socket_is_reported_when_it_starts_and_when_it_ends(listen, tmp_path) -> None:
    """A failure after a recovery is reported again, for example if systemd was restarted."""
    path = tmp_path / "late"
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": str(path)})
    with capture_logs() as lines:
        for _ in range(2):
            for _ in range(3):
                notifier.watchdog()
            listening = listen(str(path))
            for _ in range(3):
                notifier.watchdog()
            assert listening.heard() == ["WATCHDOG=1"] * 3
            path.unlink()
    assert [line["event"] for line in lines] == ["systemd.notify_failed", "systemd.notify_recovered"] * 2


def test_what_is_remembered_for_a_broken_socket_is_bounded(listen, tmp_path) -> None:
    """A service that reloads for years under a deaf manager does not grow; the newest changes are kept."""
    path = str(tmp_path / "late")
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": path})
    for number in range(1_000):
        notifier.ready(f"reload {number}")
    late = listen(path)
    notifier.watchdog()
    heard = late.heard()
    assert len(heard) < 20
    assert heard[-2:] == ["READY=1\nSTATUS=reload 999", "WATCHDOG=1"]


async def test_the_timeout_is_extended_repeatedly_but_not_forever(listener, notifier) -> None:
    """Each time for longer than until the next time. An end that does not come after a minute is none."""
    clock = Jumping()
    await keep_extending_timeout(notifier, clock, 60)
    assert listener.heard() == ["EXTEND_TIMEOUT_USEC=30000000"] * 6
    assert set(clock.slept) == {10.0}


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "120000000"}, 60),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}, 60),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getppid())}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_must_be(environ, interval) -> None:
    """No beats are sent if systemd watches another process, or none."""
    assert Notifier.from_environ(environ).watchdog_interval == interval


def test_the_journal_is_recognised_by_what_the_stream_is(tmp_path: Path) -> None:
    """The variable is inherited also by processes whose output goes elsewhere."""
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "elsewhere").open("w") as elsewhere:
        found = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert journal_stream(environ, journal)
        assert not journal_stream(environ, elsewhere)
        assert not journal_stream({}, journal)
        assert not journal_stream({"JOURNAL_STREAM": "odd"}, journal)
    assert not journal_stream(environ, journal)
    assert not journal_stream(environ, io.StringIO())
