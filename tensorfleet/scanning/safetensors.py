"""Scans safetensors: does the header say of the bytes what is true?"""

from __future__ import annotations

import math
from typing import Final

from tensorfleet.scanning.content import Content, bytes_at, size_of
from tensorfleet.scanning.json_text import LARGEST, JsonObject, parsed
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.part import Part, shown

_MOST_DIMENSIONS: Final = 64
_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64,
    "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


def scan_safetensors(content: Content, part: Part) -> None:
    size = size_of(content)
    length = int.from_bytes(bytes_at(content, 0, 8), "little")
    if length > size - 8:
        part.suspicious("safetensors-lie", f"a header of {length:,} bytes in a file of {size:,}")
        return
    if length > LARGEST:
        part.unscanned("limit-json", f"a header of {length:,} bytes is more than is read")
        return
    try:
        header = parsed(bytes_at(content, 8, length))
        if not isinstance(header, JsonObject):
            raise Malformed("the header is no object")
        if header.has_duplicates:
            raise Malformed("a tensor comes twice", "duplicate-key")
        spans = [_span(name, value) for name, value in header.pairs if name != "__metadata__"]
        _check_metadata(header.get("__metadata__"))
        _check_cover(spans, size - 8 - length)
    except Malformed as error:
        part.suspicious(error.code, error.text)


def _span(name: str, value: object) -> tuple[int, int]:
    if not isinstance(value, JsonObject) or value.has_duplicates:
        raise _lie(name, "has no description that is clear")
    kind, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(kind, str) or kind not in _BITS:
        raise _lie(name, "is of a type that is not known")
    lengths, place = _lengths(shape), _lengths(offsets)
    if lengths is None or len(lengths) > _MOST_DIMENSIONS or place is None or len(place) != 2:
        raise _lie(name, "has no shape, or no place")
    start, end = place
    if end < start or (end - start) * 8 != math.prod(lengths) * _BITS[kind]:
        raise _lie(name, "has another size than its shape")
    return start, end


def _lengths(value: object) -> list[int] | None:
    return value if isinstance(value, list) and all(type(one) is int and 0 <= one < 1 << 62 for one in value) else None


def _check_metadata(metadata: object) -> None:
    if metadata is not None and not (
        isinstance(metadata, JsonObject) and all(isinstance(value, str) for _, value in metadata.pairs)
    ):
        raise Malformed("the metadata is not text by name")


def _check_cover(spans: list[tuple[int, int]], size: int) -> None:
    at = 0
    for start, end in sorted(spans):
        if start != at:
            raise Malformed("tensors overlap, or leave a gap", "safetensors-lie")
        at = end
    if at != size:
        raise Malformed(f"the tensors take {at:,} bytes of {size:,}", "safetensors-lie")


def _lie(name: str, what: str) -> Malformed:
    return Malformed(f"the tensor {shown(name)} {what}", "safetensors-lie")
