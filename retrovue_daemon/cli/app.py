"""The command line: all commands, and how their errors are printed."""

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

COMMANDS: Final = (
    "run",
    "sync",
    "check",
    "reload",
    "discover",
    "init",
    "demo",
    "status",
    "health",
    "history",
    "changes",
    "export",
)
"""Each command is the function of that name in the module of that name."""

GROUPS: Final = (
    "servers",
    "libraries",
    "mappings",
    "items",
    "collections",
    "guid",
    "hooks",
    "publish",
    "config",
    "database",
)
"""Each group is the ``app`` of the module of that name."""


def command_line(only: str | None = None) -> typer.Typer:
    """Return the command line: all of it, or ``only`` one command or group, which starts faster."""
    app = typer.Typer(
        name="retrovue-daemon",
        help=with_examples(
            "Mirror the libraries of Plex Media Servers into a local SQLite database, and keep it up to date.",
            "init config.toml",
            "check --config config.toml",
            "run --config config.toml",
            "status --config config.toml",
        ),
        epilog="Exit codes: 0 success, 1 part of the work failed, was held back or is incomplete, 2 invalid"
        " usage, 3 no server could be used, 75 the database is locked by another process, or it or its directory"
        " does not exist yet, 78 invalid configuration or unusable database.",
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
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def run_app() -> None:
    """Run the command line; print an expected error in a line or two, without a traceback."""
    _prepare_streams()
    stdout = sys.stdout
    first = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        try:
            command_line(first if first in {*COMMANDS, *GROUPS} else None)()
        except SystemExit as ended:
            if sys.stdout is not stdout:
                # typer has replaced it because the reader closed the pipe, as `head` does, and exits with 1.
                sys.exit(0)
            if not ended.code:
                _flush_result()
            raise
    except DaemonError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader has seen enough.
        sys.exit(0)
    except OSError as error:
        # Errors of files and servers are handled before; what is left is an error of a standard stream.
        with suppress(OSError):
            if error.filename is not None:
                print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            elif _is_lost():
                print("error: the current directory does not exist any more", file=sys.stderr)
                print("hint: change to another one, and try again", file=sys.stderr)
            else:
                print(f"error: cannot write the output: {error.strerror or error}", file=sys.stderr)
                print("hint: check the space and the permissions where standard output leads", file=sys.stderr)
        sys.exit(1)
    finally:
        _detach_closed_streams()


def _prepare_streams() -> None:
    """Make all streams usable even if the caller closed them, or if their encoding lacks characters."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 -- stays open until exit
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 -- stays open until exit
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_lost() -> bool:
    """Return whether the current directory was deleted, so that no relative path leads anywhere."""
    try:
        os.getcwd()  # noqa: PTH109 -- Path.cwd is the same
    except FileNotFoundError:
        return True
    return False


def _flush_result() -> None:
    """Write the rest of the result, so that a full disk is reported; a closed pipe is fine."""
    with suppress(BrokenPipeError):
        sys.stdout.flush()


def _detach_closed_streams() -> None:
    """Keep a closed pipe from changing the exit code: Python flushes both streams once more at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
