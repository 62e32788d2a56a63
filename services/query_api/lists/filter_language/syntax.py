"""The syntax tree of `filter=`. Positions count the characters of the text, from 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tensorfleet.domain.errors import FieldError, InvalidCommand

PARAMETER: Final = "filter"
_SHOWN: Final = 60

Value = str | int | float | bool


class FilterInvalid(InvalidCommand):
    """`detail` shows the line with a caret below the place; `errors` has the place as a number, from 1."""

    def __init__(self, text: str, at: int, message: str) -> None:
        self.at = at
        start = text.rfind("\n", 0, at) + 1
        end = text.find("\n", at)
        shown_from = max(start, at - _SHOWN)
        line = text[shown_from : min(len(text) if end < 0 else end, at + _SHOWN)].replace("\t", " ")
        caret = " " * (at - shown_from) + "^"
        place = f"character {at + 1}"
        super().__init__(
            f"{PARAMETER}: {message}, at {place}\n{line}\n{caret}",
            [FieldError(PARAMETER, f"{message}, at {place}", at + 1)],
        )


@dataclass(frozen=True, slots=True)
class Field:
    """`key`: the name of a metric or hyperparameter; None for the fields that every model has."""

    root: str
    key: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    """`value`: without escapes. `raw`: what stood between the quotes; "" if it is no string."""

    value: Value
    raw: str
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    field: Field
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class Like:
    field: Field
    pattern: Literal
    ignore_case: bool


@dataclass(frozen=True, slots=True)
class Among:
    field: Field
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Not:
    inner: Node


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Node, ...]


Term = Comparison | Like | Among
Node = Term | Not | All | Either


def depth_of(node: Node) -> int:
    match node:
        case Not():
            return 1 + depth_of(node.inner)
        case All() | Either():
            return 1 + max(map(depth_of, node.parts))
        case _:
            return 1


def terms_of(node: Node) -> list[Term]:
    match node:
        case Not():
            return terms_of(node.inner)
        case All() | Either():
            return [term for part in node.parts for term in terms_of(part)]
        case _:
            return [node]
