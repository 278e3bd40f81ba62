"""``retrovue-daemon database restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrovue_daemon.cli.commands.database.copying import copying_progress
from retrovue_daemon.cli.display.output import print_json, print_line
from retrovue_daemon.cli.display.prompts import confirm, require_yes
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, DryRunOption, JsonOption, QuietOption, YesOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.units import moment, plural

_NAMES = {
    "plex_servers": ("server", "servers"),
    "libraries": ("library", "libraries"),
    "movies": ("film", "films"),
    "shows": ("show", "shows"),
    "episodes": ("episode", "episodes"),
}
"""What the rows of a table are called."""


def restore_database(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy, which is only read.", readable=False)],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replace the content of the database with that of a copy, whether or not the daemon runs.

    FILE must be a complete database of this release or an earlier one; an older schema is upgraded.
    The content of the database is first saved in a file beside it, named DATABASE.before-restore-TIME, which you can
    restore in turn, or delete. Every program that has the database open then sees the old content or the new one,
    nothing in between. A running daemon stops its passes and continues with the new content at once. If the database
    is damaged, stop the daemon first: the database is then moved away under that name, with its log. A file that is
    no database at all is only moved away if DATABASE.epoch beside it shows that it was the daemon's. Do not replace
    the file yourself while the daemon runs. With `--json`, either `--yes` or `--dry-run` is required.

    Examples:

    - `retrovue-daemon database restore /backup/retrovue-2026-03-14.db --dry-run`
    - `retrovue-daemon database restore /backup/retrovue-2026-03-14.db --yes`
    """
    from retrovue_daemon.store.file import restoring  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file.lock import holder  # noqa: PLC0415 -- likewise

    require_yes(yes=yes, dry_run=dry_run, as_json=as_json)
    place = find_place(config, database)
    copy = restoring.examine(file, place.path)
    facts: dict[str, object] = {
        "file": str(file.absolute()),
        "database": str(place.path),
        "schema_version": copy.version,
        "upgraded": copy.is_older,
        "bytes": copy.bytes,
        "last_sync_at": copy.last_sync_at,
        "rows": copy.rows,
    }
    if not as_json:
        counts = ", ".join(plural(copy.rows[table], one, many) for table, (one, many) in _NAMES.items())
        synced = "never synced" if copy.last_sync_at is None else f"last synced {moment(copy.last_sync_at)}"
        upgraded = ", to be upgraded" if copy.is_older else ""
        print_line(f"{file}: {counts}; {synced}; schema version {copy.version}{upgraded}")
    if dry_run:
        daemon = holder(place.path).serves
        if as_json:
            print_json({**facts, "daemon": daemon, "kept": None, "restored": False})
        else:
            print_line(
                f"would replace the content of {place.path}" + (", beside the running daemon" if daemon else "")
            )
        return
    if not yes:
        confirm(f"Replace the content of {place.path}?")
    settings = place.config.database if place.config else None
    with copying_progress(quiet=quiet, as_json=as_json) as progress:
        done = restoring.restore(
            place.path,
            file,
            mode=settings.mode if settings else None,
            group=settings.group if settings else None,
            progress=progress,
        )
    if as_json:
        kept = None if done.kept is None else str(done.kept)
        print_json({**facts, "daemon": done.beside_daemon, "kept": kept, "restored": True})
        return
    print_line(f"restored {place.path}")
    if done.kept is not None:
        print_line(f"the content before is in {done.kept}")
    if done.beside_daemon:
        print_line("the running daemon continues with the restored content")
