"""What a container asks of the process in it: `python -m tensorfleet.own_health ready`. Exit status 0 yes, 1 no.

It loads no settings: a check must cost little, and not fail for what the process itself has accepted.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

_SECONDS = 8.0
_STATES = ("live", "ready")


def answers(state: str, port: int, *, tls: bool) -> bool:
    """Whether the process on `port` of this machine says so. OSError or HTTPException if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    if tls:
        context = ssl.create_default_context()
        # It asks itself, and its certificate is for the name by which others know it.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=_SECONDS, context=context)
    try:
        connection.request("GET", f"/health/{state}")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def main() -> None:
    state = sys.argv[1] if len(sys.argv) == 2 else ""
    if state not in _STATES:
        sys.exit(f"python -m tensorfleet.own_health {'|'.join(_STATES)}")
    try:
        healthy = answers(state, int(os.environ.get("PORT") or 8084), tls=bool(os.environ.get("TLS_CERTIFICATE_FILE")))
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.exit(0 if healthy else 1)


if __name__ == "__main__":
    main()
