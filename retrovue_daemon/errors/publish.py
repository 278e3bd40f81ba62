"""Errors of publishing to another database."""

from __future__ import annotations

from retrovue_daemon.errors.base import DaemonError


class PublishError(DaemonError):
    """The target cannot be published to; the text says why, without credentials.

    ``is_passing`` is true where waiting may help: the server is down, or another writer holds the origin.
    """

    is_passing = True

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail, hint=hint)
        self.detail = detail

    def __str__(self) -> str:
        return f"PostgreSQL: {self.detail}"


class PublishRefused(PublishError):
    """Something has to be changed by a person before this target can be used."""

    is_passing = False
    exit_code = 78


class DriverMissing(PublishRefused):
    """The optional dependency is not installed."""

    hint = "install it: pip install 'retrovue-daemon[postgresql]'"

    def __init__(self) -> None:
        super().__init__("the package psycopg is not installed")
