"""Checks of several keys: keys that require or exclude each other, and duplicate entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from retrovue_daemon.config.addresses import is_loopback, same_server
from retrovue_daemon.config.identity import mapping_form, name_form
from retrovue_daemon.config.sections import TOKEN_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from retrovue_daemon.config.reading import Fields, Reading
    from retrovue_daemon.records import PathMapping

T = TypeVar("T")

_GROUP_BITS: Final = 0o070


def check_database(fields: Fields, reading: Reading) -> None:
    """Warn about a group to which the mode gives no permissions."""
    if "group" in fields and not fields.get("mode", 0) & _GROUP_BITS:
        reading.warning("database.group", 'has no effect: mode gives the group no permissions; set mode = "0640"')


def check_web(fields: Fields, raw: object, reading: Reading) -> None:
    """Require a token if other systems can reach the page; an unreadable token is already reported."""
    listen = fields.get("listen")
    has_token = isinstance(raw, dict) and any(name in raw for name in TOKEN_KEYS)
    if listen and not is_loopback(listen[0]) and not has_token:
        reading.problem(
            "web.token_file", "is missing; a listen address that other systems can reach requires a token"
        )


def check_server(fields: Fields, at: str, reading: Reading) -> None:
    """Look for options of one server that contradict each other, and mappings that repeat each other."""
    if fields.get("verify_tls") is False and "ca_file" in fields:
        reading.problem(f"{at}.ca_file", "contradicts verify_tls = false; remove one of the two")
    elif str(fields.get("url", "")).startswith("http://"):
        for name in ("ca_file", "tls_server_name"):
            if name in fields:
                reading.warning(f"{at}.{name}", "has no effect, because url is http://")
    both = set(fields.get("libraries") or ()) & set(fields.get("exclude_libraries", ()))
    for title in sorted(both):
        reading.problem(f"{at}.exclude_libraries", f'holds "{title}", which libraries holds too')
    mappings: tuple[PathMapping, ...] = fields.get("path_mappings", ())
    _repeated(
        mappings,
        mapping_form,
        lambda position, first: reading.problem(
            f"{at}.path_mappings[{position}].plex_path",
            f"is mapped by {at}.path_mappings[{first}] already, for the same library",
        ),
    )


def check_servers(servers: Iterable[Fields], reading: Reading) -> None:
    """Look for two servers of one name or one address."""
    listed = tuple(servers)
    _repeated(
        listed,
        lambda fields: name_form(fields["name"]) if "name" in fields else None,
        lambda position, first: reading.problem(
            f"servers[{position}].name",
            f'is taken by servers[{first}]: "{listed[first]["name"]}" (letter case is ignored)',
        ),
    )
    _repeated(
        listed,
        lambda fields: same_server(fields["url"]) if "url" in fields else None,
        lambda position, first: reading.problem(
            f"servers[{position}].url", f"is also the address of servers[{first}]; a server needs only one entry"
        ),
    )


def _repeated(entries: Iterable[T], identity: Callable[[T], object], report: Callable[[int, int], None]) -> None:
    """Report each entry whose identity an earlier one has, by both positions; None is no identity."""
    first_with: dict[object, int] = {}
    for position, entry in enumerate(entries):
        found = identity(entry)
        if found is not None and (first := first_with.setdefault(found, position)) != position:
            report(position, first)
