"""Walks the fields of a protobuf message without reading what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tensorfleet.scanning.content import Reader
from tensorfleet.scanning.limits import Malformed

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_TEXT: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Field:
    """`value` of a number; of text, bytes and messages `length` bytes from `start` on, and `value` -1."""

    number: int
    start: int
    length: int
    value: int

    @property
    def is_message(self) -> bool:
        return self.value < 0


def fields(reader: Reader, end: int) -> Iterator[Field]:
    """Up to the offset `end`. The caller may read a field's bytes; the next field is found all the same."""
    while reader.offset < end:
        key = _varint(reader)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Malformed("a field without a number")
        if wire == _BYTES:
            length = _varint(reader)
            start = reader.offset
            if start + length > end:
                raise Malformed("a field goes beyond its message", "truncated")
            yield Field(number, start, length, -1)
            if reader.offset < start + length:
                reader.skip(start + length - reader.offset)
        elif wire == _VARINT:
            yield Field(number, 0, 0, _varint(reader))
        elif wire in (_FIXED64, _FIXED32):
            reader.skip(8 if wire == _FIXED64 else 4)
            yield Field(number, 0, 0, 0)
        else:
            raise Malformed(f"a field of wire type {wire}")
    if reader.offset > end:
        raise Malformed("a field goes beyond its message", "truncated")


def text_of(reader: Reader, field: Field) -> str:
    if field.length > _LONGEST_TEXT:
        raise Malformed(f"a name of {field.length:,} bytes")
    return reader.take(field.length).decode("utf-8", "replace")


def _varint(reader: Reader) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = reader.byte()
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise Malformed("a number without an end")
