"""The sockets that a process listens on."""

from __future__ import annotations

import socket
from typing import Final

from tensorfleet.domain.errors import SettingsInvalid

_BACKLOG: Final = 2048


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """One for each address of `host`. SettingsInvalid if one can't listen there."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            sockets.append(socket.create_server(address, family=family, backlog=_BACKLOG))
    except OSError as error:
        for one in sockets:
            one.close()
        cause, _, _ = str(error.strerror).partition(" (while")
        raise SettingsInvalid(f"Can't listen on HOST {host}, PORT {port}: {cause}.") from error
    for one in sockets:
        one.setblocking(False)
    return sockets
