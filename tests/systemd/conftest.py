"""The service manager's end of a notify socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Listener:
    """Receives a service's notifications to systemd."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)

    def heard(self) -> list[str]:
        """Return every datagram that has arrived since the last call."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(65_536).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[[str], Listener]]:
    """Listen at an address, which is a path or, behind ``@``, a name only."""
    opened: list[Listener] = []

    def begin(address: str) -> Listener:
        opened.append(Listener(address))
        return opened[-1]

    yield begin
    for listener in opened:
        listener.close()
