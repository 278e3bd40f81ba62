"""Errors in the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrovue_daemon.errors.base import DaemonError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One problem of a configuration.

    ``path`` is the path of the key, as in ``servers[0].url``; ``message`` says what is wrong and what would be valid.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(DaemonError):
    """All problems of one configuration; ``source`` is the file, or None for a mapping in memory."""

    exit_code = 78

    def __init__(self, source: Path | None, problems: Sequence[ConfigProblem], *, hint: str | None = None) -> None:
        super().__init__(source, tuple(problems), hint=hint)
        self.source = source
        self.problems = tuple(problems)

    @property
    def heading(self) -> str:
        """The text before the list of problems: the file, if there is one."""
        return "" if self.source is None else str(self.source)

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.heading, "; ".join(map(str, self.problems)))))


class ReloadRefused(DaemonError):
    """The daemon ``pid`` refused the new configuration because of ``problems`` and keeps the old one.

    ``exit_code`` is 78 if the new configuration is invalid, else that of the error that occurred in the daemon.
    """

    def __init__(self, pid: int, problems: Sequence[ConfigProblem], *, exit_code: int, hint: str | None) -> None:
        super().__init__(pid, tuple(problems), hint=hint)
        self.pid = pid
        self.problems = tuple(problems)
        self.exit_code = exit_code

    @property
    def heading(self) -> str:
        """The text before the list of problems."""
        return f"the daemon (pid {self.pid}) refused the new configuration and keeps the old one"

    def __str__(self) -> str:
        return f"{self.heading}: {'; '.join(map(str, self.problems))}"
