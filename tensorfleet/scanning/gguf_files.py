"""Scans GGUF: a header that says what is true, and no program in the chat template."""

from __future__ import annotations

from typing import Final

from tensorfleet.scanning.content import Content, Reader, size_of
from tensorfleet.scanning.limits import MIB, Malformed
from tensorfleet.scanning.part import Part
from tensorfleet.scanning.templates import scan_template

_FIXED: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_LONGEST_KEY: Final = 1 << 16
_LONGEST_TEMPLATE: Final = MIB
_MOST_PAIRS, _MOST_TENSORS = 1 << 16, 1 << 18
_MOST_DIMENSIONS: Final = 8
_DEFAULT_ALIGNMENT: Final = 32


def scan_gguf(content: Content, part: Part) -> None:
    try:
        _scan(Reader(content), size_of(content), part)
    except Malformed as error:
        part.suspicious(error.code, error.text)


def _scan(reader: Reader, size: int, part: Part) -> None:
    reader.skip(4)
    version = reader.number(4)
    if version not in (2, 3):
        raise Malformed(f"version {version} of GGUF is not known")
    tensors, pairs = reader.number(8), reader.number(8)
    if tensors > _MOST_TENSORS or pairs > _MOST_PAIRS:
        raise Malformed(f"{tensors:,} tensors and {pairs:,} settings", "limit-entries")
    alignment = _DEFAULT_ALIGNMENT
    for _ in range(pairs):
        part.budget.opcodes(1)
        key = _text(reader, _LONGEST_KEY)
        kind = reader.number(4)
        if key == "general.alignment" and kind == _UINT32:
            alignment = reader.number(4)
        elif "chat_template" in key and kind == _STRING:
            scan_template(_text(reader, _LONGEST_TEMPLATE), part)
        else:
            _skip_value(reader, kind, part, 0, key)
    offsets = [_tensor_offset(reader, part) for _ in range(tensors)]
    if alignment == 0 or alignment & (alignment - 1):
        raise Malformed(f"an alignment of {alignment}", "gguf-lie")
    start = -(-reader.offset // alignment) * alignment
    if any(offset % alignment or start + offset > size for offset in offsets):
        raise Malformed("a tensor lies outside of the file, or askew", "gguf-lie")
    if len(set(offsets)) < len(offsets):
        part.suspicious("gguf-lie", "two tensors lie in one place")


def _tensor_offset(reader: Reader, part: Part) -> int:
    part.budget.opcodes(1)
    _text(reader, _LONGEST_KEY)
    dimensions = reader.number(4)
    if dimensions > _MOST_DIMENSIONS:
        raise Malformed(f"a tensor of {dimensions:,} dimensions")
    reader.skip(8 * dimensions + 4)
    return reader.number(8)


def _skip_value(reader: Reader, kind: int, part: Part, depth: int, key: str) -> None:
    if kind in _FIXED:
        reader.skip(_FIXED[kind])
    elif kind == _STRING:
        _skip_text(reader)
    elif kind == _ARRAY and depth < 4:
        inner, count = reader.number(4), reader.number(8)
        if inner in _FIXED:
            _skip(reader, _FIXED[inner] * count)
            return
        for _ in range(count):
            part.budget.opcodes(1)
            if inner == _STRING and "chat_template" in key:
                scan_template(_text(reader, _LONGEST_TEMPLATE), part)
            else:
                _skip_value(reader, inner, part, depth + 1, key)
    else:
        raise Malformed(f"a setting of type {kind}")


def _text(reader: Reader, most: int) -> str:
    length = reader.number(8)
    if length > most:
        raise Malformed(f"a text of {length:,} bytes")
    return reader.take(length).decode("utf-8", "replace")


def _skip_text(reader: Reader) -> None:
    _skip(reader, reader.number(8))


def _skip(reader: Reader, size: int) -> None:
    if size >= 1 << 62:
        raise Malformed(f"a value of {size:,} bytes", "gguf-lie")
    if size:
        reader.skip(size)
