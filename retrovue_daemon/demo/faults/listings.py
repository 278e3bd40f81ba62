"""Kinds of random faults that change what a server says: totals, pages, keys, libraries, who it is.

Each contradicts itself or what was said before, so that a client can detect it. A server that reports the same false
library in every response cannot be told from one whose library has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from retrovue_daemon.demo.faults.disturbance import Container, Disturbance

TOTAL_HEADER = "X-Plex-Container-Total-Size"
MOST_CUT = 15
"""Entries: few enough that a client may take them for deleted ones."""


async def totals(it: Disturbance) -> web.StreamResponse:
    """Report another total: too large, too small, none, negative, a text, or two different ones."""
    container = it.container()
    total = None if container is None else container.get("totalSize")
    if container is None or not isinstance(total, int):  # a total made up from a page could fit what is listed
        return it.response
    wrong: Any = it.chooser.choice(
        (total + 1, total + 1000, total * 2 + 1, max(0, total - 1), -1, "many", None, 2**40, 1.5)
    )
    return _with_total(it, container, wrong, where=it.chooser.choice(("both", "body", "header")))


def _with_total(it: Disturbance, container: Container, total: Any, *, where: str = "both") -> web.Response:
    if where != "header":
        container["totalSize"] = total
        if total is None:
            del container["totalSize"]
    answer = it.with_container(container)
    if where != "body":
        answer.headers.pop(TOTAL_HEADER, None)
        if total is not None:
            answer.headers[TOTAL_HEADER] = str(total)
    return answer


async def cut(it: Disturbance) -> web.StreamResponse:
    """End a listing early, at the same entry each time: with the true total, with one that changes, or with none."""
    container = it.container()
    total = None if container is None else container.get("totalSize")
    if container is None or not isinstance(total, int):
        return it.response
    end = total - it.steady.randint(1, MOST_CUT)
    start = int(container.get("offset", 0))
    container["Metadata"] = container.get("Metadata", [])[: max(0, end - start)]
    container["size"] = len(container["Metadata"])
    match it.steady.choice(("true", "changing", "none")):
        case "changing":
            return _with_total(it, container, total + bool(start))
        case "none":
            return _with_total(it, container, None)
    return it.with_container(container)


async def paging(it: Disturbance) -> web.StreamResponse:
    """Send another page than requested: without its last entry, the first entry twice, reversed, or empty."""
    container = it.container()
    entries = None if container is None else container.get("Metadata")
    if container is None or not entries:
        return it.response
    match it.chooser.choice(("short", "empty", "shifted", "reversed", "offset")):
        case "short":
            container["Metadata"] = entries[:-1]
        case "empty":
            container["Metadata"] = []
        case "shifted":
            container["Metadata"] = [entries[0], *entries[:-1]]
        case "reversed":
            container["Metadata"] = entries[::-1]
        case "offset":
            container["offset"] = it.chooser.choice((-1, 7, 10**9, "first"))
    container["size"] = len(container["Metadata"])
    return it.with_container(container)


async def duplicates(it: Disturbance) -> web.StreamResponse:
    """List entries twice: in addition, or instead of others."""
    container = it.container()
    entries = None if container is None else container.get("Metadata")
    if container is None or not entries:
        return it.response
    again = it.chooser.choices(entries, k=1 + len(entries) // 3)
    if it.chooser.random() < 0.5:  # noqa: PLR2004  # half of them
        container["Metadata"] = entries + again
    else:
        container["Metadata"] = entries[: -len(again)] + again
    return it.with_container(container)


async def keyless(it: Disturbance) -> web.StreamResponse:
    """List an entry without a ratingKey, or with one that is none. Other texts would be keys of other items."""

    def spoil(entry: Container) -> None:
        entry["ratingKey"] = it.chooser.choice((None, "", {}, [], True, "\x00", "1" * 1000))
        if it.chooser.random() < 0.5:  # noqa: PLR2004  # half of them
            del entry["ratingKey"]

    return _with_spoiled_entry(it, spoil)


async def item(it: Disturbance) -> web.StreamResponse:
    """Choose an item of this page: from now on, the server fails at each response that contains it."""
    container = it.container()
    keys = [] if container is None else [entry.get("ratingKey") for entry in container.get("Metadata", [])]
    numbers = [int(key) for key in keys if isinstance(key, str) and key.isdecimal()]
    if numbers:
        it.keep(it.chooser.choice(numbers))
    return it.response


async def identity(it: Disturbance) -> web.StreamResponse:
    """Be another server, or none: another machineIdentifier, an empty one, no such key, a number."""
    container = it.container()
    if container is None:
        return it.response
    container["machineIdentifier"] = it.chooser.choice(("0" * 40, "", None, 7, ["a"], {}, "x" * 100_000))
    if it.chooser.random() < 0.2:  # noqa: PLR2004  # one in five
        del container["machineIdentifier"]
    return it.with_container(container)


async def sections(it: Disturbance) -> web.StreamResponse:
    """List other libraries: none, one too few, one twice, another uuid or type, no key, a number as title."""
    container = it.container()
    directories: list[Any] = [] if container is None else container.get("Directory", [])
    if container is None or not directories:
        return it.response
    chosen = it.chooser.randrange(len(directories))
    match it.chooser.choice(("none", "fewer", "twice", "uuid", "type", "key", "title", "shape")):
        case "none":
            del container["Directory"]
        case "fewer":
            del directories[chosen]
        case "twice":
            directories.append(dict(directories[chosen]))
        case "uuid":
            directories[chosen]["uuid"] = "00000000-0000-0000-0000-000000000000"
        case "type":
            directories[chosen]["type"] = it.chooser.choice(("artist", "photo", "", None, 3))
        case "key":
            directories[chosen]["key"] = it.chooser.choice((None, "", "/", "../1", 1, [], "9" * 50))
        case "title":
            directories[chosen]["title"] = it.chooser.choice((None, 5, [], {}))
        case "shape":
            container["Directory"] = it.chooser.choice(({}, "none", [None], [[]], 3))
    return it.with_container(container)


def _with_spoiled_entry(it: Disturbance, spoil: Callable[[Container], None]) -> web.Response:
    container = it.container()
    entries = None if container is None else container.get("Metadata")
    if container is None or not entries:
        return it.response
    spoil(it.chooser.choice(entries))
    return it.with_container(container)
