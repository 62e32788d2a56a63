"""What a key may do: five roles, and which of them include others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    READER = "reader"
    DOWNLOADER = "downloader"
    WRITER = "writer"
    SCANNER = "scanner"
    ADMIN = "admin"


INCLUDES: Final[Mapping[Role, frozenset[Role]]] = {
    Role.READER: frozenset({Role.READER}),
    Role.DOWNLOADER: frozenset({Role.DOWNLOADER, Role.READER}),
    Role.WRITER: frozenset({Role.WRITER, Role.READER}),
    Role.SCANNER: frozenset({Role.SCANNER, Role.READER}),
    Role.ADMIN: frozenset(Role),
}
"""Whoever writes need not download: a pipeline that only registers can't carry models away; and
whoever writes a file can't be the one to say that it is safe."""


def held(roles: Iterable[Role]) -> frozenset[Role]:
    """These roles with all that they include."""
    return frozenset().union(*(INCLUDES[one] for one in roles))
