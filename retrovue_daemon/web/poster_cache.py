"""Posters on disk, up to a size: beside the database, in files named by hashes. Losing them costs a request each.

They are spread over a few folders, each of which may have its part of the space: when a poster is added, only its
folder is looked at. So nothing is read at the start, and nothing but one number per folder is kept in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS: Final = 16

_NAME: Final = re.compile(r"[0-9a-f]{62}(?:\.new)?")
_USED_AGAIN_S: Final = 3600
"""Seconds from the last use on, after which a use is noted."""
_FILLED: Final = 0.8
"""How much of a folder's part is left after the oldest posters were removed."""


def key_of(machine: str | None, address: str, size: tuple[int, int]) -> str:
    """Return the name of a poster: another address, which changes with the picture, has another one."""
    return hashlib.sha256(f"{machine}\n{address}\n{size}".encode()).hexdigest()


class PosterCache:
    """Keeps posters in a directory. All methods block, and belong into a thread; one `keep` or `shrink` at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sizes: dict[str, int] = {}
        """Bytes in the folders that were looked at."""
        self._is_closed = False

    def read(self, key: str) -> bytes | None:
        """Return a poster, and note that it was used; None if it is not there."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            if time.time() - path.stat().st_mtime > _USED_AGAIN_S:
                os.utime(path)
        except OSError:
            return None
        return content

    def drop(self, key: str) -> None:
        """Remove a poster."""
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def keep(self, key: str, content: bytes, most: int) -> None:
        """Store a poster, and remove those that were not used for longest if all take more than ``most`` bytes.

        A poster too large for its folder is not stored. Raise OSError, for example if the disk is full.
        """
        share = most // FOLDERS
        if len(content) > share:
            return
        path = self._path(key)
        folder = path.parent
        self._directory.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        size = self._sizes.get(folder.name)
        if size is None or size + len(content) > share:
            size = self._shrink(folder, int(share * _FILLED) - len(content))
        new = path.with_name(f"{path.name}.new")
        try:
            with open(new, "wb", opener=_private) as file:
                file.write(content)
            # Not flushed to the disk: after a power cut it may be empty, which its reader notices.
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        self._sizes[folder.name] = size + len(content)

    def close(self) -> None:
        """End `clear` early."""
        self._is_closed = True

    def clear(self) -> None:
        """Remove all posters. Raise OSError."""
        for number in range(FOLDERS):
            self._shrink(self._directory / f"{number:x}", -1)

    def _path(self, key: str) -> Path:
        return self._directory / f"{int(key[:2], 16) % FOLDERS:x}" / key[2:]

    def _shrink(self, folder: Path, most: int) -> int:
        """Remove the posters of a folder that were not used for longest, up to a size; return the size that is left.

        What a killed process left unfinished goes, too; other programs' files stay.
        """
        found: list[tuple[float, int, str]] = []
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name):
                    status = entry.stat(follow_symlinks=False)
                    is_finished = not entry.name.endswith(".new")
                    found.append((status.st_mtime if is_finished else 0.0, status.st_size, entry.path))
        size = sum(length for _, length, _ in found)
        for _, length, path in sorted(found):
            if self._is_closed or (size <= most and not path.endswith(".new")):
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 -- the path of an entry is text
            size -= length
        self._sizes[folder.name] = size
        return size


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
