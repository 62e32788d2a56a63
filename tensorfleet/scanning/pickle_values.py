"""What a pickle's stack holds, as far as a scan must know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tensorfleet.scanning.known_imports import is_known


class _Opaque:
    """One of the two values below; told apart by which it is."""


OPAQUE: Final = _Opaque()
"""Some value whose content does not matter, and that is no text."""

UNKNOWN: Final = _Opaque()
"""Any value, perhaps a text: one too long to keep, or what a call gave that is not known."""


@dataclass(frozen=True, slots=True)
class Global:
    """An imported name, under the name that Python 3 imports."""

    module: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


NDARRAY_WRAPPER: Final = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
NDARRAY: Final = Global("numpy", "ndarray")
TEXT: Final = Global("builtins", "str")
DTYPE: Final = Global("numpy", "dtype")


@dataclass(slots=True, eq=False)
class Instance:
    """What a call of `made_by` gave; `arguments` and `state` are kept of numpy's dtypes only."""

    made_by: Global
    arguments: object = None
    state: object = None
    may_be_text: bool = False


@dataclass(slots=True, eq=False)
class Mapping:
    """A dict. Of its items only those are kept that describe joblib's arrays; the types of numpy's records in `fields`.

    `has_dunder`: a key is a name like `__array_interface__`, by which an object tells libraries to treat it as another.
    """

    items: dict[str, object] | None = None
    fields: list[object] | None = None
    has_dunder: bool = False
    has_others: bool = False

    def put(self, key: object, value: object) -> None:
        if isinstance(key, str) and key in ARRAY_KEYS:
            if self.items is None:
                self.items = {}
            self.items[key] = value
        if isinstance(key, str) and len(key) > 4 and key.startswith("__") and key.endswith("__"):
            self.has_dunder = True
        if isinstance(value, tuple) and value and isinstance(value[0], Instance) and value[0].made_by == DTYPE:
            if self.fields is None:
                self.fields = []
            self.fields.append(value[0])
        else:
            self.has_others = True


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in the stream, from `start`, `length` of them."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class PersistentId:
    value: object = OPAQUE


def may_be_text(value: object) -> bool:
    """May it be a text, so that an import by it succeeds? Of what is on the allow list, only `str` gives one."""
    if isinstance(value, Instance):
        return value.may_be_text
    if isinstance(value, Global):
        return not is_known(value.module, value.name)
    return value is UNKNOWN or isinstance(value, str | PersistentId)


ARRAY_KEYS: Final = frozenset(("subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"))
TORCH_MAGIC: Final = 0x1950A86A20F9469CFC6C
