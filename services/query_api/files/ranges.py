"""Byte ranges (RFC 9110, section 14): which part of a file a request asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SINGLE: Final = re.compile(
    r"\s*bytes\s*=\s*(?:([0-9]{1,19})-([0-9]{1,19})?|-([0-9]{1,19}))\s*", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `start`, of a file of `size` bytes."""

    start: int
    length: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


class NotSatisfiable(Exception):
    """The range lies outside the file."""


def requested_part(header: str | None, size: int) -> Part | None:
    """None: the whole file. That is also the answer to several ranges, to other units, and to what is no range."""
    match = _SINGLE.fullmatch(header) if header is not None else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        start = size - length
    else:
        start = int(first)
        if last is not None and int(last) < start:
            return None
        length = min(int(last) + 1 if last is not None else size, size) - start
    if length <= 0:
        raise NotSatisfiable
    return Part(start, length, size)
