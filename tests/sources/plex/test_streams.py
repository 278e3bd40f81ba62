"""The streams of files in responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from retrovue_daemon.records import STREAM_COLUMNS, Movie, Streams
from retrovue_daemon.sources.plex.parse import parse_page

VIDEO = {
    "id": 1, "streamType": 1, "default": True, "codec": "hevc", "index": 0, "bitrate": 9000, "bitDepth": 10,
    "colorTrc": "smpte2084", "frameRate": 23.976, "height": 2160, "width": 3840, "profile": "main 10",
    "scanType": "progressive", "title": "Release-Name", "displayTitle": "4K (HEVC Main 10)",
}  # fmt: skip
AUDIO = {
    "id": 2, "streamType": 2, "selected": True, "default": True, "codec": "eac3", "index": 1, "channels": 6,
    "bitrate": 640, "language": "Deutsch", "languageTag": "de", "languageCode": "deu", "samplingRate": 48000,
    "audioChannelLayout": "5.1(side)", "loudness": "-27.14", "peak": "0.98", "hearingImpaired": True,
}  # fmt: skip
SUBTITLE = {
    "id": 3, "key": "/library/streams/3", "streamType": 3, "codec": "srt", "languageTag": "pt-BR",
    "languageCode": "por", "forced": "1",
}  # fmt: skip


def _page(*parts: object) -> Any:
    media = [{"videoCodec": "hevc", "Part": [{"id": number, **part} for number, part in enumerate(parts, 1)]}]  # type: ignore[dict-item]
    entry = {"ratingKey": "1", "type": "movie", "title": "Film", "Media": media}
    return parse_page(json.dumps({"MediaContainer": {"Metadata": [entry]}}).encode())


def _streams(*streams: object) -> Streams | None:
    (item,) = _page({"Stream": list(streams)}).items
    assert isinstance(item, Movie)
    return item.files[0].streams


def _rows(*streams: object) -> list[dict[str, object]]:
    found = _streams(*streams)
    assert found is not None
    return [dict(zip(STREAM_COLUMNS, row, strict=True)) for row in found.rows]


def test_each_kind() -> None:
    """In the order of the file; what is absent is false, and a file beside it has no index."""
    video, audio, subtitle = _rows(VIDEO, AUDIO, SUBTITLE)
    assert {name: value for name, value in video.items() if value not in {None, 0}} == {
        "kind": "video", "codec": "hevc", "profile": "main 10", "title": "Release-Name", "bitrate": 9000,
        "width": 3840, "height": 2160, "frame_rate": 23.976, "bit_depth": 10, "scan_type": "progressive",
        "color_transfer": "smpte2084", "is_default": 1,
    }  # fmt: skip
    assert video["stream_index"] == 0
    assert {name: value for name, value in audio.items() if value not in {None, 0}} == {
        "stream_index": 1, "kind": "audio", "codec": "eac3", "language": "de", "language_code": "deu", "bitrate": 640,
        "channels": 6, "channel_layout": "5.1(side)", "sampling_rate": 48000, "is_default": 1,
        "is_hearing_impaired": 1,
    }  # fmt: skip
    assert {name: value for name, value in subtitle.items() if value not in {None, 0}} == {
        "kind": "subtitle", "codec": "srt", "language": "pt-BR", "language_code": "por", "is_forced": 1,
        "is_external": 1,
    }  # fmt: skip
    assert subtitle["stream_index"] is None


@pytest.mark.parametrize(
    ("video", "hdr"),
    [
        ({}, "sdr"),
        ({"colorTrc": "bt709"}, "sdr"),
        ({"colorTrc": "smpte2084"}, "hdr10"),
        ({"colorTrc": "arib-std-b67"}, "hlg"),
        ({"DOVIPresent": True, "DOVIProfile": 5}, "dolby vision"),
        ({"DOVIPresent": "1", "DOVIProfile": "8", "colorTrc": "smpte2084"}, "dolby vision"),
        ({"DOVIPresent": False, "colorTrc": "smpte2084"}, "hdr10"),
    ],
)
def test_the_range_of_the_picture(video, hdr) -> None:
    """Profile 5 of Dolby Vision has no transfer function."""
    found = _streams(AUDIO, {"streamType": 1, **video})
    assert found is not None
    assert found.hdr == hdr


def test_a_cover_says_nothing_about_the_range_of_the_film() -> None:
    """It may be the first video stream; a film of such pictures is one all the same."""
    cover, film = {"streamType": 1, "codec": "mjpeg"}, {"streamType": 1, "codec": "hevc", "colorTrc": "smpte2084"}
    for streams, hdr in (((cover, film), "hdr10"), ((film, cover), "hdr10"), ((cover,), "sdr")):
        found = _streams(*streams)
        assert found is not None
        assert found.hdr == hdr


def test_without_a_picture_its_range_is_unknown() -> None:
    """As in a file of sound alone; a file without streams was not analysed, or the server does not list them."""
    found = _streams(AUDIO)
    assert found is not None
    assert found.hdr is None
    assert _streams() is None


def test_odd_streams_are_stored() -> None:
    """One without a codec, numbers as texts, values of the wrong type."""
    odd = {"streamType": "2", "index": "4", "bitDepth": -1, "channels": "many", "frameRate": "nan", "title": 5}
    (row,) = _rows(odd)
    assert (row["kind"], row["codec"], row["stream_index"], row["title"]) == ("audio", None, 4, "5")
    assert (row["bit_depth"], row["channels"], row["frame_rate"]) == (None, None, None)
    assert _page({"Stream": [odd, 7, None]}).mended == ()


def test_other_types_are_dropped_and_reported() -> None:
    """Lyrics are known, and no film has any."""
    page = _page({"Stream": [VIDEO, {"streamType": 4, "codec": "lrc"}]})
    assert len(page.items[0].files[0].streams.rows) == 1
    assert page.cut == ()
    page = _page(*[{"Stream": [VIDEO, {"streamType": 9}, {"codec": "srt"}]}] * 2)
    assert [len(file.streams.rows) for file in page.items[0].files] == [1, 1]
    assert page.cut == (("1", "Media.Part.Stream"),)


@pytest.mark.parametrize("odd", [{}, {"bitDepth": []}])
def test_too_many_are_cut_and_reported(odd) -> None:
    """Also if the page needs repair; the other files keep theirs."""
    page = _page({"Stream": [{**AUDIO, **odd}] * 5_000}, {"Stream": [VIDEO]})
    assert [len(file.streams.rows) for file in page.items[0].files] == [200, 1]
    assert page.cut == (("1", "Media.Part.Stream"),)


def test_the_digest_covers_what_is_stored() -> None:
    """Not who selected a stream, nor its id and its names for people."""
    one, other = _streams(AUDIO), _streams({**AUDIO, "id": 9, "selected": False, "displayTitle": "x", "gain": "-3"})
    assert one is not None
    assert other is not None
    assert one == other
    assert one.digest == other.digest
    changed = [{**AUDIO, "codec": "ac3"}, {**AUDIO, "default": False}, {**AUDIO, "title": "x"}]
    assert len({getattr(_streams(each), "digest", None) for each in (AUDIO, *changed)}) == 4
