"""``retrovue-daemon health``: whether anything is wrong, for timers, monitoring and containers."""

from __future__ import annotations

import typer

from retrovue_daemon.cli.display.findings import finding_lines
from retrovue_daemon.cli.display.output import print_json, print_line
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import StoreError
from retrovue_daemon.units import plural


def health(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Check that a daemon is running and that nothing is wrong: exit code 0 if so, otherwise 1.

    Each of these is a problem: no daemon is running, the database cannot be used, the disk is full, the last reload
    was refused, a server cannot be used, an entry of `libraries` in the configuration selects nothing, the last pass
    over a library failed, or removals are held back. Each problem is printed with a hint. If the configuration is
    invalid, so that the database is not known, the exit code is 78. The command only reads the database; it contacts
    no server. Run it as root or as the daemon's user: others may not see whether a daemon is running
    (`daemon_running` in the JSON is null then).

    Examples:

    - `retrovue-daemon health`
    - `retrovue-daemon health --json | jq -r '.problems[].message'`
    - `HEALTHCHECK --start-period=60s CMD ["retrovue-daemon", "health"]` in a container file
    """
    from retrovue_daemon.service.json.problems import finding_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.status import Finding, read_condition  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.problems import Problem  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    try:
        latest = read_condition(place.path)
    except StoreError as error:
        findings, summary, running = [Finding(Problem.of(error))], "", None
    else:
        findings, running = latest.findings, latest.daemon_runs
        active = sum(server.is_active for server in latest.servers)
        libraries = sum(library.is_synced for library in latest.libraries)
        summary = f"ok: {plural(active, 'server')}, {plural(libraries, 'library', 'libraries')}"
        if running is None:
            summary += "; this user cannot see whether a daemon is running"
    if as_json:
        problems = [finding_json(finding) for finding in findings]
        print_json({"healthy": not findings, "daemon_running": running, "problems": problems})
    else:
        for line in finding_lines(findings) or [summary]:
            print_line(line)
    raise typer.Exit(1 if findings else 0)
