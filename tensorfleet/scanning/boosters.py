"""Scans the native formats of XGBoost, LightGBM and CatBoost, which hold numbers and names only: are they whole?"""

from __future__ import annotations

from typing import Final

from tensorfleet.scanning.content import Content, Reader, bytes_at, size_of
from tensorfleet.scanning.json_text import LARGEST, parsed
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.part import Part

_UBJ_FIXED: Final = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1}
_UBJ_EMPTY: Final = frozenset((b"Z", b"N", b"T", b"F"))
_UBJ_LENGTHS: Final = frozenset((b"i", b"U", b"I", b"l", b"L"))
_UBJ_DEEPEST: Final = 64
_TAIL_BYTES: Final = 1 << 16


def scan_catboost(content: Content, part: Part) -> None:
    size = int.from_bytes(bytes_at(content, 4, 4), "little")
    root = int.from_bytes(bytes_at(content, 8, 4), "little")
    if size + 8 > size_of(content) or root + 4 > size:
        part.suspicious("malformed", f"a model of {size:,} bytes in a file of {size_of(content):,}")


def scan_lightgbm(content: Content, part: Part) -> None:
    size = size_of(content)
    tail = bytes_at(content, max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    if b"\0" in tail or b"\0" in bytes_at(content, 0, _TAIL_BYTES):
        part.suspicious("malformed", "it is no text")
    elif b"end of parameters" not in tail and b"end of trees" not in tail and b"pandas_categorical" not in tail:
        part.suspicious("truncated", "the text ends before the model does")


def scan_xgboost(content: Content, part: Part) -> None:
    head = bytes_at(content, 0, 64).lstrip()
    try:
        if head.startswith((b"binf", b"bs64")):
            if size_of(content) < 140:
                raise Malformed("it ends within its header", "truncated")
        elif head[1:2].isspace() or head[1:2] == b'"':
            _check_json(content)
        else:
            _check_ubj(content, part)
    except Malformed as error:
        part.suspicious(error.code, error.text)


def _check_json(content: Content) -> None:
    size = size_of(content)
    if size <= LARGEST:
        parsed(bytes_at(content, 0, size))
    elif not bytes_at(content, size - 64, 64).rstrip().endswith(b"}"):
        raise Malformed("the text ends before the model does", "truncated")


def _check_ubj(content: Content, part: Part) -> None:
    reader = Reader(content)
    _skip_value(reader, reader.take(1), part, 0)
    if not reader.at_end():
        raise Malformed("bytes after the model's end", "trailing-bytes")


def _skip_value(reader: Reader, marker: bytes, part: Part, depth: int) -> None:
    part.budget.opcodes(1)
    if depth > _UBJ_DEEPEST:
        raise Malformed("values within values without an end", "limit-depth")
    if marker in _UBJ_FIXED:
        reader.skip(_UBJ_FIXED[marker])
    elif marker == b"S":
        _skip(reader, _length(reader))
    elif marker in (b"[", b"{"):
        _skip_container(reader, marker == b"{", part, depth)
    elif marker not in _UBJ_EMPTY:
        raise Malformed(f"a value of the type {marker!r}")


def _skip_container(reader: Reader, named: bool, part: Part, depth: int) -> None:
    kind, count, marker = b"", None, reader.take(1)
    if marker == b"$":
        kind, marker = reader.take(1), reader.take(1)
    if marker == b"#":
        count = _length(reader)
        if kind in _UBJ_FIXED and not named:
            _skip(reader, _UBJ_FIXED[kind] * count)
            return
        if kind in _UBJ_EMPTY and not named:
            return
        for _ in range(count):
            if named:
                _skip(reader, _length(reader))
            _skip_value(reader, kind or reader.take(1), part, depth + 1)
        return
    if kind:
        raise Malformed("a typed container without a count")
    while marker != (b"}" if named else b"]"):
        if named:
            _skip(reader, _length_as(reader, marker))
            marker = reader.take(1)
        _skip_value(reader, marker, part, depth + 1)
        marker = reader.take(1)


def _length(reader: Reader) -> int:
    return _length_as(reader, reader.take(1))


def _length_as(reader: Reader, marker: bytes) -> int:
    if marker not in _UBJ_LENGTHS:
        raise Malformed("a length that is no number")
    length = int.from_bytes(reader.take(_UBJ_FIXED[marker]), "big", signed=marker != b"U")
    if not 0 <= length < 1 << 56:
        raise Malformed(f"a length of {length:,}")
    return length


def _skip(reader: Reader, size: int) -> None:
    if size:
        reader.skip(size)
