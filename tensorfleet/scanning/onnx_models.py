"""Scans ONNX models: the files beside them that they name, and the operators that need code from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tensorfleet.scanning.content import Content, Reader, size_of
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.member_names import escapes
from tensorfleet.scanning.part import Part, shown
from tensorfleet.scanning.protobuf import Field, fields, text_of

_DOMAINS: Final = frozenset(
    ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft")
)
_DEEPEST: Final = 32
# Of each kind of message: the fields that are messages of a kind to go into.
_INTO: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
    "opset": {},
    "external": {},
}
_NODE_DOMAIN, _FUNCTION_DOMAIN, _OPSET_DOMAIN = 7, 10, 1


@dataclass(slots=True)
class _Seen:
    """Domains in the order they were met, and whether a part of the model lies in other files."""

    used: dict[str, None] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    external: bool = False


def scan_onnx(content: Content, part: Part) -> None:
    seen, reader = _Seen(), Reader(content)
    try:
        _walk(reader, size_of(content), "model", part, seen, 0)
    except Malformed as error:
        part.suspicious(error.code, error.text)
    for domain in seen.used:
        if domain not in _DOMAINS | seen.defined:
            part.suspicious("custom-operators", f"operators of {shown(domain)}, which come as a library from elsewhere")
    if seen.external:
        part.unscanned("external-files", "weights lie in files beside it, which were not looked at")


def _walk(reader: Reader, end: int, kind: str, part: Part, seen: _Seen, depth: int) -> None:
    if depth > _DEEPEST:
        raise Malformed("graphs within graphs without an end", "limit-depth")
    entry: dict[int, str] = {}
    for one in fields(reader, end):
        part.budget.opcodes(1)
        inner = _INTO[kind].get(one.number)
        if inner is not None and one.is_message:
            _walk(reader, one.start + one.length, inner, part, seen, depth + 1)
        elif one.is_message:
            _note_text(reader, one, kind, seen, entry)
    if kind == "external" and entry.get(1) == "location":
        _check_location(entry.get(2, ""), part, seen)


def _note_text(reader: Reader, one: Field, kind: str, seen: _Seen, entry: dict[int, str]) -> None:
    if (kind, one.number) in (("node", _NODE_DOMAIN), ("opset", _OPSET_DOMAIN)):
        seen.used[text_of(reader, one)] = None
    elif (kind, one.number) == ("function", _FUNCTION_DOMAIN):
        seen.defined.add(text_of(reader, one))
    elif kind == "external" and one.number in (1, 2):
        entry[one.number] = text_of(reader, one)


def _check_location(location: str, part: Part, seen: _Seen) -> None:
    seen.external = True
    if escapes(location):
        part.dangerous("path-traversal", f"weights from {shown(location)}, outside of its folder")
