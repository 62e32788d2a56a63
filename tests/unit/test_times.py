"""Times from outside: RFC 3339 with an offset, to the microsecond, and nothing else."""

from __future__ import annotations

import pytest

from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.times import parse_time

MOMENT = 1_795_277_045_000_000


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-11-21T16:04:05Z", MOMENT),
        ("2026-11-21t16:04:05z", MOMENT),
        ("2026-11-21T17:34:05+01:30", MOMENT),
        ("2026-11-21T16:04:05-00:00", MOMENT),
        ("2026-11-21T16:04:05.5Z", MOMENT + 500_000),
        ("2026-11-21T16:04:05.123456789Z", MOMENT + 123_456),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_a_time_is_microseconds_since_1970(text: str, microseconds: int) -> None:
    assert parse_time(text, "from") == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T16:04:05",
        "2026-11-21 16:04:05Z",
        "2026-W47-6T16:04:05Z",
        "2026-11-31T16:04:05Z",
        "2026-11-21T16:04:61Z",
        "2026-11-21T16:04:05.Z",
        "2026-11-21T16:04:05+99:00",
        "٢٠٢٦-11-21T16:04:05Z",
        "0000-01-01T00:00:00Z",
        "1795277045",
        "now",
    ],
)
def test_what_is_no_time_names_its_field(text: str) -> None:
    with pytest.raises(InvalidCommand, match=r"^from: "):
        parse_time(text, "from")
