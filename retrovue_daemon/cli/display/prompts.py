"""What commands ask the person at the terminal: a token, which is not shown, and whether to go on."""

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
"""Bytes that standard input may hold: as many as a file with a token."""

TokenFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="Read the token from this file; '-' reads standard input. Without it the token is asked for.",
        show_default=False,
        readable=False,  # what cannot be read is told in words of our own
    ),
]


def get_token(server: str, file: Path | None) -> Secret:
    """Get a token from where it is said to be, or from the person at the terminal. Raises BadInput."""
    from retrovue_daemon.config.given import token_from_file, token_from_text  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.config.tokens import remarks_on  # noqa: PLC0415 -- likewise

    try:
        if file is None:
            token = token_from_text(_typed(server))
        elif file == Path("-"):
            token = token_from_text(_piped())
        else:
            token = token_from_file(file)
    except ConfigError as error:
        raise BadInput("; ".join(f"the token {problem.message}" for problem in error.problems)) from None
    for remark in remarks_on(token):
        print_warning(f"the token {remark}")
    return token


def confirm(question: str) -> None:
    """Go on only where the person at the terminal agrees, or said so before by --yes."""
    if not sys.stdin.isatty():
        raise BadInput("there is no terminal to ask on", hint="--yes goes on without asking")
    # typer's own question takes Ctrl-C for a no.
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
        raise BadInput("the token must be one, but standard input holds far more")
    return content.decode("utf-8", "replace")


def _typed(server: str) -> str:
    from getpass import getpass  # noqa: PLC0415 -- not for --help

    if not sys.stdin.isatty():
        raise BadInput(
            "there is no terminal to ask for the token on",
            hint="--token-file FILE reads it from a file, --token-file - from standard input",
        )
    try:
        return getpass(f"Token of server {server!r} (it is not shown): ")
    except EOFError:
        raise BadInput("no token was given") from None
