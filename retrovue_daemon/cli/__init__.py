"""The ``retrovue-daemon`` command. Nothing else of the package prints for people."""

from __future__ import annotations


def main() -> None:
    """Run the command that the arguments name and end the process with its exit code."""
    from retrovue_daemon.cli.app import run_app  # noqa: PLC0415 -- importing the package must stay cheap

    run_app()


__all__ = ["main"]
