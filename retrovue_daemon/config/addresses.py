"""Types of values for addresses and paths: server URLs, listen addresses, server paths and local paths."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from retrovue_daemon.config.values import BadValue, Value, is_utf8, quoted

if TYPE_CHECKING:
    from retrovue_daemon.config.values import Context

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[^\s/@?#\\\[\]]+")
_WEB_APP: Final = re.compile(r"/web(?:/index\.html)?/?")


def _convert_url(raw: str, _context: Context) -> str:
    url = raw.strip()
    if "://" not in url:
        raise URL.refusal(raw, "it must start with http:// or https://")
    if not url.isprintable() or " " in url:
        raise URL.refusal(raw, "it contains spaces or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise URL.refusal(raw, "its host or port is invalid") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise URL.refusal(raw, "it is neither http nor https")
    if "@" in parts.netloc:
        raise BadValue("must not contain a user name or password; set the token with its own key")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname) or port == 0:
        raise URL.refusal(raw, "its host or port is missing or invalid")
    origin = f"{parts.scheme}://{parts.netloc.lower()}"
    if _WEB_APP.fullmatch(parts.path):
        raise BadValue(f'must be the address of the server, not of its web page; did you mean "{origin}"?')
    if "?" in url or "#" in url:
        raise BadValue("must not contain ? or #; set the token with its own key")
    return origin + parts.path.rstrip("/")


URL: Final[Value[str]] = Value(
    'an address such as "http://192.168.1.10:32400", with http or https',
    str,
    _convert_url,
    # The user may have put a token in it by mistake.
    private=True,
    schema={"pattern": "^https?://"},
)


def same_server(url: str) -> str:
    """Return the form in which two addresses of one server are equal: with its port, even if that is the default.

    What is no address, as another program may have stored it, equals itself only.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (KeyError, ValueError):
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")


def _convert_host_name(raw: str, _context: Context) -> str:
    name = raw.strip()
    if not _HOST_NAME.fullmatch(name):
        raise HOST_NAME.refusal(raw)
    return name


HOST_NAME: Final[Value[str]] = Value(
    'a host name, such as "192-168-1-10.0123456789abcdef.plex.direct"', str, _convert_host_name
)


_LISTEN: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})")
_LAST_PORT: Final = 65535


def _convert_listen(raw: str, _context: Context) -> tuple[str, int] | None:
    word = raw.strip()
    if not word:
        return None
    match = _LISTEN.fullmatch(word)
    if match is None or int(match["port"]) > _LAST_PORT:
        port = word.removeprefix(":")
        raise LISTEN.refusal(raw, f'did you mean "127.0.0.1:{port}"?' if port.isdecimal() else "")
    if match["ipv6"]:
        try:
            ipaddress.IPv6Address(match["ipv6"])
        except ValueError:
            raise LISTEN.refusal(raw) from None
    return match["ipv6"] or match["host"], int(match["port"])


def _plain_listen(listen: tuple[str, int] | None) -> str:
    if listen is None:
        return ""
    host, port = listen
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


LISTEN: Final[Value[tuple[str, int] | None]] = Value(
    'an address with a port, such as "127.0.0.1:8181" or "[::1]:8181", or "" to disable it',
    str,
    _convert_listen,
    _plain_listen,
)


_NAME_OF_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def _convert_hosts(raw: list[object], _context: Context) -> tuple[str, ...]:
    hosts = []
    for position, entry in enumerate(raw):
        if not isinstance(entry, str):
            raise BadValue(f"must be {HOSTS.valid}, but entry {position} is {quoted(entry)}")
        host = entry.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
        if not _NAME_OF_HOST.fullmatch(host) and not is_address(host):
            inner = urlsplit(entry.strip() if "//" in entry else f"//{entry.strip()}").netloc.split(":")[0].lower()
            hint = f'; did you mean "{inner}"?' if _NAME_OF_HOST.fullmatch(inner) else ""
            raise BadValue(f"must be {HOSTS.valid}, but entry {position} is {quoted(entry)}{hint}")
        hosts.append(host)
    return tuple(hosts)


HOSTS: Final[Value[tuple[str, ...]]] = Value(
    'an array of host names without scheme and port, such as ["tv.example.org"]',
    list,
    _convert_hosts,
    plain=list,
    schema={"items": {"type": "string", "minLength": 1}},
)


def is_address(host: str) -> bool:
    """Return whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only programs on this system can connect to an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_ABSOLUTE: Final = re.compile(r"/|\\\\[^\\]|[A-Za-z]:(?:[\\/]|$)")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def _is_path(raw: str) -> bool:
    """Return whether a path can be stored and passed to the system: it contains no NUL and is valid text."""
    return "\0" not in raw and is_utf8(raw)


def _convert_plex_path(raw: str, _context: Context) -> str:
    if not _ABSOLUTE.match(raw) or not _is_path(raw):
        raise PLEX_PATH.refusal(raw)
    return raw


PLEX_PATH: Final[Value[str]] = Value(
    'an absolute path on the server, such as "/media/movies", "M:\\Movies" or "\\\\nas\\movies"',
    str,
    _convert_plex_path,
    schema={"pattern": f"^(?:{_ABSOLUTE.pattern})"},
)


def _convert_local_path(raw: str, _context: Context) -> str:
    if not (_ABSOLUTE.match(raw) or _SCHEME.match(raw)) or not _is_path(raw):
        raise LOCAL_PATH.refusal(raw)
    return raw


LOCAL_PATH: Final[Value[str]] = Value(
    'an absolute path on the systems that read the database, such as "/mnt/movies" or "D:\\Movies"',
    str,
    _convert_local_path,
    schema={"pattern": f"^(?:{_ABSOLUTE.pattern}|[A-Za-z][A-Za-z0-9+.-]+://)"},
)
