"""Where the demo creates its database."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from retrovue_daemon.errors import BadInput
from retrovue_daemon.store.file.lock import holder

_DATABASE = "retrovue.db"


def new_database(named: Path | None, *, keep: bool) -> Path:
    """Return the path for the new database; only the database of the last demo is ever replaced."""
    if named is not None:
        if named.exists():
            raise BadInput(f"{named} already exists and was not changed", hint="choose another file")
        if not os.access(named.absolute().parent, os.W_OK | os.X_OK):
            raise BadInput(f"cannot write to {named.absolute().parent}", hint="choose a file in another directory")
        return named.absolute()
    place = Path(tempfile.gettempdir()) / f"retrovue-demo-{os.getuid()}"
    if keep or not _is_cleared(place):
        place = Path(tempfile.mkdtemp(prefix="retrovue-demo-"))
    return place / _DATABASE


def _is_cleared(place: Path) -> bool:
    """Create the directory, or remove the last demo's database from it; return False if it cannot be used.

    Other users can write to the directory above it. So everything happens in the directory that is open, which must
    be private and belong to this user: what they put in its place meanwhile, such as a link, is not followed.
    """
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = os.fstat(directory)
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            return False
        if holder(place / _DATABASE).held:
            return False
        for name in os.listdir(directory):  # noqa: PTH208 -- pathlib cannot list an open directory
            if name.startswith(_DATABASE):
                os.unlink(name, dir_fd=directory)
    except OSError:
        return False
    finally:
        os.close(directory)
    return True
