"""One delivery: a request to a URL, or a run of a command."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from retrovue_daemon.config.hooks import HookCommand, signing_key, trouble_with_program
from retrovue_daemon.errors import ConfigError, HookFailed
from retrovue_daemon.publish.hooks.bodies import signature
from retrovue_daemon.publish.hooks.programs import run_program
from retrovue_daemon.publish.hooks.requests import HEADERS, SIGNATURE, post

if TYPE_CHECKING:
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.publish.hooks.bodies import Body


async def deliver(section: HookSection, body: Body) -> None:
    """Deliver a body; return once the receiver has accepted it. Raise HookFailed."""
    content = body.encoded()
    if isinstance(section.target, HookCommand):
        await run_program(section.target.arguments, content, section.name, section.timeout)
        return
    headers = await asyncio.to_thread(headers_of, section, content)
    await post(section.target, content, headers, section.timeout)


def refuse_unready(section: HookSection) -> None:
    """Raise HookFailed if a hook could not be called now, because its secret or its program cannot be used."""
    if isinstance(section.target, HookCommand):
        if trouble := trouble_with_program(section.target.arguments[0]):
            raise HookFailed(trouble, hint="put the program there, or correct command in the configuration")
    else:
        _read_key(section)


def headers_of(section: HookSection, content: bytes) -> dict[str, str]:
    """Return the headers of a hook's request; a command has none. Raise HookFailed if it cannot be signed."""
    if isinstance(section.target, HookCommand):
        return {}
    key = _read_key(section)
    return HEADERS if key is None else {**HEADERS, SIGNATURE: signature(key, content)}


def _read_key(section: HookSection) -> bytes | None:
    """Return the secret that signs a hook's requests now; None if they are not signed."""
    if section.secret_file is None:
        return None
    try:
        return signing_key(section.secret_file)
    except ConfigError as error:
        detail = "; ".join(str(problem) for problem in error.problems)
        raise HookFailed(detail, hint="nothing is sent without a signature: restore the file") from None
