"""Times as HTTP carries them (RFC 3339), and as the registry keeps them: microseconds since 1970, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tensorfleet.domain.errors import InvalidCommand

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)

_LOST_PLUS: Final = re.compile(r"[0-9] [0-9]{2}:[0-9]{2}$")


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def parse_time(text: str, field: str, or_else: str = "") -> int:
    """Microseconds since 1970; finer digits are cut off. InvalidCommand naming `field` for what is no RFC 3339 time.

    It needs an offset: a time without one would mean another moment to each reader. `or_else` ends the message.
    """
    match = _RFC_3339.fullmatch(text)
    if match is not None:
        day, time, fraction, offset = match.groups()
        exact = (fraction or "")[:6].ljust(6, "0")
        try:
            return microseconds(datetime.fromisoformat(f"{day}T{time}.{exact}{offset.upper().replace('Z', '+00:00')}"))
        except (ValueError, OverflowError):
            pass
    hint = "; in a query, a + is written %2B" if _LOST_PLUS.search(text) else ""
    raise InvalidCommand.of(field, f"is not an RFC 3339 time like 2026-11-21T16:00:00Z{or_else}{hint}")


def time_text(microseconds: int) -> str:
    """RFC 3339, UTC, with microseconds."""
    whole = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"
