"""What each opcode does to the machine; imported for what it registers."""

from __future__ import annotations

import pickle as p
from collections.abc import Callable

from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.pickle_machine import Machine, opcode, packed, persistent
from tensorfleet.scanning.pickle_values import (
    DTYPE,
    NDARRAY,
    NDARRAY_WRAPPER,
    OPAQUE,
    UNKNOWN,
    Global,
    Instance,
    Mapping,
    may_be_text,
)


@opcode(p.PROTO)
def _proto(machine: Machine) -> None:
    machine.protocol = machine.reader.byte()
    if machine.protocol > p.HIGHEST_PROTOCOL:
        raise Malformed(f"protocol {machine.protocol} is not known", "broken-pickle")


@opcode(p.FRAME)
def _frame(machine: Machine) -> None:
    length = machine.reader.number(8)
    machine.frame_end = machine.reader.offset + length


@opcode(p.STOP)
def _stop(machine: Machine) -> None:
    machine.top()
    machine.stopped = True


@opcode(p.MARK)
def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


@opcode(p.POP)
def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


@opcode(p.POP_MARK)
def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


@opcode(p.DUP)
def _dup(machine: Machine) -> None:
    machine.push(machine.top())


# Containers


@opcode(p.TUPLE)
def _tuple(machine: Machine) -> None:
    machine.push(packed(machine.pop_mark()))


def _tuple_of(count: int) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(values)))

    return push


opcode(p.TUPLE1)(_tuple_of(1))
opcode(p.TUPLE2)(_tuple_of(2))
opcode(p.TUPLE3)(_tuple_of(3))


@opcode(p.LIST, p.FROZENSET)
def _list(machine: Machine) -> None:
    machine.pop_mark()
    machine.push(OPAQUE)


@opcode(p.EMPTY_DICT)
def _empty_dict(machine: Machine) -> None:
    machine.push(Mapping())


@opcode(p.DICT)
def _dict(machine: Machine) -> None:
    items = machine.pop_mark()
    mapping = Mapping()
    _put_all(mapping, items)
    machine.push(mapping)


@opcode(p.APPEND)
def _append(machine: Machine) -> None:
    machine.pop()
    _filled(machine)


@opcode(p.APPENDS, p.ADDITEMS)
def _appends(machine: Machine) -> None:
    machine.pop_mark()
    _filled(machine)


@opcode(p.SETITEM)
def _setitem(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    target = _filled(machine)
    if isinstance(target, Mapping):
        target.put(key, value)


@opcode(p.SETITEMS)
def _setitems(machine: Machine) -> None:
    items = machine.pop_mark()
    target = _filled(machine)
    if isinstance(target, Mapping):
        _put_all(target, items)


def _put_all(mapping: Mapping, items: list[object]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=False):
        mapping.put(key, value)


def _filled(machine: Machine) -> object:
    """What is filled in place, which of an imported name changes the program and not the model."""
    target = machine.top()
    if isinstance(target, Global):
        machine.watcher.built_global(target, machine.offset)
    return target


# The memo


@opcode(p.PUT)
def _put(machine: Machine) -> None:
    machine.remember(_index(machine), machine.top())


@opcode(p.BINPUT)
def _binput(machine: Machine) -> None:
    machine.remember(machine.reader.byte(), machine.top())


@opcode(p.LONG_BINPUT)
def _long_binput(machine: Machine) -> None:
    machine.remember(machine.reader.number(4), machine.top())


@opcode(p.MEMOIZE)
def _memoize(machine: Machine) -> None:
    machine.remember(len(machine.memo), machine.top())


@opcode(p.GET)
def _get(machine: Machine) -> None:
    machine.recall(_index(machine))


@opcode(p.BINGET)
def _binget(machine: Machine) -> None:
    machine.recall(machine.reader.byte())


@opcode(p.LONG_BINGET)
def _long_binget(machine: Machine) -> None:
    machine.recall(machine.reader.number(4))


def _index(machine: Machine) -> int:
    line = machine.line()
    try:
        return int(line) if len(line) < 40 else -1
    except ValueError:
        raise Malformed("no index of the memo", "broken-pickle") from None


# Imports, calls and states


@opcode(p.GLOBAL)
def _global(machine: Machine) -> None:
    machine.push(_named_by_lines(machine))


@opcode(p.STACK_GLOBAL)
def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if isinstance(name, str) and isinstance(module, str):
        machine.push(machine.global_named(module, name))
    elif may_be_text(name) and may_be_text(module):
        machine.watcher.computed_import(machine.offset)
        machine.push(UNKNOWN)
    else:
        raise Malformed("the name of an import is no text", "broken-pickle")


@opcode(p.EXT1, p.EXT2, p.EXT4)
def _ext(machine: Machine) -> None:
    size = {p.EXT1[0]: 1, p.EXT2[0]: 2}
    machine.reader.skip(size.get(machine.code, 4))
    machine.watcher.odd("extension-registry", "imports by a number of the extension registry", machine.offset)
    machine.push(UNKNOWN)


@opcode(p.INST)
def _inst(machine: Machine) -> None:
    name = _named_by_lines(machine)
    arguments = machine.pop_mark()
    machine.push(machine.call(name, packed(arguments)))


@opcode(p.OBJ)
def _obj(machine: Machine) -> None:
    items = machine.pop_mark()
    if not items:
        raise Malformed("an object without a class", "broken-pickle")
    machine.push(machine.call(items[0], packed(items[1:])))


@opcode(p.REDUCE, p.NEWOBJ)
def _reduce(machine: Machine) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.push(machine.call(function, arguments))


@opcode(p.NEWOBJ_EX)
def _newobj_ex(machine: Machine) -> None:
    named = machine.pop()
    arguments, function = machine.pop(), machine.pop()
    made = machine.call(function, arguments)
    if isinstance(made, Instance) and made.made_by != DTYPE:
        machine.watcher.built(made, named, machine.offset)
    machine.push(made)


@opcode(p.BUILD)
def _build(machine: Machine) -> None:
    state = machine.pop()
    target = machine.top()
    if isinstance(target, Global):
        machine.watcher.built_global(target, machine.offset)
    elif isinstance(target, Instance):
        machine.watcher.built(target, state, machine.offset)
        target.state = state if target.made_by == DTYPE else None
        in_frame = machine.reader.offset < machine.frame_end
        if target.made_by == NDARRAY_WRAPPER and machine.watcher.array(state, machine.reader, machine.offset, in_frame):
            machine.stack[-1] = Instance(NDARRAY)
    else:
        machine.watcher.odd("odd-state", "sets the state of something that it did not make", machine.offset)


@opcode(p.PERSID)
def _persid(machine: Machine) -> None:
    machine.line()
    persistent(machine, UNKNOWN)


@opcode(p.BINPERSID)
def _binpersid(machine: Machine) -> None:
    persistent(machine, machine.pop())


def _named_by_lines(machine: Machine) -> Global:
    module, name = machine.line(), machine.line()
    return machine.global_named(module.decode("utf-8", "replace"), name.decode("utf-8", "replace"))
