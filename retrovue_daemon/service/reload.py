"""What happens on SIGHUP: the configuration is read, checked as a whole, then applied; the result is stored."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO, TypeVarTuple

import msgspec
import structlog

from retrovue_daemon.config import read_config
from retrovue_daemon.errors import ConfigError, ConfigProblem, DaemonError, InternalError, StoreError
from retrovue_daemon.logs.setup import configure_logging
from retrovue_daemon.logs.subscriptions import Subscriptions
from retrovue_daemon.service.systemd import keep_extending_timeout
from retrovue_daemon.store.tables.reloads import Reload, mark_start, store_reload

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.service.background import BackgroundService
    from retrovue_daemon.service.publishing import Publishers
    from retrovue_daemon.service.supervisor import Supervisor
    from retrovue_daemon.service.systemd import Notifier

log = structlog.get_logger()
Ts = TypeVarTuple("Ts")

_SECTIONS = ("database", "sync", "logging", "web", "postgresql", "hooks")
"""What a reload reports as changed, besides servers."""

_LEVELS = ("debug", "info", "warning", "error")
"""The values of ``[logging] level``; the first one logs most."""


class Process(msgspec.Struct, frozen=True):
    """What stays the same in the process of the service, whatever its configuration says.

    ``file`` and ``database`` are the options with which the configuration is read, also at a reload. Log lines go to
    ``stream`` without the secrets that the ``redactor`` knows. ``notifier`` notifies systemd.
    ``subscriptions`` say who gets events besides, ``background`` is the page, if there is one.
    """

    file: Path | None
    database: Path | None
    stream: TextIO
    redactor: Redactor
    notifier: Notifier
    subscriptions: Subscriptions = msgspec.field(default_factory=Subscriptions)
    background: BackgroundService | None = None


class Reloader:
    """Reloads the configuration, one reload at a time.

    Every result is stored for `status` and for a waiting `reload` command.
    """

    def __init__(
        self, process: Process, supervisor: Supervisor, clock: Clock, publishers: Publishers | None = None
    ) -> None:
        self._process = process
        self._supervisor = supervisor
        self._clock = clock
        self._publishers = publishers

    async def serve(self, wanted: asyncio.Event) -> None:
        """Reload each time ``wanted`` is set; signals that arrive during a reload cause one further reload."""
        notifier, redactor = self._process.notifier, self._process.redactor
        await self._write(mark_start)
        while True:
            await wanted.wait()
            wanted.clear()
            # Earlier signals get the result of this reload, later ones cause another reload.
            began_ns = time.monotonic_ns()
            notifier.reloading()
            extending = asyncio.create_task(keep_extending_timeout(notifier, self._clock), name="timeout of a reload")
            try:
                result = await self._result()
            finally:
                extending.cancel()
                notifier.ready()
                await asyncio.gather(extending, return_exceptions=True)
            plain = redactor.value({"at": self._clock.now(), "began_ns": began_ns, **result})
            await self._write(store_reload, msgspec.convert(plain, Reload))

    async def _result(self) -> dict[str, Any]:
        """Reload, and return the result as fields of `Reload`, whatever goes wrong.

        A refused configuration leaves the old one in use; systemd's status line says so until a reload succeeds.
        """
        try:
            return await self._reload()
        except DaemonError as error:
            refusal = error
            problems = error.problems if isinstance(error, ConfigError) else [ConfigProblem("", str(error))]
            texts = [str(problem) for problem in problems]
            log.error("config.reload_failed", problems=texts, hint=error.hint)
        except Exception as error:
            refusal = InternalError(type(error).__name__)
            problems, texts = [ConfigProblem("", str(refusal))], ["internal error"]
            log.exception("config.reload_failed", problems=texts)
        self._supervisor.refused = texts
        return {
            "outcome": "refused",
            "problems": [{"path": problem.path, "message": problem.message} for problem in problems],
            "hint": refusal.hint,
            "exit_code": refusal.exit_code,
        }

    async def _reload(self) -> dict[str, Any]:
        """Apply the whole file or nothing of it. Raises ConfigError and StoreError."""
        before, process = self._supervisor.config, self._process
        # In a thread, because token files may be on a slow disk.
        after = (await asyncio.to_thread(read_config, process.file, process.database)).keeping(before)
        for warning in after.warnings:
            log.warning("config.warning", key=warning.path, problem=warning.message)
        if after == before:
            self._supervisor.refused = ()
            log.info("config.unchanged")
            return {"outcome": "unchanged"}
        if fixed := _fixed(before, after):
            problems = [ConfigProblem(key, "cannot change while the daemon runs") for key in fixed]
            hint = "restart the daemon to apply the change; until then the old configuration stays in use"
            raise ConfigError(after.source, problems, hint=hint)
        changed = await self._supervisor.apply(after)
        self._supervisor.refused = ()
        if self._publishers is not None:
            await self._publishers.reload(after)
        if process.background is not None:
            await process.background.reload(after)
        level, form = after.logging.level, after.logging.format
        relog = partial(
            configure_logging,
            level=level,
            format=form,
            stream=process.stream,
            redactor=process.redactor,
            subscriptions=process.subscriptions,
        )
        # If either of the two log levels allows the line below, it is logged.
        logs_less = _LEVELS.index(level) > _LEVELS.index(before.logging.level)
        if not logs_less:
            relog()
        sections = [name for name in _SECTIONS if getattr(before, name) != getattr(after, name)]
        servers = {name: list(names) for name, names in msgspec.structs.asdict(changed).items()}
        log.info(
            "config.reloaded",
            sections=sections,
            added=servers["added"],
            changed=servers["changed"],
            removed=servers["removed"],
        )
        if logs_less:
            relog()
        return {"outcome": "applied", "sections": sections, **servers}

    async def _write(self, query: Callable[[sqlite3.Connection, *Ts], None], *args: *Ts) -> None:
        try:
            # Not subject to the queue's limit: if the daemon is stopped now, the result is still stored.
            await self._supervisor.database.writer.post(query, *args)
        except StoreError as error:
            log.warning("config.result_not_stored", error=str(error), hint=error.hint)


def _fixed(before: Config, after: Config) -> list[str]:
    """Return the changed keys that only take effect when the daemon starts."""
    keys = {
        "database.path": (before.database.path, after.database.path),
        "database.mode": (before.database.mode, after.database.mode),
        "database.group": (before.database.group, after.database.group),
        "web.listen": (before.web.listen, after.web.listen),
    }
    return [key for key, (old, new) in keys.items() if old != new]
