"""Runs the opcodes of one pickle without importing, calling or building anything.

As strict as the unpickler of Python is about its stack, its marks and its memo, so that both read the same values; and
no stricter than it about anything else, so that nothing is hidden behind what only a scan would stop at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from tensorfleet.scanning.content import Reader
from tensorfleet.scanning.imports import as_python3
from tensorfleet.scanning.known_imports import is_known
from tensorfleet.scanning.limits import Budget, Malformed
from tensorfleet.scanning.pickle_values import (
    DTYPE,
    NDARRAY_WRAPPER,
    OPAQUE,
    TEXT,
    UNKNOWN,
    Blob,
    Global,
    Instance,
    PersistentId,
)

_LONGEST_LINE: Final = 1 << 20
_LONGEST_NAME: Final = 1024
_LARGEST_TUPLE: Final = 16
_BATCH: Final = 4096
# Numbers of one kind in a row, which long lists are made of: counted, not looked at one by one.
_RUNS: Final = {
    code: (re.compile(rb"(?:%c.{%d}){16,}" % (code, width - 1), re.DOTALL), width)
    for code, width in ((b"K"[0], 2), (b"M"[0], 3), (b"J"[0], 5), (b"G"[0], 9))
}


class Watcher(Protocol):
    """Is told what the pickle does; offsets are those of the opcodes, in bytes from the start of the content."""

    def imported(self, name: Global, offset: int) -> None: ...

    def computed_import(self, offset: int) -> None: ...

    def called(self, name: Global, arguments: object, offset: int) -> None: ...

    def computed_call(self, offset: int) -> None: ...

    def odd(self, code: str, text: str, offset: int) -> None: ...

    def built_global(self, name: Global, offset: int) -> None: ...

    def persistent(self, identity: object, offset: int) -> None: ...

    def built(self, instance: Instance, state: object, offset: int) -> None: ...

    def array(self, state: object, reader: Reader, offset: int, in_frame: bool) -> bool:
        """An array of joblib, whose bytes follow in the stream: `reader` stands there, and is moved behind them.

        `in_frame`: more opcodes of the same frame come first for joblib, and the array's bytes behind them.
        False for an unpickler that takes the array's description for an object like any other, and reads on.
        """
        ...


class Machine:
    """One pickle, from where `reader` stands to its STOP."""

    def __init__(self, reader: Reader, watcher: Watcher, budget: Budget) -> None:
        self.reader = reader
        self.watcher = watcher
        self.budget = budget
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.protocol = 0
        self.offset = reader.offset
        self.operations = 0
        self.stopped = False
        self.code = 0
        self.frame_end = 0
        self._text_left = budget.limits.text_bytes

    def run(self, most: int | None = None) -> object:
        """The value left at STOP; OPAQUE if `most` opcodes were read before it. Malformed, or Truncated, at a break."""
        read_byte, operations = self.reader.byte, OPERATIONS
        while not self.stopped:
            self.operations += 1
            if self.operations % _BATCH == 0:
                self._account()
            if most is not None and self.operations > most:
                return OPAQUE
            self.offset = self.reader.offset
            self.code = code = read_byte()
            operation = operations.get(code)
            if operation is None:
                raise Malformed(f"no pickle opcode: {code:#04x}", "broken-pickle")
            operation(self)
            if code in _RUNS:
                self._skip_run(*_RUNS[code])
        self.budget.opcodes(self.operations % _BATCH)
        return self.stack[-1] if self.stack else OPAQUE

    def pop(self) -> object:
        if not self.stack:
            raise Malformed("it takes more from the stack than there is", "broken-pickle")
        return self.stack.pop()

    def top(self) -> object:
        if not self.stack:
            raise Malformed("it takes more from the stack than there is", "broken-pickle")
        return self.stack[-1]

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[object]:
        if not self.marks:
            raise Malformed("a mark is missing", "broken-pickle")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def remember(self, index: int, value: object) -> None:
        self.memo[index] = value

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise Malformed(f"the memo holds nothing at {index}", "broken-pickle")
        self.push(self.memo[index])

    def text(self, raw: bytes) -> None:
        """Push text, if it may be a name; anything longer as UNKNOWN."""
        if len(raw) > _LONGEST_NAME or self._text_left <= 0:
            self.push(UNKNOWN)
            return
        self._text_left -= len(raw) + 16
        self.push(raw.decode("utf-8", "surrogateescape"))

    def long_text(self, length: int) -> None:
        if length > _LONGEST_NAME:
            self.reader.skip(length)
            self.push(UNKNOWN)
        else:
            self.text(self.reader.take(length))

    def blob(self, length: int) -> None:
        start = self.reader.offset
        self.reader.skip(length)
        self.push(Blob(start, length))

    def line(self) -> bytes:
        return self.reader.line(_LONGEST_LINE)

    def global_named(self, module: str, name: str) -> Global:
        if self.protocol < 3:
            module, name = as_python3(module, name)
        found = Global(module, name)
        self.watcher.imported(found, self.offset)
        return found

    def call(self, function: object, arguments: object) -> object:
        if not isinstance(function, Global):
            self.watcher.computed_call(self.offset)
            return UNKNOWN
        self.watcher.called(function, arguments, self.offset)
        if function != DTYPE:
            return self._made_by(function, arguments)
        instance = Instance(function, arguments)
        self.watcher.built(instance, None, self.offset)
        return instance

    def _made_by(self, function: Global, arguments: object) -> Instance:
        if function != NDARRAY_WRAPPER and isinstance(arguments, tuple) and NDARRAY_WRAPPER in arguments:
            return Instance(NDARRAY_WRAPPER)  # whoever makes it, joblib then reads the bytes behind its state
        named = not isinstance(arguments, tuple) or function == TEXT or TEXT in arguments
        return Instance(function, may_be_text=named or not is_known(function.module, function.name))

    def _account(self) -> None:
        self.budget.opcodes(_BATCH)
        self._check_held()

    def _check_held(self) -> None:
        held = len(self.stack) + len(self.memo) + len(self.marks)
        if held > self.budget.limits.stack_items:
            raise Malformed(f"it holds more than {self.budget.limits.stack_items:,} values", "limit-stack")

    def _skip_run(self, pattern: re.Pattern[bytes], width: int) -> None:
        count = len(self.reader.match(pattern)) // width
        if count:
            self.budget.opcodes(count)
            self.stack.extend([OPAQUE] * count)
            self._check_held()


Operation = Callable[[Machine], None]
OPERATIONS: Final[dict[int, Operation]] = {}


def opcode(*codes: bytes) -> Callable[[Operation], Operation]:
    """Registers what the opcodes of these bytes do."""

    def register(operation: Operation) -> Operation:
        for code in codes:
            OPERATIONS[code[0]] = operation
        return operation

    return register


def packed(values: list[object]) -> object:
    """A tuple; of many values only that it is one."""
    return tuple(values) if len(values) <= _LARGEST_TUPLE else OPAQUE


def persistent(machine: Machine, identity: object) -> None:
    machine.watcher.persistent(identity, machine.offset)
    machine.push(PersistentId(identity))
