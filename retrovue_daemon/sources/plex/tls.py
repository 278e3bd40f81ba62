"""Which certificates a connection to a server trusts."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING

from retrovue_daemon.config.files import check_ca_file
from retrovue_daemon.config.values import BadValue
from retrovue_daemon.errors import ServerUnreachable
from retrovue_daemon.sources.plex.failures import reason_of

if TYPE_CHECKING:
    from retrovue_daemon.config import ServerSection


def trusted_by(server: ServerSection) -> ssl.SSLContext | bool:
    """Return aiohttp's ``ssl`` argument: a context that trusts ``ca_file`` alone, or the system's certificates.

    True, which means aiohttp's own context, is for servers without TLS; False disables verification. Raise
    ServerUnreachable if ``ca_file`` cannot be used.
    """
    if not server.verify_tls:
        return False
    if server.ca_file is None:
        return _trusting_the_system() if server.url.startswith("https:") else True
    try:
        check_ca_file(server.ca_file)  # a pipe would wait for a writer
        return ssl.create_default_context(cafile=server.ca_file)
    except BadValue as bad:
        reason = str(bad)
    except OSError as error:  # ssl.SSLError is one
        reason = reason_of(error)
    raise ServerUnreachable(server.name, f"ca_file {reason}", hint="check ca_file; it is read again at each try")


@cache
def _trusting_the_system() -> ssl.SSLContext:
    """Load the system's certificates: only once, because it takes 16 ms and half a megabyte."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context
