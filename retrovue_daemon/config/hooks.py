"""``[[hooks]]``: what is called when something changes, or when an event is logged."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from retrovue_daemon.config.files import looked_in, read_secret, remarks_on_secret_file, resolve
from retrovue_daemon.config.keys import key, one_of, section
from retrovue_daemon.config.tokens import MASK, Secret
from retrovue_daemon.config.values import BadValue, Value, did_you_mean, duration, quoted, text
from retrovue_daemon.errors import ConfigError, ConfigProblem
from retrovue_daemon.logs.events import EVENTS, NOT_FOR_HOOKS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrovue_daemon.config.values import Context

CHANGES: Final = "changes"
"""The entry of ``on`` that subscribes to the change feed."""

PROGRAM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a command without a directory is looked for, and ``$PATH`` of commands."""

_LONGEST_ARGUMENT: Final = 4096
_HOST: Final = re.compile(r"[^\s/?#\\\[\]]+")


class HookUrl(msgspec.Struct, frozen=True):
    """A URL that gets POST requests. All of it may be secret but ``origin``: scheme, host and port."""

    address: Secret
    origin: str

    @property
    def source(self) -> tuple[str, str]:
        """The key that sets it, and the value as it may be shown."""
        return "url", self.shown

    @property
    def shown(self) -> str:
        """The target as it may be shown: a path may be a secret, as that of many chat services."""
        path = self.address.reveal().partition("://")[2].partition("/")[2]
        return f"{self.origin}/{MASK}" if path else self.origin

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be logged: the address itself, its query and its password."""
        parts = urlsplit(self.address.reveal())
        password = parts.password or ""
        return tuple(each for each in (self.address.reveal(), parts.query, password, unquote(password)) if each)


class HookCommand(msgspec.Struct, frozen=True):
    """A program with its arguments, which may hold secrets."""

    arguments: tuple[str, ...]

    @property
    def source(self) -> tuple[str, list[str]]:
        """The key that sets it, and the value as it may be shown."""
        return "command", [self.arguments[0], *(MASK for _ in self.arguments[1:])]

    @property
    def shown(self) -> str:
        """The target as it may be shown."""
        return " ".join(self.source[1])

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be logged, as far as that is known."""
        return ()

    def __repr__(self) -> str:
        return f"HookCommand({self.shown!r})"


HookTarget: TypeAlias = HookUrl | HookCommand


# -- on -------------------------------------------------------------------------------------------------------------


def _convert_on(raw: list[object], _context: Context) -> tuple[str, ...]:
    if not raw:
        raise BadValue(f"must be {ON.valid}, not an empty array")
    for position, entry in enumerate(raw):
        where = f"entry {position}"
        if not isinstance(entry, str):
            raise BadValue(f"must be {ON.valid}, but {where} is {quoted(entry)}")
        event, colon, status = entry.partition(":")
        if event not in {CHANGES, *EVENTS}:
            hint = did_you_mean(event, (CHANGES, *EVENTS)) or "docs/logs.md lists the events"
            if event in NOT_FOR_HOOKS:
                hint = "it is logged while the database is not open, or too often: docs/hooks.md"
            raise BadValue(f"must be {ON.valid}, but {where} is {quoted(entry)}; {hint}")
        if colon and status not in STATUSES.get(event, ()):
            valid = ", ".join(STATUSES.get(event, ()))
            hint = f"valid: {valid}" if valid else f"{event} has no status to select"
            raise BadValue(f"must be {ON.valid}, but {where} is {quoted(entry)}; {hint}")
        if entry in raw[:position]:
            raise BadValue(f"must not name anything twice, and holds {quoted(entry)} again")
    return tuple(str(entry) for entry in raw)


ON: Final[Value[tuple[str, ...]]] = Value(
    'an array of log events and "changes", such as ["changes", "sync.blocked"]',
    list,
    _convert_on,
    plain=list,
    schema={"items": {"type": "string", "minLength": 1}, "minItems": 1},
)


# -- url ------------------------------------------------------------------------------------------------------------


def _convert_url(raw: str, _context: Context) -> HookTarget:
    url = raw.strip()
    if "://" not in url:
        raise URL.refusal(raw, "it must start with http:// or https://")
    if not url.isprintable() or not url.isascii() or " " in url:
        raise URL.refusal(raw, "it contains spaces, control characters or letters that must be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise URL.refusal(raw, "its host or port is invalid") from None
    if parts.scheme not in {"http", "https"}:
        raise URL.refusal(raw, "it is neither http nor https")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname) or port == 0:
        raise URL.refusal(raw, "its host or port is missing or invalid")
    if parts.fragment:
        raise URL.refusal(raw, "it contains #, which is never sent")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return HookUrl(Secret(url), f"{parts.scheme}://{host}" + (f":{port}" if port else ""))


def _url_remarks(_raw: object, _target: object, context: Context) -> Iterator[str]:
    if context.is_public:
        yield "can be read by every user of the system; make the configuration private (mode 0600)"


URL: Final[Value[HookTarget]] = Value(
    'an address such as "https://hooks.example.org/mirror", with http or https',
    str,
    _convert_url,
    plain=lambda target: target.shown,
    remarks=_url_remarks,
    private=True,
    schema={"pattern": "^https?://"},
)


# -- command --------------------------------------------------------------------------------------------------------


def _convert_command(raw: list[object], context: Context) -> HookTarget:
    for position, entry in enumerate(raw):
        if not isinstance(entry, str) or "\0" in entry or len(entry) > _LONGEST_ARGUMENT:
            raise BadValue(f"must be {COMMAND.valid}, but entry {position} is no text, too long or contains NUL")
    words = [str(entry) for entry in raw]
    if not words or not words[0].strip():
        raise BadValue(f"must be {COMMAND.valid}, and it names no program")
    program = words[0].strip()
    if "/" in program:
        program = str(resolve(program, context))
    return HookCommand((shutil.which(program, path=PROGRAM_PATH) or program, *words[1:]))


def _command_remarks(_raw: object, target: HookTarget, _context: Context) -> Iterator[str]:
    if isinstance(target, HookCommand) and (trouble := trouble_with_program(target.arguments[0])):
        yield f"{trouble}; the hook waits until it can be run"


def trouble_with_program(program: str) -> str | None:
    """Return why a program cannot be run now, or None; its file system may not be mounted yet."""
    if shutil.which(program, path=PROGRAM_PATH) is not None:
        return None
    if "/" not in program:
        return f"{program} is not in {PROGRAM_PATH}"
    return f"{program} is not executable" if os.path.lexists(program) else f"there is no file {program}"


COMMAND: Final[Value[HookTarget]] = Value(
    'an array of a program and its arguments, such as ["/usr/local/bin/rescan", "--quiet"]',
    list,
    _convert_command,
    plain=lambda target: target.source[1],
    remarks=_command_remarks,
    private=True,
    schema={"items": {"type": "string"}, "minItems": 1},
)


# -- secret_file ----------------------------------------------------------------------------------------------------


def signing_key(path: Path) -> bytes:
    """Return the secret in a file, without spaces and line breaks around it.

    It is read for each request, so that another program may replace it. Raise `ConfigError` if that fails.
    """
    try:
        return _read_key(path)
    except BadValue as bad:
        raise ConfigError(None, [ConfigProblem("secret_file", str(bad))]) from None


def _read_key(path: Path) -> bytes:
    found = read_secret(path).strip()
    if not found:
        raise BadValue(f"must be a file with a secret, but it is empty {looked_in(path)}")
    return found


def _convert_secret_file(raw: str, context: Context) -> Path:
    return resolve(raw, context)


def _secret_file_remarks(_raw: object, path: Path, _context: Context) -> Iterator[str]:
    try:
        _read_key(path)
    except BadValue as bad:
        yield f"{bad}; nothing is sent until the file can be read"
    else:
        yield from remarks_on_secret_file(path)


SECRET_FILE: Final[Value[Path]] = Value(
    "the path of a file that holds a secret",
    str,
    _convert_secret_file,
    # If there is none, the secret itself may stand in place of the name.
    plain=lambda path: str(path) if os.path.lexists(path) else MASK,
    remarks=_secret_file_remarks,
    private=True,
)


@section
class HookSection:
    """``[[hooks]]``: what is called, and on which occasions. Times are in seconds."""

    name: str = key(text("a name of visible characters on one line"), "a name for the hook")
    on: tuple[str, ...] = key(ON, "the occasions: log events, and changes of the database")
    target: HookTarget = one_of(
        {"url": (URL, "the address that gets POST requests"), "command": (COMMAND, "the program that is run")}
    )
    secret_file: Path | None = key(
        SECRET_FILE, "a file with the secret that signs requests; absent: they are not signed", default=None
    )
    timeout: float = key(duration("1s", "10m"), "how long a request or a run of the command may take", default="10s")
    wait: float = key(duration("0s", "1h"), "how long to gather changes before they are sent", default="5s")

    def secrets(self) -> Iterator[str]:
        """Yield what must not be shown: parts of the address, and the secret of signatures if it can be read."""
        yield from self.target.secrets
        if self.secret_file is not None:
            with suppress(BadValue):
                yield _read_key(self.secret_file).decode("utf-8", "replace")

    @property
    def wants_changes(self) -> bool:
        """Whether it gets the entries of the change feed."""
        return CHANGES in self.on

    def wants(self, event: str, status: object) -> bool:
        """Return whether it gets an event with this status, if it has one."""
        return event in self.on or f"{event}:{status}" in self.on


def trouble_with(section: HookSection) -> str | None:
    """Return why a hook cannot be called now, or None: its secret or its program is not there.

    A secret that this user may not read is none: the daemon's user may.
    """
    if isinstance(section.target, HookCommand):
        return trouble_with_program(section.target.arguments[0])
    if section.secret_file is None:
        return None
    try:
        _read_key(section.secret_file)
    except BadValue as bad:
        is_visible = os.access(section.secret_file.parent, os.X_OK)
        is_closed = os.path.lexists(section.secret_file) and not os.access(section.secret_file, os.R_OK)
        return f"secret_file: {bad}" if is_visible and not is_closed else None
    return None
