"""Log lines go out in a thread of their own: a reader who does not read costs lines, and nothing else."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest
import structlog

from retrovue_daemon.logs import streams
from retrovue_daemon.logs.setup import configure_logging
from retrovue_daemon.logs.streams import Outlet
from tests.support.logs import logging_kept

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """It is set up for the whole process."""
    with logging_kept():
        yield


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """A pipe that only the test reads: its reading end, and a stream to write to."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", encoding="utf-8")
    yield reading, stream
    stream.close()
    os.close(reading)


def read_all(reading: int) -> str:
    """Read until every writer is gone."""
    with os.fdopen(os.dup(reading), encoding="utf-8") as stream:
        return stream.read()


def test_lines_come_out_in_order_and_whole(pipe) -> None:
    """Also the last ones, also long ones, and letters that the encoding does not have as escapes."""
    reading, stream = pipe
    written = [f"{number} {'ä' * number}\n" for number in range(300)] + ["half a pair \udcff\n"]
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(read_all(reading)))
    reader.start()
    with Outlet(stream) as out:
        for line in written:
            assert out.write(line) == len(line)
        out.flush()
    stream.close()
    reader.join()
    assert read == ["".join(written).replace("\udcff", "\\udcff")]


def test_a_stuck_reader_blocks_nothing_and_later_learns_what_was_lost(pipe, monkeypatch) -> None:
    """Neither while lines are written nor at the end; once there is room, the loss is reported first."""
    monkeypatch.setattr(streams, "CLOSING_S", 0.01)
    monkeypatch.setattr(streams, "LONGEST_QUEUE", 10)
    reading, stream = pipe
    with Outlet(stream) as out:
        configure_logging(format="json", stream=out.as_stream())
        for _ in range(40):
            out.write("x" * 9_999 + "\n")
        read = b""
        while b"log.lines_lost" not in read:  # what was queued comes out
            read += os.read(reading, 10_000)
        out.write("the next\n")
        while b"the next\n" not in read:
            read += os.read(reading, 10_000)
        for _ in range(40):
            out.write("x" * 9_999 + "\n")
    *lines, told, after = read.decode().splitlines()
    lost = json.loads(told)
    assert (lost["event"], lost["level"], after) == ("log.lines_lost", "warning", "the next")
    assert len(lines) + lost["lines"] == 40
    assert lost["lines"] > 0
    out.write("nobody waits for this one\n")


def test_a_logger_continues_after_lines_were_lost(pipe, monkeypatch) -> None:
    """The line that reports them goes through the same logger, which has a lock."""
    monkeypatch.setattr(streams, "LONGEST_QUEUE", 10)
    reading, stream = pipe
    with Outlet(stream) as out:
        configure_logging(format="json", stream=out.as_stream())
        log = structlog.get_logger()
        for _ in range(40):
            log.info("long", text="x" * 3_000, more="x" * 3_000)
        read = b""
        while b"log.lines_lost" not in read:
            # In a thread that can be left behind: a logger that waits for itself waits forever.
            logging_on = threading.Thread(target=log.info, args=("short",), daemon=True)
            logging_on.start()
            logging_on.join(10)
            assert not logging_on.is_alive()
            read += os.read(reading, 10_000)
        log.info("last")
        while b'"last"' not in read:
            read += os.read(reading, 10_000)


def test_what_comes_after_the_end_is_still_written(pipe) -> None:
    """An uncaught exception is reported when everything else has ended."""
    reading, stream = pipe
    with Outlet(stream) as out:
        out.write("inside\n")
    out.write("outside\n")
    stream.close()
    assert read_all(reading) == "inside\noutside\n"


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_stream_that_takes_nothing_costs_its_lines_only(is_closed) -> None:
    """Its reader has gone away, or it was closed."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream, Outlet(stream) as out:
        if is_closed:
            stream.close()
        for _ in range(3):
            out.write("lost\n")
    assert not out._thread.is_alive()


def test_a_stream_that_was_made_non_blocking_is_waited_for(pipe) -> None:
    """A descriptor that is shared can become non-blocking at any moment."""
    reading, stream = pipe
    os.set_blocking(stream.fileno(), False)
    read: list[str] = []
    with Outlet(stream) as out:
        for number in range(100):
            out.write(f"{number} {'x' * 9_999}\n")
        reader = threading.Thread(target=lambda: read.append(read_all(reading)))
        reader.start()
    stream.close()
    reader.join()
    assert [line.split()[0] for line in read[0].splitlines()] == [str(number) for number in range(100)]
