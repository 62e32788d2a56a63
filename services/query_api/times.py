"""Times as clients write them: RFC 3339, with a zone, to microseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.query_parameters import QueryParameters

MOST_CHARACTERS: Final = 40
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN: Final = "is not a time like 2026-11-21T17:00:00Z or 2026-11-21T18:00:00.5+01:00"


def time_of(parameters: QueryParameters, name: str) -> int | None:
    """None if not given. InvalidCommand for what is no time, or one without a zone."""
    text = parameters.text(name, MOST_CHARACTERS)
    if text is None:
        return None
    try:
        return microseconds(text)
    except ValueError as error:
        raise InvalidCommand.of(name, str(error)) from None


def microseconds(text: str) -> int:
    """Digits beyond microseconds are cut off. ValueError says what is wrong."""
    match = _TIME.fullmatch(text)
    if match is None:
        hint = "; in a query, a + is written %2B" if re.search(r"\d \d\d:\d\d$", text) else ""
        raise ValueError(_SHOWN + hint)
    *numbers, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
    zone = timezone(-offset if sign == "-" else offset)
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        raise ValueError(_SHOWN) from None
    return (whole - _EPOCH) // timedelta(microseconds=1) + int((fraction or "").ljust(6, "0")[:6])
