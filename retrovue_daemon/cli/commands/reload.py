"""``retrovue-daemon reload``."""

from __future__ import annotations

from retrovue_daemon.cli.commands.check import plain_problem
from retrovue_daemon.cli.display.output import print_json, print_warnings
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, read_config
from retrovue_daemon.errors import ConfigError


def reload(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Check the configuration, then tell the daemon that runs on its database to read it again.

    Where there is a mistake in the file, the daemon is not told (exit code 78). It is found by the lock that it has
    on the database, so `--config` and `--database` have to be those of `run`; `systemctl reload` knows them. What the
    daemon made of the file is in its log (`config.reloaded`): some keys need a restart, and a credential of systemd
    can be checked by nobody but the service.

    Examples:

    - `retrovue-daemon reload`
    - `retrovue-daemon reload --config /etc/retrovue-daemon/config.toml --database /srv/retrovue.db --json`
    """
    try:
        settings = read_config(config, database, trusts_credentials=True)
    except ConfigError as error:
        if as_json:
            print_json({"told": False, "problems": [plain_problem(problem) for problem in error.problems]})
        raise
    from retrovue_daemon.service.client import ask_to_reload  # noqa: PLC0415 -- brings aiosqlite, which --help does not need

    path = settings.database.path
    pid = ask_to_reload(path)
    if as_json:
        warnings = [plain_problem(warning) for warning in settings.warnings]
        print_json({"told": True, "pid": pid, "database": str(path), "warnings": warnings})
        return
    print_warnings(settings.warnings)
    print(f"the configuration is valid; told the daemon (process {pid}) to read it again")
