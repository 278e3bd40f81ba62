"""Versions of Plex Media Server that the simulated one can imitate, and what each supports."""

from __future__ import annotations

import msgspec


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the server.

    `api_version` has been in /identity since 1.43; `content_changed_at` is missing from the sections of old servers.
    Guid arrays, and with them parent guids, came with 1.24.3, `slugs` some time later; `Image`, `UltraBlurColors` and
    `hasVoiceActivity` with 1.41. So did `numeric_counts`: the number of a collection's members was a text before.
    `metadata_providers` stands for what 1.43 changed about libraries: their agents belong to a group, they no longer
    have pictures, and their updatedAt follows their scans instead of their settings.
    """

    version: str
    api_version: str | None = None
    content_changed_at: bool = True
    guids: bool = True
    slugs: bool = True
    images: bool = True
    numeric_counts: bool = True
    metadata_providers: bool = True


RELEASE_2026 = Release(version="1.43.3.10512-5a1c0f2e7", api_version="1.2.2")
RELEASE_2023 = Release(version="1.32.5.7349-0d4b61c83", images=False, numeric_counts=False, metadata_providers=False)
RELEASE_2016 = Release(
    version="1.3.4.3286-7f2d9c015",
    content_changed_at=False,
    guids=False,
    slugs=False,
    images=False,
    numeric_counts=False,
    metadata_providers=False,
)
RELEASES = {"2016": RELEASE_2016, "2023": RELEASE_2023, "2026": RELEASE_2026}
"""The releases by year."""
