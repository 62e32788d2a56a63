"""How many bytes an array takes that joblib has put between the opcodes of a pickle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tensorfleet.scanning.content import Reader
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.numpy_dtypes import element_bytes
from tensorfleet.scanning.pickle_values import Mapping

# A padding of so many bytes begins with a byte that is no opcode: a reader that does not skip the array stops there.
_LONGEST_PADDING: Final = 32


@dataclass(frozen=True, slots=True)
class ArrayBytes:
    """`pickled`: not raw bytes follow, but a pickle of its own, because the array holds objects."""

    size_bytes: int
    pickled: bool


def skip_padding(state: object, reader: Reader) -> None:
    items = _items(state)
    if "numpy_array_alignment_bytes" not in items:
        return
    if not _is_integer(items["numpy_array_alignment_bytes"]):
        raise _unfollowable("the alignment is not a number")
    length = reader.byte()
    if length > _LONGEST_PADDING:
        raise _unfollowable(f"a padding of {length} bytes")
    if length:
        reader.skip(length)


def array_bytes(state: object) -> ArrayBytes:
    """Of the array that a wrapper with this state stands for. Malformed where joblib might read another size."""
    items = _items(state)
    shape = items.get("shape")
    if not isinstance(shape, tuple) or not all(_is_integer(length) and 0 <= length < 1 << 62 for length in shape):
        raise _unfollowable("the shape is not a tuple of lengths")
    element = element_bytes(items.get("dtype"))
    if element is None:
        return ArrayBytes(0, True)
    size = math.prod(shape) * element
    if size >= 1 << 62:
        raise _unfollowable("it has more bytes than there are")
    return ArrayBytes(size, False)


def _items(state: object) -> dict[str, object]:
    if not isinstance(state, Mapping) or not state.items:
        raise _unfollowable("its description is no dict")
    return state.items


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _unfollowable(why: str) -> Malformed:
    return Malformed(f"an array of joblib can't be followed: {why}", "unfollowable-array")
