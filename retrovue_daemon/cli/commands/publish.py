"""``retrovue-daemon publish …``: publishing to PostgreSQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.output import print_json, print_line
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, command_group
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import DatabaseMissing, DatabasePlaceMissing
from retrovue_daemon.errors.publish import PublishRefused
from retrovue_daemon.service.words.publishing import publish_lines

if TYPE_CHECKING:
    from retrovue_daemon.cli.place import Place
    from retrovue_daemon.publish.postgresql.target import Target

app = command_group(
    "Show and check how the mirror is published to PostgreSQL, and copy all of it again.",
    "publish check",
    "publish status",
)


@app.command("status")
def show_status(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show how far PostgreSQL is behind the mirror, and why publishing fails.

    Only the running daemon publishes; without one, the last state is shown. PostgreSQL is not contacted.

    Examples:

    - `retrovue-daemon publish status`
    - `retrovue-daemon publish status --json | jq .postgresql.seconds_behind`
    """
    from retrovue_daemon.service.json.publishing import publishing_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.publishing import publish_state  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        state = publish_state(connection, time.time())
    if as_json:
        print_json({"postgresql": publishing_json(state)})
        return
    for line in publish_lines(state) or [_nothing(place)]:
        print_line(line)


@app.command("check")
def check_target(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Connect to PostgreSQL, and check its version, the rights of the role, and the schema. Nothing is written.

    Exit code 78 means that something must be changed first, 1 that PostgreSQL cannot be reached.

    Examples:

    - `retrovue-daemon publish check`
    - `sudo -u retrovue retrovue-daemon publish check --json`
    """
    from retrovue_daemon.publish.postgresql.examination import examine  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    own_id = _own_id(place)
    target = _target(place, own_id)
    if target.url.missing is not None:
        raise PublishRefused(f"url_file {target.url.missing}", hint="put the file back, or set [postgresql] url")
    found = examine(target, own_id)
    if as_json:
        print_json({"schema": target.schema, "origin": target.origin or None, **found._asdict()})
        return
    encrypted = "encrypted" if found.is_encrypted else "not encrypted, or over a Unix socket"
    print_line(f"PostgreSQL {found.version}, database {found.database!r}, role {found.role!r}, {encrypted}")
    made = f"version {found.schema_version}" if found.schema_version else "will be made"
    print_line(f"schema {target.schema!r}: {made}")
    whose = {None: "no rows yet", "this": "rows of this mirror", "another": "rows of another mirror"}[found.published]
    print_line(f"origin {target.origin or 'of this mirror'!r}: {whose}")
    if found.published == "another":
        raise PublishRefused(
            f"the rows under the origin {target.origin!r} come from another mirror",
            hint="set another [postgresql] origin, or replace them: `retrovue-daemon publish resync --take-over`",
        )


@app.command("resync")
def copy_again(
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Replace the rows under this origin even if they are another mirror's."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be requested, and change nothing.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the daemon copy all rows to PostgreSQL again, for example after rows there were changed by hand.

    A running daemon begins at once, or within a minute if publishing is failing. Without one, the daemon does it
    after its next start. Readers see the old rows until all new ones are there. Published tables whose columns or
    primary keys were changed are dropped and made again. You need not run this command after `database restore`, or
    if the schema or one of its tables was dropped: then the daemon copies all rows by itself.

    Examples:

    - `retrovue-daemon publish resync`
    - `retrovue-daemon publish resync --take-over --dry-run`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.publishing import request_resync  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    target = _target(place, _own_id(place))
    if not dry_run:
        with visits.changing(place.path) as connection:
            request_resync(connection, take_over=take_over)
    if as_json:
        plain = {"schema": target.schema, "origin": target.origin or None, "take_over": take_over}
        print_json({"requested": not dry_run, **plain})
        return
    would = (
        "would be replaced" if dry_run else "are replaced by the daemon; `retrovue-daemon publish status` shows when"
    )
    whose = ", also those of another mirror," if take_over else ""
    print_line(f"all rows under the origin {target.origin or 'of this mirror'!r} in {target.schema!r}{whose} {would}")


def _own_id(place: Place) -> str | None:
    """Return this mirror's id, None before a daemon has published it for the first time."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.publishing import read_mirror_id  # noqa: PLC0415 -- likewise

    try:
        with visits.reading(place.path) as connection:
            return read_mirror_id(connection)
    except (DatabaseMissing, DatabasePlaceMissing):
        return None


def _target(place: Place, own_id: str | None) -> Target:
    from retrovue_daemon.publish.postgresql.target import Target  # noqa: PLC0415 -- not for --help

    section = place.config.postgresql if place.config is not None else None
    if section is None or section.url is None:
        raise PublishRefused("no database is configured", hint="set [postgresql] url; see docs/postgresql.md")
    return Target(section.url, section.schema, section.origin or own_id or "")


def _nothing(place: Place) -> str:
    if place.config is None or place.config.postgresql.url is None:
        return "nothing is published; docs/postgresql.md explains [postgresql] in the configuration"
    return "nothing was published yet: a daemon does it while it runs"
