"""Progress on a real terminal: what stands there while libraries are read, and what stays in the end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from retrovue_daemon.cli.display.bars import with_bars
from retrovue_daemon.clock import Clock
from retrovue_daemon.sync.progress import ProgressBoard
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator


class StoppedClock(Clock):
    """A clock that stands where a test has put it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


class Screen:
    """The other end of a terminal: what was written to it, as lines without colours."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self.written = ""

    async def shows(self, *words: str) -> None:
        """Wait until all of these have been written."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def read() -> None:
            self.written += os.read(self._leader, 65_536).decode()
            arrived.set()

        loop.add_reader(self._leader, read)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not all(word in self.text for word in words):
                    arrived.clear()
                    await arrived.wait()
        finally:
            loop.remove_reader(self._leader)

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.written)

    @property
    def lines(self) -> list[str]:
        return re.split(r"[\r\n]+", self.text)


@contextmanager
def _terminal(width: int) -> Iterator[tuple[Screen, Console]]:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    try:
        with os.fdopen(follower, "w", encoding="utf-8") as stream:
            yield Screen(leader), Console(file=stream, width=width, _environ={"TERM": "xterm-256color"})
    finally:
        os.close(leader)


@pytest.mark.parametrize("width", [120, 80, 70, 60, 40])
async def test_numbers_are_never_cut(width: int) -> None:
    """Items, rate and, where there is room, the time that is left; names give way, and steer nothing."""
    clock, board = StoppedClock(), ProgressBoard()
    with _terminal(width) as (screen, console):

        async def work() -> str:
            meter = board.begin("home", "TV \x1b[2J Shows of three generations")
            board.begin("attic", "Movies").finish()
            meter.advance("episodes", 550, 1_000_000)
            await screen.shows("550/1000000")
            clock.seconds += 10
            meter.advance("episodes", 124_000, 1_000_000)
            await screen.shows("124000/1000000", "12,345/s")
            clock.seconds += 1  # the time that is left is not drawn anew more often
            await screen.shows(*(["0:01:11"] if width >= 70 else []))
            assert "home / " in screen.text
            meter.finish()
            return "done"

        assert console.is_terminal
        assert await with_bars(work(), board, console, clock) == "done"
        console.file.flush()
        await screen.shows("2/2")
    assert "Libraries" in [line for line in screen.lines if line.strip()][-1]
    assert "2/2" in [line for line in screen.lines if line.strip()][-1]
    assert all(len(line) <= width for line in screen.lines)
    assert "\x1b[2J" not in screen.written


async def test_bars_end_with_the_work_also_where_it_fails() -> None:
    """The error is that of the work; no task is left."""
    board = ProgressBoard()

    async def work() -> None:
        board.begin("home", "Movies").advance("movies", 1, 2)
        raise ValueError("the work")

    with _terminal(80) as (_, console), pytest.raises(ValueError, match="the work"):
        await with_bars(work(), board, console)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_details_have_a_bar_of_their_own() -> None:
    """Once there are any; in the end it is full, or stands where it was left."""
    board = ProgressBoard()
    with _terminal(80) as (screen, console):

        async def work() -> None:
            board.begin("home", "Movies").finish()
            await screen.shows("1/1")
            assert "Details" not in screen.text
            board.show_details("home", 300, 1_500)
            await screen.shows("Details", "300/1500")
            board.drop_details("home")

        await with_bars(work(), board, console)
        console.file.flush()
        await screen.shows("1/1")
