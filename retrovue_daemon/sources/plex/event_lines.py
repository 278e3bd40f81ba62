"""The events of a ``text/event-stream``, read from pieces of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_EVENT: Final = 8 * 1024 * 1024
"""Bytes of one event that are kept."""


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

    def feed(self, piece: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the type and the data of each event that is complete. Raise TooLongEventError."""
        if self._after_return and piece.startswith(b"\n"):  # the second half of one end of line
            piece = piece[1:]
        self._after_return = piece.endswith(b"\r")
        self._rest += piece
        lines = self._rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line:
                self._take(bytes(line))
            elif self._event is not None or self._data:
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
