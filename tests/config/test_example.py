"""The example that an operator starts from is complete, true, and loads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import ConfigError, documented_keys, load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
LINES = EXAMPLE.read_text().splitlines()
COMMENTED = re.compile(r"# (\[\[[\w.]+\]\]|\w+ = .*)")
HOOKS = LINES.index("# [[hooks]]")
ENVIRON = {"HOME": "/nowhere"}


def positions() -> list[int]:
    """Where a line of TOML is commented out."""
    return [position for position, line in enumerate(LINES) if COMMENTED.fullmatch(line)]


def placed(directory: Path, lines: list[str]) -> Path:
    path = directory / "config.toml"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


def paths() -> Iterator[tuple[str, str]]:
    """Give every key of the example with its section's path and its value, commented out or not."""
    table = ""
    for line in LINES:
        active = match[1] if (match := COMMENTED.fullmatch(line)) else line
        if header := re.fullmatch(r"\[+([\w.]+)\]+", active):
            table = header[1]
        elif pair := re.fullmatch(r"(\w+) = (.*)", active):
            yield f"{table}.{pair[1]}", pair[2]


def test_it_loads_as_it_is(tmp_path: Path) -> None:
    """As shipped it is valid on a fresh system, and warns that the token is still the placeholder."""
    config = load_config(placed(tmp_path, LINES), ENVIRON)
    assert [server.name for server in config.servers] == ["home"]
    assert [(warning.path, "placeholder" in warning.message) for warning in config.warnings] == [
        ("servers[0].token", True)
    ]


def test_it_holds_every_key_once() -> None:
    """Each key that there is has its line, and there is no other."""
    assert sorted(path for path, _ in paths()) == sorted(key.path for key in documented_keys())


def test_it_states_the_defaults() -> None:
    """What is commented out is the value in force, where there is one."""
    shown = dict(paths())
    exceptions = {"web.listen", "servers.exclude_libraries"}
    for key in documented_keys():
        if key.default is not None and key.path not in exceptions:
            written = str(key.default).lower() if not isinstance(key.default, str) else f'"{key.default}"'
            assert shown[key.path] == written, key.path


@pytest.mark.parametrize("position", positions(), ids=lambda position: LINES[position])
def test_each_line_can_be_activated(position: int, tmp_path: Path) -> None:
    """Taking the comment sign from one line gives a valid file, but for what is not on this system."""
    lines = list(LINES)
    lines[position] = lines[position].removeprefix("# ")
    if "token" in lines[position] and position > LINES.index("[[servers]]"):
        lines = [line for line in lines if not line.startswith('token = "replace-me')]
    if "path_mappings" in lines[position]:
        lines[position + 1] = lines[position + 1].removeprefix("# ")
        lines[position + 2] = lines[position + 2].removeprefix("# ")
    elif position >= HOOKS:
        # A hook needs its name, its occasions and one target.
        target = "# command = " if lines[position].startswith("command") else "# url = "
        lines[HOOKS:] = [
            line.removeprefix("# ") if line.startswith(("# [[hooks]]", "# name = ", "# on = ", target)) else line
            for line in lines[HOOKS:]
        ]
    elif position > LINES.index("# [[servers.path_mappings]]"):
        start = LINES.index("# [[servers.path_mappings]]")
        lines[start : start + 3] = [line.removeprefix("# ") for line in lines[start : start + 3]]
    try:
        load_config(placed(tmp_path, lines), ENVIRON)
    except ConfigError as error:
        (problem,) = error.problems
        assert re.search("no such file|is not set|group of this system", problem.message), problem
