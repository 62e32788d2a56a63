"""The scan's reading of a pickle against that of Python's unpickler, whose imports are stubbed out."""

from __future__ import annotations

import io
import pickle
import random

import pytest

from tensorfleet.scanning.content import Reader
from tensorfleet.scanning.limits import Budget, Limits, Malformed
from tensorfleet.scanning.part import Part, Report
from tensorfleet.scanning.pickle_machine import Machine
from tensorfleet.scanning.pickle_values import Global
from tensorfleet.scanning.pickles import Watch

Names = list[tuple[str, str]]
TEXTS = [
    b"\x8c\x02os",
    b"\x8c\x06system",
    b"X\x03\x00\x00\x00foo",
    b"Vbar\n",
    b"S'baz'\n",
    b"T\x01\x00\x00\x00q",
    b"U\x01r",
]
NUMBERS = [b"K\x07", b"I01\n", b"I5\n", b"L9L\n", b"F1.5\n", b"G" + bytes(8), b"\x8a\x01\x05"]
VALUES = [*NUMBERS, b"N", b"\x88", b"C\x01x", b"]", b"}", b")", b"\x8f"]
STACK = [
    b"(",
    b"(",
    b"0",
    b"1",
    b"2",
    b"t",
    b"l",
    b"d",
    b"\x85",
    b"\x86",
    b"\x87",
    b"a",
    b"e",
    b"s",
    b"u",
    b"\x90",
    b"\x91",
]
MEMO = [b"p1\n", b"q\x01", b"r\x02\x00\x00\x00", b"\x94", b"g1\n", b"h\x01", b"j\x02\x00\x00\x00", b"h\x00", b"h\x03"]
CALLS = [b"cos\nsystem\n", b"\x93", b"\x93", b"ifoo\nbar\n", b"o", b"R", b"\x81", b"\x92", b"b", b"Pid\n", b"Q"]
PUSHED = [*TEXTS, *VALUES, b"cos\nsystem\n", b"\x94", b"("]
OPCODES = [*TEXTS * 3, *VALUES, *STACK * 2, *MEMO * 2, *CALLS * 2, b"\x80\x04", b"."]


class Stub:
    """Stands for whatever is imported, and for what calling it gives."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __call__(self, *_: object, **__: object) -> Stub:
        return Stub()

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None: ...

    def __hash__(self) -> int:
        return 1

    add = extend = append


def by_python(raw: bytes, unpickler: type[pickle.Unpickler]) -> tuple[Names, bool]:
    """The names imported, and whether it was read to its end."""
    imported: Names = []

    class Unpickler(unpickler):
        def find_class(self, module: str, name: str) -> type:
            imported.append((module, name))
            return type("Imported", (Stub,), {})

        def persistent_load(self, _: object) -> object:
            return Stub()

    try:
        Unpickler(io.BytesIO(raw)).load()
    except Exception:
        return imported, False
    return imported, True


def by_scan(raw: bytes) -> tuple[Names, bool]:
    imported: Names = []

    class Recording(Watch):
        def imported(self, name: Global, offset: int) -> None:
            imported.append((name.module, name.name))

        def computed_import(self, offset: int) -> None:
            imported.append(("", ""))

    part = Part(lambda *_: None, Budget(Limits()), Report(10))
    content = io.BytesIO(raw)
    try:
        Machine(Reader(content), Recording(content, part, joblib=False), part.budget).run()
    except Malformed:
        return imported, False
    return imported, True


def made(chance: random.Random) -> bytes:
    """With values on the stack first, so that many opcodes find what they take."""
    values = b"".join(chance.choice(PUSHED) for _ in range(chance.randrange(8)))
    body = b"".join(chance.choice(OPCODES) for _ in range(chance.randrange(1, 25)))
    return b"\x80\x04" + values + body + b"."


def check(raw: bytes, unpickler: type[pickle.Unpickler]) -> bool:
    """Whether Python read it to its end. Fails if Python imports what the scan does not see."""
    names, whole = by_python(raw, unpickler)
    seen, seen_whole = by_scan(raw)
    assert seen[: len(names)] == names, raw
    assert seen_whole or not whole, raw
    return whole


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("unpickler", [pickle.Unpickler, pickle._Unpickler], ids=["C", "Python"])
def test_no_import_of_pythons_unpickler_escapes_the_scan(unpickler: type[pickle.Unpickler], seed: int) -> None:
    """In random pickles: the same names in the same order, and to the end whatever Python reads to the end.

    joblib reads with the unpickler that is written in Python, others with the one in C.
    """
    chance = random.Random(seed)
    assert sum(check(made(chance), unpickler) for _ in range(2000)) > 50  # else there were none to compare
