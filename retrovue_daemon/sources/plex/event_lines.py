"""The events of a ``text/event-stream``, read from pieces of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_EVENT: Final = 8 * 1024 * 1024
"""Bytes of one event that are kept."""


BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class TooLongEventError(Exception):
    """An event has no end."""


class EventLines:
    """Splits a stream into events, as the HTML standard defines it (section 9.2.6)."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._event: str | None = None
        self._data: list[bytes] = []
        self._size = 0
        self._after_return = False
        self._is_start = True

    def feed(self, piece: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the type and the data of each event that is complete. Raise TooLongEventError."""
        if self._after_return and piece.startswith(b"\n"):  # the second half of one end of line
            piece = piece[1:]
        self._after_return = piece.endswith(b"\r")
        # What came before has no end of line: to search it again for each piece would take ever longer.
        first, *others = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest += first
        lines: list[bytes] = []
        if others:
            lines = [bytes(self._rest), *others[:-1]]
            self._rest = bytearray(others[-1])
        if lines and self._is_start:
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
            self._is_start = False
        for line in lines:
            if line:
                self._take(line)
                continue
            if self._event is not None or self._data:
                yield self._event or "message", b"\n".join(self._data)
            self._event, self._data, self._size = None, [], 0
        if self._size + len(self._rest) > LONGEST_EVENT:
            raise TooLongEventError

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        self._size += len(line)
        if name == b"event":
            self._event = value.decode("utf-8", "replace").strip()
        elif name == b"data":
            self._data.append(value)
