"""All commands, and what their failures look like."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from retrovue_daemon import __version__
from retrovue_daemon.cli.display.output import print_error
from retrovue_daemon.cli.options import with_examples
from retrovue_daemon.errors import DaemonError

if TYPE_CHECKING:
    from types import ModuleType

COMMANDS: Final = ("run", "sync", "check", "reload", "discover", "init", "demo", "status", "history")
"""Each is the function of that name in the module of that name."""

GROUPS: Final = ("servers", "libraries", "mappings", "items", "guid", "config", "database")
"""Each is the ``app`` of the module of that name."""


def command_line(only: str | None = None) -> typer.Typer:
    """Make the whole command line, or what one command or group of it needs, which starts sooner."""
    app = typer.Typer(
        name="retrovue-daemon",
        help=with_examples(
            "Keep a local SQLite database in step with the libraries of Plex Media Servers.",
            "init config.toml",
            "check --config config.toml",
            "run --config config.toml",
            "status",
        ),
        epilog="Exit codes: 0 all well, 1 some work failed or was held back, 2 wrong usage, 3 no server could be"
        " used, 75 the database is held by another process or its place is not there yet, 78 bad configuration or"
        " database.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_top)
    for name in COMMANDS:
        if only in {None, name}:
            app.command(name)(getattr(_module(name), name))
    for name in GROUPS:
        if only in {None, name}:
            app.add_typer(_module(name).app, name=name)
    return app


def _module(name: str) -> ModuleType:
    return import_module(f"retrovue_daemon.cli.commands.{name}")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"retrovue-daemon {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run_app() -> None:
    """Run the command line; a failure of ours is told in a line or two, without a traceback."""
    _prepare_streams()
    first = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        try:
            command_line(first if first in {*COMMANDS, *GROUPS} else None)()
        except SystemExit as ended:
            if not ended.code:
                _write_out()
            raise
    except DaemonError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        # What can be said of files and servers was said before this; a stream is what is left.
        with suppress(OSError):
            print(f"error: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    finally:
        _let_go_of_closed_streams()


def _prepare_streams() -> None:
    """Make both streams usable whatever they are: closed by the caller, or of an encoding that lacks letters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 -- for the process's life
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _write_out() -> None:
    """Write what is left of the result, so that a full disk is told; a reader that went away wants no more."""
    with suppress(BrokenPipeError):
        sys.stdout.flush()


def _let_go_of_closed_streams() -> None:
    """Keep a reader that went away from changing the exit code: Python flushes both streams once more at the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
