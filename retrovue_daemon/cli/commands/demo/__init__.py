"""``retrovue-daemon demo``: the main job on simulated servers, to see it before trusting it with a real one."""

from __future__ import annotations

import asyncio
import math
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from retrovue_daemon.cli.commands.demo.serve import serve_until_signal
from retrovue_daemon.cli.commands.demo.story import Story, Told, ask_questions, print_told
from retrovue_daemon.cli.display.output import print_failure
from retrovue_daemon.cli.display.reports import print_summary
from retrovue_daemon.cli.options import JsonOption, QuietOption
from retrovue_daemon.cli.startup import import_lightly
from retrovue_daemon.store.file.lock import holder

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex, World

ATTIC = {"movies": 400, "shows": 20, "episodes": 60}
"""How large the second server of the story is."""


def _refuse_nan(seconds: float) -> float:
    """Refuse what is no number: it compares to nothing, so no range keeps it out."""
    if math.isnan(seconds):
        raise typer.BadParameter("nan is no number of seconds from 0 to 600", param_hint="--latency")
    return seconds


def demo(  # noqa: PLR0917 -- typer passes every option by its name
    database: Annotated[
        Path | None,
        typer.Option("--database", metavar="FILE", help="Make the database here.", show_default="a temporary file"),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Give the temporary database a place of its own; else the next demo replaces it."
        ),
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Leave out the pauses and delays that are there to be watched.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Only serve: print URL and token, then answer until a signal.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, help="With --serve: the port; 0 takes a free one.", show_default="0"
        ),
    ] = None,
    control_port: Annotated[
        int | None,
        typer.Option(
            "--control-port",
            min=0,
            max=65535,
            help="With --serve: a port where the library can be changed over HTTP; 0 takes a free one.",
            show_default="off",
        ),
    ] = None,
    movies: Annotated[
        int | None, typer.Option("--movies", min=0, help="Sync or serve one generated library of this many films.")
    ] = None,
    shows: Annotated[int | None, typer.Option("--shows", min=0, help="Generate this many shows.")] = None,
    episodes: Annotated[
        int | None, typer.Option("--episodes", min=0, help="Episodes of each generated show.", show_default="90")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Generate another library of the same size.", show_default="0")
    ] = None,
    release: Annotated[
        Literal["2016", "2023", "2026"],
        typer.Option(
            "--release",
            help="Play a version of that year: 2016 had neither external ids nor a mark of changes.",
        ),
    ] = "2026",
    latency: Annotated[
        float,
        typer.Option(
            "--latency",
            metavar="SECONDS",
            min=0,
            max=600,
            callback=_refuse_nan,
            help="Answer every request this much later.",
        ),
    ] = 0,
    page_cap: Annotated[
        int | None,
        typer.Option(
            "--page-cap", metavar="ENTRIES", min=1, help="Put no more entries on a page.", show_default="none"
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what the daemon does as a story of a minute at most, on two simulated Plex servers, over real HTTP.

    A first sync with bars; a second one after edits, removals and moves; and a server that suddenly answers with an
    empty library. The database stays, with queries to try. With a size, one generated library is synced instead; with
    --serve the simulated server only answers, for other programs. In the story --release and --page-cap are about the
    server 'home'.

    Examples:

    - `retrovue-daemon demo`
    - `retrovue-daemon demo --fast --database demo.db`
    - `retrovue-daemon demo --movies 2000 --shows 200 --episodes 90 --database big.db`
    - `retrovue-daemon demo --serve --port 32400`
    - `retrovue-daemon demo --serve --json --shows 10000 --episodes 100 --latency 0.02`
    - `retrovue-daemon demo --serve --port 32400 --control-port 32401`, then change something:
      `curl -d '{"library": "1", "title": "The Bat", "year": 1926}' http://127.0.0.1:32401/changes/add_movie`
      (`curl http://127.0.0.1:32401` lists all that can be done there)
    """
    import_lightly()
    from retrovue_daemon.demo import RELEASES, Quirks, SimulatedPlex  # noqa: PLC0415 -- brings aiohttp

    _needed("--serve", serve, port=port, control_port=control_port)
    sized = movies is not None or shows is not None
    _needed("--movies or --shows", sized, seed=seed, episodes=episodes)
    _needed("the story or a size", not serve, database=database, keep=keep or None, fast=fast or None)
    _needed("a temporary database", database is None, keep=keep or None)
    world = _library(movies, shows, 90 if episodes is None else episodes, seed or 0)
    world.release = RELEASES[release]
    plex = SimulatedPlex(world, port=port or 0, quirks=Quirks(latency=latency, page_cap=page_cap))
    if serve:
        asyncio.run(serve_until_signal(plex, port=port or 0, control_port=control_port, as_json=as_json))
        return
    place = _place(database, keep=keep)
    if sized:
        told = asyncio.run(_sync(plex, place, quiet=quiet, as_json=as_json))
        print_summary({**told, "database": str(place)}, as_json=as_json)
        if not as_json:
            ask_questions(place)
            _say_where(place, database, keep=keep)
        raise typer.Exit(told["exit_code"])
    attic = SimulatedPlex(_library(**ATTIC, seed=1))
    story = asyncio.run(_tell(Story(plex, attic, place, fast=fast, bars=not quiet, as_json=as_json)))
    if as_json:
        print_told(story, place)
    else:
        _say_where(place, database, keep=keep)
    raise typer.Exit(0 if story.went_well else 1)


def _say_where(place: Path, named: Path | None, *, keep: bool) -> None:
    until = "" if named or keep else ", until the next demo replaces it (--keep gives it a place of its own)"
    print(f"\nThe database stays at {place}{until}.")
    print("Any SQLite client can ask it more: docs/database.md has queries to try.")


async def _tell(story: Story) -> Told:
    async with story.home, story.attic:
        return await story.tell()


def _place(database: Path | None, *, keep: bool) -> Path:
    """Return where the database is to be made; nothing that was there before is touched, but for the last demo's."""
    if database is not None:
        if database.exists():
            _refuse(f"{database} exists and was left as it is", "name another file")
        if not os.access(database.absolute().parent, os.W_OK | os.X_OK):
            _refuse(f"nothing can be written to {database.absolute().parent}", "name a file in another directory")
        return database.absolute()
    place = Path(tempfile.gettempdir()) / f"retrovue-demo-{os.getuid()}"
    if keep or not _is_ours(place) or holder(place / "retrovue.db").held:
        return Path(tempfile.mkdtemp(prefix="retrovue-demo-")) / "retrovue.db"
    place.mkdir(mode=0o700, exist_ok=True)
    for file in place.glob("retrovue.db*"):
        file.unlink()
    return place / "retrovue.db"


def _is_ours(place: Path) -> bool:
    """Tell whether a directory is free to be made, or was made by this user: others may write there, too."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        return False
    return not place.exists() or place.stat().st_uid == os.getuid()


def _refuse(message: str, hint: str) -> NoReturn:
    print_failure(message, hint)
    raise typer.Exit(1)


def _needed(needed: str, given: bool, **options: object) -> None:
    """Refuse options that mean nothing without another one."""
    for option, value in options.items():
        if value is not None and not given:
            raise typer.BadParameter(f"only with {needed}", param_hint=f"'--{option.replace('_', '-')}'")


def _library(movies: int | None, shows: int | None, episodes: int, seed: int) -> World:
    from retrovue_daemon.demo import built_in_library, generated_library  # noqa: PLC0415 -- brings aiohttp

    if movies is None and shows is None:
        return built_in_library()
    return generated_library(movies=movies or 0, shows=shows or 0, episodes=episodes, seed=seed)


async def _sync(plex: SimulatedPlex, database: Path, *, quiet: bool, as_json: bool) -> dict[str, Any]:
    """Sync one simulated server with the ordinary code, as ``retrovue-daemon sync`` would."""
    from retrovue_daemon.cli.display.progress import with_progress  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.config import parse_config  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.daemon import SyncOptions, sync_once  # noqa: PLC0415 -- brings aiohttp
    from retrovue_daemon.service.report import exit_code, summary  # noqa: PLC0415 -- likewise

    async with plex:
        server = {"name": "demo", "url": plex.url, "token": plex.token}
        settings = parse_config({"database": {"path": str(database)}, "servers": [server]})
        work = partial(sync_once, settings, SyncOptions())
        reports = await with_progress(settings, work, quiet=quiet, as_json=as_json)
    return summary(reports, exit_code(reports))
