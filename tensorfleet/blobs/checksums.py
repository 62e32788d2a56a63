"""A blob's SHA-256 in its two written forms: bare hex digits, and `sha256:<hex>` on the wire."""

from __future__ import annotations

import re

from tensorfleet.domain.errors import InvalidCommand

_HEX = re.compile(r"[0-9a-f]{64}")
_PREFIX = "sha256:"


def is_checksum(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def parse_checksum(text: str, field: str = "X-File-Checksum") -> str:
    """The lower-case hex digits of `sha256:<hex>` or `<hex>`. InvalidCommand, naming `field`, for anything else."""
    digits = text.strip().lower().removeprefix(_PREFIX)
    if not is_checksum(digits):
        raise InvalidCommand.of(field, "must be sha256: and 64 hex digits")
    return digits
