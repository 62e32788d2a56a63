"""Scans pickles: one, several in a row, joblib's with arrays between the opcodes, and torch's old format."""

from __future__ import annotations

import re
from typing import Final

from tensorfleet.scanning import pickle_opcodes, pickle_scalars  # noqa: F401  register the opcodes
from tensorfleet.scanning.content import Content, Reader, Window, bytes_at
from tensorfleet.scanning.imports import judge, looks_like_module
from tensorfleet.scanning.joblib_arrays import array_bytes, skip_padding
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.numpy_dtypes import check_name, check_state
from tensorfleet.scanning.part import Part, shown
from tensorfleet.scanning.pickle_machine import Machine
from tensorfleet.scanning.pickle_values import DTYPE, TORCH_MAGIC, Blob, Global, Instance, Mapping
from tensorfleet.scanning.verdict import Severity

_PROTO: Final = re.compile(rb"\x80[\x00-\x05]")
_TORCH_PICKLES: Final = 5
_LOOK: Final = 20_000
_DEEPEST: Final = 32
_LATIN: Final = ("latin1", "latin-1", "iso-8859-1")
_LOAD_BYTES: Final = "torch.storage._load_from_bytes"
_TEXT: Final = {
    Severity.DANGEROUS: ("dangerous-import", "imports {}, which can run code"),
    Severity.SUSPICIOUS: ("unknown-import", "imports {}, which is not on the allow list"),
}


class Watch:
    """Turns what a pickle does into findings. `joblib`: its arrays are read as joblib does, and as nobody else does."""

    def __init__(self, content: Content, part: Part, joblib: bool, depth: int = 0) -> None:
        self._content = content
        self._part = part
        self._joblib = joblib
        self._depth = depth
        self.storages = part.storages
        self.arrays = 0
        self.imports = 0

    def imported(self, name: Global, offset: int) -> None:
        self.imports += 1
        severity = judge(name.module, name.name)
        if severity is not Severity.NOTE:
            code, text = _TEXT[severity]
            self._part.find(code, severity, text.format(shown(name.path)), offset)

    def computed_import(self, offset: int) -> None:
        self._part.dangerous("computed-import", "imports a name that is made while loading", offset)

    def called(self, name: Global, arguments: object, offset: int) -> None:
        if name.path == "_codecs.encode":
            known = isinstance(arguments, tuple) and len(arguments) == 2 and arguments[1] in _LATIN
            if not known:
                self._part.suspicious("odd-encoding", "makes bytes from text by another codec than latin1", offset)
        elif name.path == _LOAD_BYTES:
            self._nested(arguments, offset)
        elif isinstance(arguments, tuple):
            if name != DTYPE and DTYPE in arguments:
                self._part.suspicious("odd-dtype", "has a numpy type of elements made by another function", offset)
            if any(isinstance(one, Mapping) and one.has_dunder for one in arguments):
                self._part.suspicious(
                    "odd-attribute", f"hands attributes of Python's own to {shown(name.path)}", offset
                )

    def built(self, instance: Instance, state: object, offset: int) -> None:
        try:
            if instance.made_by == DTYPE:
                check_name(instance) if state is None else check_state(instance, state)
        except Malformed as error:
            self._part.suspicious(error.code, error.text, offset)
        parts = state if isinstance(state, tuple) else (state,)
        if any(isinstance(one, Mapping) and one.has_dunder for one in parts):
            self._part.suspicious(
                "odd-attribute", f"sets attributes of Python's own of {instance.made_by.path}", offset
            )

    def computed_call(self, offset: int) -> None:
        self._part.suspicious("computed-call", "calls something that it has not imported by name", offset)

    def odd(self, code: str, text: str, offset: int) -> None:
        self._part.suspicious(code, text, offset)

    def built_global(self, name: Global, offset: int) -> None:
        self._part.dangerous("patched-import", f"changes {shown(name.path)} itself", offset)

    def persistent(self, identity: object, offset: int) -> None:
        storage = isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage"
        if not (self.storages and storage):
            self._part.suspicious("persistent-id", "asks its reader for an object", offset)

    def array(self, state: object, reader: Reader, offset: int, in_frame: bool) -> bool:
        self.arrays += 1
        if not self._joblib:
            return False
        if in_frame:
            raise Malformed("an array of joblib in the middle of a frame", "unfollowable-array")
        found = array_bytes(state)
        if found.pickled:
            if self._depth >= _DEEPEST:
                raise Malformed("arrays of objects within each other", "limit-depth")
            inner = Watch(self._content, self._part, joblib=False, depth=self._depth + 1)
            Machine(reader, inner, self._part.budget).run()
        else:
            skip_padding(state, reader)
            if found.size_bytes:
                reader.skip(found.size_bytes)
        return True

    def _nested(self, arguments: object, offset: int) -> None:
        blob = arguments[0] if isinstance(arguments, tuple) and len(arguments) == 1 else None
        if not isinstance(blob, Blob):
            self._part.suspicious("hidden-file", "loads a file from bytes that are made while loading", offset)
            return
        self._part.examine(Window(self._content, blob.start, blob.length), self._part.member(f"bytes@{blob.start}"))


class _Look:
    """Watches for recognition only: does it import anything that could be a module?"""

    def __init__(self) -> None:
        self.imports = 0

    def imported(self, name: Global, offset: int) -> None:
        self.imports += looks_like_module(name.module)

    def computed_import(self, offset: int) -> None:
        self.imports += 1

    def called(self, name: Global, arguments: object, offset: int) -> None: ...

    def computed_call(self, offset: int) -> None: ...

    def odd(self, code: str, text: str, offset: int) -> None: ...

    def built_global(self, name: Global, offset: int) -> None: ...

    def persistent(self, identity: object, offset: int) -> None: ...

    def built(self, instance: Instance, state: object, offset: int) -> None: ...

    def array(self, state: object, reader: Reader, offset: int, in_frame: bool) -> bool:
        return False


def looks_like_pickle(content: Content, part: Part) -> bool:
    """Has it the mark of protocol 2 and later, or does it read as a pickle without it?

    Without the mark, any bytes may begin like a pickle: it is one if an import comes before the first break, if it ends
    where the pickle does, or if there is no break in sight.
    """
    if _PROTO.match(bytes_at(content, 0, 2)):
        return True
    reader, look = Reader(content), _Look()
    read = 0
    try:
        while not reader.at_end() and read < _LOOK:
            machine = Machine(reader, look, part.budget)
            machine.run(_LOOK - read)
            read += machine.operations
    except Malformed:
        return look.imports > 0
    return read > 0


def scan_pickle(content: Content, part: Part) -> None:
    """As joblib would read it, and if that makes a difference, as any other unpickler would, too."""
    watch = Watch(content, part, joblib=True)
    _scan_stream(content, part, watch)
    if watch.arrays:
        plain = Watch(content, part, joblib=False)
        try:
            Machine(Reader(content), plain, part.budget).run()
        except Malformed:
            return  # at the first array, as it should be: what came before has been seen
        part.suspicious("two-readings", "pickle and joblib read it to its end in two ways")


def _scan_stream(content: Content, part: Part, watch: Watch) -> None:
    reader = Reader(content)
    pickles, torch = 0, False
    while pickles == 0 or not reader.at_end():
        start = reader.offset
        machine = Machine(reader, watch, part.budget)
        try:
            value = machine.run()
        except Malformed as broken:
            if part.opaque and not watch.imports and pickles == 0:
                return  # numbers that begin like a pickle, where numbers are expected
            _broken(part, broken, pickles, machine.offset, start)
            return
        pickles += 1
        torch = torch or (pickles == 1 and value == TORCH_MAGIC)
        watch.storages = part.storages or torch
        if torch and pickles == _TORCH_PICKLES:
            return  # the storages follow, as raw numbers


def _broken(part: Part, broken: Malformed, pickles: int, offset: int, start: int) -> None:
    if pickles:
        part.suspicious("trailing-bytes", f"bytes after the pickle's end are no pickle: {broken.text}", start)
    else:
        part.suspicious(broken.code, f"the pickle can't be read to its end: {broken.text}", offset)
