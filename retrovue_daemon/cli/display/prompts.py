"""Prompts: for a token, whose input is hidden, and for confirmations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from retrovue_daemon.cli.display.output import print_warning
from retrovue_daemon.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from retrovue_daemon.config import Secret

_LARGEST_TOKEN = 64 * 1024
"""The maximum bytes to read from standard input, as for a token file."""

TokenFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="Read the token from this file, or from standard input if it is '-'. Default: prompt for it.",
        show_default=False,
        readable=False,  # unreadable files are reported by our own errors
    ),
]


def get_token(server: str, file: Path | None) -> Secret:
    """Return the token from a file or standard input, or prompt for it. Raise BadInput if it is invalid."""
    from retrovue_daemon.config.loading import token_from_file, token_from_text  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.config.tokens import remarks_on  # noqa: PLC0415 -- likewise

    try:
        if file is None:
            token = token_from_text(_prompted(server))
        elif file == Path("-"):
            token = token_from_text(_piped())
        else:
            token = token_from_file(file)
    except ConfigError as error:
        raise BadInput("; ".join(f"the token {problem.message}" for problem in error.problems)) from None
    for remark in remarks_on(token):
        print_warning(f"the token {remark}")
    return token


def require_yes(*, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Refuse ``--json`` without a confirmation: a command that prints for programs does not ask for one."""
    if as_json and not (yes or dry_run):
        raise typer.BadParameter("requires --yes or --dry-run", param_hint="--json")


def confirm(question: str) -> None:
    """Ask for confirmation on the terminal; exit unless the answer is yes."""
    if not sys.stdin.isatty():
        raise BadInput("cannot ask for confirmation without a terminal", hint="--yes skips the confirmation")
    # typer's own prompt treats Ctrl-C as a no.
    try:
        answer = input(f"{question} [y/N]: ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        print("nothing was changed")
        raise typer.Exit(1)


def _piped() -> str:
    content = sys.stdin.buffer.read(_LARGEST_TOKEN + 1)
    if len(content) > _LARGEST_TOKEN:
        raise BadInput("the token is too long: standard input holds more than a single token")
    return content.decode("utf-8", "replace")


def _prompted(server: str) -> str:
    from getpass import getpass  # noqa: PLC0415 -- not for --help

    if not sys.stdin.isatty():
        raise BadInput(
            "cannot prompt for the token without a terminal",
            hint="pass it with --token-file FILE, or with --token-file - on standard input",
        )
    try:
        return getpass(f"Token of server {server!r} (input is hidden): ")
    except EOFError:
        raise BadInput("no token was entered") from None
