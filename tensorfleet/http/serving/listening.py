"""The sockets that a process listens on."""

from __future__ import annotations

import errno
import socket
from typing import Final

from tensorfleet.domain.errors import SettingsInvalid

_BACKLOG: Final = 2048
_NO_SUCH_PROTOCOL: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
"""IPv6 that is turned off, where a name stands for an address of it too."""


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """One for each address of `host` that this machine has. SettingsInvalid if one can't listen there."""
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            try:
                sockets.append(socket.create_server(address, family=family, backlog=_BACKLOG))
            except OSError as error:
                if error.errno not in _NO_SUCH_PROTOCOL:
                    raise
                missing = error
        if missing is not None and not sockets:
            raise missing
    except (OSError, UnicodeError) as error:
        for one in sockets:
            one.close()
        cause, _, _ = str(getattr(error, "strerror", "it is no name")).partition(" (while")
        raise SettingsInvalid(f"Can't listen on HOST {host}, PORT {port}: {cause}.") from error
    for one in sockets:
        one.setblocking(False)
    return sockets
