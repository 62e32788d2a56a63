"""The opcodes that put numbers, constants, text and bytes on the stack; imported for what it registers."""

from __future__ import annotations

import pickle as p
from collections.abc import Callable
from typing import Final

from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.pickle_machine import Machine, opcode
from tensorfleet.scanning.pickle_values import OPAQUE, UNKNOWN

_LONGEST_INTEGER: Final = 16


def _number(size: int, signed: bool) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        machine.push(int.from_bytes(machine.reader.take(size), "little", signed=signed))

    return push


opcode(p.BININT)(_number(4, True))
opcode(p.BININT1)(_number(1, False))
opcode(p.BININT2)(_number(2, False))


def _constant(value: object) -> Callable[[Machine], None]:
    return lambda machine: machine.push(value)


opcode(p.NONE)(_constant(None))
opcode(p.NEWTRUE)(_constant(True))
opcode(p.NEWFALSE)(_constant(False))
opcode(p.EMPTY_TUPLE)(_constant(()))
opcode(p.EMPTY_LIST, p.EMPTY_SET)(_constant(OPAQUE))


@opcode(p.BINFLOAT)
def _binfloat(machine: Machine) -> None:
    machine.reader.skip(8)
    machine.push(OPAQUE)


@opcode(p.FLOAT)
def _float(machine: Machine) -> None:
    machine.line()
    machine.push(OPAQUE)


@opcode(p.INT, p.LONG)
def _int(machine: Machine) -> None:
    digits = machine.line().strip()
    if digits in (b"00", b"01"):
        machine.push(digits == b"01")
        return
    try:
        machine.push(int(digits.rstrip(b"L")) if len(digits) < 40 else OPAQUE)
    except ValueError:
        machine.push(OPAQUE)


def _long_of(size_of_size: int) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        size = machine.reader.number(size_of_size)
        if size > _LONGEST_INTEGER:
            machine.reader.skip(size)
            machine.push(OPAQUE)
        else:
            machine.push(int.from_bytes(machine.reader.take(size), "little", signed=True))

    return push


opcode(p.LONG1)(_long_of(1))
opcode(p.LONG4)(_long_of(4))


def _text_of(size_of_size: int) -> Callable[[Machine], None]:
    return lambda machine: machine.long_text(machine.reader.number(size_of_size))


opcode(p.SHORT_BINUNICODE, p.SHORT_BINSTRING)(_text_of(1))
opcode(p.BINUNICODE, p.BINSTRING)(_text_of(4))
opcode(p.BINUNICODE8)(_text_of(8))


def _bytes_of(size_of_size: int) -> Callable[[Machine], None]:
    return lambda machine: machine.blob(machine.reader.number(size_of_size))


opcode(p.SHORT_BINBYTES)(_bytes_of(1))
opcode(p.BINBYTES)(_bytes_of(4))
opcode(p.BINBYTES8, p.BYTEARRAY8)(_bytes_of(8))


@opcode(p.UNICODE)
def _unicode(machine: Machine) -> None:
    line = machine.line()
    machine.text(_unescaped(line, "raw-unicode-escape") if b"\\" in line else line)


@opcode(p.STRING)
def _string(machine: Machine) -> None:
    line = machine.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Malformed("a string without its quotes", "broken-pickle")
    machine.text(_unescaped(line[1:-1], "unicode-escape") if b"\\" in line else line[1:-1])


def _unescaped(raw: bytes, codec: str) -> bytes:
    try:
        return raw.decode(codec).encode("utf-8", "surrogatepass")
    except ValueError:
        return raw


@opcode(p.NEXT_BUFFER)
def _next_buffer(machine: Machine) -> None:
    machine.watcher.odd("out-of-band-buffer", "takes a buffer from beside the file", machine.offset)
    machine.push(UNKNOWN)


@opcode(p.READONLY_BUFFER)
def _readonly_buffer(machine: Machine) -> None:
    machine.top()
