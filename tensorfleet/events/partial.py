"""Reads a record as far as it goes: for someone who wants to know what it was meant to be."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

from fastavro import schemaless_reader

from tensorfleet.events.catalogue import Catalogue

_PREFIX_BYTES: Final = 5
_FROZEN_FIELDS: Final = 7
"""With these every version of the schema begins."""


@dataclass(frozen=True, slots=True)
class Partial:
    """`fields` by name, in their order, up to where the bytes make no sense; `stopped` says why, or is None."""

    schema_id: int | None
    fields: dict[str, Any]
    stopped: str | None


def read_partially(value: bytes, catalogue: Catalogue) -> Partial:
    if len(value) < _PREFIX_BYTES or value[0] != 0:
        return Partial(None, {}, "it does not begin with a zero byte and a schema id")
    schema_id = int.from_bytes(value[1:_PREFIX_BYTES])
    versions = catalogue.versions("ModelEvent")
    known = next((one for one in versions if one.id == schema_id), None)
    schema = (known or versions[-1]).published
    described = schema["fields"] if known else schema["fields"][:_FROZEN_FIELDS]
    fields: dict[str, Any] = {}
    end = _PREFIX_BYTES
    for number, field in enumerate(described, 1):
        body = io.BytesIO(value)
        body.seek(_PREFIX_BYTES)
        try:
            fields = dict(schemaless_reader(body, {**schema, "fields": described[:number]}, None))  # type: ignore[arg-type]
        except Exception as error:  # fastavro raises many types on hostile bytes; each means the same here
            return Partial(schema_id, fields, f"{field['name']} can't be read: {type(error).__name__}")
        end = body.tell()
    if known is None:
        return Partial(schema_id, fields, f"schema {schema_id} is not one of this release")
    left = len(value) - end
    return Partial(schema_id, fields, f"{left} bytes follow the record" if left else None)
