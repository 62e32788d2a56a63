"""Scans HDF5 without reading its structure: is there a model of Keras in it, and is there code in that?

Names of attributes are never compressed but in a fractal heap with filters, so where neither `model_config` nor such a
heap is found, Keras finds no model, and what is left are numbers. Where there is a configuration, its text is searched
for; that there is no other in a form that was not found can't be said, so such a file is unscanned at best.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from tensorfleet.scanning.content import Content, bytes_at, size_of
from tensorfleet.scanning.imports import as_python3, judge
from tensorfleet.scanning.json_text import parsed
from tensorfleet.scanning.keras_config import scan_document
from tensorfleet.scanning.limits import MIB, Malformed
from tensorfleet.scanning.part import Part, shown
from tensorfleet.scanning.verdict import Severity

_STEP: Final = 4 * MIB
_OVERLAP: Final = 160
_LONGEST_JSON: Final = 4 * MIB
_MOST_TEXTS: Final = 64
_MARKS: Final = re.compile(rb"model_config|training_config|PYTABLES_FORMAT_VERSION|FRHP\x00..(?!\x00\x00)..", re.DOTALL)
# Imports of pickles, which readers of tables (PyTables, pandas) load from attributes.
_IMPORT: Final = re.compile(
    rb"[ci]([A-Za-z_][\w.]{1,63})\n([A-Za-z_]\w{0,63})\n"
    rb"|\x8c.([A-Za-z_][\w.]{1,63})(?:\x94|q.)?\x8c.([A-Za-z_]\w{0,63})(?:\x94|q.)?\x93"
)
_TEXT_START: Final = re.compile(rb'\{\s*"(?:class_name|module|config|registered_name|name|loss|optimizer|metrics)')
_CODE: Final = re.compile(
    rb'"class_name"\s*:\s*"(?:Lambda|__lambda__|TorchModuleWrapper)"|"function_type"\s*:\s*"lambda"'
)
_TEXT: Final = re.compile(rb"[^\x00]*")


def scan_hdf5(content: Content, part: Part) -> None:
    marks: set[bytes] = set()
    texts = 0
    for at in range(0, size_of(content), _STEP):
        part.budget.look_at_clock()
        piece = bytes_at(content, at, _STEP + _OVERLAP)
        marks.update(found.group()[:12] for found in _MARKS.finditer(piece))
        for found in _CODE.finditer(piece):
            part.dangerous("keras-code", "a Lambda layer, which is code", at + found.start())
        for found in _IMPORT.finditer(piece):
            _scan_import(found, part, at + found.start())
        for found in _TEXT_START.finditer(piece, 0, _STEP):
            texts += 1
            if texts <= _MOST_TEXTS:
                _scan_text(content, part, at + found.start())
    if marks:
        part.unscanned("hdf5-model", "a model of Keras or tables of pandas, which are not read in full from HDF5")


def _scan_import(found: re.Match[bytes], part: Part, offset: int) -> None:
    module, name = (found[1] or found[3]).decode("ascii"), (found[2] or found[4]).decode("ascii")
    if judge(*as_python3(module, name)) is Severity.DANGEROUS:
        part.dangerous("dangerous-import", f"imports {shown(f'{module}.{name}')}, which can run code", offset)


def _scan_text(content: Content, part: Part, offset: int) -> None:
    text = _TEXT.match(bytes_at(content, offset, _LONGEST_JSON))
    raw = text.group() if text else b""
    if b'"class_name"' not in raw:
        return
    with suppress(Malformed):  # other text, or one that goes on behind a bound: the file is unscanned at best
        scan_document(parsed(raw.rstrip()), part)
