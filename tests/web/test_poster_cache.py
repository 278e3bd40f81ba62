"""The cache of posters: as large as it may be, and never in the way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.web.poster_cache import FOLDERS, PosterCache, key_of

if TYPE_CHECKING:
    from pathlib import Path

KEYS = [key_of("machine", f"/library/metadata/{number}/thumb/1", (240, 360)) for number in range(400)]
MOST = FOLDERS * 1_000


def _stored(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in directory.rglob("*") if path.is_file()}


def test_it_stays_within_its_size(tmp_path) -> None:
    """What was not used for longest goes first, also after a restart, which looks at nothing before that."""
    directory = tmp_path / "posters"
    cache = PosterCache(directory)
    for number, key in enumerate(KEYS[:300]):
        cache.keep(key, bytes(100), MOST)
        os.utime(cache._path(key), (number, number))
        assert number % 50 or sum(_stored(directory).values()) <= MOST
    assert len(_stored(directory)) > 100
    old = next(key for key in KEYS if cache.read(key) is not None)  # which uses it, so that it stays
    again = PosterCache(directory)
    again.keep(KEYS[300], bytes(100), MOST)
    for key in KEYS[301:]:
        again.keep(key, bytes(100), MOST)
    assert sum(_stored(directory).values()) <= MOST
    assert again.read(old) == bytes(100)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()} == {0o600}
    smaller = PosterCache(directory)
    for key in KEYS:
        smaller.keep(key, bytes(50), MOST // 4)
    assert sum(_stored(directory).values()) <= MOST // 4


def test_what_a_kill_or_another_program_left_is_no_poster(tmp_path) -> None:
    """The former goes with the next look at its folder, the latter stays."""
    cache = PosterCache(tmp_path)
    cache.keep(KEYS[0], b"poster", MOST)
    folder = cache._path(KEYS[0]).parent
    (folder / f"{'a' * 62}.new").write_bytes(bytes(10_000))
    (folder / "notes.txt").write_bytes(bytes(10_000))
    again = PosterCache(tmp_path)
    again.keep(KEYS[0], b"poster 2", MOST)
    assert again.read(KEYS[0]) == b"poster 2"
    assert set(_stored(tmp_path)) == {KEYS[0][2:], "notes.txt"}
    again.clear()
    assert set(_stored(tmp_path)) == {"notes.txt"}
    assert (again.read(KEYS[0]), again.read(KEYS[1])) == (None, None)


def test_it_follows_no_link_and_keeps_nothing_too_large(tmp_path) -> None:
    """A link in the place of a new file leads nowhere."""
    cache = PosterCache(tmp_path / "posters")
    cache.keep(KEYS[0], bytes(1_001), MOST)
    assert cache.read(KEYS[0]) is None
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    new = cache._path(KEYS[0]).with_name(f"{KEYS[0][2:]}.new")
    cache.keep(KEYS[1], b"x", MOST)
    new.parent.mkdir(exist_ok=True, parents=True)
    cache._sizes[new.parent.name] = 0  # so that it is not cleaned up before
    new.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        cache.keep(KEYS[0], b"y", MOST)
    assert target.read_bytes() == b"mine"
