"""The lines of an export: JSON Lines, a header, one line for each record of the log, and a closing line.

Everything follows from the raw bytes and this module, so that a verifier can make each line again and compare it byte
for byte. Whoever changes what a line says must raise VERSION.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from tensorfleet.audit.log import decoded
from tensorfleet.domain.errors import Malformed
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope, Position
from tensorfleet.events.stored import OffsetRange, StoredRecord

FORMAT: Final = "tensorfleet-log-export"
VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """`partitions` is the number that the topic has. With `model_id` the offsets in `ranges` have holes."""

    registry: str
    cluster_id: str
    topic: str
    topic_id: str
    partitions: int
    model_id: str | None
    ranges: tuple[OffsetRange, ...]

    def line(self) -> bytes:
        return _line(
            {
                "format": FORMAT,
                "version": VERSION,
                "registry": self.registry,
                "cluster_id": self.cluster_id,
                "topic": self.topic,
                "topic_id": self.topic_id,
                "partitions": self.partitions,
                "model_id": self.model_id,
                "offsets_have_holes": self.model_id is not None,
                "ranges": [{"partition": one.partition, "first": one.first, "end": one.end} for one in self.ranges],
            }
        )

    @classmethod
    def parse(cls, line: bytes) -> ExportHeader:
        """Malformed if the line does not begin an export that this version can read."""
        try:
            found = orjson.loads(line)
            if (found["format"], found["version"]) != (FORMAT, VERSION):
                raise ValueError(f"it is {found['format']!r}, version {found['version']!r}")
            ranges = tuple(OffsetRange(one["partition"], one["first"], one["end"]) for one in found["ranges"])
            names = ("registry", "cluster_id", "topic", "topic_id", "partitions", "model_id")
            header = cls(**{name: found[name] for name in names}, ranges=ranges)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"This is no log export of version {VERSION}: {error}") from error
        if header.line() != line:
            raise Malformed("The first line of this export is not as an export is written.")
        return header


def record_line(record: StoredRecord, codec: Codec) -> bytes:
    """`key` and `value` are base64 of the raw bytes; `event` is what they mean, null if they are no event."""
    envelope = decoded(record, codec)
    return _line(
        {
            "position": str(record.position),
            "event": None if envelope is None else _readable(envelope),
            "key": _text_of(record.key),
            "value": _text_of(record.value),
        }
    )


def parse_record(line: bytes) -> StoredRecord:
    """ValueError if the line is not one of a record."""
    try:
        found = orjson.loads(line)
        position = Position.parse(found["position"])
        return StoredRecord(position.partition, position.offset, _bytes_of(found["key"]), _bytes_of(found["value"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it has no {error}") from error


def closing_line(records: int, sha256: str) -> bytes:
    """`sha256` is over the bytes of all lines before this one."""
    return _line({"records": records, "sha256": sha256})


def _readable(envelope: Envelope) -> dict[str, Any]:
    return {
        "event_type": envelope.event_type,
        "model_id": envelope.model_id,
        "model_name": envelope.model_name,
        "sequence": envelope.sequence,
        "epoch": envelope.epoch,
        "event_id": envelope.event_id,
        "command_id": envelope.command_id,
        "command_hash": None if envelope.command_hash is None else envelope.command_hash.hex(),
        "occurred_at": _time(envelope.occurred_at),
        "actor": envelope.actor,
        "previous_hash": envelope.previous_hash.hex(),
        "section": asdict(envelope.event),
    }


def _time(microseconds: int) -> str | int:
    """A number if it is no time that a calendar has: a hostile record must be exportable too."""
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return microseconds
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def _text_of(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _bytes_of(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content) + b"\n"
