"""The same responses as XML, which clients get unless they accept JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get


async def xml(get: Get, path: str) -> ET.Element:
    answer = await get(path, Accept="application/xml")
    assert answer.headers["Content-Type"].startswith("text/xml")
    return ET.fromstring(answer.body)  # noqa: S314  # our own server's


@pytest.mark.parametrize(
    "path",
    [
        "/identity",
        "/",
        "/library/sections",
        "/library/sections/1/all?includeGuids=1&X-Plex-Container-Size=50",
        "/library/sections/3/allLeaves?includeGuids=1",
        "/library/metadata/30/children",
        "/library/metadata/16",
    ],
)
async def test_xml_says_what_json_says(get: Get, path: str) -> None:
    """Attribute for attribute and list for list, all values as text."""

    def as_text(value: object) -> str:
        return str(int(value)) if isinstance(value, bool) else str(value)

    def compare(element: ET.Element, entry: dict[str, object]) -> None:
        plain = {k: as_text(v) for k, v in entry.items() if not isinstance(v, dict | list)}
        assert dict(element.attrib) == plain
        nested = [
            (k, child)
            for k, v in entry.items()
            if isinstance(v, dict | list)
            for child in (v if isinstance(v, list) else [v])
        ]
        assert len(element) == len(nested)
        children = sorted(element, key=lambda child: child.tag if child.tag != "Video" else "Metadata")
        for child, (_, value) in zip(children, sorted(nested, key=lambda pair: pair[0]), strict=True):
            compare(child, value)

    compare(await xml(get, path), (await get(path)).container)


async def test_elements_are_named_for_what_they_are(get: Get) -> None:
    """Films and episodes are `Video`, shows and seasons `Directory` like libraries and pseudo entries."""
    assert {child.tag for child in await xml(get, "/library/sections/1/all")} == {"Video"}
    assert {child.tag for child in await xml(get, "/library/sections/3/all?type=4")} == {"Video"}
    assert {child.tag for child in await xml(get, "/library/sections/3/all?type=2")} == {"Directory"}
    assert {child.tag for child in await xml(get, "/library/metadata/30/children")} == {"Directory"}
    assert {child.tag for child in await xml(get, "/library/sections")} == {"Directory"}


async def test_any_title_survives(get: Get, plex: SimulatedPlex) -> None:
    """Signs of markup, line ends and every script come through; what XML forbids is omitted."""
    title = "Tom & \"Jerry\" <are> 'back'\nin 東京 👻"
    plex.changes.edit(1, title=title + "\x04")
    video = (await xml(get, "/library/metadata/1"))[0]
    assert video.get("title") == title
    assert (await get("/library/metadata/1", Accept="text/xml")).body.isascii()


@pytest.mark.parametrize("sign", [*"&<>\"'\t\n\r", "\x04", "\ufffe", "é", "👻"])
async def test_every_sign_survives_alone(get: Get, plex: SimulatedPlex, sign: str) -> None:
    """But for those that XML cannot hold, which are omitted."""
    plex.changes.edit(1, title=f"a{sign}b")
    kept = "" if sign in "\x04\ufffe" else sign
    assert (await xml(get, "/library/metadata/1"))[0].get("title") == f"a{kept}b"


async def test_meta_is_among_the_entries(get: Get) -> None:
    """With includeMeta=1 there is a child that is no entry."""
    root = await xml(get, "/library/sections/1/all?includeMeta=1&X-Plex-Container-Size=1")
    assert [child.tag for child in root] == ["Meta", "Video"]
