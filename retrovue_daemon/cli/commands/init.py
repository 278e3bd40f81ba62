"""``retrovue-daemon init``."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from retrovue_daemon.cli.display.output import print_failure


def init(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Where to write it; '-' prints it. Default: ~/.config/retrovue-daemon/config.toml, which is"
            " found without --config.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a commented example of a configuration to start from; never over an existing file.

    Examples:

    - `retrovue-daemon init`
    - `sudo retrovue-daemon init /etc/retrovue-daemon/config.toml`
    """
    from retrovue_daemon.config.places import user_config  # noqa: PLC0415 -- not for --help

    example = files("retrovue_daemon.config").joinpath("example.toml").read_text("utf-8")
    if file == Path("-"):
        print(example, end="")
        return
    target = file or user_config(os.environ)
    try:
        if file is None:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # 0600 from the first byte: a token is likely to be written into it.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        _refuse(f"{target} exists and was left as it is", "name another file, or print the example: init -")
    except OSError as error:
        _refuse(f"cannot write {target}: {error.strerror}", f"check that {target.parent} exists and is writable")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(example)
    print(f"wrote {target}; edit url and token, then run: retrovue-daemon check --config {target}", file=sys.stderr)


def _refuse(message: str, hint: str) -> None:
    print_failure(message, hint)
    raise typer.Exit(1)
