"""The format of a version and the streams of a file: video, audio and subtitles, and their elements in responses.

A response shows a flag only where it is set. `language` is a BCP 47 tag; the three-letter code beside it is the
terminological one of ISO 639-2 (`deu`, not `ger`). A subtitle in a file of its own has a `key` and no `index`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.demo.shape import Entry

IDS_PER_PART: Final = 100
"""The ids of a file's streams follow from its part's id, so that two files never share one."""

LANGUAGES: Final = {
    "ar": ("Arabic", "ara"),
    "de": ("German", "deu"),
    "el": ("Greek", "ell"),
    "en": ("English", "eng"),
    "es": ("Spanish", "spa"),
    "fil": ("Filipino", "fil"),
    "fr": ("French", "fra"),
    "it": ("Italian", "ita"),
    "ja": ("Japanese", "jpn"),
    "nl": ("Dutch", "nld"),
    "pl": ("Polish", "pol"),
    "pt": ("Portuguese", "por"),
    "ru": ("Russian", "rus"),
    "sv": ("Swedish", "swe"),
    "zh": ("Chinese", "zho"),
}
"""Name and ISO 639-2 code by BCP 47 tag."""

NUMBERS: Final = {"video": 1, "audio": 2, "subtitle": 3}
LAYOUTS: Final = {1: "Mono", 2: "Stereo", 6: "5.1", 8: "7.1"}
COMPATIBLE_WITH: Final = {5: 0, 7: 6, 8: 1}
"""The DOVIBLCompatID of each Dolby Vision profile."""
TEMPLATES_KEPT: Final = 1_000


class Format(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The technical properties of a version, shared by all versions that have the same."""

    container: str = "mkv"
    video_resolution: str = "1080"
    width: int = 1920
    height: int = 1080
    aspect_ratio: float = 1.78
    bitrate: int = 6_200
    video_codec: str = "h264"
    video_profile: str = "high"
    video_frame_rate: str = "24p"
    audio_codec: str = "aac"
    audio_profile: str | None = "lc"
    audio_channels: int = 2


class Stream(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One stream. `color_trc` is `smpte2084` for HDR10 and `arib-std-b67` for HLG; `dolby_vision` is its profile."""

    kind: Literal["video", "audio", "subtitle"]
    codec: str | None
    language: str | None = None
    title: str | None = None
    bitrate: int | None = None
    profile: str | None = None
    default: bool = False
    forced: bool = False
    hearing_impaired: bool = False
    external: bool = False
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    bit_depth: int | None = None
    scan_type: str | None = None
    level: int | None = None
    color_trc: str | None = None
    dolby_vision: int | None = None
    channels: int | None = None
    layout: str | None = None
    sampling_rate: int | None = None


Streams = tuple[Stream, ...]


@lru_cache(maxsize=TEMPLATES_KEPT)
def usual_streams(form: Format) -> Streams:
    """Return the streams of a file of this format that has no others: a picture and English sound."""
    return (
        Stream(
            kind="video",
            codec=form.video_codec,
            default=True,
            bitrate=form.bitrate - 192,
            bit_depth=8,
            frame_rate=23.976,
            width=form.width,
            height=form.height,
            profile=form.video_profile,
            scan_type="progressive",
        ),
        Stream(
            kind="audio",
            codec=form.audio_codec,
            language="en",
            default=True,
            channels=form.audio_channels,
            bitrate=192,
            sampling_rate=48_000,
            profile=form.audio_profile,
        ),
    )


def stream_ids(part_id: int, streams: Streams) -> range:
    """Return the ids of a file's streams."""
    return range(part_id * IDS_PER_PART, part_id * IDS_PER_PART + len(streams))


def stream_entries(part_id: int, streams: Streams) -> list[Entry]:
    """Return the elements of `Stream`."""
    return [
        {"id": stream_id, "key": f"/library/streams/{stream_id}", **template}
        if "index" not in template
        else {"id": stream_id, **template}
        for stream_id, template in zip(stream_ids(part_id, streams), _templates(streams), strict=True)
    ]


_kept: dict[int, tuple[Streams, list[Entry]]] = {}


def _templates(streams: Streams) -> list[Entry]:
    """Return the elements without ids. Files share their streams, so they are built once for all of them."""
    kept = _kept.get(id(streams))
    if kept is None:
        if len(_kept) >= TEMPLATES_KEPT:
            _kept.clear()
        kept = _kept[id(streams)] = (streams, _built(streams))
    return kept[1]


def _built(streams: Streams) -> list[Entry]:
    entries: list[Entry] = []
    embedded = 0
    selected = False
    for stream in streams:
        entry: Entry = {"streamType": NUMBERS[stream.kind]}
        if stream.kind == "audio" and not selected:
            entry["selected"] = selected = True
        entry |= {name: True for name, is_set in (("default", stream.default), ("forced", stream.forced)) if is_set}
        if stream.codec is not None:
            entry["codec"] = stream.codec
        if not stream.external:
            entry["index"] = embedded
            embedded += 1
        entry |= _described(stream)
        entries.append(entry)
    return entries


def _described(stream: Stream) -> Entry:
    name, code = LANGUAGES.get(stream.language or "", ("Unknown", None))
    fields: Entry = {
        "bitrate": stream.bitrate,
        "language": name if code else None,
        "languageTag": stream.language,
        "languageCode": code,
        **(_dolby_vision(stream.dolby_vision) if stream.dolby_vision is not None else {}),
        "audioChannelLayout": stream.layout,
        "bitDepth": stream.bit_depth,
        "channels": stream.channels,
        **({"colorPrimaries": "bt2020", "colorRange": "tv", "colorSpace": "bt2020nc"} if stream.color_trc else {}),
        "colorTrc": stream.color_trc,
        "format": stream.codec if stream.external else None,
        "frameRate": stream.frame_rate,
        "hearingImpaired": stream.hearing_impaired or None,
        "height": stream.height,
        "level": stream.level,
        "profile": stream.profile,
        "samplingRate": stream.sampling_rate,
        "scanType": stream.scan_type,
        "title": stream.title,
        "width": stream.width,
    }
    codec = (stream.codec or "unknown").upper()
    match stream.kind:
        case "video":
            shown = f"{stream.height}p ({codec})"
        case "audio":
            shown = f"{name} ({codec} {LAYOUTS.get(stream.channels or 0, '')}".rstrip() + ")"
        case "subtitle":
            forced, source = " Forced" * stream.forced, " External" * stream.external
            shown = f"{name}{forced}{' SDH' * stream.hearing_impaired} ({codec}{source})"
    described = {key: value for key, value in fields.items() if value is not None}
    return described | {
        "displayTitle": shown,
        "extendedDisplayTitle": f"{stream.title} ({shown})" if stream.title else shown,
    }


def _dolby_vision(profile: int) -> Entry:
    """Return the eight keys of Dolby Vision: a stream has all of them or none."""
    return {
        "DOVIBLCompatID": COMPATIBLE_WITH[profile],
        "DOVIBLPresent": True,
        "DOVIELPresent": profile == 7,  # noqa: PLR2004  # the profile with an enhancement layer
        "DOVILevel": 6,
        "DOVIPresent": True,
        "DOVIProfile": profile,
        "DOVIRPUPresent": True,
        "DOVIVersion": "1.0",
    }
