"""``retrovue-daemon hooks …``: list hooks and try them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.hooks import hook_state
from retrovue_daemon.cli.display.output import print_failure, print_json, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, command_group
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import DatabaseMissing, DatabasePlaceMissing, HookFailed, UnknownName

if TYPE_CHECKING:
    from retrovue_daemon.cli.place import Place
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.publish.hooks.bodies import Body
    from retrovue_daemon.store.tables.hooks import StoredHook

app = command_group(
    "List the hooks of the configuration, and try them.",
    "hooks list",
    "hooks test rescan",
)

_EXAMPLES = 3
"""The newest changes that `hooks test` sends."""


@app.command("list")
def list_hooks(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List the hooks of the configuration: what each gets and calls, what it has delivered, and why it fails.

    Only the running daemon calls hooks; without one, the list shows how far the last one came. An address is shown
    without its path, and a command without its arguments, because they may be secrets.

    Examples:

    - `retrovue-daemon hooks list`
    - `retrovue-daemon hooks list --json | jq -r '.hooks[] | select(.error) | .name'`
    """
    from retrovue_daemon.service.json.hooks import hook_json  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    stored = {hook.name: hook for hook in _stored(place)}
    sections = {section.name: section for section in _sections(place)}
    names = sections or stored
    if as_json:
        print_json({"hooks": [hook_json(name, stored.get(name), sections.get(name)) for name in names]})
        return
    if not names:
        print_line("there are no hooks; docs/hooks.md explains [[hooks]] in the configuration")
        return
    table = Table("hook", "on", "calls", "state", drop_first=("calls",))
    for name in names:
        section = sections.get(name)
        on, target = ("", "") if section is None else (", ".join(section.on), section.target.shown)
        table.add_row(name, on, target, hook_state(stored.get(name)))
    print_table(table)


@app.command("test")
def try_hook(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the hook in the configuration.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent, without calling anything.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a hook once with an example: an object of the type `test`, with the newest changes of the database.

    The request or command is the same as the daemon's, with the signature. Nothing is stored, and changes and events
    that wait for the hook stay as they are. Exit code 1 means that the receiver did not accept the example.

    Examples:

    - `retrovue-daemon hooks test rescan`
    - `retrovue-daemon hooks test rescan --dry-run`
    """
    from retrovue_daemon.config.sections import find_named  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    sections = _sections(place)
    section = find_named(sections, name)
    if section is None:
        raise UnknownName("hook", name, [each.name for each in sections])
    body = _example(section, place)
    if dry_run:
        _show(section, body, as_json=as_json)
        return
    failed = _call(section, body)
    if as_json:
        reason = None if failed is None else {"message": str(failed), "hint": failed.hint}
        print_json({"hook": section.name, "delivered": failed is None, "error": reason})
    elif failed is None:
        print_line(f"hook {section.name!r}: {section.target.shown} accepted an example")
    else:
        print_failure(f"hook {section.name!r}: {section.target.shown}: {failed}", failed.hint)
    if failed is not None:
        raise typer.Exit(1)


def _sections(place: Place) -> tuple[HookSection, ...]:
    return place.config.hooks if place.config is not None else ()


def _stored(place: Place) -> list[StoredHook]:
    """Return how far the hooks have come; nothing before the first start of the daemon."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.hooks import read_hooks  # noqa: PLC0415 -- likewise

    try:
        with visits.reading(place.path) as connection:
            return read_hooks(connection)
    except (DatabaseMissing, DatabasePlaceMissing):
        return []


def _example(section: HookSection, place: Place) -> Body:
    from retrovue_daemon.publish.hooks.bodies import example_body  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.feed.reading import feed_state  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.named_changes import last_position, read_changes  # noqa: PLC0415 -- likewise

    try:
        with visits.reading(place.path) as connection:
            position = max(last_position(connection, _EXAMPLES), feed_state(connection).floor)
            found = read_changes(connection, position)
    except (DatabaseMissing, DatabasePlaceMissing):
        return example_body(section.name, None, [])
    return example_body(section.name, found.state.feed_id, found.changes[-_EXAMPLES:])


def _call(section: HookSection, body: Body) -> HookFailed | None:
    """Call a hook, and return why it failed, or None."""
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.logs.redaction import Redactor  # noqa: PLC0415 -- likewise
    from retrovue_daemon.publish.hooks.delivery import deliver  # noqa: PLC0415 -- imports aiohttp, likewise

    try:
        asyncio.run(deliver(section, body))
    except HookFailed as failed:
        failed.detail = Redactor().text(failed.detail)  # the output of a command may hold anything
        return failed
    return None


def _show(section: HookSection, body: Body, *, as_json: bool) -> None:
    """Print what would be sent."""
    import msgspec  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.publish.hooks.delivery import headers_of  # noqa: PLC0415 -- imports aiohttp, likewise

    headers = headers_of(section, body.encoded())
    if as_json:
        plain = {"hook": section.name, "target": section.target.shown, "headers": headers}
        print_json({**plain, "body": msgspec.to_builtins(body)})
        return
    key, _ = section.target.source
    print_line(f"{'POST' if key == 'url' else 'run'} {section.target.shown}")
    for header, value in headers.items():
        print_line(f"{header}: {value}")
    print_json(body)
