"""A dead letter as it stands in its topic: the record as it was, and in headers why and from where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tensorfleet.events.envelope import Position
from tensorfleet.events.stored import StoredHeaders, StoredRecord

REASON: Final = "dlq_reason"
DETAIL: Final = "dlq_detail"
TOPIC: Final = "dlq_topic"
POSITION: Final = "dlq_position"
CUT: Final = "dlq_value_bytes"
"""Only there if the value was too long for a letter: how many bytes it had."""
_OWN: Final = {REASON, DETAIL, TOPIC, POSITION, CUT}


@dataclass(frozen=True, slots=True)
class Letter:
    """`position` is that in `topic`, where the record comes from; `headers` are those that it had there.

    `size` is the number of bytes that its value had, of which `value` may hold only the first.
    """

    topic: str
    position: Position
    reason: str
    detail: str
    key: bytes | None
    value: bytes
    size: int
    headers: StoredHeaders
    timestamp: int | None


def letters(records: Iterable[StoredRecord]) -> list[Letter]:
    """Each position once, whatever the topic holds of it, in the order of the positions; others are left out."""
    found: dict[tuple[str, Position], Letter] = {}
    for record in records:
        letter = _letter(record)
        if letter is not None:
            found.setdefault((letter.topic, letter.position), letter)
    return [found[place] for place in sorted(found)]


def _letter(record: StoredRecord) -> Letter | None:
    # A hostile record may have brought headers of these names; ours come last.
    told = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers if name in _OWN}
    value = record.value or b""
    try:
        return Letter(
            topic=told[TOPIC],
            position=Position.parse(told[POSITION]),
            reason=told[REASON],
            detail=told[DETAIL],
            key=record.key,
            value=value,
            size=int(told.get(CUT, len(value))),
            headers=tuple((name, content) for name, content in record.headers if name not in _OWN),
            timestamp=record.timestamp,
        )
    except (KeyError, ValueError):
        return None
