"""Scans numpy's .npy files: their header, and the pickle that an array of objects is."""

from __future__ import annotations

import ast
import math
import re
from typing import Final

from tensorfleet.scanning.content import Content, Window, bytes_at, size_of
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.part import Part
from tensorfleet.scanning.pickles import scan_pickle

_LONGEST_HEADER: Final = 1 << 18
_MAGIC_BYTES: Final = 8
_MOST_DIMENSIONS: Final = 64
_DESCRIPTION: Final = re.compile(r"[<>|=]?([?biufcmMSUVOaT])(\d{0,9})(\[[\w/]{1,12}\])?")
_CODES: Final = {"?": 1, "b": 1}


def scan_npy(content: Content, part: Part) -> None:
    try:
        element, shape, start = _header(content)
    except Malformed as error:
        part.suspicious(error.code, error.text)
        return
    rest = Window(content, start, size_of(content) - start)
    if element is None:
        scan_pickle(rest, part)
        return
    size = math.prod(shape) * element
    if size != size_of(rest):
        part.suspicious("malformed", f"{size_of(rest):,} bytes follow the header, which says {size:,}")


def _header(content: Content) -> tuple[int | None, tuple[int, ...], int]:
    """The bytes of an element (None: an object), the shape, and where the elements start."""
    major = bytes_at(content, 6, 1)
    wide = 2 if major == b"\x01" else 4
    if major not in (b"\x01", b"\x02", b"\x03"):
        raise Malformed("a version of numpy's format that is not known")
    length = int.from_bytes(bytes_at(content, _MAGIC_BYTES, wide), "little")
    if length > _LONGEST_HEADER:
        raise Malformed(f"a header of {length:,} bytes")
    raw = bytes_at(content, _MAGIC_BYTES + wide, length)
    if b"\\" in raw:
        raise Malformed("a header with escapes")
    try:
        header = ast.literal_eval(raw.decode("utf-8" if major == b"\x03" else "latin1").strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise Malformed("a header that is no literal of Python") from None
    if len(raw) < length or not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise Malformed("a header without type, order and shape")
    shape = header["shape"]
    if not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS or not all(map(_is_length, shape)):
        raise Malformed("a shape that is no tuple of lengths")
    return _element_bytes(header["descr"], 0), shape, _MAGIC_BYTES + wide + length


def _element_bytes(description: object, depth: int) -> int | None:
    if isinstance(description, str):
        found = _DESCRIPTION.fullmatch(description)
        if not found:
            raise Malformed("a type of elements that is not known")
        if found[1] in "OT":
            return None
        size = int(found[2] or _CODES.get(found[1], 0))
        return size * 4 if found[1] == "U" else size
    if isinstance(description, tuple) and len(description) == 2 and depth < 16:
        return _repeated(_element_bytes(description[0], depth + 1), description[1])
    if isinstance(description, list) and depth < 16:
        return _record_bytes(description, depth)
    raise Malformed("a type of elements that is not known")


def _is_length(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _record_bytes(fields: list[object], depth: int) -> int | None:
    total = 0
    for field in fields:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise Malformed("a type of elements that is not known")
        size = _repeated(_element_bytes(field[1], depth + 1), field[2] if len(field) == 3 else ())
        if size is None:
            return None
        total += size
    return total


def _repeated(size: int | None, shape: object) -> int | None:
    lengths = shape if isinstance(shape, tuple) else (shape,)
    if len(lengths) > _MOST_DIMENSIONS or not all(type(one) is int and 0 <= one < 1 << 31 for one in lengths):
        raise Malformed("a type of elements that is not known")
    return None if size is None else size * math.prod(lengths)
