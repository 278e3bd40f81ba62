"""``retrovue-daemon demo``: the main job on a simulated server, to see it before trusting it with a real one."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.options import JsonOption
from retrovue_daemon.cli.output import new_table, print_failure, print_table
from retrovue_daemon.cli.reports import print_summary
from retrovue_daemon.cli.sync import with_progress
from retrovue_daemon.outcome import exit_code, summary

if TYPE_CHECKING:
    from retrovue_daemon.asking import ServerReport
    from retrovue_daemon.demo import SimulatedPlex, World

QUESTIONS = {
    "What could fill a slot of 60 to 80 minutes?": """\
SELECT title, year, duration / 60000 AS minutes, file_path
FROM preferred_movies
WHERE duration BETWEEN 60 * 60000 AND 80 * 60000
ORDER BY duration LIMIT 6""",
    "Which shows have the most to air, and how long would they run?": """\
SELECT show_title, count(*) AS episodes, min(season_number) AS first_season,
       max(season_number) AS last_season, sum(duration) / 60000 AS minutes
FROM active_episodes GROUP BY show_id ORDER BY episodes DESC LIMIT 6""",
    "Which files hold more than one episode, so that they must air as one?": """\
SELECT file_path, group_concat(episode_number, ' + ') AS episodes, show_title
FROM active_episodes GROUP BY server_id, plex_path HAVING count(*) > 1 LIMIT 6""",
}
"""What a channel builder would ask, as SQL."""


def demo(
    database: Annotated[
        Path | None,
        typer.Option("--database", metavar="FILE", help="Keep the database here.", show_default="a temporary file"),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Only serve: print URL and token, then answer until a signal.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="With --serve: the port; 0 takes a free one.")
    ] = 0,
    movies: Annotated[
        int | None, typer.Option("--movies", min=0, help="Generate this many films instead of the built-in library.")
    ] = None,
    shows: Annotated[int | None, typer.Option("--shows", min=0, help="Generate this many shows.")] = None,
    episodes: Annotated[int, typer.Option("--episodes", min=0, help="Episodes of each generated show.")] = 90,
    as_json: JsonOption = False,
) -> None:
    """Sync a simulated Plex server into a database, over real HTTP, and ask the database three questions.

    Examples:

    - `retrovue-daemon demo`
    - `retrovue-daemon demo --movies 2000 --shows 200 --episodes 90 --database big.db`
    - `retrovue-daemon demo --serve --port 32400`
    """
    world = _world(movies, shows, episodes)
    if serve:
        asyncio.run(_serve(world, port, as_json=as_json))
        return
    if database is None:
        database = Path(tempfile.mkdtemp(prefix="retrovue-demo-")) / "retrovue.db"
    reports = asyncio.run(_sync(world, database.absolute()))
    code = exit_code(reports)
    print_summary(summary(reports, code), as_json=as_json)
    if not as_json:
        for question, query in QUESTIONS.items():
            _ask(database, question, query)
        print(f"\nThe database stays at {database}; `sqlite3 {database} .schema` shows its tables and views.")
    raise typer.Exit(code)


def _world(movies: int | None, shows: int | None, episodes: int) -> World:
    from retrovue_daemon.demo import built_in_library, generated_library  # noqa: PLC0415 -- brings aiohttp

    if movies is None and shows is None:
        return built_in_library()
    return generated_library(movies=movies or 0, shows=shows or 0, episodes=episodes)


async def _serve(world: World, port: int, *, as_json: bool) -> None:
    """Answer as a Plex server would until SIGTERM or SIGINT."""
    from retrovue_daemon.demo import SimulatedPlex  # noqa: PLC0415 -- brings aiohttp

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with SimulatedPlex(world, port=port) as plex:
            _print_address(plex, as_json=as_json)
            await ended.wait()
    except OSError as error:
        print_failure(f"cannot serve on port {port}: {error.strerror}", "--port 0 takes a free one")
        raise typer.Exit(1) from None


def _print_address(plex: SimulatedPlex, *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 -- only some commands need it

    if as_json:
        print(msgspec.json.encode({"url": plex.url, "token": plex.token}).decode(), flush=True)
    else:
        print(f"serving {plex.url}\ntoken   {plex.token}\nCtrl-C ends it", flush=True)


async def _sync(world: World, database: Path) -> list[ServerReport]:
    """Sync the simulated server with the ordinary code, as ``retrovue-daemon sync`` would."""
    from retrovue_daemon.config import parse_config  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.daemon import SyncOptions, sync_once  # noqa: PLC0415 -- brings aiohttp
    from retrovue_daemon.demo import SimulatedPlex  # noqa: PLC0415 -- likewise

    async with SimulatedPlex(world) as plex:
        server = {
            "name": "demo",
            "url": plex.url,
            "token": plex.token,
            "path_mappings": [{"plex_path": "/srv/media", "local_path": "/mnt/nas"}],
        }
        settings = parse_config({"database": {"path": str(database)}, "servers": [server]})
        return await with_progress(settings, partial(sync_once, settings, SyncOptions()))


def _ask(database: Path, question: str, query: str) -> None:
    """Print a question, its SQL and the answer."""
    with closing(sqlite3.connect(database)) as connection:
        cursor = connection.execute(query)
        answer = new_table(*(column for column, *_ in cursor.description))
        for row in cursor:
            answer.add_row(*("" if value is None else str(value) for value in row))
    print(f"\n{question}\n\n  " + query.replace("\n", "\n  ") + "\n")
    print_table(answer)
