"""The daemon's speed, compared with a bare script and with python-plexapi: ``python -m benchmarks``.

| module | responsibility |
|---|---|
| `server` | the simulated servers, in a process of their own |
| `simulation` | that process, as the benchmark sees it |
| `floor` | the bare script: the minimum that a program must do |
| `plexapi_script` | the script of a python-plexapi user |
| `process` | running and measuring a whole program |
| `watched` | the daemon's command with a heartbeat on its event loop and counted rows |
| `database` | what a program left in its database |
| `cases` | the libraries, and the programs that run on each |
| `rounds` | running the programs in alternation |
| `live` | the delay from a change on the server to its row |
| `figures` | medians and ratios |
| `budgets` | the promised figures, and whether they hold |
| `report` | the tables |
| `growth` | the plot |
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The directory in which ``python -m benchmarks`` finds this package."""
