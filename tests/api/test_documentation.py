"""The page about the library API: its examples run and print what it says, and it names all that there is."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import retrovue_daemon
from retrovue_daemon import Database, GUIDParser, PlexImporter, PlexPathMappingService, create_plex_importer, run_sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.demo import SimulatedPlex

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```(?:\n+```text\n(?P<output>.*?)```)?", re.DOTALL)


async def test_the_examples_do_what_they_say(plex: SimulatedPlex, path: Path) -> None:
    """One after the other, each as a program of its own."""
    examples = list(EXAMPLE.finditer(PAGE))
    assert len(examples) >= 7
    for example in examples:
        code = (
            example["code"]
            .replace("http://192.168.1.10:32400", plex.url)
            .replace("the-servers-token", plex.token)
            .replace("/srv/retrovue/retrovue.db", str(path))
        )
        printed: list[str] = []
        names = {"__name__": "example", "print": lambda *words, to=printed: to.append(" ".join(map(str, words)))}
        await asyncio.to_thread(exec, compile(code, "docs/api.md", "exec"), names)
        assert printed == (example["output"] or "").splitlines(), example["code"]


def _documented() -> list[tuple[str, Callable[..., object]]]:
    methods = [
        (name, member)
        for owner in (Database, PlexImporter)
        for name, member in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_")
    ]
    internal = {"stored_server", "stored_libraries", "active_names", "opened_alone"}
    return [
        *((name, member) for name, member in methods if name not in internal),
        ("create_plex_importer", create_plex_importer),
        ("run_sync", run_sync),
        ("Database", Database),
        ("PlexImporter", PlexImporter),
        ("PlexPathMappingService", PlexPathMappingService),
        ("get_local_path", PlexPathMappingService.get_local_path),
        ("parse_guid", GUIDParser.parse_guid),
        ("extract_guids_from_plex_metadata", GUIDParser.extract_guids_from_plex_metadata),
    ]


@pytest.mark.parametrize(("name", "function"), _documented())
def test_every_signature_is_there(name: str, function: Callable[..., object]) -> None:
    """As it is."""
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for key, parameter in signature.parameters.items()
        if key != "self"
    ]
    plain = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    assert f"`{name}{plain}`" in PAGE


def test_every_name_and_every_key_is_there() -> None:
    """Of what is returned, each key of each type."""
    for name in retrovue_daemon.__all__:
        assert f"`{name}`" in PAGE, name
        keys = getattr(getattr(retrovue_daemon, name), "__required_keys__", ())
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")] if keys else [""]
        assert [key for key in keys if f"`{key}`" not in row] == []
