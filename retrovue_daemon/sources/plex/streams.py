"""From the streams of a file to rows.

Flags are absent if they are false. A subtitle in a file of its own has a key, but no index in this file. Names for
people (``displayTitle``) depend on the language of the server, and ids change if a file is analysed again: neither is
stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import StreamRow
    from retrovue_daemon.sources.plex.json_structs import Stream

MOST_STREAMS: Final = 200
"""Per file."""

HIGHEST_FRAME_RATE: Final = 1_000

_VIDEO: Final = 1
_LYRICS: Final = 4
_KINDS: Final[dict[int | None, str]] = {_VIDEO: "video", 2: "audio", 3: "subtitle"}
"""By ``streamType``."""

_RANGES: Final[dict[str | None, str]] = {"smpte2084": "hdr10", "arib-std-b67": "hlg"}
"""By the transfer function, in the names of ffmpeg."""


def build_streams(elements: Sequence[Stream]) -> tuple[Streams, bool]:
    """Return the streams of one file, in the server's order, and whether some were dropped.

    Those of an unknown type are, and all beyond MOST_STREAMS; no video has lyrics.
    """
    rows: list[StreamRow] = []
    hdr: str | None = None
    dropped = len(elements) > MOST_STREAMS
    kind_of, ranges = _KINDS.get, _RANGES.get
    for stream in elements if not dropped else elements[:MOST_STREAMS]:
        number, index, rate, transfer = stream.stream_type, stream.index, stream.frame_rate, stream.color_trc
        kind = kind_of(number)
        if kind is None:
            dropped = dropped or number != _LYRICS
            continue
        if number == _VIDEO:
            if hdr is None:
                hdr = "dolby vision" if stream.dovi_present else ranges(transfer, "sdr")
            if rate is not None and not 0 < rate <= HIGHEST_FRAME_RATE:
                rate = None
        elif rate is not None:
            rate = None
        rows.append(
            (
                index, kind, stream.codec, stream.profile, stream.language_tag, stream.language_code, stream.title,
                stream.bitrate, stream.channels, stream.audio_channel_layout, stream.sampling_rate, stream.width,
                stream.height, rate, stream.bit_depth, stream.scan_type, transfer, stream.dovi_profile,
                1 if stream.default else 0, 1 if stream.forced else 0,
                1 if index is None and stream.key is not None else 0, 1 if stream.hearing_impaired else 0,
            )
        )  # fmt: skip
    return Streams(rows, hdr), dropped
