"""``retrovue-daemon demo``: the daemon at work on simulated Plex servers."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from retrovue_daemon.cli.commands.demo.page import ended_by_signal, page_served, wants_page
from retrovue_daemon.cli.commands.demo.place import new_database
from retrovue_daemon.cli.commands.demo.serve import serve_until_signal
from retrovue_daemon.cli.commands.demo.story import Story, StoryResult, print_queries, print_result
from retrovue_daemon.cli.display.reports import print_summary
from retrovue_daemon.cli.options import JsonOption, QuietOption
from retrovue_daemon.cli.startup import import_lightly

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex, World

_REPLACED = "; the next demo replaces it, unless you pass --keep"

ATTIC = {"movies": 400, "shows": 20, "episodes": 60}
"""The size of the second server of the story."""


def _refuse_nan(seconds: float) -> float:
    """Refuse NaN, which passes every range check because it compares to nothing."""
    if math.isnan(seconds):
        raise typer.BadParameter("nan is not a number of seconds from 0 to 600", param_hint="--latency")
    return seconds


def _check_faults(spec: str | None) -> str | None:
    """Refuse a specification of faults that is not understood."""
    if spec is None:
        return None
    import_lightly()
    from retrovue_daemon.demo.faults import parse_spec  # noqa: PLC0415 -- imports aiohttp

    try:
        parse_spec(spec)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--faults") from None
    return spec


def demo(  # noqa: PLR0917 -- typer passes every option by its name
    database: Annotated[
        Path | None,
        typer.Option("--database", metavar="FILE", help="Create the database here.", show_default="a temporary file"),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep the temporary database; otherwise the next demo replaces it."),
    ] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Skip the pauses and artificial delays.")] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Only run a simulated server: print its URL and token, and serve until Ctrl-C."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="PORT",
            min=0,
            max=65535,
            help="With --serve: the port; 0 selects a free one.",
            show_default="0",
        ),
    ] = None,
    control_port: Annotated[
        int | None,
        typer.Option(
            "--control-port",
            metavar="PORT",
            min=0,
            max=65535,
            help="With --serve: a port for an HTTP API that changes the library; 0 selects a free one.",
            show_default="off",
        ),
    ] = None,
    movies: Annotated[
        int | None,
        typer.Option(
            "--movies", metavar="NUMBER", min=0, help="Sync or serve a generated library with this many films."
        ),
    ] = None,
    shows: Annotated[
        int | None,
        typer.Option(
            "--shows", metavar="NUMBER", min=0, help="Sync or serve a generated library with this many shows."
        ),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option("--episodes", metavar="NUMBER", min=0, help="Episodes per generated show.", show_default="90"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="NUMBER",
            help="Generate other titles and values; the size of the library stays the same.",
            show_default="0",
        ),
    ] = None,
    release: Annotated[
        Literal["2016", "2023", "2026"],
        typer.Option(
            "--release",
            help="Simulate a Plex version of that year; 2016 had no external ids and no change counter.",
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
            help="Delay every response by this time.",
        ),
    ] = 0,
    page_cap: Annotated[
        int | None,
        typer.Option("--page-cap", metavar="ENTRIES", min=1, help="Limit the entries per page.", show_default="none"),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults",
            metavar="SPEC",
            callback=_check_faults,
            help="With --serve: spoil some responses at random, for example 'seed=7,rate=0.1,kinds=status+reset'.",
            show_default="off",
        ),
    ] = None,
    page: Annotated[
        bool | None,
        typer.Option(
            "--page/--no-page",
            help="Go on with a daemon and its page in the browser until Ctrl-C.",
            show_default="on a terminal, after the demo with two servers",
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Demonstrate the daemon on two simulated Plex servers, in less than a minute.

    The demo runs a first sync with progress bars, and a second one after edits, removals and moves. Then the daemon
    runs, and changes arrive by themselves within seconds. The last sync is against a server that suddenly returns an
    empty library. The demo keeps the database and shows queries to try. On a terminal, it then shows the address of
    the daemon's page, and runs until Ctrl-C.

    With --movies or --shows, the demo syncs one generated library instead. With --serve, it only runs a simulated
    server for other programs; with --serve --page, a daemon syncs that server, and its page shows how. In the demo
    with two servers, --release and --page-cap apply to the server 'home'.

    --faults takes settings joined by commas, all optional: `seed` (default 0; the same seed gives the same faults),
    `rate` (the share of responses that are spoiled; default 0.1), `kinds` (kinds joined by "+"; default: all; with a
    leading "-", all except these), `paths` (a pattern such as `/library/*`), and `times` (how many faults at most).
    The kinds are status, html, redirect, truncate, reset, hang, drip, chunk, gzip, double, totals, paging, cut,
    duplicates, keyless, item, identity, sections, bomb, nesting, texts, numbers, encoding and entities.

    Examples:

    - `retrovue-daemon demo`
    - `retrovue-daemon demo --fast --database demo.db`
    - `retrovue-daemon demo --movies 2000 --shows 200 --episodes 90 --database big.db`
    - `retrovue-daemon demo --serve --port 32400`
    - `retrovue-daemon demo --serve --page --shows 1000 --latency 0.1`
    - `retrovue-daemon demo --serve --json --shows 10000 --episodes 100 --latency 0.02`
    - `retrovue-daemon demo --serve --faults rate=0.05,kinds=-hang+drip`
    - `retrovue-daemon demo --serve --faults 'seed=7,kinds=totals+paging+duplicates,paths=/library/sections/*/all'`
    - `retrovue-daemon demo --serve --port 32400 --control-port 32401`, then change something:
      `curl -d '{"library": "1", "title": "The Bat", "year": 1926}' http://127.0.0.1:32401/changes/add_movie`
      (`curl http://127.0.0.1:32401` lists all changes, faults, notifications and quirks with their arguments)
    - `curl -d '{"kind": "deleted", "item_id": 3}' http://127.0.0.1:32401/notify/lie`, which sends a wrong
      notification
    - `curl -d '{"pace": 0.5}' http://127.0.0.1:32401/notifications`, which sets half a second between two
      notifications
    - `curl -d '{"args": [1001, 1002]}' http://127.0.0.1:32401/changes/add_again`, for arguments that have no name
      (the list of changes marks them with `*`)
    """
    import_lightly()
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.demo import RELEASES, Quirks, SimulatedPlex  # noqa: PLC0415 -- imports aiohttp

    _require("only with --serve", serve, port=port, control_port=control_port, faults=faults)
    sized = movies is not None or shows is not None
    _require("only with --movies or --shows", sized, seed=seed, episodes=episodes)
    _require("not with --serve", not serve, database=database, keep=keep or None, fast=fast or None)
    _require("not with --database", database is None, keep=keep or None)
    _require("only with --serve, or without --movies and --shows", serve or not sized, page=page or None)
    _require("not with --json, unless with --serve", serve or not as_json, page=page or None)
    world = _library(movies, shows, 90 if episodes is None else episodes, seed or 0)
    world.release = RELEASES[release]
    plex = SimulatedPlex(world, port=port or 0, quirks=Quirks(latency=latency, page_cap=page_cap))
    if serve:
        if faults is not None:
            plex.faults.disturb(faults)
        with_page = wants_page(page, as_json=as_json, serve=True, sized=sized)
        asyncio.run(
            serve_until_signal(plex, port=port or 0, control_port=control_port, page=with_page, as_json=as_json)
        )
        return
    place = new_database(database, keep=keep)
    if sized:
        results = asyncio.run(_sync(plex, place, quiet=quiet, as_json=as_json))
        print_summary({**results, "database": str(place)}, as_json=as_json)
        if not as_json:
            print_queries(place)
            _print_location(place, "" if database or keep else _REPLACED)
        raise typer.Exit(results["exit_code"])
    attic = SimulatedPlex(_library(**ATTIC, seed=1))
    story = Story(plex, attic, place, fast=fast, bars=not quiet, as_json=as_json)
    until = "" if database or keep else _REPLACED
    with_page = wants_page(page, as_json=as_json, serve=False, sized=False)
    result = asyncio.run(_play(story, place, until, as_json=as_json, page=with_page))
    if as_json:
        print_result(result, place)
    raise typer.Exit(0 if result.went_well else 1)


def _print_location(place: Path, until: str) -> None:
    print(f"\nThe database is {place}{until}.")
    print("Query it with any SQLite client; docs/database.md has more examples.")


async def _play(story: Story, place: Path, until: str, *, as_json: bool, page: bool) -> StoryResult:
    async with story.home, story.attic:
        result = await story.play()
        if not as_json:
            _print_location(place, until)
        if page:
            ended = ended_by_signal()
            async with page_served(story.tables()) as shown:
                print(f"\nThe daemon goes on, and its page is at {shown.url}")
                print(f"To change something there, sign in with the token {shown.token}.")
                print("Ctrl-C ends the demo.", flush=True)
                await ended.wait()
    return result


def _require(rule: str, holds: bool, **options: object) -> None:
    """Refuse options that have no effect because a rule, such as "only with --serve", is broken."""
    for option, value in options.items():
        if value is not None and not holds:
            raise typer.BadParameter(f"works {rule}", param_hint=f"'--{option.replace('_', '-')}'")


def _library(movies: int | None, shows: int | None, episodes: int, seed: int) -> World:
    from retrovue_daemon.demo import built_in_library, generated_library  # noqa: PLC0415 -- imports aiohttp

    if movies is None and shows is None:
        return built_in_library()
    return generated_library(movies=movies or 0, shows=shows or 0, episodes=episodes, seed=seed)


async def _sync(plex: SimulatedPlex, database: Path, *, quiet: bool, as_json: bool) -> dict[str, Any]:
    """Sync one simulated server with the same code as ``retrovue-daemon sync``."""
    from retrovue_daemon.cli.display.progress import with_progress  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.config import parse_config  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.daemon import SyncOptions, sync_once  # noqa: PLC0415 -- imports aiohttp
    from retrovue_daemon.service.report import exit_code, summary  # noqa: PLC0415 -- likewise

    async with plex:
        server = {"name": "demo", "url": plex.url, "token": plex.token}
        settings = parse_config({"database": {"path": str(database)}, "servers": [server]})
        work = partial(sync_once, settings, SyncOptions())
        reports = await with_progress(settings, work, quiet=quiet, as_json=as_json)
    return summary(reports, exit_code(reports))
