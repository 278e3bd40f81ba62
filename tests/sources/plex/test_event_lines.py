"""The events of an event stream, whatever the pieces in which they arrive."""

from __future__ import annotations

import pytest

from retrovue_daemon.sources.plex import event_lines
from retrovue_daemon.sources.plex.event_lines import EventLines, TooLongEventError

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_lines_of_a_stream_in_pieces_of_any_size(size):
    """All three ends of line count, comments and unknown fields are skipped, and data of several lines is joined."""
    text = b": c\r\nid: 7\r\nevent: a \r\ndata: 1\rdata:2\n\nretry: 3\n\nevent:b\n\n\ndata\r\n\r\n"
    lines, found = EventLines(), []
    for start in range(0, len(text), size):
        found += list(lines.feed(text[start : start + size]))
    assert found == [("a", b"1\n2"), ("b", b""), ("message", b"")]


def test_a_long_line_in_small_pieces_is_not_searched_again_for_each():
    """Else the time grows with the square of the length: these would take minutes, for all servers."""
    lines, piece = EventLines(), b"x" * 100
    assert list(lines.feed(b"data:")) == []
    for _ in range(7 * MIB // 100):
        assert list(lines.feed(piece)) == []
    assert [len(data) for _, data in lines.feed(b"\n\n")] == [7 * MIB // 100 * 100]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_byte_order_mark_is_no_part_of_the_first_event(size):
    """It may only be at the start."""
    text, lines, found = b"\xef\xbb\xbfevent: a\ndata: 1\n\n\xef\xbb\xbfevent: b\ndata: 2\n\n", EventLines(), []
    for start in range(0, len(text), size):
        found += list(lines.feed(text[start : start + size]))
    assert found == [("a", b"1"), ("message", b"2")]


def test_only_lines_of_one_event_add_up(monkeypatch):
    """Some servers send nothing but comments for weeks."""
    monkeypatch.setattr(event_lines, "LONGEST_EVENT", 100)
    lines = EventLines()
    for _ in range(20):
        assert list(lines.feed(b": still here\n\n")) == []
    assert list(lines.feed(b"data: 345678\n" * 8)) == []
    with pytest.raises(TooLongEventError):
        list(lines.feed(b"data: 345678\n"))
