"""JSON from a file that is not trusted: bounded, and with every value of a key that comes twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tensorfleet.scanning.content import Content, bytes_at, size_of
from tensorfleet.scanning.limits import MIB, Malformed

LARGEST: Final = 8 * MIB


@dataclass(frozen=True, slots=True)
class JsonObject:
    """In the order of the text; a key may come twice."""

    pairs: tuple[tuple[str, object], ...]

    def get(self, key: str) -> object:
        """The last of that name, as nearly every reader takes it."""
        return dict(self.pairs).get(key)

    @property
    def has_duplicates(self) -> bool:
        return len({key for key, _ in self.pairs}) < len(self.pairs)


def parsed(raw: bytes) -> object:
    """Malformed if it is no JSON, or nested too deep."""
    try:
        return json.loads(raw, object_pairs_hook=lambda pairs: JsonObject(tuple(pairs)), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON that can be read: {type(error).__name__}") from None


def read_json(content: Content) -> object:
    """Malformed if it is no JSON, or more than 8 MiB of it."""
    size = size_of(content)
    if size > LARGEST:
        raise Malformed(f"{size:,} bytes of JSON are more than is read", "limit-json")
    return parsed(bytes_at(content, 0, size))


def _integer(digits: str) -> int:
    if len(digits) > 40:
        raise ValueError("a number that no format asks for")
    return int(digits)


def walk(value: object) -> Iterator[object]:
    """The value and everything in it, in no promised order."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, JsonObject):
            waiting.extend(child for _, child in one.pairs)
        elif isinstance(one, list):
            waiting.extend(one)
