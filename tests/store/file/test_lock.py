"""The lock file beside a database: what is refused in its place, and what is never written to."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import DatabaseUnusable
from retrovue_daemon.store.file import lock
from retrovue_daemon.store.file.lock import SERVES, Holder, database_lock, holder, lock_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A file of another program."""
    file = tmp_path / "other"
    file.write_text("1234\n")
    return file


@pytest.mark.parametrize("make", ["symlink_to", "hardlink_to"])
async def test_a_file_that_a_link_leads_to_is_never_written(database, other, make) -> None:
    """Whoever may write to the directory could otherwise have any file of the daemon's user emptied."""
    getattr(lock_path(database), make)(other)
    with (
        pytest.raises(DatabaseUnusable, match=r"mirror\.db\.lock (is not a regular|has another)") as refused,
        database_lock(database),
    ):
        pass
    assert "nothing was written to it" in (refused.value.hint or "")
    assert other.read_text() == "1234\n"
    assert holder(database) == Holder(held=None if make == "symlink_to" else False)


async def test_no_file_is_made_where_a_link_leads_to(database, other) -> None:
    """Not even an empty one."""
    other.unlink()
    lock_path(database).symlink_to(other)
    with pytest.raises(DatabaseUnusable), database_lock(database):
        pass
    assert not other.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: socket.socket(socket.AF_UNIX).bind(str(path))])
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_what_is_no_file_is_refused_at_once(database, make) -> None:
    """A pipe does not make the daemon wait for a writer."""
    make(lock_path(database))
    with pytest.raises(DatabaseUnusable, match="is not a regular file"), database_lock(database):
        pass
    assert not holder(database).held


@pytest.mark.parametrize("content", [b"a letter", b"12 serves you right", b" " * 100, b"1" * 30])
async def test_a_file_with_other_content_is_left_alone(database, content) -> None:
    """Its name alone does not make it a lock."""
    lock_path(database).write_bytes(content)
    with pytest.raises(DatabaseUnusable, match="content of another file"), database_lock(database):
        pass
    assert lock_path(database).read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"12\n", b"4194304 serves\n", bytes(32)])
async def test_what_an_earlier_holder_left_is_replaced(database, content) -> None:
    """Also that of an earlier release, and what a power cut made of it."""
    lock_path(database).write_bytes(content)
    with database_lock(database) as held:
        assert holder(database) == Holder(held=True, pid=os.getpid())
        held.serve()
        assert holder(database) == Holder(held=True, pid=os.getpid(), serves=True)
        assert lock_path(database).read_text().strip() == f"{os.getpid()}{SERVES}"
    assert holder(database) == Holder(held=False)


async def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(database, monkeypatch) -> None:
    """Another process could lock the new file of that name at the same time."""
    take, taken = lock._take, list[int]()

    def take_late(descriptor: int) -> None:
        if not taken:
            lock_path(database).unlink()
        take(descriptor)
        taken.append(descriptor)

    monkeypatch.setattr(lock, "_take", take_late)
    with database_lock(database) as held:
        assert held.is_in_place(database)
        assert holder(database).held
    assert len(taken) == 2


async def test_a_lock_file_that_is_removed_or_replaced_is_noticed(database) -> None:
    """Any process may check it."""
    with database_lock(database) as held:
        lock_path(database).rename(database)
        assert not held.is_in_place(database)
        lock_path(database).symlink_to(database)
        assert not held.is_in_place(database)
        lock_path(database).unlink()
        lock_path(database).write_text(f"{os.getpid()}\n")
        assert not held.is_in_place(database)
