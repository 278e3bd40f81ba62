"""Running the programs of a case in alternation."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import database
from benchmarks.cases import TITLES
from benchmarks.process import measure
from benchmarks.simulation import Simulation

if TYPE_CHECKING:
    from benchmarks.cases import Case, Program
    from benchmarks.process import Measured

Say = Callable[[str], None]

SYNC = ["sync", "--config"]
ARGUMENTS: dict[Program, list[str]] = {
    "first": [],
    "unchanged": ["--full"],
    "quick": [],
    "changed": ["--full"],
    "rewritten": ["--full"],
    "rich": [],
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a case: the runs of each program by round, and the observations of the watched ones."""

    case: Case
    listed: dict[str, int]
    runs: dict[Program, list[Measured]] = field(default_factory=dict)
    watched: dict[Program, dict[str, Any]] = field(default_factory=dict)


def run_case(case: Case, rounds: int, say: Say) -> Outcome:
    """Run a case for a number of rounds. Raise ProgramFailed or OtherRows."""
    shows = case.episodes // case.a_show
    with (
        tempfile.TemporaryDirectory(prefix="retrovue-bench-") as directory,
        Simulation(
            servers=case.servers, libraries=case.libraries, shows=shows, episodes=case.a_show, season=case.season
        ) as simulation,
    ):
        place = _Place(case, simulation, Path(directory))
        outcome = Outcome(case, simulation.counts, {program: [] for program in case.programs})
        # The simulated servers are slightly slower on the first requests.
        place.run("fetch")
        simulation.set(latency=case.latency, bandwidth=case.bandwidth, always_xml=case.xml)
        for number in range(rounds):
            for group in case.groups if number % 2 == 0 else reversed(case.groups):
                for program in group:
                    measured = place.run(program)
                    outcome.runs[program].append(measured)
                    say(f"{case.title}, round {number + 1}/{rounds}: {TITLES[program]} {measured.wall_s:.2f} s")
            if "floor" in case.programs:
                database.compare(place.floor, place.mirror, simulation.counts, details=case.details)
            place.clear()
        if case.watched:
            for program in [program for program in case.programs if program in ARGUMENTS]:
                outcome.watched[program] = place.watch(program)
            if case.details:
                outcome.watched["rich"]["index"] = database.measure_index(place.mirror)
            say(f"{case.title}: watched")
    return outcome


class _Place:
    """A directory with the databases of one case, and the programs that fill them."""

    def __init__(self, case: Case, simulation: Simulation, directory: Path) -> None:
        self.floor = directory / "floor.db"
        self.mirror = directory / "mirror.db"
        self._plexapi = directory / "plexapi.db"
        self._empty = directory / "empty.db"
        self._config = directory / "config.toml"
        self._report = directory / "watched.json"
        self._simulation = simulation
        self._details = case.details
        options = {"--compressed": case.compressed, "--details": case.details}
        self._floor = ["-m", "benchmarks.floor", *(option for option, is_set in options.items() if is_set)]
        self._addresses = [word for address in simulation.addresses for word in address]
        database.create(self._empty)
        self._config.touch(mode=0o600)
        self._config.write_text(self._settings(case), encoding="utf-8")

    def run(self, program: Program) -> Measured:
        """Run a program; later passes of the daemon reuse the database of its first sync."""
        match program:
            case "fetch" | "decode":
                command = [*self._floor, "--step", program, "no database", *self._addresses]
            case "floor":
                shutil.copy(self._empty, self.floor)
                command = [*self._floor, str(self.floor), *self._addresses]
            case "plexapi":
                command = ["-m", "benchmarks.plexapi_script", str(self._plexapi), *self._addresses]
            case _:
                command = ["-m", "retrovue_daemon", *self._sync(program)]
        return measure([sys.executable, *command], self._simulation)

    def watch(self, program: Program) -> dict[str, Any]:
        """Run the daemon's command under observation."""
        command = ["-m", "benchmarks.watched", str(self._report), *self._sync(program)]
        measure([sys.executable, *command], self._simulation)
        found: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        return found

    def clear(self) -> None:
        """Remove the databases."""
        for path in (self.floor, self.mirror, self._plexapi):
            path.unlink(missing_ok=True)

    def _sync(self, program: Program) -> list[str]:
        """Make everything ready for a sync, and return its arguments."""
        self._make_ready(program)
        # Only with details, a sync waits for what is read and built behind its listings.
        options = [] if self._details and program != "first" else ["--no-details"]
        return [*SYNC, str(self._config), *ARGUMENTS[program], *options]

    def _make_ready(self, program: Program) -> None:
        if program == "rich":
            self.mirror.unlink(missing_ok=True)
        elif program == "changed":
            self._simulation.change()
        elif program == "rewritten":
            database.forget_digests(self.mirror)

    def _settings(self, case: Case) -> str:
        tables = [f"[database]\npath = {json.dumps(str(self.mirror))}\n"]
        options = f"compression = {str(case.compressed).lower()}\ndetails = {str(case.details).lower()}"
        for number, (url, token) in enumerate(self._simulation.addresses, start=1):
            tables.append(f'[[servers]]\nname = "server{number}"\nurl = "{url}"\ntoken = "{token}"\n{options}\n')
        return "\n".join(tables)
