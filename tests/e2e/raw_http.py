"""HTTP/1.1 letter by letter: what is sent is what is written, however wrong it is."""

from __future__ import annotations

import gzip
import socket
from contextlib import suppress
from http.client import HTTPException, HTTPResponse

SECONDS = 20


def sent(port: int, request: str, headers: tuple[str, ...], body: bytes | None) -> tuple[int, str, bytes]:
    """Status, type and content of the answer to a request whose first line begins with `request`.

    Texts go out as Latin-1, and a compressed body comes back unpacked. The length of a body is added unless a header
    tells it. ConnectionError if no answer comes.
    """
    given = "\r\n".join((f"{request} HTTP/1.1", *headers))
    lines = [given]
    if "\r\nHost:" not in given:
        lines.append("Host: 127.0.0.1")
    if body is not None and "\r\nContent-Length:" not in given and "\r\nTransfer-Encoding:" not in given:
        lines.append(f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        with suppress(ConnectionError):  # what is refused early is not read to its end, and the answer is there
            connection.sendall(head + (body or b""))
        answer = HTTPResponse(connection, method=request.partition(" ")[0])
        try:
            answer.begin()
            content = answer.read()
            if answer.getheader("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
            return answer.status, answer.getheader("Content-Type", ""), content
        except HTTPException as error:
            raise ConnectionError(f"no answer: {error!r}") from error
        finally:
            answer.close()
