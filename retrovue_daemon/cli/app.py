"""All commands, and what their failures look like."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from retrovue_daemon import __version__
from retrovue_daemon.cli import (
    check,
    config,
    database,
    demo,
    discover,
    guid,
    history,
    init,
    items,
    libraries,
    mappings,
    reload,
    run,
    servers,
    status,
    sync,
)
from retrovue_daemon.cli.options import with_examples
from retrovue_daemon.cli.output import print_error
from retrovue_daemon.errors import DaemonError

app = typer.Typer(
    name="retrovue-daemon",
    help=with_examples(
        "Keep a local SQLite database in step with the libraries of Plex Media Servers.",
        "init config.toml",
        "check --config config.toml",
        "run --config config.toml",
        "status",
    ),
    epilog="Exit codes: 0 all well, 1 some work failed or was held back, 2 wrong usage, 3 no server could be used,"
    " 75 the database is held by another process or its place is not there yet, 78 bad configuration or database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"retrovue-daemon {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("run")(run.run)
app.command("sync")(sync.sync)
app.command("check")(check.check)
app.command("reload")(reload.reload)
app.command("discover")(discover.discover)
app.command("init")(init.init)
app.command("demo")(demo.demo)
app.command("status")(status.status)
app.command("history")(history.history)
for name, group in {
    "servers": servers.app,
    "libraries": libraries.app,
    "mappings": mappings.app,
    "items": items.app,
    "guid": guid.app,
    "config": config.app,
    "database": database.app,
}.items():
    app.add_typer(group, name=name)


def run_app() -> None:
    """Run the command line; a failure of ours is told in a line or two, without a traceback."""
    _prepare_streams()
    try:
        app()
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


def _let_go_of_closed_streams() -> None:
    """Keep a reader that went away from changing the exit code: Python flushes both streams once more at the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
