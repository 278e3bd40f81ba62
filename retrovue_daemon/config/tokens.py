"""Tokens, which never appear in text, and four ways to set one: inline, or in a file, a variable or a credential.

Messages never contain a token. They also never quote the name of a file, variable or credential, since the user may
have put a token there by mistake.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from retrovue_daemon.config.files import read_secret_text, remarks_on_secret_file, resolve
from retrovue_daemon.config.values import BadValue, Value
from retrovue_daemon.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.config.values import Context

MASK: Final = "***"

PLACEHOLDER: Final = "replace-me"
"""The start of the token in the example."""

SHORTEST_HIDDEN: Final = 8
"""Characters of a token that is removed from responses: a shorter one may be part of a word. Plex's have 20."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL: Final = re.compile(r"[A-Za-z0-9._@:-]+")
_FILE_KEY: Final = "token_file"
_JWT_START: Final = "eyJ"


class Secret:
    """Holds a token so that it cannot end up in a log, a message or a file by accident.

    Printed or formatted, it appears as ``***``; JSON, TOML and pickle cannot serialize it. Only ``reveal()`` returns
    the text. Secrets with the same text and source are equal.

    ``source`` is the key that sets the token and its value, if the configuration has the token elsewhere, as in
    ``("token_file", "/etc/retrovue-daemon/home.token")``. ``missing`` is why its file could not be read; then the
    text is a random one, which fits nowhere.
    """

    __slots__ = ("__text", "missing", "source")

    def __init__(self, text: str, source: tuple[str, str] | None = None, *, missing: str | None = None) -> None:
        self.__text = text if missing is None else secrets.token_hex()
        self.source = source
        self.missing = missing

    def reveal(self) -> str:
        """Return the text itself."""
        return self.__text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash((Secret, self._identity))

    @property
    def _identity(self) -> tuple[str, tuple[str, str] | None, str | None]:
        return ("" if self.missing is not None else self.__text, self.source, self.missing)

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        message = "a secret cannot be pickled"
        raise TypeError(message)


def secret(raw: str, where: str, source: tuple[str, str] | None = None) -> Secret:
    """Return a token, which must fit into an HTTP header, as a secret; ``where`` names its source in messages."""
    token = raw.strip()
    if not token:
        raise BadValue(f"must be a token, but {where} is empty")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise BadValue(f"must be a single token, but {where} contains spaces, line breaks or invalid characters")
    return Secret(token, source)


def renewed(token: Secret) -> Secret | None:
    """Return the token that its ``token_file`` contains now; None if that is the same one, or it has no file.

    Tokens of Plex's newer form are valid for seven days, so another program replaces them in the file. Raise
    `ConfigError` if the file cannot be read.
    """
    if token.source is None or token.source[0] != _FILE_KEY:
        return None
    try:
        found = token_in(Path(token.source[1]))
    except BadValue as bad:
        raise ConfigError(None, [ConfigProblem(_FILE_KEY, str(bad))]) from None
    return None if found == token else found


def remarks_on(token: Secret) -> Iterator[str]:
    """Yield warnings about a token that is valid but questionable."""
    text = token.reveal()
    # Plex issues tokens of this form for seven days only (https://developer.plex.tv/pms/).
    if text.startswith(_JWT_START):
        yield (
            "is a JSON Web Token, which expires after 7 days; use a server token that does not expire, or a"
            " token_file in which another program renews it"
        )
    if 0 < len(text) < SHORTEST_HIDDEN:  # an empty one was not read: see `_is_out_of_sight`
        yield (
            f"has fewer than {SHORTEST_HIDDEN} characters, so it is not removed from what a server sends, where it"
            " may be part of a word; Plex's tokens have 20: check that it is complete"
        )
    if text.startswith(PLACEHOLDER):
        yield "is still the placeholder of the example; replace it with the server's token"


def _remarks(_raw: object, token: Secret, _context: Context) -> Iterator[str]:
    yield from remarks_on(token)


# -- inline ---------------------------------------------------------------------------------------------------------


def _inline_remarks(raw: object, token: Secret, context: Context) -> Iterator[str]:
    yield from _remarks(raw, token, context)
    if context.is_public:
        yield "can be read by every user of the system; make the configuration private (mode 0600), or use token_file"


TOKEN: Final[Value[Secret]] = Value(
    "a token as a string",
    str,
    lambda raw, _context: secret(raw, "it"),
    plain=lambda _token: MASK,
    remarks=_inline_remarks,
    private=True,
)


# -- in a file ------------------------------------------------------------------------------------------------------


def _convert_file(raw: str, context: Context) -> Secret:
    path = resolve(raw, context)
    try:
        return token_in(path)
    except BadValue as bad:
        # It may be on a disk that is not mounted yet. Everything that does not need it goes on.
        return Secret("", (_FILE_KEY, str(path)), missing=str(bad))


def token_in(path: Path) -> Secret:
    """Return the token in a file. Raise `BadValue` if there is none."""
    return secret(read_secret_text(path, "a token"), "the file", (_FILE_KEY, str(path)))


def _file_remarks(raw: str, token: Secret, context: Context) -> Iterator[str]:
    if token.missing is not None:
        yield f"{token.missing}; unless a daemon has read it before, it does not work until that is mended"
        return
    yield from _remarks(raw, token, context)
    yield from remarks_on_secret_file(resolve(raw, context))


TOKEN_FILE: Final[Value[Secret]] = Value(
    "the path of a file that holds the token", str, _convert_file, remarks=_file_remarks, private=True
)


# -- in the environment ---------------------------------------------------------------------------------------------


def _convert_variable(raw: str, context: Context) -> Secret:
    if not _NAME.fullmatch(raw.strip()):
        raise TOKEN_ENV.refusal(raw)
    found = context.environ.get(raw.strip())
    if found is None:
        raise BadValue("names an environment variable that is not set")
    return secret(found, "the variable", ("token_env", raw.strip()))


TOKEN_ENV: Final[Value[Secret]] = Value(
    "the name of an environment variable that holds the token", str, _convert_variable, remarks=_remarks, private=True
)


# -- from systemd ---------------------------------------------------------------------------------------------------


def _convert_credential(raw: str, context: Context) -> Secret:
    if not _CREDENTIAL.fullmatch(raw.strip()) or raw.strip() in {".", ".."}:
        raise TOKEN_CREDENTIAL.refusal(raw)
    if _is_out_of_sight(context):
        return Secret("")
    directory = context.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise BadValue("is provided by systemd (LoadCredential=), but $CREDENTIALS_DIRECTORY is not set")
    return secret(
        read_secret_text(Path(directory) / raw.strip(), "a token"),
        "the credential",
        ("token_credential", raw.strip()),
    )


def _is_out_of_sight(context: Context) -> bool:
    """Return whether to trust credentials unread: the commands of ExecReload= cannot read those of their service."""
    directory = context.environ.get("CREDENTIALS_DIRECTORY", "")
    return context.trusts_credentials and not (directory and os.access(directory, os.X_OK))


def _credential_remarks(raw: object, token: Secret, context: Context) -> Iterator[str]:
    if _is_out_of_sight(context):
        yield "was not checked: only the service can read it"
    yield from _remarks(raw, token, context)


TOKEN_CREDENTIAL: Final[Value[Secret]] = Value(
    "the name of a credential of the systemd unit",
    str,
    _convert_credential,
    remarks=_credential_remarks,
    private=True,
)
