"""SIGHUP: read the configuration again, check all of it, and only then use it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.errors import ConfigError, DaemonError
from retrovue_daemon.service.systemd import keep_asking

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import Config
    from retrovue_daemon.service.supervisor import Supervisor
    from retrovue_daemon.service.systemd import Notifier

log = structlog.get_logger()

_LEVELS = ("debug", "info", "warning", "error")
"""What ``[logging] level`` may be, the loudest first."""


class Reloader:
    """Reloads one at a time; ``load`` reads the file, ``relog`` takes over what it says of the logs."""

    def __init__(
        self,
        load: Callable[[], Config],
        relog: Callable[[Config], None],
        supervisor: Supervisor,
        notifier: Notifier,
        clock: Clock,
    ) -> None:
        self._load = load
        self._relog = relog
        self._supervisor = supervisor
        self._notifier = notifier
        self._clock = clock

    async def serve(self, wanted: asyncio.Event) -> None:
        """Reload whenever that is wanted; what is wanted meanwhile is one more reload, however often it was said."""
        while True:
            await wanted.wait()
            wanted.clear()
            self._notifier.reloading()
            asking = asyncio.create_task(keep_asking(self._notifier, self._clock), name="patience with a reload")
            try:
                await self.reload()
            except DaemonError as error:
                self._refuse(_problems(error), error.hint)
            except Exception:
                self._supervisor.refused = ["internal error"]
                log.exception("config.reload_failed", problems=["internal error"])
            finally:
                asking.cancel()
                self._notifier.ready()
                await asyncio.gather(asking, return_exceptions=True)

    async def reload(self) -> None:
        """Take over what the file says now, wholly or not at all. Raises ConfigError and StoreError."""
        before = self._supervisor.config
        # Token files may lie on a slow disk.
        after = await asyncio.to_thread(self._load)
        for warning in after.warnings:
            log.warning("config.warning", key=warning.path, problem=warning.message)
        if after == before:
            self._supervisor.refused = ()
            log.info("config.unchanged")
            return
        if fixed := _fixed(before, after):
            problems = [f"{key}: cannot change while the daemon runs" for key in fixed]
            self._refuse(problems, "restart to apply it; until then everything stays as it was")
            return
        changed = await self._supervisor.apply(after)
        self._supervisor.refused = ()
        # The line that tells of it is as loud as the louder of the two configurations allows.
        becomes_quieter = _LEVELS.index(after.logging.level) > _LEVELS.index(before.logging.level)
        if not becomes_quieter:
            self._relog(after)
        log.info(
            "config.reloaded",
            sections=[
                name
                for name in ("database", "sync", "logging", "web")
                if getattr(before, name) != getattr(after, name)
            ],
            added=list(changed.added),
            changed=list(changed.changed),
            removed=list(changed.removed),
        )
        if becomes_quieter:
            self._relog(after)

    def _refuse(self, problems: list[str], hint: str | None) -> None:
        """Tell why the old configuration stays; the status shows it until a reload is good."""
        self._supervisor.refused = problems
        log.error("config.reload_failed", problems=problems, hint=hint)


def _fixed(before: Config, after: Config) -> list[str]:
    """Return the keys that differ although they were settled when the daemon started."""
    keys = {
        "database.path": (before.database.path, after.database.path),
        "database.mode": (before.database.mode, after.database.mode),
        "database.group": (before.database.group, after.database.group),
        "web.listen": (before.web.listen, after.web.listen),
    }
    return [key for key, (old, new) in keys.items() if old != new]


def _problems(error: DaemonError) -> list[str]:
    return [str(problem) for problem in error.problems] if isinstance(error, ConfigError) else [str(error)]
