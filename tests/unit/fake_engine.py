"""As much of a Docker engine's HTTP interface as containers need that are made, started, stopped, killed and removed.

It keeps the states that a real engine keeps and refuses what that refuses, so that a wrong call fails here too.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOG = b"the last words"

Query = dict[str, list[str]]


@dataclass
class FakeContainer:
    """What was asked for, and what happened to it."""

    config: dict[str, Any]
    status: str = "created"
    signals: list[str] = field(default_factory=list)


class FakeEngine(ThreadingHTTPServer):
    """Containers by id, which is the image's name without owner and version.

    Those in `refused` cannot be started; those in `short_lived` end at once.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.containers: dict[str, FakeContainer] = {}
        self.removed: list[str] = []
        self.refused: set[str] = set()
        self.short_lived: set[str] = set()

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"

    def runs(self, identity: str) -> bool:
        return self.containers[identity].status == "running"

    def answer(self, method: str, path: str, query: Query, body: Any) -> tuple[int, Any]:
        """Status and JSON, or the bytes of a log."""
        if path == "/version":
            return 200, {"ApiVersion": "1.47"}
        if path.startswith("/images/"):
            return 200, {"Id": "sha256:0"}
        if path == "/containers/create":
            identity = body["Image"].rpartition("/")[2].partition(":")[0]
            self.containers[identity] = FakeContainer(body)
            return 201, {"Id": identity, "Warnings": []}
        _, _, identity, *action = path.split("/")
        if identity not in self.containers:
            return 404, {"message": f"no such container: {identity}"}
        if method == "DELETE":
            assert query["v"] == ["True"]
            self.removed.append(identity)
            del self.containers[identity]
            return 204, None
        return self._act(identity, self.containers[identity], action[0], query)

    def _act(
        self, identity: str, container: FakeContainer, action: str, query: dict[str, list[str]]
    ) -> tuple[int, Any]:
        match action:
            case "json":
                return 200, {"Id": identity, "State": {"Status": container.status}, "Config": {"Tty": False}}
            case "start" if identity in self.refused:
                return 500, {"message": "port is already allocated"}
            case "start":
                container.status = "exited" if identity in self.short_lived else "running"
                return 204, None
            case "stop":
                container.signals.append(f"TERM, KILL after {query['t'][0]} s")
                container.status = "exited"
                return 204, None
            case "kill" if container.status != "running":
                return 409, {"message": "container is not running"}
            case "kill":
                container.signals.append("KILL")
                container.status = "exited"
                return 204, None
            case "wait":
                assert container.status == "exited"
                return 200, {"StatusCode": 137}
            case "logs":
                return 200, struct.pack(">BxxxL", 1, len(LOG)) + LOG
            case _:
                return 404, {"message": "page not found"}


class Handler(BaseHTTPRequestHandler):
    """HTTP around `FakeEngine.answer`."""

    protocol_version = "HTTP/1.1"
    server: FakeEngine

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        url = urlsplit(self.path)
        path = re.sub(r"^/v[0-9.]+", "", url.path)
        body = json.loads(text) if text else None
        status, answer = self.server.answer(self.command, path, parse_qs(url.query), body)
        payload = b"" if answer is None else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self) -> None:
        self.handle_any()

    def do_POST(self) -> None:
        self.handle_any()

    def do_DELETE(self) -> None:
        self.handle_any()

    def log_message(self, *_: Any) -> None:
        """Silence."""
