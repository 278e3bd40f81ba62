"""The streams of files: as rows, and whether a server's listings contain them.

Flags are absent if they are false. A subtitle in a file of its own has a key, but no index in this file. Names for
people (``displayTitle``) depend on the language of the server, and ids change if a file is analysed again: neither is
stored.

Listings are asked for streams with ``includeElements=Stream``. What comes of that depends on the server's version:
most add them, some respond with HTTP 500, and the newest API takes the argument as the only elements to send, so that
external ids and tags are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import structlog

from retrovue_daemon.records import Episode, Kind, Movie, Streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import Page, StreamRow
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


_PICTURES: Final = frozenset({"mjpeg", "png", "bmp", "gif", "webp"})
"""Codecs of covers, which are video streams too, and may be the first. A real film can be one of mjpeg."""


def build_streams(elements: Sequence[Stream]) -> tuple[Streams, bool]:
    """Return the streams of one file, in the server's order, and whether some were dropped.

    Those of an unknown type are, and all beyond MOST_STREAMS; no video has lyrics.
    """
    rows: list[StreamRow] = []
    hdr: str | None = None
    is_picture = False
    dropped = len(elements) > MOST_STREAMS
    kind_of, ranges = _KINDS.get, _RANGES.get
    for stream in elements if not dropped else elements[:MOST_STREAMS]:
        number, index, rate, transfer = stream.stream_type, stream.index, stream.frame_rate, stream.color_trc
        kind = kind_of(number)
        if kind is None:
            dropped = dropped or number != _LYRICS
            continue
        if number == _VIDEO:
            if hdr is None or is_picture:
                is_picture = stream.codec in _PICTURES
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


State: TypeAlias = Literal["listed", "ignored", "refused", "exclusive"]

STREAMS: Final[Mapping[str, str]] = {"includeElements": "Stream"}

_WITH_FILES: Final = frozenset({Kind.MOVIE, Kind.EPISODE})
_REFUSALS: Final = 2
"""Pages that arrive only without streams: a single one may be due to a server that just started to respond."""

_log = structlog.get_logger(__name__)


class ListedStreams:
    """What is known about one server. ``state`` is None until a page with files shows it."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.state: State | None = None
        self.is_new = False
        """Whether the state was found out by this object, and is not stored yet."""
        self._refused = 0
        self._may_lack_files = True

    def know(self, state: object) -> None:
        """Take over what is stored about the server's present version; anything else means that nothing is known."""
        if not self.is_new:
            known: tuple[State, ...] = ("listed", "ignored", "refused", "exclusive")
            self.state = next((each for each in known if each == state), None)

    def arguments(self, kind: Kind) -> Mapping[str, str]:
        """Return the arguments by which a listing of this kind is asked for streams."""
        return STREAMS if kind in _WITH_FILES and self.state not in {"refused", "exclusive"} else {}

    @property
    def is_certain(self) -> bool:
        """Whether the server is known to list streams: then the failure of a page has other reasons."""
        return self.state == "listed"

    def refused(self) -> None:
        """Note that a page arrived only when it was requested without streams."""
        self._refused += 1
        if self._refused >= _REFUSALS:
            self._found("refused")

    def may_replace(self, page: Page) -> bool:
        """Return whether a page may lack other elements because streams were asked for."""
        if self.is_certain or not page.items:
            return False
        streams, files = _counts(page)
        return (streams > 0 or (files == 0 and self._may_lack_files)) and not _names(page)

    def compare(self, page: Page, plain: Page) -> bool:
        """Return whether a page lacks what the same page has without streams, and remember that."""
        self._may_lack_files = False
        if _counts(plain)[1] <= _counts(page)[1] and _names(plain) <= _names(page):
            return False
        self._found("exclusive")
        return True

    def note(self, page: Page) -> None:
        """Note whether a page, for which streams were requested, has any."""
        if self.is_certain:
            return
        streams, files = _counts(page)
        if streams:
            self._found("listed")
        elif files and self.state is None:
            self._found("ignored")

    def _found(self, state: State) -> None:
        if state == self.state:
            return
        self.state = state
        self.is_new = True
        if state != "listed":
            _log.info("server.streams_not_listed", server=self._server, reason=state)


def _counts(page: Page) -> tuple[int, int]:
    """Return how many files of a page have streams, and how many were analysed or have streams."""
    files = [file for item in page.items if isinstance(item, Movie | Episode) for file in item.files]
    streams = sum(file.streams is not None for file in files)
    return streams, sum(file.streams is not None or file.video_codec is not None for file in files)


def _names(page: Page) -> int:
    """Return how many external ids, genres and directors a page has; one id of each item is its own guid."""
    names = 0
    for item in page.items:
        if isinstance(item, Movie | Episode):
            names += max(0, len(item.guids) - 1)
            if isinstance(item, Movie):
                names += (item.genre is not None) + (item.director is not None)
    return names
