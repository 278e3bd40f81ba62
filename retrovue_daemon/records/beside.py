"""What belongs to an item or a file but is compared on its own: it is not part of the item's digest.

The digest is computed from the MessagePack form of a record. `covered` is what stands for these values there.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

StreamRow: TypeAlias = tuple[str | int | float | None, ...]
"""One stream, in the order of STREAM_COLUMNS."""

STREAM_COLUMNS: Final = (
    "stream_index", "kind", "codec", "profile", "language", "language_code", "title", "bitrate", "channels",
    "channel_layout", "sampling_rate", "width", "height", "frame_rate", "bit_depth", "scan_type", "color_transfer",
    "dolby_vision_profile", "is_default", "is_forced", "is_external", "is_hearing_impaired",
)  # fmt: skip

_DIGITS: Final = "0123456789"
_encode: Final = msgspec.msgpack.Encoder().encode
_EMPTY: Final = blake2b(digest_size=8, person=b"streams1")
"""Raise the number if the columns of a stream change."""


class Artwork:
    """The paths of an item's pictures and theme music, as the server sends them, without a token.

    They end in the time at which their owner was updated last, which the item's own time covers.
    """

    __slots__ = ("art", "covered", "theme", "thumb")

    def __init__(self, thumb: str | None = None, art: str | None = None, theme: str | None = None) -> None:
        self.thumb = thumb
        self.art = art
        self.theme = theme
        self.covered = (
            thumb and thumb.rstrip(_DIGITS),
            art and art.rstrip(_DIGITS),
            theme and theme.rstrip(_DIGITS),
        )
        """The paths without the times."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artwork) and self._paths == other._paths

    def __hash__(self) -> int:
        return hash(self._paths)

    def __repr__(self) -> str:
        return f"Artwork{self._paths!r}"

    @property
    def _paths(self) -> tuple[str | None, ...]:
        return self.thumb, self.art, self.theme


NO_ARTWORK: Final = Artwork()


class Streams:
    """The streams of a file, as rows, and what they say about its picture.

    Not every response contains streams: a file has this only if its response did.
    """

    __slots__ = ("digest", "hdr", "rows")

    covered = None
    """The same as if there were none."""

    def __init__(self, rows: Sequence[StreamRow], hdr: str | None) -> None:
        self.rows = rows
        self.hdr = hdr
        """``sdr``, ``hdr10``, ``hlg`` or ``dolby vision``; None without a video stream."""
        hashed = _EMPTY.copy()
        hashed.update(_encode((hdr, rows)))
        self.digest = int.from_bytes(hashed.digest(), "big", signed=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Streams) and (self.hdr, self.rows) == (other.hdr, other.rows)

    def __hash__(self) -> int:
        return self.digest

    def __repr__(self) -> str:
        return f"Streams({self.rows!r}, {self.hdr!r})"
