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

    def __init__(self, source: Path | None, problems: Sequence[ConfigProblem]) -> None:
        super().__init__(source, tuple(problems))
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        return where + "; ".join(str(problem) for problem in self.problems)
