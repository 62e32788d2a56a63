"""numpy's types of elements as pickles describe them: do name and state say the same?

numpy believes the state. One that denies that elements are objects makes numpy take bytes of the file for addresses.
"""

from __future__ import annotations

import re
from typing import Final

from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.pickle_values import DTYPE, Instance, Mapping

_NAME: Final = re.compile(r"([biufcmMSUVO])(\d{1,9})")
_UNITS: Final = {"S": 1, "U": 4, "V": 1}
_PLAIN: Final = (None, None, None, -1, -1)
_OBJECT_FLAGS: Final = 63
_HAS_OBJECTS: Final = 1


def element_bytes(dtype: object) -> int | None:
    """Of one element; None if it holds objects. Malformed if `dtype` is none, or numpy might see another."""
    kind, size = _named(dtype)
    if holds_objects(dtype):
        return None
    return size * _UNITS.get(kind, 1)


def holds_objects(dtype: object) -> bool:
    kind, _ = _named(dtype)
    state = dtype.state if isinstance(dtype, Instance) else None
    if kind == "V" and isinstance(state, tuple):
        return bool(_flags(state) & _HAS_OBJECTS)
    return kind == "O"


def check_state(dtype: Instance, state: object) -> None:
    """Malformed unless numpy itself would have written this state for a type of this name."""
    kind, size = _named(dtype)
    if dtype.state is not None:
        raise _odd("is described twice")
    if not isinstance(state, tuple) or len(state) not in (8, 9) or state[0] not in (3, 4):
        raise _odd("has no state that is known")
    flags = _flags(state)
    if kind == "V":
        if state[5] != size or bool(flags & _HAS_OBJECTS) != _parts_hold_objects(state):
            raise _odd("denies what it consists of")
    elif kind in _UNITS:
        if state[2:5] != (None, None, None) or state[5] != size * _UNITS[kind] or flags & _HAS_OBJECTS:
            raise _odd("says two sizes")
    elif state[2:7] != _PLAIN or flags != (_OBJECT_FLAGS if kind == "O" else 0):
        raise _odd("has a state that is not its own")


def _named(dtype: object) -> tuple[str, int]:
    """Kind and size."""
    if not isinstance(dtype, Instance) or dtype.made_by != DTYPE:
        raise _odd("is not known")
    arguments = dtype.arguments
    if not isinstance(arguments, tuple) or not arguments or not isinstance(arguments[0], str):
        raise _odd("has no name")
    found = _NAME.fullmatch(arguments[0])
    if not found or arguments[1:] not in ((), (False, True), (0, 1)):
        raise _odd("is not made the way numpy does")
    return found[1], int(found[2])


def check_name(dtype: Instance) -> None:
    """Malformed if numpy never writes such a name."""
    _named(dtype)


def _parts_hold_objects(state: tuple[object, ...]) -> bool:
    repeated, fields = state[2], state[4]
    found = False
    if isinstance(repeated, tuple) and repeated:
        found = holds_objects(repeated[0])
    elif repeated is not None:
        raise _odd("repeats what is not known")
    if isinstance(fields, Mapping):
        if fields.has_others:
            raise _odd("has fields that are not known")
        return found or any(holds_objects(field) for field in fields.fields or ())
    if fields is not None:
        raise _odd("has fields that are not known")
    return found


def _flags(state: tuple[object, ...]) -> int:
    flags = state[7] if len(state) > 7 else None
    if not isinstance(flags, int):
        raise _odd("has no state that is known")
    return flags


def _odd(how: str) -> Malformed:
    return Malformed(f"a numpy type of elements {how}", "odd-dtype")
