"""The codec: envelopes to bytes and back, Avro in the Confluent wire format (0x00, schema id, body)."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final

import orjson
from fastavro import schemaless_reader, schemaless_writer

from tensorfleet.domain import events as e
from tensorfleet.domain.limits import RESERVED_KEY
from tensorfleet.domain.model import LiveModel
from tensorfleet.events.catalogue import Catalogue, LockedSchema
from tensorfleet.events.envelope import Envelope, OwnershipClaimed

MAX_RECORD_BYTES: Final = 8 * 1024 * 1024
_MOST_NESTED: Final = 64
"""Levels of lists and maps in a JSON field. Commands have half of it at most (`MAP_DEPTH`)."""
_PREFIX: Final = struct.Struct(">bI")
_JSON_FIELDS: Final = {"hyperparameters", "dataset_info"}
_SECTIONS: Final[dict[str, type[Any]]] = {
    one.__name__: one
    for one in (
        e.ModelRegistered,
        e.ModelUpdated,
        e.ModelVersioned,
        e.ModelFileAttached,
        e.ModelDeprecated,
        e.ModelArchived,
        e.ModelRestored,
        e.ModelDeleted,
        e.ModelVersionDeleted,
        e.ModelDownloaded,
        e.MetricsReported,
        e.ParkedRecordsDiscarded,
        e.ArtifactScanned,
        e.ArtifactReleased,
        e.ArtifactFoundCorrupt,
        e.ArtifactRepaired,
        OwnershipClaimed,
    )
}
_SECTION_FIELDS: Final = {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in _SECTIONS}
_FIELD_NAMES: Final = {one: tuple(field.name for field in fields(one)) for one in _SECTIONS.values()}


Sections = Callable[[dict[str, Any]], tuple[Any, ...]]


class Undecodable(Exception):
    """The bytes are not a record of ours. The message says why, without quoting them."""


class Codec:
    """Stateless once made; safe to share between threads."""

    def __init__(self, catalogue: Catalogue) -> None:
        versions = catalogue.versions("ModelEvent")
        self._state_schema = catalogue.latest("ModelState")
        self._readable = {one.id: (one, _sections_getter(one)) for one in versions}
        self._writable = {
            event_type: next(one for one in versions if field in _field_names(one))
            for event_type, field in _SECTION_FIELDS.items()
        }
        """By event type the oldest schema that has its section: what an older process can read, it goes on reading."""

    def event_schema_id(self, event_type: str) -> int:
        return self._writable[event_type].id

    @property
    def state_schema_id(self) -> int:
        return self._state_schema.id

    def encode(self, envelope: Envelope) -> bytes:
        record = {
            "epoch": envelope.epoch,
            "sequence": envelope.sequence,
            "event_type": envelope.event_type,
            "model_id": envelope.model_id,
            "event_id": envelope.event_id,
            "command_id": envelope.command_id,
            "previous_hash": envelope.previous_hash,
            "model_name": envelope.model_name,
            "command_hash": envelope.command_hash,
            "occurred_at": envelope.occurred_at,
            "actor": envelope.actor,
            _SECTION_FIELDS[envelope.event_type]: _to_section(envelope.event),
        }
        return _framed(self._writable[envelope.event_type], record)

    def decode(self, value: bytes) -> Envelope:
        """Undecodable for anything that `encode` of some known schema version did not make."""
        record, sections = self._read(value)
        try:
            event_type = record["event_type"]
            section = record[_SECTION_FIELDS[event_type]]
            filled = sections(record)
            if filled.count(None) != len(filled) - 1:
                raise ValueError("not exactly one section is filled")
            return Envelope(
                epoch=record["epoch"],
                sequence=record["sequence"],
                model_id=record["model_id"],
                event_id=record["event_id"],
                command_id=record["command_id"],
                previous_hash=record["previous_hash"],
                model_name=record["model_name"],
                command_hash=record["command_hash"],
                occurred_at=record["occurred_at"],
                actor=record["actor"],
                event=_from_section(_SECTIONS[event_type], section),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Undecodable(f"the section does not fit the event type: {error!r}") from error

    def encode_state(self, model_id: str, name: str, sequence: int, updated_at: int, model: LiveModel) -> bytes:
        newest = model.newest
        record = {
            "model_id": model_id,
            "model_name": name,
            "sequence": sequence,
            "updated_at": updated_at,
            "algorithm": model.algorithm,
            "framework": model.framework,
            "description": model.description,
            "tags": list(model.tags),
            "created_by": model.created_by,
            "status": str(model.status),
            "newest": {
                "version": str(newest.number),
                "parent_version": str(newest.parent) if newest.parent else None,
                "status": str(newest.status),
                "hyperparameters": orjson.dumps(newest.hyperparameters).decode(),
                "metrics": newest.metrics,
                "dataset_info": orjson.dumps(newest.dataset_info).decode(),
                "file": _plain("file", newest.file),
                "scan_verdict": str(newest.scan.verdict) if newest.scan else None,
                "released": newest.scan is not None and newest.scan.released,
                "corrupt": newest.corrupt,
            },
            "versions": [str(number) for number in sorted(model.versions)],
        }
        return _framed(self._state_schema, record)

    def _read(self, value: bytes) -> tuple[dict[str, Any], Sections]:
        """The record, and how to get all its sections."""
        if not _PREFIX.size < len(value) <= MAX_RECORD_BYTES:
            raise Undecodable(f"a value of {len(value)} bytes is too short or too long for a record")
        magic, schema_id = _PREFIX.unpack_from(value)
        known = self._readable.get(schema_id)
        if magic != 0 or known is None:
            raise Undecodable(f"magic byte {magic}, schema id {schema_id}: not a schema of this registry")
        schema, sections = known
        body = io.BytesIO(value)
        body.seek(_PREFIX.size)
        try:
            record: dict[str, Any] = schemaless_reader(body, schema.fast, None)  # type: ignore[assignment]
        except Exception as error:  # fastavro raises many types on hostile bytes; each means the same here
            raise Undecodable(f"the body is not Avro of schema {schema_id}: {type(error).__name__}") from error
        if body.tell() != len(value):
            raise Undecodable(f"{len(value) - body.tell()} bytes follow the body")
        return record, sections


def _field_names(schema: LockedSchema) -> list[str]:
    return [field["name"] for field in schema.published["fields"]]


def _sections_getter(schema: LockedSchema) -> Sections:
    return itemgetter(*(name for name in _field_names(schema) if name in _SECTION_FIELDS.values()))


def _framed(schema: LockedSchema, record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(_PREFIX.pack(0, schema.id))
    schemaless_writer(out, schema.fast, record)
    return out.getvalue()


def _to_section(event: Any) -> dict[str, Any]:
    return {name: _plain(name, getattr(event, name)) for name in _FIELD_NAMES[type(event)]}


def _plain(name: str, value: Any) -> Any:
    if name in _JSON_FIELDS:
        return None if value is None else orjson.dumps(value).decode()
    match value:
        case e.BlobFile():
            return {
                "size_bytes": value.size_bytes,
                "checksum": value.checksum,
                "format": value.format,
                "filename": value.filename,
            }
        case e.ScanFinding():
            return {
                "severity": str(value.severity),
                "code": value.code,
                "where": value.where,
                "text": value.text,
            }
        case StrEnum():
            return str(value)
        case tuple():
            return [_plain("", one) for one in value]
        case _:
            return value


def _from_section(section_type: type[Any], section: dict[str, Any]) -> Any:
    """Takes `section` for its own."""
    for name, convert in _CONVERSIONS[section_type]:
        if section[name] is not None:
            section[name] = convert(section[name])
    return section_type(**section)


def _json_object(text: str) -> dict[str, Any]:
    parsed = orjson.loads(text)
    if not isinstance(parsed, dict):
        raise ValueError("a JSON field is not an object")
    if text.count("[") + text.count("{") > _MOST_NESTED and _is_deep(parsed):
        raise ValueError(f"a JSON field is nested more than {_MOST_NESTED} deep")
    if ("$" in text or "\\u0024" in text) and _holds_reserved_key(parsed):
        raise ValueError(f"a map has the reserved key {RESERVED_KEY}")
    return parsed


def _is_deep(value: Any) -> bool:
    """Level by level: how deep a recursion may go depends on who calls, and every reader must come to one verdict."""
    level = [value]
    for _ in range(_MOST_NESTED):
        children = (one.values() if isinstance(one, dict) else one for one in level)
        level = [child for some in children for child in some if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _holds_reserved_key(value: Any) -> bool:
    if isinstance(value, dict):
        return RESERVED_KEY in value or any(map(_holds_reserved_key, value.values()))
    return isinstance(value, list) and any(map(_holds_reserved_key, value))


def _metrics(found: dict[str, Any]) -> dict[str, Any]:
    if RESERVED_KEY in found:
        raise ValueError(f"a map has the reserved key {RESERVED_KEY}")
    return found


_RICH: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(_JSON_FIELDS, _json_object),
    "metrics": _metrics,
    "file": lambda file: e.BlobFile(**file),
    "status": e.Status,
    "version_status": e.Status,
    "tags": tuple,
    "verdict": e.ScanVerdict,
    "findings": lambda findings: tuple(
        e.ScanFinding(e.Severity(one["severity"]), one["code"], one["where"], one["text"]) for one in findings
    ),
}
_CONVERSIONS: Final = {
    one: [(name, _RICH[name]) for name in names if name in _RICH] for one, names in _FIELD_NAMES.items()
}
