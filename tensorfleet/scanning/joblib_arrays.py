"""How many bytes an array takes that joblib has put between the opcodes of a pickle."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from tensorfleet.scanning.content import Reader
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.pickle_values import DTYPE, Instance, Mapping

_NAME: Final = re.compile(r"([biufcmMSUVO])(\d{1,9})")
_FLEXIBLE: Final = {"S": 1, "U": 4, "V": 1}
_HAS_OBJECTS: Final = 1
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
    shape, dtype = items.get("shape"), items.get("dtype")
    if not isinstance(shape, tuple) or not all(_is_integer(length) and 0 <= length < 1 << 62 for length in shape):
        raise _unfollowable("the shape is not a tuple of lengths")
    if not isinstance(dtype, Instance) or dtype.made_by != DTYPE:
        raise _unfollowable("the type of the elements is not known")
    element = _element_bytes(dtype)
    if element is None:
        return ArrayBytes(0, True)
    size = math.prod(shape) * element
    if size >= 1 << 62:
        raise _unfollowable("it has more bytes than there are")
    return ArrayBytes(size, False)


def _element_bytes(dtype: Instance) -> int | None:
    """Of one element; None if it is an object."""
    arguments, state = dtype.arguments, dtype.state
    if not isinstance(arguments, tuple) or not arguments or not isinstance(arguments[0], str):
        raise _unfollowable("the type of the elements has no name")
    found = _NAME.fullmatch(arguments[0])
    if not found or arguments[1:] not in ((), (False, True), (0, 1)):
        raise _unfollowable("the type of the elements is not made the way numpy does")
    kind, size = found[1], int(found[2])
    if kind == "O":
        return None
    if kind not in _FLEXIBLE:
        if state is not None and not _is_plain(state):
            raise _unfollowable("the type of the elements has an odd state")
        return size
    size *= _FLEXIBLE[kind]
    if not isinstance(state, tuple) or len(state) < 8 or state[5] != size or not _is_integer(state[7]):
        raise _unfollowable("the type of the elements says two sizes")
    return None if _has_objects(state) else size


def _has_objects(state: tuple[object, ...]) -> bool:
    flags = state[7]
    return isinstance(flags, int) and bool(flags & _HAS_OBJECTS)


def _is_plain(state: object) -> bool:
    if not isinstance(state, tuple) or len(state) < 8 or not all(_is_integer(value) for value in state[5:8]):
        return False
    return state[2:5] == (None, None, None) and not _has_objects(state)


def _items(state: object) -> dict[str, object]:
    if not isinstance(state, Mapping) or not state.items:
        raise _unfollowable("its description is no dict")
    return state.items


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _unfollowable(why: str) -> Malformed:
    return Malformed(f"an array of joblib can't be followed: {why}", "unfollowable-array")
