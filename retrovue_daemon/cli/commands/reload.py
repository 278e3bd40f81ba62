"""``retrovue-daemon reload``."""

from __future__ import annotations

from typing import Annotated

import typer

from retrovue_daemon.cli.commands.check import plain_problem
from retrovue_daemon.cli.display.output import print_json, print_line, print_warnings
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption
from retrovue_daemon.cli.place import announce
from retrovue_daemon.errors import ConfigError, ConfigProblem, ReloadRefused
from retrovue_daemon.service.words.reloads import reload_changes


def reload(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long to wait for the result.")
    ] = 120,
    as_json: JsonOption = False,
) -> None:
    """Have the running daemon reload its configuration, and print the result.

    The file is checked first: if it is invalid, the daemon is not signaled. Then the daemon applies the whole
    file, or refuses it and keeps its old configuration, for example if a changed key needs a restart, or if it cannot
    read a systemd credential, which this command cannot check. The daemon is found by its lock on the database, so
    `--config` and `--database` must be those of `run`. `status` shows the last reload, no matter whether this
    command, SIGHUP or systemd requested it.

    The exit code is 0 if the daemon applied the file, or found nothing changed; 78 if the file was refused; 1 if no
    daemon runs, it cannot be signaled, it did not report the result in time, or it failed for a reason other than the
    file; 75 if it stopped before it reported the result, or if another command has locked the database.

    Examples:

    - `retrovue-daemon reload`
    - `retrovue-daemon reload --config /etc/retrovue-daemon/config.toml --database /srv/retrovue.db --json`
    """
    from retrovue_daemon.config import read_config  # noqa: PLC0415 -- not for --help

    try:
        settings = read_config(config, database, trusts_credentials=True)
    except ConfigError as error:
        if as_json:
            plain = [plain_problem(problem) for problem in error.problems]
            print_json({"told": False, "outcome": "refused", "problems": plain})
        raise
    import msgspec  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.service.json.reload import reload_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.reload_request import request_reload  # noqa: PLC0415 -- imports asyncio, which --help does not need

    path = settings.database.path
    announce(settings)
    print_warnings(() if as_json else settings.warnings)
    pid, done = request_reload(path, timeout)
    if as_json:
        warnings = [plain_problem(warning) for warning in settings.warnings]
        verdict = msgspec.structs.asdict(reload_json(done))
        print_json({"told": True, "pid": pid, "database": str(path), "warnings": warnings, **verdict})
    if done.outcome == "refused":
        problems = [ConfigProblem(problem.path, problem.message) for problem in done.problems]
        raise ReloadRefused(pid, problems, exit_code=done.exit_code or 1, hint=done.hint)
    if not as_json:
        what = f"applied the new configuration: {reload_changes(done)}"
        print_line(f"the daemon (pid {pid}) " + (what if done.outcome == "applied" else "found nothing changed"))
