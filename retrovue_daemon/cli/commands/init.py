"""``retrovue-daemon init``."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from retrovue_daemon.errors import BadInput, OutputFailed


def init(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The file to write; '-' prints to standard output. Default: ~/.config/retrovue-daemon/config.toml,"
            " which commands find without --config.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a commented example configuration. Existing files are never overwritten.

    Examples:

    - `retrovue-daemon init`
    - `sudo retrovue-daemon init /etc/retrovue-daemon/config.toml`
    """
    from retrovue_daemon.config.files import user_config, write_hint  # noqa: PLC0415 -- not for --help

    example = files("retrovue_daemon.config").joinpath("example.toml").read_text("utf-8")
    if file == Path("-"):
        print(example, end="")
        return
    target = file or user_config(os.environ)
    try:
        if file is None:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # 0600 from the start: the user will probably write a token into it.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise BadInput(
            f"{target} already exists and was not changed", hint="choose another file, or print the example: init -"
        ) from None
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}", hint=write_hint(target, error)) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(example)
    except OSError as error:
        target.unlink(missing_ok=True)  # half an example would be in the way of the next try
        raise OutputFailed(target, error.strerror or "", hint=write_hint(target, error)) from None
    print(
        f"wrote {target}; set url and token in it, then run: retrovue-daemon check --config {target}", file=sys.stderr
    )
