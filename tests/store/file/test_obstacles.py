"""What `check` says about a database is what a sync meets there, whatever is wrong with it."""

from __future__ import annotations

import asyncio
import fcntl
import grp
import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import StoreError
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.obstacles import obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65_534


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="obstacles-") as directory:
        path = Path(directory) / "mirror.db"
        # Also what Python imports for it, which may be where only this user can read.
        asyncio.run(_open(path))
        yield path


async def _open(path: Path) -> None:
    async with open_database(path):
        pass


@pytest.fixture
def path(prepared: Path) -> Iterator[Path]:
    """A database of a user without privileges; below pytest's directory, that user could not look."""
    with tempfile.TemporaryDirectory(prefix="obstacles-") as directory:
        place = Path(directory) / "data" / "mirror.db"
        place.parent.mkdir()
        shutil.copy(prepared, place)
        if os.geteuid() == 0:
            for each in (place.parent.parent, place.parent, place):
                os.chown(each, NOBODY, NOBODY)
        yield place
        for each in (place.parent, *Path(directory).rglob("*")):
            if each.is_dir():
                each.chmod(0o700)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user who may write only where the modes of files allow it."""
    if os.geteuid():
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


async def both(path: Path, group: str | None = None) -> tuple[StoreError | None, StoreError | None]:
    """Return what the check says, and what a sync meets; the check changes nothing."""
    before = _state(path)
    found = obstacle(path, group=group)
    assert _state(path) == before
    try:
        async with open_database(path, group=group):
            return found, None
    except StoreError as error:
        return found, error


def _state(path: Path) -> object:
    try:
        listed = sorted(path.parent.iterdir())
    except OSError:
        return None
    return [(each, each.lstat().st_mode, each.lstat().st_size) for each in listed]


def beside(suffix: str) -> Callable[[Path], Path]:
    return lambda path: path.with_name(path.name + suffix)


def do(*steps: Callable[[Path], object]) -> Callable[[Path], None]:
    def both_steps(path: Path) -> None:
        for step in steps:
            step(path)

    return both_steps


def put(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)


def lead(path: Path, to: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def linked(path: Path, other: Path) -> None:
    put(other, b"")
    os.link(other, path)


def moved_to_closed_directory(path: Path) -> None:
    closed = path.parent / "closed"
    closed.mkdir()
    path.rename(closed / "x.db")
    lead(path, closed / "x.db")
    closed.chmod(0o555)


lock, log, index, journal = map(beside, (".lock", "-wal", "-shm", "-journal"))

USABLE: dict[str, Callable[[Path], object]] = {
    "as it is": Path.exists,
    "missing": lambda path: path.unlink(),
    "empty": lambda path: put(path, b""),
    "link to nothing": lambda path: lead(path, path.parent / "x.db"),
    "old lock": lambda path: put(lock(path), b"4711 serves\n"),
    "log of nothing": lambda path: put(log(path), b"x" * 4000),
    "journal of nothing": lambda path: put(journal(path), b"x" * 4000),
}

UNUSABLE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, 5_000),
    "text": lambda path: put(path, b"some text " * 1_000),
    "newer": lambda path: sql(path, "PRAGMA user_version = 99"),
    "no version": lambda path: sql(path, "PRAGMA user_version = -3"),
    "foreign": do(Path.unlink, lambda path: sql(path, "CREATE TABLE t (a)")),
    "directory": do(Path.unlink, Path.mkdir),
    "pipe": do(Path.unlink, os.mkfifo),
    "loop": lambda path: lead(path, path),
    "link to nowhere": lambda path: lead(path, path.parent / "none" / "x.db"),
    "no directory": lambda path: shutil.rmtree(path.parent),
    "file instead of directory": do(
        lambda path: shutil.rmtree(path.parent), lambda path: path.parent.write_text("x")
    ),
    "closed file": lambda path: path.chmod(0),
    "read-only file": lambda path: path.chmod(0o400),
    "empty and read-only": lambda path: put(path, b"", 0o400),
    "closed directory": lambda path: path.parent.chmod(0),
    "read-only directory": lambda path: path.parent.chmod(0o500),
    "missing in a read-only directory": do(Path.unlink, lambda path: path.parent.chmod(0o500)),
    "another user's": lambda path: os.chown(path, 0, 0),
    "another user's directory": lambda path: os.chown(path.parent, 0, 0),
    "link to a closed directory": moved_to_closed_directory,
    "lock: link": lambda path: lead(lock(path), Path("/etc/hostname")),
    "lock: directory": lambda path: lock(path).mkdir(),
    "lock: pipe": lambda path: os.mkfifo(lock(path)),
    "lock: text": lambda path: put(lock(path), b"my notes"),
    "lock: hard link": lambda path: linked(lock(path), path.parent / "other"),
    "lock: read-only": lambda path: put(lock(path), b"", 0o400),
    "lock: closed": lambda path: put(lock(path), b"", 0),
    "log: directory": lambda path: log(path).mkdir(),
    "log: closed": lambda path: put(log(path), b"x" * 40, 0),
    "log: read-only": lambda path: put(log(path), b"x" * 40, 0o400),
    "index: directory": lambda path: index(path).mkdir(),
    "index: closed": lambda path: put(index(path), b"x" * 40, 0),
    "journal: directory": lambda path: journal(path).mkdir(),
}


@pytest.mark.parametrize("state", USABLE)
async def test_what_a_sync_can_use_has_no_obstacle(path, state) -> None:
    with unprivileged():
        USABLE[state](path)
        assert await both(path) == (None, None)


@pytest.mark.parametrize("state", UNUSABLE)
async def test_what_a_sync_cannot_use_has_one(path, state) -> None:
    """With the same exit code."""
    if "another user" in state and os.geteuid():
        pytest.skip("only root can give files to others")
    with unprivileged() if "another user" not in state else ExitStack():
        UNUSABLE[state](path)
    with unprivileged():
        said, met = await both(path)
    assert said is not None
    assert met is not None
    assert (said.exit_code, bool(said.hint)) == (met.exit_code, True), (said, met)


async def test_a_process_that_holds_it_is_one(path) -> None:
    """Unless it is a daemon, which syncs on request."""
    lock(path).touch()
    with lock(path).open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said, met = await both(path)
        assert said is not None
        assert met is not None
        assert (type(said), said.exit_code) == (type(met), 75)
        file.write("4711 serves\n")
        file.flush()
        assert obstacle(path) is None


async def test_a_group_without_this_user_is_one(path) -> None:
    """Unless the file has it already."""
    group = grp.getgrgid(0).gr_name
    with unprivileged():
        if 0 in os.getgroups():
            pytest.skip("this user is a member")
        said, met = await both(path, group)
        assert str(said) == str(met)
        assert said is not None
        assert (said.exit_code, f"member of {group}" in (said.hint or "")) == (78, True)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, 0)
        with unprivileged():
            assert obstacle(path, group=group) is None


def test_a_default_directory_that_cannot_be_made_is_one(path) -> None:
    """It is made by the first sync."""
    place = path.parent / "new" / "directory" / "mirror.db"
    with unprivileged():
        assert obstacle(place, own_place=True) is None
        path.parent.chmod(0o500)
        said = obstacle(place, own_place=True)
    assert said is not None
    assert said.exit_code == 78
