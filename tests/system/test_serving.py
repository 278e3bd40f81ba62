"""`demo --serve` is a simulated server in a process of its own, for other programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable

    from retrovue_daemon.demo import SimulatedPlex
    from tests.support.processes import Commands

    Ask = Callable[..., Awaitable[Any]]


pytestmark = pytest.mark.commands("here")


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Ask for JSON: of the Plex side with the token, of the control side by sending a body."""
    timeout = aiohttp.ClientTimeout(total=30)  # nothing here takes that long unless it is broken
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def ask(url: str, *, token: str = "", method: str = "GET", **body: object) -> Any:
            headers = {"Accept": "application/json", "X-Plex-Token": token}
            async with session.request(method, url, headers=headers, json=body or None) as response:
                assert response.status == 200
                return await response.json()

        yield ask


async def served(process: asyncio.subprocess.Process) -> dict[str, str]:
    assert process.stdout is not None
    addresses: dict[str, str] = json.loads(await process.stdout.readline())
    return addresses


async def test_one_line_says_where_it_is(commands: Commands, ask: Ask) -> None:
    """URL and token and nothing else, once it answers; a signal ends it."""
    process = await commands.start("demo", "--serve", "--json")
    addresses = await served(process)
    assert addresses.keys() == {"url", "token"}
    container = (await ask(f"{addresses['url']}/library/sections", token=addresses["token"]))["MediaContainer"]
    assert container["size"] == 9
    process.terminate()
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_for_people_it_says_so_in_words(commands: Commands) -> None:
    """A line each for the address, the token and the control side."""
    process = await commands.start("demo", "--serve", "--control-port", "0")
    assert process.stdout is not None
    words: list[bytes] = []
    while b"Ctrl-C" not in words:
        words.append((await process.stdout.readline()).partition(b" ")[0])
    assert words == [b"serving", b"token", b"control", b"Ctrl-C"]
    process.terminate()
    assert await process.wait() == 0


async def test_a_daemon_can_be_watched_as_it_syncs_the_server(commands: Commands) -> None:
    """On its page; its token is not that of the server."""
    process = await commands.start("demo", "--serve", "--json", "--page")
    addresses = await served(process)
    assert addresses.keys() == {"url", "token", "page", "page_token"}
    assert addresses["page_token"] != addresses["token"]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{addresses['page']}progress") as stream:
            async for line in stream.content:
                progress = json.loads(line.removeprefix(b"data: ") if line.startswith(b"data: ") else b"{}")
                if progress.get("libraries_total") and progress["libraries_done"] == progress["libraries_total"]:
                    break
        async with session.get(addresses["page"]) as response:
            assert "27 films" in await response.text()
    process.terminate()
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_it_can_be_changed_while_it_serves(commands: Commands, ask: Ask) -> None:
    """The control side has an address of its own, and what is changed there is seen on the Plex side."""
    process = await commands.start("demo", "--serve", "--json", "--control-port", "0")
    addresses = await served(process)
    assert addresses.keys() == {"url", "token", "control"}
    movie = await ask(
        f"{addresses['control']}/changes/add_movie", method="POST", library="1", title="The Bat", year=1926
    )
    url = f"{addresses['url']}/library/metadata/{movie['id']}"
    entry = (await ask(url, token=addresses["token"]))["MediaContainer"]["Metadata"][0]
    assert (entry["title"], entry["guid"]) == ("The Bat", movie["guid"])
    process.terminate()
    assert await process.wait() == 0


async def test_it_sends_notifications(commands: Commands, ask: Ask) -> None:
    """About changes, and whatever the control side is told to send."""
    process = await commands.start("demo", "--serve", "--json", "--control-port", "0")
    addresses = await served(process)
    url = f"{addresses['url']}/:/websockets/notifications?filters=timeline"
    token = {"X-Plex-Token": addresses["token"]}
    async with aiohttp.ClientSession(headers=token) as session, session.ws_connect(url) as socket:
        await ask(f"{addresses['control']}/changes/edit", method="POST", item_id=3, title="Other")
        await ask(f"{addresses['control']}/notify/lie", method="POST", kind="deleted", item_id=4)
        entries = [(await socket.receive_json())["NotificationContainer"]["TimelineEntry"][0] for _ in range(3)]
    assert [(each["itemID"], each["state"]) for each in entries] == [("3", 5), ("3", 5), ("4", 9)]
    process.terminate()
    assert await process.wait() == 0


async def test_it_can_be_of_any_kind(commands: Commands, ask: Ask) -> None:
    """Of any size and seed, of an old release, with small pages and late answers."""
    size = ("--movies", "7", "--shows", "0", "--seed", "5")
    process = await commands.start(
        *("demo", "--serve", "--json", *size, "--control-port", "0"),
        *("--release", "2016", "--page-cap", "3", "--latency", "0.001"),
    )
    addresses = await served(process)
    quirks = (await ask(addresses["control"]))["quirks"]
    assert (quirks["latency"], quirks["page_cap"]) == (0.001, 3)
    identity = (await ask(f"{addresses['url']}/identity"))["MediaContainer"]
    assert identity["version"].startswith("1.3.")
    url = f"{addresses['url']}/library/sections/1/all?includeGuids=1&X-Plex-Container-Size=5"
    page = (await ask(url, token=addresses["token"]))["MediaContainer"]
    assert (page["size"], page["totalSize"]) == (3, 7)
    assert not [entry for entry in page["Metadata"] if "Guid" in entry]
    other = await served(await commands.start("demo", "--serve", "--json", *size[:4]))
    other_identity = (await ask(f"{other['url']}/identity"))["MediaContainer"]
    assert other_identity["machineIdentifier"] != identity["machineIdentifier"]
    assert other_identity["version"].startswith("1.43.")


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (("--port", "0"), "--serve"),
        (("--control-port", "0"), "--serve"),
        (("--serve", "--seed", "5"), "--movies or --shows"),
        (("--serve", "--release", "2017"), "'2016', '2023', '2026'"),
        (("--serve", "--page-cap", "0"), "1"),
        (("--serve", "--latency", "nan"), "600"),
        (("--serve", "--faults", "kinds=rest"), "did you mean 'reset'"),
        (("--faults", "rate=0.2"), "--serve"),
        (("--page", "--json"), "--json"),
        (("--page", "--shows", "3"), "--serve"),
    ],
)
async def test_options_that_mean_nothing_are_refused(
    commands: Commands, options: tuple[str, ...], needed: str
) -> None:
    """With exit code 2 and what would be right."""
    finished = await commands.run("demo", *options)
    assert finished.code == 2
    assert finished.out == ""
    assert options[-2] in finished.err or options[0] in finished.err
    assert needed in finished.err


@pytest.mark.commands("process")
@pytest.mark.parametrize("option", ["--port", "--control-port"])
async def test_a_port_that_is_taken_is_named(commands: Commands, plex: SimulatedPlex, option: str) -> None:
    """One error with what to do, and no line on stdout."""
    port = plex.url.rsplit(":", 1)[1]
    finished = await commands.run("demo", "--serve", "--json", option, port)
    assert finished.code == 1
    assert finished.out == ""
    assert finished.err.startswith(f"error: cannot serve on port {port}: ")
    assert f"hint: {option} 0 selects a free port\n" in finished.err


async def test_it_can_be_faulty_at_random(commands: Commands, ask: Ask) -> None:
    """As its specification says, until the control side ends the faults."""
    spec = ("--faults", "rate=1,kinds=html,paths=/identity")
    process = await commands.start("demo", "--serve", "--json", "--control-port", "0", *spec)
    addresses = await served(process)
    with pytest.raises((aiohttp.ContentTypeError, json.JSONDecodeError, KeyError)):
        _ = (await ask(f"{addresses['url']}/identity"))["MediaContainer"]
    await ask(f"{addresses['control']}/faults/clear", method="POST")
    assert (await ask(f"{addresses['url']}/identity"))["MediaContainer"]["machineIdentifier"]
    process.terminate()
    await process.communicate()
    assert process.returncode == 0
