"""All open jobs of one server's worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.service.job import Job
from retrovue_daemon.service.selection import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.service.selection import Selection


class Jobs:
    """The jobs of a server that are not done, oldest first.

    Jobs whose passes all run are not kept here: their passes complete them.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._open: list[Job] = []
        self._sync_now: Job | None = None

    def __iter__(self) -> Iterator[Job]:
        return iter(tuple(self._open))

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, selection: Selection, *, is_awaited: bool) -> Job:
        """Add a job for a selection."""
        job = Job(self._server, selection, is_awaited=is_awaited)
        self._open.append(job)
        return job

    def add_sync_now(self) -> Job | None:
        """Add a job for everything, or return None if one waits for the next poll."""
        # A job that failed before the poll is over: it must not absorb this call.
        if self._sync_now is not None and not self._sync_now.done.done():
            return None
        self._sync_now = self.add(EVERYTHING, is_awaited=True)
        return self._sync_now

    def begin_poll(self) -> list[Job]:
        """Return the jobs of a poll. Later ones get another: this one may already have read what has just changed."""
        self._sync_now = None
        return list(self._open)

    def can_start(self, busy: AbstractSet[int]) -> bool:
        """Return whether the server has to be polled for one of them now."""
        return any(job.can_start(busy) for job in self._open)

    def drop_done(self) -> None:
        """Drop the jobs that are done."""
        self._open = [job for job in self._open if not job.done.done()]

    def drop_started(self) -> None:
        """Drop the jobs that are done, and those whose passes have all started."""
        self._open = [job for job in self._open if not job.done.done() and job.pending != set()]

    def keep_for_another(self, running: Iterable[Job]) -> None:
        """Keep these jobs too, and let all begin anew, for the worker that takes them over."""
        self._open = list(dict.fromkeys((*self._open, *running)))
        for job in self._open:
            job.requeue_running()

    def take_over(self, other: Jobs) -> None:
        """Continue the jobs of another worker."""
        self._open = list(other)

    def fail(self, error: DaemonError) -> None:
        """Fail all of them."""
        for job in self._open:
            job.fail(error)
        self._open = []
