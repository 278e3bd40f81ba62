"""``Containerfile``, ``compose.yaml`` and their page fit the project and each other; nothing is built here."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from retrovue_daemon.cli.app import COMMANDS, GROUPS
from retrovue_daemon.config import SYSTEM_CONFIG, default_database
from retrovue_daemon.config.files import SYSTEM_STATE

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads(CHECKOUT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
PAGE = CHECKOUT.joinpath("docs/containers.md").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(CHECKOUT.joinpath("compose.yaml").read_text("utf-8"))

Instruction = tuple[str, str]


def read_stages() -> list[list[Instruction]]:
    """Return the instructions of each stage; what comes before the first FROM belongs to it."""
    text = CHECKOUT.joinpath("Containerfile").read_text("utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    stages: list[list[Instruction]] = [[]]
    for line in filter(None, map(str.strip, lines.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM" and any(had == "FROM" for had, _ in stages[-1]):
            stages.append([])
        stages[-1].append((name, rest.strip()))
    return stages


BUILD, FINAL = read_stages()


def only(stage: list[Instruction], name: str) -> str:
    (found,) = [rest for had, rest in stage if had == name]
    return found


ARGUMENTS = dict(rest.split("=", 1) for had, rest in BUILD if had == "ARG")


def test_the_image_can_have_the_optional_dependencies() -> None:
    """By an argument, which is empty unless it is given."""
    assert ARGUMENTS["EXTRAS"] == ""
    assert only(BUILD, "RUN").endswith('".${EXTRAS}"')
    (extra,) = re.findall(r"EXTRAS=\[(\w+)\]", CHECKOUT.joinpath("Containerfile").read_text("utf-8"))
    assert extra in PROJECT["optional-dependencies"]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    (found,) = COMPOSE["services"].values()
    return found


def test_the_base_is_a_python_that_the_project_supports() -> None:
    """Both stages have the same base: the environment of the one runs on the Python of the other."""
    version = re.search(r"python:(\d\.\d+)", ARGUMENTS["BASE"])
    assert version is not None
    assert f"Programming Language :: Python :: {version[1]}" in PROJECT["classifiers"]
    assert {only(stage, "FROM").split()[0] for stage in (BUILD, FINAL)} == {"${BASE}"}


def test_what_is_copied_is_all_that_a_wheel_needs() -> None:
    """And there."""
    copied = {word for name, rest in BUILD if name == "COPY" for word in rest.split()[:-1]}
    assert copied == {"pyproject.toml", PROJECT["readme"], "retrovue_daemon"}
    assert all(CHECKOUT.joinpath(name).exists() for name in copied)


def test_the_final_image_holds_the_environment_alone() -> None:
    """Neither sources nor pip: its path is the one that the first stage filled."""
    source, target = only(FINAL, "COPY").removeprefix("--from=build ").split()
    assert source == target
    assert f"venv --without-pip {source} " in only(BUILD, "RUN")
    assert f"PATH={source}/bin:$PATH" in only(FINAL, "ENV")


def test_it_runs_the_command_of_the_project() -> None:
    """`run` unless another is given; the health check is a command, too."""
    (script,) = PROJECT["scripts"]
    assert json.loads(only(FINAL, "ENTRYPOINT")) == [script]
    assert json.loads(only(FINAL, "CMD")) == ["run"]
    program, command = json.loads(only(FINAL, "HEALTHCHECK").partition(" CMD ")[2])
    assert program == script
    assert {"run", command} <= set(COMMANDS)


def test_the_user_has_no_privileges_and_owns_the_volume() -> None:
    """It is a number, so that a platform can verify that it is not root's."""
    user = only(FINAL, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    owner, group = user.split(":")
    assert only(FINAL, "VOLUME") == str(SYSTEM_STATE)
    assert f"install -d -o {owner} -g {group} -m 0750 {SYSTEM_STATE}" in only(FINAL, "RUN")
    assert [name for name, _ in FINAL].index("RUN") < [name for name, _ in FINAL].index("USER")


def test_every_command_finds_the_files() -> None:
    """The configuration's directory is there to be mounted, and the database is in the volume."""
    variables = dict(word.split("=", 1) for word in shlex.split(only(FINAL, "ENV")))
    assert default_database(variables).path.parent == SYSTEM_STATE
    assert f"install -d -m 0755 {SYSTEM_CONFIG.parent}" in only(FINAL, "RUN")


def test_compose_mounts_what_the_image_expects(service) -> None:
    """The configuration read-only, the database in a volume that the file declares."""
    config, database = (volume.split(":") for volume in service["volumes"])
    assert config[1:] == [str(SYSTEM_CONFIG.parent), "ro"]
    assert database[1:] == [str(SYSTEM_STATE)]
    assert list(COMPOSE["volumes"]) == [database[0]]
    assert service["build"] == {"context": ".", "dockerfile": "Containerfile"}


def test_compose_has_the_user_and_the_health_check_of_the_image(service) -> None:
    """The check is repeated for images in a format that has none."""
    assert service["user"] == only(FINAL, "USER")
    options, _, command = only(FINAL, "HEALTHCHECK").partition(" CMD ")
    check = service["healthcheck"]
    assert check.pop("test") == ["CMD", *json.loads(command)]
    assert {f"--{name.replace('_', '-')}={value}" for name, value in check.items()} == set(options.split())


def test_compose_takes_away_what_the_daemon_does_not_need(service) -> None:
    """As the systemd unit does; and it has longer to end than the unit's daemon."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 -- in the container
    assert service["stop_grace_period"] == "90s"


def test_the_page_names_commands_that_exist() -> None:
    """In its examples, and the paths and user in its table."""
    examples = "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", " ")
    named = set(re.findall(r"(?:exec retrovue-daemon|--rm) retrovue-daemon (\w+)", examples))
    assert len(named) > 5
    assert named <= {*COMMANDS, *GROUPS}
    for text in (str(SYSTEM_CONFIG), str(SYSTEM_STATE), f"`{only(FINAL, 'USER')}`", "retrovue-daemon health"):
        assert text in PAGE
    assert f"`{ARGUMENTS['BASE'].rpartition('/')[2]}`" in PAGE
