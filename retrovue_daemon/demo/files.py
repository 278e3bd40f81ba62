"""The entries of versions and files: `Media`, `Part` and `Stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.demo.streams import Streams, stream_entries, usual_streams

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Media, Part
    from retrovue_daemon.demo.release import Release
    from retrovue_daemon.demo.shape import Entry


def media_entry(release: Release, media: Media, *, streams: bool = False) -> Entry:
    """Return an element of `Media`, with its `Part` elements if it has files, with or without their streams."""
    entry: Entry = {"id": media.id}
    if media.duration is not None:
        entry["duration"] = media.duration
    form = media.format
    if form is not None:
        entry["bitrate"] = form.bitrate
        entry["width"] = form.width
        entry["height"] = form.height
        entry["aspectRatio"] = form.aspect_ratio
        entry["audioChannels"] = form.audio_channels
        entry["audioCodec"] = form.audio_codec
        entry["videoCodec"] = form.video_codec
        entry["videoResolution"] = form.video_resolution
        entry["container"] = form.container
        entry["videoFrameRate"] = form.video_frame_rate
        entry["videoProfile"] = form.video_profile
        if form.audio_profile is not None:
            entry["audioProfile"] = form.audio_profile
        if release.images:
            entry["hasVoiceActivity"] = False
        if form.container == "mp4":
            entry["optimizedForStreaming"] = 1
            entry["has64bitOffsets"] = False
    if media.display_offset is not None:
        entry["displayOffset"] = media.display_offset
    if media.title is not None:
        entry["title"] = media.title
    if media.proxy_type is not None:
        entry["proxyType"] = media.proxy_type
        entry["target"] = media.target
    if media.deleted_at is not None:
        entry["deletedAt"] = media.deleted_at
    if media.parts:
        entry["Part"] = [_part(part, media, streams_of(media, part) if streams else ()) for part in media.parts]
    return entry


def streams_of(media: Media, part: Part) -> Streams:
    """Return the streams of a file; a file that was not analysed has none."""
    if part.streams is not None:
        return part.streams
    return () if media.format is None else usual_streams(media.format)


def _part(part: Part, media: Media, streams: Streams) -> Entry:
    entry: Entry = {"id": part.id, "key": f"/library/parts/{part.id}/{part.stamp}/file.{part.container or 'mkv'}"}
    if part.duration is not None:
        entry["duration"] = part.duration
    if part.file is not None:
        entry["file"] = part.file
    if part.size is not None:
        entry["size"] = part.size
    if part.container is not None:
        entry["container"] = part.container
    form = media.format
    if form is not None:
        entry["videoProfile"] = form.video_profile
        if form.audio_profile is not None:
            entry["audioProfile"] = form.audio_profile
        if form.container == "mp4":
            entry["optimizedForStreaming"] = True
            entry["has64bitOffsets"] = False
    if streams:
        entry["Stream"] = stream_entries(part.id, streams)
    return entry
