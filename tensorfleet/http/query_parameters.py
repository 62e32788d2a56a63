"""Strict query parameters: declared once, for the parser and for OpenAPI alike; whatever else comes is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from tensorfleet.domain import limits
from tensorfleet.domain.errors import FieldError, InvalidCommand, Malformed
from tensorfleet.http.times import parse_time

MOST_PARAMETERS: Final = 100
MOST_TEXT: Final = 1_000
MOST_ENTRIES: Final = 100
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,39})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter. A `name` that ends with a dot stands for a family: `min_metric.` takes `min_metric.f1`."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False

    def accepts(self, name: str) -> bool:
        return name.startswith(self.name) if self.name.endswith(".") else name == self.name

    @property
    def documentation(self) -> dict[str, Any]:
        name = f"{self.name}<name>" if self.name.endswith(".") else self.name
        return {
            "name": name,
            "in": "query",
            "description": self.description,
            "required": self.required,
            "schema": dict(self.schema),
        }


class QueryParameters:
    """The parameters of one request. Each reading method raises InvalidCommand naming the parameter."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    @classmethod
    def of(cls, request: Request, accepted: Sequence[Parameter]) -> QueryParameters:
        """Malformed: bad percent-encoding or not UTF-8. InvalidCommand: names that are unknown or come twice."""
        pairs = _pairs(request.scope.get("query_string", b""))
        names = [name for name, _ in pairs]
        unknown = [name for name in dict.fromkeys(names) if not any(one.accepts(name) for one in accepted)]
        repeated = sorted({name for name in names if names.count(name) > 1} - set(unknown))
        errors = [FieldError(name, "is not a known parameter") for name in unknown]
        errors += [FieldError(name, "is given more than once") for name in repeated]
        if errors:
            raise InvalidCommand("; ".join(f"{one.field[:100]}: {one.message}" for one in errors[:5]), errors)
        return cls(dict(pairs))

    def __contains__(self, name: object) -> bool:
        return name in self._given

    def members(self, prefix: str) -> list[str]:
        """The names given of one family, without its prefix. InvalidCommand if one can't be a key."""
        names = [name.removeprefix(prefix) for name in self._given if name.startswith(prefix)]
        for name in names:
            problem = limits.key_problem(name)
            if problem:
                raise InvalidCommand.of(prefix, problem)
        return names

    def text(self, name: str, most_characters: int = MOST_TEXT, *, lines: bool = False) -> str | None:
        """None if not given; never empty. `lines` allows tab and newline."""
        value = self._given.get(name)
        if value is None:
            return None
        problem = limits.text_problem(value, most_characters, lines=lines) or (None if value.strip() else "is empty")
        if problem:
            raise InvalidCommand.of(name, problem)
        return value

    def choice(self, name: str, among: Sequence[str]) -> str | None:
        value = self._given.get(name)
        if value is not None and value not in among:
            raise InvalidCommand.of(name, f"is none of {', '.join(among)}")
        return value

    def entries(self, name: str, most: int = MOST_ENTRIES, most_characters: int = limits.TAG_CHARACTERS) -> list[str]:
        """A list written with commas, without repeats; [] if not given."""
        value = self._given.get(name)
        if value is None:
            return []
        found = value.split(",")
        if len(found) > most:
            raise InvalidCommand.of(name, f"has {len(found)} entries; at most {most} are allowed")
        for entry in found:
            problem = limits.text_problem(entry, most_characters) or (None if entry.strip() else "has an empty entry")
            if problem:
                raise InvalidCommand.of(name, problem)
        return list(dict.fromkeys(found))

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self._given.get(name)
        if value is None:
            return default
        if _INTEGER.fullmatch(value) is None:
            raise InvalidCommand.of(name, "is not a whole number")
        if not least <= int(value) <= most:
            raise InvalidCommand.of(name, f"is not between {least} and {most}")
        return int(value)

    def time(self, name: str) -> int | None:
        """Microseconds since 1970; None if not given."""
        text = self.text(name)
        return None if text is None else parse_time(text, name)

    def number(self, name: str) -> int | float | None:
        """A finite number; an exact integer if it is written as one and fits 64 bits."""
        value = self._given.get(name)
        if value is None:
            return None
        match = _NUMBER.fullmatch(value)
        if match is None or not math.isfinite(float(value)):
            raise InvalidCommand.of(name, "is not a finite number")
        if match[2] is not None or match[3] is not None:
            return float(value)
        if not limits.INTEGER_MIN <= int(value) <= limits.INTEGER_MAX:
            raise InvalidCommand.of(name, "is an integer beyond 64 bits")
        return int(value)


def strict_path_text(request: Request) -> str:
    """The path, percent-decoded. Malformed if it is not UTF-8: servers put U+FFFD there without a word."""
    raw = request.scope.get("raw_path")
    if raw is not None:
        return _decoded(raw.partition(b"?")[0], "The path")
    return str(request.scope["path"])


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    pieces = [piece for piece in raw.split(b"&") if piece]
    if len(pieces) > MOST_PARAMETERS:
        raise InvalidCommand(f"There are {len(pieces)} query parameters; at most {MOST_PARAMETERS} are allowed.")
    found = []
    for piece in pieces:
        name, _, value = piece.replace(b"+", b" ").partition(b"=")
        found.append((_decoded(name, "A query parameter"), _decoded(value, "A query parameter")))
    return found


def _decoded(raw: bytes, what: str) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise Malformed(f"{what} has a % that two hexadecimal digits do not follow; write %25 for the sign itself.")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Malformed(f"{what} is not percent-encoded UTF-8.") from None
