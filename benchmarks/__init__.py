"""How fast the daemon is, beside a bare script and beside python-plexapi: ``python -m benchmarks``.

| module | what it knows |
|---|---|
| `server` | the simulated servers, in a process of their own |
| `simulation` | that process, as the benchmark sees it |
| `floor` | the bare script: the least that a program must do |
| `plexapi_script` | the script of a user of python-plexapi |
| `process` | running a whole program and measuring it |
| `watched` | the daemon's command with a heartbeat on its event loop and counted rows |
| `database` | what a program left in its database |
| `cases` | which libraries there are, and which programs run on each |
| `rounds` | running them in alternation |
| `figures` | medians and ratios |
| `budgets` | what is promised, and whether it holds |
| `report` | the tables |
| `growth` | the plot |
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The directory from which ``python -m benchmarks`` finds this package."""
