"""A hostile request and the answer that is expected, and how rows of `hostile_cases.py` become such cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote


class Case(NamedTuple):
    name: str
    request: str
    """The first line without the version; Latin-1, so that it can hold any byte."""
    expected: str
    headers: tuple[str, ...] = ()
    body: bytes | None = None


Rows = Iterable[tuple[str, str, str]]
MODELS = "/api/v1/models"
MODEL = f"{MODELS}/{{id}}"
ABSENT = f"{MODELS}/{'0' * 24}"


def queries(path: str, rows: Rows) -> list[Case]:
    """Rows of name, query string, answer."""
    return [Case(f"{name} ({path})", f"GET {path}?{query}", expected) for name, query, expected in rows]


def filters(rows: Rows) -> list[Case]:
    """Rows of name, filter in clear, answer."""
    return [Case(name, f"GET {MODELS}?filter={quote(text)}", expected) for name, text, expected in rows]


def paths(rows: Rows) -> list[Case]:
    """Rows of name, method and path, answer."""
    return [Case(*row) for row in rows]


def headers(request: str, rows: Rows, *others: str, body: bytes | None = None) -> list[Case]:
    """Rows of name, header line (several with line breaks between them), answer."""
    return [Case(name, request, expected, (line, *others), body) for name, line, expected in rows]


def bodies(request: str, rows: Iterable[tuple[str, bytes, str]]) -> list[Case]:
    """Rows of name, JSON body, answer."""
    given = ("Content-Type: application/json",)
    return [Case(f"{name} ({request})", request, expected, given, body) for name, body, expected in rows]


def commands(rows: Iterable[tuple[str, bytes | None, str]]) -> list[Case]:
    """Rows of method and path, JSON body, answer."""
    json_body = ("Content-Type: application/json",)
    return [
        Case(f"{request} {body!r:.60}", request, expected, () if body is None else json_body, body)
        for request, body, expected in rows
    ]


def forms(rows: Iterable[tuple[str, str, bytes, str]]) -> list[Case]:
    """Rows of name, type, body, answer: uploads of what the model has already, as far as it can be read."""
    upload = f"POST {MODELS}/{{id}}/upload"
    return [Case(name, upload, expected, (f"Content-Type: {kind}",), body) for name, kind, body, expected in rows]


def part(disposition: str, content: bytes = b"weights") -> bytes:
    """A form with the boundary `b` and one part; it ends properly."""
    return f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n--b--\r\n"
