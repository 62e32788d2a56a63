"""From the syntax tree of a filter to conditions for MongoDB.

Text from outside stands only in operands, inside `$literal`, in a regular expression after escaping, or, for a name of
letters, digits, `_` and `-` alone, as a step of a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never

from bson.regex import Regex

from services.query_api.lists.filter_language import syntax as s
from services.query_api.lists.filter_language.parser import parse
from services.query_api.lists.filter_language.patterns import expression_of, fixed_beginning
from services.query_api.lists.filter_language.syntax import FilterInvalid
from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.events import ScanVerdict, Status
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.projection import facets as f

Condition = Mapping[str, Any]

_OPERATORS: Final = {"=": "$eq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_TEXTS: Final = ("name", "algorithm", "status", "tags", "created_by", "framework", "description", "version")
_SCAN: Final = "scan"
_VERDICT: Final = "scan.verdict"
_UNORDERED: Final = ("status", "tags", _SCAN)
_TIMES: Final = ("created_at", "updated_at")
_MAPS: Final = ("metrics", "hyperparameters")
_SORTED: Final = ("name", *_TIMES)
_FACETS: Final = {
    "algorithm": f.by_algorithm,
    "status": f.by_status,
    "tags": f.by_tag,
    "created_by": f.by_author,
    _SCAN: f.by_verdict,
}
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model passes if it has all `facets` and meets all `conditions`.

    `ranged`: one of the conditions is a range of a field that lists are sorted by.
    """

    facets: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    ranged: bool = False


def compiled(text: str) -> Compiled:
    """FilterInvalid if it is no filter, or compares what can't be compared."""
    compiler = _Compiler(text)
    facets, conditions, ranged = [], [], False
    for node in _conjuncts(parse(text)):
        condition = compiler.condition(node)
        facet = _facet(node)
        if facet is None:
            conditions.append(condition)
            ranged = ranged or _is_range(node)
        else:
            facets.append(facet)
    return Compiled(tuple(facets), tuple(conditions), ranged)


class _Compiler:
    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: s.Node) -> Condition:
        match node:
            case s.All():
                return {"$and": [self.condition(part) for part in node.parts]}
            case s.Either():
                return {"$or": [self.condition(part) for part in node.parts]}
            case s.Not():
                return {"$nor": [self.condition(node.inner)]}
            case s.Comparison():
                return self._comparison(node)
            case s.Among():
                return _among([self._comparison(s.Comparison(node.field, "=", one)) for one in node.literals])
            case s.Like():
                return self._like(node)
            case _:
                assert_never(node)

    def _comparison(self, node: s.Comparison) -> Condition:
        field, operator = self._checked(node.field), _OPERATORS[node.operator]
        if field.root in _MAPS:
            return self._member(field, operator, node.literal)
        if field.root in _TIMES:
            return {field.root: {operator: self._time(node.literal)}}
        if not isinstance(node.literal.value, str):
            raise self._wrong(node.literal.at, f"{_path(field)} is compared with text, in single quotes")
        if operator == "$eq":
            return {_path(field): {"$eq": self._known(field, node.literal)}}
        if field.root in _UNORDERED:
            raise self._wrong(field.at, f"{_path(field)} takes =, !=, IN, LIKE and ILIKE")
        if field.root == "version":
            return {"version_order": {operator: self._version_order(node.literal)}}
        return {field.root: {operator: node.literal.value}}

    def _member(self, field: s.Field, operator: str, literal: s.Literal) -> Condition:
        """Of a map. MongoDB compares only values of one type with each other, but by `$expr` all with all."""
        value = literal.value
        if field.root == "metrics" and (isinstance(value, str | bool)):
            raise self._wrong(literal.at, "a metric is compared with a number")
        if field.key is not None and _PLAIN_KEY.fullmatch(field.key):
            return {f"{field.root}.{field.key}": {operator: value}}
        found = _value_of(field)
        return {"$expr": {"$and": [_is_like(value, found), {operator: [found, {"$literal": value}]}]}}

    def _like(self, node: s.Like) -> Condition:
        field = self._checked(node.field)
        if field.root in _TIMES or field.root == "metrics":
            raise self._wrong(field.at, f"{field.root} holds no text")
        expression, flags = expression_of(node.pattern.raw), "is" if node.ignore_case else "s"
        if field.key is None or field.root == _SCAN:
            return {_path(field): {"$regex": Regex(expression, flags)}}
        if _PLAIN_KEY.fullmatch(field.key):
            return {f"{field.root}.{field.key}": {"$regex": Regex(expression, flags)}}
        found = _value_of(field)
        matches = {"$regexMatch": {"input": found, "regex": {"$literal": Regex(expression, flags)}}}
        return {"$expr": {"$cond": [_is_like("", found), matches, False]}}

    def _checked(self, field: s.Field) -> s.Field:
        if field.root in _MAPS:
            if field.key is None:
                raise self._wrong(field.at, f"write {field.root}.<name>")
            problem = limits.key_problem(field.key)
            if problem:
                raise self._wrong(field.at, f"a name that {problem}")
        elif (field.root, field.key) == (_SCAN, "verdict"):
            return field
        elif field.root not in (*_TEXTS, *_TIMES):
            known = ", ".join([*_TEXTS, *_TIMES, _VERDICT, *(f"{one}.<name>" for one in _MAPS)])
            raise self._wrong(field.at, f"no such field; there are {known}")
        elif field.key is not None:
            raise self._wrong(field.at, f"{field.root} has no parts")
        return field

    def _known(self, field: s.Field, literal: s.Literal) -> s.Value:
        if field.root == "status" and literal.value not in list(Status):
            raise self._wrong(literal.at, f"status is one of {', '.join(Status)}")
        if field.root == _SCAN and literal.value not in list(ScanVerdict):
            raise self._wrong(literal.at, f"{_VERDICT} is one of {', '.join(ScanVerdict)}")
        return literal.value

    def _time(self, literal: s.Literal) -> int:
        """Microseconds since 1970."""
        if not isinstance(literal.value, str) or not _TIME.fullmatch(literal.value):
            raise self._wrong(literal.at, "a time is written as '2026-11-21T17:00:00Z'")
        try:
            return (datetime.fromisoformat(literal.value.upper()) - _EPOCH) // _MICROSECOND
        except (ValueError, OverflowError):
            raise self._wrong(literal.at, "there is no such time") from None

    def _version_order(self, literal: s.Literal) -> int:
        try:
            return ModelVersion.parse(str(literal.value)).order
        except InvalidCommand:
            raise self._wrong(literal.at, "a version is written as 'v1.0'") from None

    def _wrong(self, at: int, message: str) -> FilterInvalid:
        return FilterInvalid(self._text, at, message)


def _among(equalities: Sequence[Condition]) -> Condition:
    """One condition in the place of several equalities of one path, for which MongoDB makes one range of an index."""
    (path, _), *_ = equalities[0].items()
    if path == "$expr":
        return {"$or": list(equalities)}
    return {path: {"$in": [one[path]["$eq"] for one in equalities]}}


def _conjuncts(node: s.Node) -> list[s.Node]:
    return [one for part in node.parts for one in _conjuncts(part)] if isinstance(node, s.All) else [node]


def _path(field: s.Field) -> str:
    """Of a field that is no map."""
    return _VERDICT if field.root == _SCAN else field.root


def _facet(node: s.Node) -> str | None:
    """The facet that says the same, if there is one."""
    if isinstance(node, s.Comparison) and node.operator == "=" and node.field.root in _FACETS:
        return _FACETS[node.field.root](str(node.literal.value))
    return None


def _is_range(node: s.Node) -> bool:
    """Whether only models within some range of a field that lists are sorted by can pass."""
    match node:
        case s.Comparison() | s.Among():
            return node.field.root in _SORTED
        case s.Like():
            return node.field.root in _SORTED and not node.ignore_case and fixed_beginning(node.pattern.raw)
        case _:
            return False


def _value_of(field: s.Field) -> Condition:
    return {"$getField": {"field": {"$literal": field.key}, "input": f"${field.root}"}}


def _is_like(value: s.Value, expression: Condition) -> Condition:
    """Whether MongoDB's value is of the type of `value`; an absent one is of none."""
    if isinstance(value, bool):
        return {"$eq": [{"$type": expression}, "bool"]}
    if isinstance(value, str):
        return {"$eq": [{"$type": expression}, "string"]}
    return {"$isNumber": expression}
