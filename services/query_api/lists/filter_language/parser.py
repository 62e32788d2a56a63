"""From the text of a filter to its syntax tree; whatever is wrong with it is said with its place."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from services.query_api.lists.filter_language import syntax as s
from services.query_api.lists.filter_language.syntax import FilterInvalid
from tensorfleet.domain import limits

MOST_CHARACTERS: Final = 2_000
MOST_TERMS: Final = 50
MOST_VALUES: Final = 100
MOST_DEPTH: Final = 20

_ESCAPE: Final = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", **{one: one for one in "\\'\"`%_"}}


def parse(text: str) -> s.Node:
    """FilterInvalid if `text` is no filter, or longer, deeper or wider than the limits above."""
    if len(text) > MOST_CHARACTERS:
        raise FilterInvalid(text, MOST_CHARACTERS, f"is longer than {MOST_CHARACTERS} characters")
    try:
        return cast(s.Node, _PARSER.parse(text))
    except _Wrong as wrong:
        raise FilterInvalid(text, wrong.at, wrong.message) from None
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None


class _Wrong(Exception):
    def __init__(self, at: int, message: str) -> None:
        self.at = at
        self.message = message


class _Builder(Transformer[Token, s.Node]):
    """The parser calls it bottom up while it parses, so that nesting costs no stack."""

    def field(self, names: list[Token]) -> s.Field:
        at = _at(names[0])
        root, *key = [_unquoted(name) for name in names]
        return s.Field(root, key[0] if key else None, at)

    def literal(self, tokens: list[Token]) -> s.Literal:
        token = tokens[0]
        match token.type:
            case "STRING":
                return _string(token)
            case "NUMBER":
                return s.Literal(_number(token), "", _at(token))
            case _:
                return s.Literal(token.type == "TRUE", "", _at(token))

    def compares(self, parts: list[object]) -> s.Node:
        field, operator, literal = cast(tuple[s.Field, Token, s.Literal], parts)
        if operator == "!=":
            return s.Not(s.Comparison(field, "=", literal))
        return s.Comparison(field, str(operator), literal)

    def like(self, parts: list[object], ignore_case: bool = False) -> s.Node:
        return s.Like(cast(s.Field, parts[0]), _string(cast(Token, parts[2])), ignore_case)

    def ilike(self, parts: list[object]) -> s.Node:
        return self.like(parts, ignore_case=True)

    def not_like(self, parts: list[object]) -> s.Node:
        return s.Not(self.like(parts))

    def not_ilike(self, parts: list[object]) -> s.Node:
        return s.Not(self.ilike(parts))

    def among(self, parts: list[object]) -> s.Node:
        field, *literals = cast(list[s.Literal], parts)
        if len(literals) > MOST_VALUES:
            raise _Wrong(literals[MOST_VALUES].at, f"more than {MOST_VALUES} values in one list")
        return s.Among(cast(s.Field, field), tuple(literals))

    def not_among(self, parts: list[object]) -> s.Node:
        return s.Not(self.among(parts))

    def negation(self, parts: list[s.Node]) -> s.Node:
        return _bounded(s.Not(parts[0]))

    def conjunction(self, parts: list[s.Node]) -> s.Node:
        return _bounded(s.All(tuple(parts)))

    def disjunction(self, parts: list[s.Node]) -> s.Node:
        return _bounded(s.Either(tuple(parts)))


def _bounded(node: s.Node) -> s.Node:
    terms = s.terms_of(node)
    if len(terms) > MOST_TERMS:
        raise _Wrong(terms[MOST_TERMS].field.at, f"more than {MOST_TERMS} comparisons")
    if s.depth_of(node) > MOST_DEPTH:
        raise _Wrong(terms[0].field.at, f"nested more than {MOST_DEPTH} deep")
    return node


def _string(token: Token) -> s.Literal:
    raw = token[1:-1]
    return s.Literal(_ESCAPE.sub(lambda found: _escaped(found, _at(token) + 1), raw), raw, _at(token))


def _escaped(found: re.Match[str], start: int) -> str:
    if found[1] is None:
        return "'"
    if found[1] not in _ESCAPED:
        raise _Wrong(start + found.start(), f"no such escape as \\{found[1]}")
    return _ESCAPED[found[1]]


def _unquoted(name: Token) -> str:
    if name.type == "NAME":
        return str(name)
    plain = re.sub(r"\\(.)", r"\1", name[1:-1], flags=re.DOTALL)
    problem = limits.key_problem(plain)
    if problem:
        raise _Wrong(_at(name), f"a name that {problem}")
    return plain


def _number(token: Token) -> int | float:
    """Exact if it is written as an integer."""
    if token.lstrip("+-").isdecimal():
        if len(token) > 20 or not limits.INTEGER_MIN <= int(token) <= limits.INTEGER_MAX:
            raise _Wrong(_at(token), "an integer beyond 64 bits")
        return int(token)
    if not math.isfinite(float(token)):
        raise _Wrong(_at(token), "not a finite number")
    return float(token)


def _at(token: Token) -> int:
    return token.start_pos or 0


def _unexpected(text: str, error: UnexpectedInput) -> FilterInvalid:
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    at = len(text.rstrip()) if at_end else error.pos_in_stream or 0
    if at < len(text) and text[at] in "'\"`" and isinstance(error, UnexpectedCharacters):
        return FilterInvalid(text, at, "this quote is not closed")
    expected = error.accepts if isinstance(error, UnexpectedToken) else error.allowed  # type: ignore[attr-defined]
    wanted = sorted({_WANTED[one] for one in expected or ()})
    found = "the filter ends" if at_end else "unexpected text"
    return FilterInvalid(text, at, f"{found} where {' or '.join(wanted)} should stand")


_WANTED: Final = {
    **dict.fromkeys(("NAME", "QUOTED"), "a field"),
    **dict.fromkeys(("STRING", "NUMBER", "TRUE", "FALSE"), "a value"),
    **dict.fromkeys(("OPERATOR", "LIKE", "ILIKE", "_IN"), "an operator"),
    "_NOT": "NOT",
    "_AND": "AND",
    "_OR": "OR",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "DOT": ".",
    "$END": "the end",
}
_PARSER: Final = Lark(Path(__file__).with_name("grammar.lark").read_text(), parser="lalr", transformer=_Builder())
