"""Loading a `Config` from a file or a mapping, and values that come from elsewhere by the same rules."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from retrovue_daemon.config.addresses import is_loopback, same_server
from retrovue_daemon.config.files import access_hint, default_database, find_config, read_regular, reason, resolve
from retrovue_daemon.config.hooks import HookCommand, HookSection
from retrovue_daemon.config.keys import Reading, specs_of, toml_keys
from retrovue_daemon.config.sections import (
    ARRAYS,
    PATH_MAPPING,
    SECTIONS,
    TOKEN_KEYS,
    Config,
    ServerSection,
    mapping_form,
    name_form,
)
from retrovue_daemon.config.tokens import secret, token_in
from retrovue_daemon.config.values import BadValue, Context
from retrovue_daemon.errors import ConfigError, ConfigProblem
from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from retrovue_daemon.config.keys import Fields
    from retrovue_daemon.config.tokens import Secret

T = TypeVar("T")

_LARGEST_FILE: Final = 1024 * 1024
_GROUP_BITS: Final = 0o070
_TOML_ERROR: Final = re.compile(r"(?P<what>.*?) \(at (?P<where>line \d+, column \d+|end of document)\)", re.DOTALL)


def load_config(path: Path, environ: Mapping[str, str] | None = None, *, trusts_credentials: bool = False) -> Config:
    """Read and check a configuration file.

    ``environ`` is the environment, by default that of the process. With ``trusts_credentials``, systemd credentials
    that this process cannot read count as valid, with empty tokens: use it to check a file on behalf of the service.
    Raise `ConfigError` with all problems.
    """
    try:
        content = read_regular(path, _LARGEST_FILE)
        is_public = bool(path.stat().st_mode & stat.S_IROTH)
    except OSError as error:
        hint = access_hint(path) if isinstance(error, PermissionError) else None
        raise ConfigError(path, [ConfigProblem("", f"cannot be read: {reason(error)}")], hint=hint) from None
    except BadValue as bad:
        hint = "write the configuration to a file: it is read again at each reload"
        raise ConfigError(path, [ConfigProblem("", str(bad))], hint=hint) from None
    try:
        mapping = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(path, [ConfigProblem(f"line {line}", "is not valid UTF-8, which TOML requires")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, [_syntax_problem(str(error))]) from None
    except (ValueError, RecursionError):
        raise ConfigError(path, [ConfigProblem("", "is not readable as TOML: too long or too deep")]) from None
    return parse_config(
        mapping, source=path, environ=environ, is_public=is_public, trusts_credentials=trusts_credentials
    )


def _syntax_problem(message: str) -> ConfigProblem:
    match = _TOML_ERROR.fullmatch(message)
    where, what = (match["where"], match["what"]) if match else ("", message)
    return ConfigProblem(where, f"is not valid TOML: {what[:1].lower()}{what[1:]}")


def read_config(path: Path | None, database: Path | None = None, *, trusts_credentials: bool = False) -> Config:
    """Find and load the configuration that the options of a command select; without one, ``database`` is enough.

    ``trusts_credentials`` is that of `load_config`. Raise `ConfigError` with all problems.
    """
    try:
        found = find_config(path)
    except ConfigError:
        if database is None:
            raise
        config = parse_config({})
    else:
        config = load_config(found, trusts_credentials=trusts_credentials)
    if database is None:
        return config
    return replace(config, database=replace(config.database, path=database.absolute()), default_database=None)


def parse_config(
    mapping: Mapping[str, Any],
    *,
    source: Path | None = None,
    base_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    is_public: bool = False,
    trusts_credentials: bool = False,
) -> Config:
    """Check a configuration that is already parsed, as `tomllib` returns it.

    ``source`` is the file to name in messages. Relative paths start at ``base_dir``, by default the directory of
    ``source`` or the current directory. ``is_public`` means that every user can read the file; ``trusts_credentials``
    is that of `load_config`. Raise `ConfigError` with all problems.
    """
    environ = os.environ if environ is None else environ
    base_dir = Path(os.path.abspath(base_dir or (source.parent if source else ".")))  # noqa: PTH100  # keeps links
    context = Context(base_dir, environ, is_public=is_public, trusts_credentials=trusts_credentials)
    reading = Reading(context, elsewhere=_homes())
    reading.unknown_keys(mapping, (*SECTIONS, *ARRAYS), "")

    fields = {
        name: reading.table(mapping.get(name, {}), specs_of(section), name) for name, section in SECTIONS.items()
    }
    _check_database(fields["database"], reading)
    _check_web(fields["web"], mapping.get("web"), reading)

    servers = []
    for position, table in enumerate(reading.array(mapping.get("servers", []), "servers")):
        at = f"servers[{position}]"
        server = reading.table(table, specs_of(ServerSection), at)
        _check_server(server, at, reading)
        servers.append(server)
    _check_servers(servers, reading)
    hooks = _read_hooks(mapping, reading)

    if reading.problems:
        raise ConfigError(source, reading.problems)
    sections = {name: section(**fields[name]) for name, section in SECTIONS.items()}
    inherited = {name: getattr(sections["sync"], name) for name in ("details", "cast", "notifications")}
    return Config(
        **sections,
        servers=tuple(ServerSection(**inherited | server) for server in servers),
        hooks=tuple(HookSection(**hook) for hook in hooks),
        source=source,
        default_database=None if "path" in mapping.get("database", {}) else default_database(environ, base_dir),
        warnings=tuple(reading.warnings),
    )


def _homes() -> dict[str, str]:
    """Map each key to its section, for hints about misplaced keys; a key of several sections maps to ""."""
    homes: dict[str, str] = {}
    sections = {f"[{name}]": section for name, section in SECTIONS.items()}
    sections |= {f"[[{name}]]": section for name, section in ARRAYS.items()}
    for table, section in sections.items():
        for key in toml_keys(specs_of(section)):
            homes[key] = "" if key in homes else f"{key} in {table}"
    return homes


# -- rules on several keys -----------------------------------------------------------------------------------------


def _check_database(fields: Fields, reading: Reading) -> None:
    """Warn about a group to which the mode gives no permissions."""
    if "group" in fields and not fields.get("mode", 0) & _GROUP_BITS:
        reading.warning("database.group", 'has no effect: mode gives the group no permissions; set mode = "0640"')


def _check_web(fields: Fields, raw: object, reading: Reading) -> None:
    """Require a token if other systems can reach the page; an unreadable token is already reported."""
    listen = fields.get("listen")
    has_token = isinstance(raw, dict) and any(name in raw for name in TOKEN_KEYS)
    if listen and not is_loopback(listen[0]) and not has_token:
        reading.problem(
            "web.token_file", "is missing; a listen address that other systems can reach requires a token"
        )


def _check_server(fields: Fields, at: str, reading: Reading) -> None:
    """Look for options of one server that contradict each other, and mappings that repeat each other."""
    if fields.get("verify_tls") is False and "ca_file" in fields:
        reading.problem(f"{at}.ca_file", "contradicts verify_tls = false; remove one of the two")
    elif fields.get("verify_tls") is False and str(fields.get("url", "")).startswith("https://"):
        reading.warning(
            f"{at}.verify_tls",
            "is false: anyone on the network can pretend to be this server and read the token; set ca_file or"
            " tls_server_name instead",
        )
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


def _check_servers(servers: Iterable[Fields], reading: Reading) -> None:
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


def _read_hooks(mapping: Mapping[str, Any], reading: Reading) -> list[Fields]:
    """Read ``[[hooks]]``, and look for two of one name and for keys without effect."""
    hooks = []
    for position, table in enumerate(reading.array(mapping.get("hooks", []), "hooks")):
        hook = reading.table(table, specs_of(HookSection), f"hooks[{position}]")
        if "secret_file" in hook and isinstance(hook.get("target"), HookCommand):
            reading.problem(f"hooks[{position}].secret_file", "signs requests to a url, and this hook has a command")
        hooks.append(hook)
    _repeated(
        hooks,
        lambda fields: name_form(fields["name"]) if "name" in fields else None,
        lambda position, first: reading.problem(
            f"hooks[{position}].name",
            f'is taken by hooks[{first}]: "{hooks[first]["name"]}" (letter case is ignored)',
        ),
    )
    return hooks


def _repeated(entries: Iterable[T], identity: Callable[[T], object], report: Callable[[int, int], None]) -> None:
    """Report each entry whose identity an earlier one has, by both positions; None is no identity."""
    first_with: dict[object, int] = {}
    for position, entry in enumerate(entries):
        found = identity(entry)
        if found is not None and (first := first_with.setdefault(found, position)) != position:
            report(position, first)


# -- values from elsewhere -----------------------------------------------------------------------------------------


def server_from_row(
    name: str,
    url: str,
    token: str | None,
    *,
    notifications: bool = True,
    path_mappings: Sequence[PathMapping] = (),
) -> ServerSection:
    """Return the section of a server that the database defines, with defaults for everything that a row lacks.

    Raise `ConfigError` if the values would be invalid in a configuration file.
    """
    reading = Reading(Context(base_dir=Path("/"), environ={}))
    row = {"name": name, "url": url, "notifications": notifications} | ({} if token is None else {"token": token})
    fields = reading.table(row, specs_of(ServerSection), f"plex_servers[{name}]")
    if reading.problems:
        raise ConfigError(None, reading.problems)
    return ServerSection(**fields | {"path_mappings": tuple(path_mappings)})


def token_from_file(path: Path) -> Secret:
    """Return the token in a file that contains nothing else. Raise `ConfigError` if it is invalid."""
    try:
        return token_in(resolve(str(path), Context(base_dir=Path.cwd(), environ=os.environ)))
    except BadValue as bad:
        raise ConfigError(None, [ConfigProblem("token", str(bad))]) from None


def token_from_text(text: str) -> Secret:
    """Return a token that the user entered. Raise `ConfigError` if it is invalid."""
    try:
        return secret(text, "the input")
    except BadValue as bad:
        raise ConfigError(None, [ConfigProblem("token", str(bad))]) from None


def path_mapping(
    plex_path: str, local_path: str, *, library_name: str | None = None, library_root: str | None = None
) -> PathMapping:
    """Return a path mapping. Raise `ConfigError` if the values would be invalid in a configuration file."""
    given = {
        "plex_path": plex_path,
        "local_path": local_path,
        "library_name": library_name,
        "library_root": library_root,
    }
    reading = Reading(Context(base_dir=Path("/"), environ={}))
    fields = reading.table({name: value for name, value in given.items() if value is not None}, PATH_MAPPING, "")
    if reading.problems:
        raise ConfigError(None, reading.problems)
    return PathMapping(**fields)
