"""``retrovue-daemon hooks …``: list hooks and try them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.output import print_failure, print_json, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, command_group
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import (
    DatabaseMissing,
    DatabasePlaceMissing,
    HookFailed,
    Interrupted,
    StoreError,
    UnknownName,
)
from retrovue_daemon.service.words.hooks import hook_state

if TYPE_CHECKING:
    from retrovue_daemon.cli.place import Place
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.logs.redaction import Redactor
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
    troubles = {name: _trouble(section, stored.get(name)) for name, section in sections.items()}
    if as_json:
        plain = [hook_json(name, stored.get(name), sections.get(name), trouble=troubles.get(name)) for name in names]
        print_json({"hooks": plain})
        return
    if not names:
        print_line("there are no hooks; docs/hooks.md explains [[hooks]] in the configuration")
        return
    table = Table("hook", "on", "calls", "state", drop_first=("calls",))
    for name in names:
        section = sections.get(name)
        on, target = ("", "") if section is None else (", ".join(section.on), section.target.shown)
        table.add_row(name, on, target, hook_state(stored.get(name), troubles.get(name)))
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
    try:
        failed = _call(section, body, place)
    except Interrupted as interrupted:
        print_failure(f"interrupted by {interrupted.name}", "the hook may have got the example, or a part of it")
        raise typer.Exit(interrupted.exit_code) from None
    if as_json:
        reason = None if failed is None else {"message": str(failed), "hint": failed.hint}
        print_json({"hook": section.name, "delivered": failed is None, "error": reason})
    elif failed is None:
        print_line(f"hook {section.name!r}: {section.target.shown} accepted an example")
    else:
        print_failure(f"hook {section.name!r}: {section.target.shown}: {failed}", failed.hint)
    if failed is not None:
        raise typer.Exit(1)


def _trouble(section: HookSection, stored: StoredHook | None) -> str | None:
    """Return why a hook cannot be called now, if the daemon has not found out yet."""
    from retrovue_daemon.config.hooks import trouble_with  # noqa: PLC0415 -- not for --help

    return None if stored is not None and stored.last_error is not None else trouble_with(section)


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


def _call(section: HookSection, body: Body, place: Place) -> HookFailed | None:
    """Call a hook, and return why it failed, or None. Raise Interrupted on a stop signal, once it is over."""
    import asyncio  # noqa: PLC0415 -- not for --help

    try:
        asyncio.run(deliver_until_stopped(section, body))
    except HookFailed as failed:
        failed.detail = _redactor(place).text(failed.detail)  # the output of a command may hold anything
        return failed
    return None


async def deliver_until_stopped(section: HookSection, body: Body) -> None:
    """Deliver a body. If SIGTERM or SIGINT arrives, end the hook's command with all that it started, and raise."""
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.publish.hooks.delivery import deliver  # noqa: PLC0415 -- imports aiohttp, likewise
    from retrovue_daemon.service.signals import Signals  # noqa: PLC0415 -- likewise

    with Signals() as signals:
        delivery = asyncio.create_task(deliver(section, body))
        signals.stop.add_done_callback(lambda _: delivery.cancel())
        try:
            await delivery
        except asyncio.CancelledError:
            if not signals.stop.done():
                raise
            raise Interrupted(signals.stop.result()) from None


def _redactor(place: Place) -> Redactor:
    """Return a redactor that knows every secret of the configuration and of the database."""
    from retrovue_daemon.logs.redaction import Redactor  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    redactor = Redactor()
    for secret in place.config.secrets() if place.config is not None else ():
        redactor.learn(secret)
    with suppress(StoreError), visits.reading(place.path) as connection:
        for server in read_servers(connection):
            if server.token is not None:
                redactor.learn(server.token.reveal())
    return redactor


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
