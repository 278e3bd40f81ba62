"""What changes do to an item's versions: the new values that replace the old ones.

All functions except `analysed_again` and `elsewhere` change the first version only. `new_id` returns an unused id of
a kind, like `World.new_id`. An item without a version, or a version without a file, raises IndexError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from retrovue_daemon.demo.shelf import HD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrovue_daemon.demo.items import Media, Part

Versions = tuple["Media", ...]


def with_first_part(media: Versions, version_fields: dict[str, object], **part_fields: object) -> Versions:
    """Change fields of the first file and of its version."""
    first = media[0]
    parts = (replace(first.parts[0], **part_fields), *first.parts[1:])
    return replace(first, parts=parts, **version_fields), *media[1:]


def without_folders(media: Versions, *, names: bool) -> Versions:
    """Remove the folders from all file paths or, without ``names``, the whole paths."""

    def hidden(part: Part) -> Part:
        return replace(part, file=part.file.rpartition("/")[2] if names and part.file else None)

    return tuple(replace(version, parts=tuple(map(hidden, version.parts))) for version in media)


def upgraded(media: Versions, new_id: Callable[[str], int], now: int) -> Versions:
    """Replace the first file with a better one in another container."""
    first, part = media[0], media[0].parts[0]
    stem = (part.file or "").rpartition(".")[0]
    version = {"id": new_id("media"), "format": replace(first.format or HD, container="mp4")}
    size = (part.size or 0) * 2
    return with_first_part(
        media, version, id=new_id("part"), file=f"{stem}.mp4", container="mp4", size=size, stamp=now
    )


def in_two_files(media: Versions, new_id: Callable[[str], int]) -> Versions:
    """Replace the first file with two."""
    first, part = media[0], media[0].parts[0]
    stem, _, suffix = (part.file or "").rpartition(".")
    halves = [_share(part, 2, f"{stem} - pt{number}.{suffix}", new_id) for number in (1, 2)]
    return replace(first, id=new_id("media"), parts=(*halves, *first.parts[1:])), *media[1:]


def share_of(media: Versions, shares: int, name: str, new_id: Callable[[str], int]) -> Versions:
    """Replace the first file with one named `name` in the same folder, which holds one of `shares` equal shares."""
    first, part = media[0], media[0].parts[0]
    folder, _, old_name = (part.file or "").rpartition("/")
    own = _share(part, shares, f"{folder}/{name}.{old_name.rpartition('.')[2]}", new_id)
    parts = (own, *first.parts[1:])
    return replace(first, id=new_id("media"), parts=parts, duration=own.duration, display_offset=None), *media[1:]


def analysed_again(media: Versions) -> Versions:
    """Change the bitrate slightly."""
    forms = [version.format or HD for version in media]
    return tuple(
        replace(version, format=replace(form, bitrate=form.bitrate + 17))
        for version, form in zip(media, forms, strict=True)
    )


def elsewhere(version: Media, old_roots: Sequence[str], new_root: str | None, new_id: Callable[[str], int]) -> Media:
    """Give a version and its files new ids, and move the files to another root if one is given."""
    parts = [replace(part, id=new_id("part"), file=_moved(part.file, old_roots, new_root)) for part in version.parts]
    return replace(version, id=new_id("media"), parts=tuple(parts))


def _share(part: Part, shares: int, file: str, new_id: Callable[[str], int]) -> Part:
    size, duration = (part.size or 0) // shares, (part.duration or 0) // shares
    return replace(part, id=new_id("part"), file=file, size=size, duration=duration)


def _moved(file: str | None, old_roots: Sequence[str], new_root: str | None) -> str | None:
    if file is None or new_root is None:
        return file
    root = next((root for root in old_roots if file.startswith(f"{root}/")), None)
    return file if root is None else new_root + file.removeprefix(root)
