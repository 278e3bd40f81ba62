"""Addresses of PostgreSQL: URLs and ``key=value`` settings, read as libpq reads them, and refused if ambiguous.

libpq splits an address at the first ``@``, ``/``, ``?`` and so on. Of a password that contains one of these and is
not encoded, it would take a part for the host, look that up by DNS, and quote it in errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES: Final = ("postgresql://", "postgres://")

_IN_A_URL: Final = (
    "in the password of a URL, write % as %25, @ as %40, : as %3A, / as %2F, # as %23 and ? as %3F, or keep the"
    " password in .pgpass"
)
_IN_SETTINGS: Final = (
    "put a value with spaces or quotes between single quotes, with a backslash before each ' and \\ in it, or keep"
    " the password in .pgpass"
)

_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
# With *, because `config dump` masks the whole address.
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[\w.~%*-]*)(?::(?P<port>\d*))?")
_PARAMETER: Final = re.compile(r"(?P<name>[a-z_]+)=(?P<value>[^=]*)")
_NAME: Final = re.compile(r"\s*(?P<name>[^\s='\\]+)\s*=\s*")
_QUOTED: Final = re.compile(r"'(?P<value>(?:[^'\\]|\\.)*)'(?=\s|$)")
_PLAIN: Final = re.compile(r"(?P<value>(?:[^\s'\\]|\\.)*)(?=\s|$)")
_ESCAPED: Final = re.compile(r"\\(.)")
_IN_USER: Final = re.compile(r"://[^@]*?:([^@]*)@|[?&][a-z_]*(?:password|secret)=([^&]*)")
_IN_SETTING: Final = re.compile(r"(?:password|secret)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)+))")
_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret")
_LAST_PORT: Final = 65535


class UnclearAddress(ValueError):
    """An address that can be read in more than one way, or not at all; the text shows nothing of it.

    ``hint`` says how to write it.
    """

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.hint = hint


def settings_of(address: str) -> dict[str, str]:
    """Return the settings of an address, with decoded values. Raise `UnclearAddress`."""
    is_url = address.startswith(SCHEMES)
    hint = _IN_A_URL if is_url else _IN_SETTINGS
    settings: dict[str, str] = {}
    for name, value in _of_url(address) if is_url else _of_settings(address):
        if name in settings:
            raise UnclearAddress("a setting occurs twice", hint)
        settings[name] = value
    for host in settings.get("host", "").split(","):
        if "@" in host or ("/" in host and not host.startswith("/")):
            raise UnclearAddress("its host contains @ or /", hint)
    if not all(not port or (port.isdecimal() and 0 < int(port) <= _LAST_PORT) for port in _ports(settings)):
        raise UnclearAddress(f"its port is not a number from 1 to {_LAST_PORT}", hint)
    if "://" in settings.get("dbname", ""):
        raise UnclearAddress("its database is an address itself", hint)
    return settings


def secrets_in(address: str) -> list[str]:
    """Return what must not be shown of an address, longest first: itself, and passwords as written and decoded."""
    try:
        settings = settings_of(address)
    except UnclearAddress:
        return [address]  # it is refused, so nothing quotes a part of it
    decoded = [settings[name] for name in _SECRETS if name in settings]
    written = (_IN_USER if address.startswith(SCHEMES) else _IN_SETTING).findall(address)
    return sorted({address, *decoded, *(each for found in written for each in found)} - {""}, key=len, reverse=True)


def has_password(address: str) -> bool:
    """Return whether a password stands in an address."""
    return any(settings_of(address).get(name) for name in _SECRETS)


def _ports(settings: dict[str, str]) -> list[str]:
    return settings.get("port", "").split(",")


def _of_url(address: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of a URL, whose special characters have one meaning each."""
    text = address.partition("://")[2]
    before, at, after = text.rpartition("@")
    if at and (found := next((each for each in "@/?#" if each in before), None)):
        raise UnclearAddress(f"it has {found} before its last @", _IN_A_URL)
    if re.search(r"\s", text):
        raise UnclearAddress("it contains spaces", _IN_A_URL)
    if _PERCENT.search(text):
        raise UnclearAddress("it has % without two hexadecimal digits", _IN_A_URL)
    if at:
        user, colon, password = before.partition(":")
        yield from _named("user", user)
        if colon:
            yield from _named("password", password)
    place, _, query = after.partition("?")
    hosts, _, database = place.partition("/")
    matches = [_HOST.fullmatch(each) for each in hosts.split(",")]
    if not all(matches):
        raise UnclearAddress("its host or port is invalid", _IN_A_URL)
    ports = [match["port"] or "" for match in matches if match is not None]
    names = (host.removesuffix(f":{port}") for host, port in zip(hosts.split(","), ports, strict=True))
    yield from _named("host", ",".join(names))
    if any(ports):
        yield "port", ",".join(ports)
    yield from _named("dbname", database)
    for parameter in query.split("&") if query else ():
        match = _PARAMETER.fullmatch(parameter)
        if match is None:
            raise UnclearAddress("a part after ? is not of the form key=value", _IN_A_URL)
        yield match["name"], unquote(match["value"])


def _named(name: str, written: str) -> Iterator[tuple[str, str]]:
    if written:
        yield name, unquote(written)


def _of_settings(text: str) -> Iterator[tuple[str, str]]:
    """Yield ``key=value`` settings, as libpq's documentation describes them."""
    position = 0
    while position < len(text.rstrip()):
        name = _NAME.match(text, position)
        if name is None:
            raise UnclearAddress("a part of it is not of the form key=value", _IN_SETTINGS)
        start = name.end()
        value = (_QUOTED if text[start : start + 1] == "'" else _PLAIN).match(text, start)
        if value is None:
            raise UnclearAddress("a quote or backslash in it has no clear meaning", _IN_SETTINGS)
        yield name["name"], _ESCAPED.sub(r"\1", value["value"])
        position = value.end()
