"""A client of server-sent events over a bare socket, as slow or as rude as a test wants it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

SECONDS = 20.0


@dataclass(frozen=True)
class Sent:
    """`members` is None for what sets the id alone; `comment` is a heartbeat's."""

    id: str
    members: dict[str, Any] | None
    comment: str | None = None


class EventClient:
    """Inside the context the stream is open; `status` and `headers` are those of the answer."""

    def __init__(self, port: int, query: str = "", last_event_id: str | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        last = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id is not None else ""
        head = f"GET /api/v1/events/stream{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{last}\r\n"
        self._socket.sendall(head.encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = dict(self._header_lines())
        self.last_id = ""
        self.ended = False
        self._blocks = self._read_blocks()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def events(self, wanted: int) -> list[dict[str, Any]]:
        """The members of the next events; fails if the stream ends, or is silent for too long, before that."""
        found: list[dict[str, Any]] = []
        while len(found) < wanted:
            one = next(self._blocks)
            if one.members is not None:
                found.append(one.members)
        return found

    def until_heartbeat(self) -> list[dict[str, Any]]:
        """The events that come before the next heartbeat."""
        found: list[dict[str, Any]] = []
        while (one := next(self._blocks)).comment is None:
            if one.members is not None:
                found.append(one.members)
        return found

    def rest(self) -> list[dict[str, Any]]:
        """The events up to the end; `ended` tells whether it was a proper one."""
        return [one.members for one in self._blocks if one.members is not None]

    def _read_blocks(self) -> Iterator[Sent]:
        lines: list[str] = []
        for line in self._lines():
            if line:
                lines.append(line)
                continue
            fields = dict(one.partition(":")[::2] for one in lines if not one.startswith(":"))
            comments = [one[1:].strip() for one in lines if one.startswith(":")]
            self.last_id = fields.get("id", f" {self.last_id}")[1:]
            members = json.loads(fields["data"]) if "data" in fields else None
            yield Sent(self.last_id, members, comments[0] if comments else None)
            lines = []

    def _lines(self) -> Iterator[str]:
        """Those of the body. The server's chunks hold whole blocks, so no line is in two of them."""
        while size_line := self._file.readline():
            size = int(size_line, 16)
            chunk = self._file.read(size)
            self._file.readline()
            if size == 0:
                self.ended = True
                return
            yield from chunk.decode().split("\n")[:-1]

    def _header_lines(self) -> Iterator[tuple[str, str]]:
        while (line := self._file.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            yield name.lower(), value.strip()
