"""Loading a `Config` from a file or a mapping."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from retrovue_daemon.config import checks
from retrovue_daemon.config.files import reason
from retrovue_daemon.config.keys import documented, specs_of, toml_keys
from retrovue_daemon.config.reading import Reading
from retrovue_daemon.config.sections import SECTIONS, Config, ServerSection
from retrovue_daemon.config.values import Context
from retrovue_daemon.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from retrovue_daemon.config.keys import Documented
    from retrovue_daemon.records import PathMapping

_TOML_ERROR: Final = re.compile(r"(?P<what>.*?) \(at (?P<where>line \d+, column \d+|end of document)\)", re.DOTALL)


def load_config(path: Path, environ: Mapping[str, str] | None = None, *, trusts_credentials: bool = False) -> Config:
    """Read and check a configuration file.

    ``environ`` is the environment, by default that of the process. With ``trusts_credentials``, systemd credentials
    that this process cannot read count as valid, with empty tokens: use it to check a file on behalf of the service.
    Raise `ConfigError` with all problems.
    """
    try:
        content = path.read_bytes()
        is_public = bool(path.stat().st_mode & stat.S_IROTH)
    except OSError as error:
        raise ConfigError(path, [ConfigProblem("", f"cannot be read: {reason(error)}")]) from None
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
    reading.unknown_keys(mapping, (*SECTIONS, "servers"), "")

    fields = {
        name: reading.table(mapping.get(name, {}), specs_of(section), name) for name, section in SECTIONS.items()
    }
    checks.check_database(fields["database"], reading)
    checks.check_web(fields["web"], mapping.get("web"), reading)

    servers = []
    for position, table in enumerate(reading.array(mapping.get("servers", []), "servers")):
        at = f"servers[{position}]"
        server = reading.table(table, specs_of(ServerSection), at)
        checks.check_server(server, at, reading)
        servers.append(server)
    checks.check_servers(servers, reading)

    if reading.problems:
        raise ConfigError(source, reading.problems)
    sections = {name: section(**fields[name]) for name, section in SECTIONS.items()}
    inherited = {"notifications": sections["sync"].notifications}
    return Config(
        **sections,
        servers=tuple(ServerSection(**inherited | server) for server in servers),
        warnings=tuple(reading.warnings),
    )


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


# -- documentation --------------------------------------------------------------------------------------------------


def documented_keys() -> Iterator[Documented]:
    """Yield every configuration key, in the order of the example, for help and documentation."""
    for name, section in SECTIONS.items():
        yield from documented(specs_of(section), name)
    yield from documented(specs_of(ServerSection), "servers")


def _homes() -> dict[str, str]:
    """Map each key to its section, for hints about misplaced keys; a key of several sections maps to ""."""
    homes: dict[str, str] = {}
    sections = {**{f"[{name}]": section for name, section in SECTIONS.items()}, "[[servers]]": ServerSection}
    for table, section in sections.items():
        for key in toml_keys(specs_of(section)):
            homes[key] = "" if key in homes else f"{key} in {table}"
    return homes
