"""The filters of lists and search: from query parameters to one MongoDB filter over model documents.

Names and values from outside stand only where MongoDB takes them as they are: as operands, or inside `$literal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tensorfleet.domain import limits
from tensorfleet.domain.events import Status
from tensorfleet.http.query_parameters import Parameter, QueryParameters

STATUSES: Final = tuple(str(status) for status in Status)
_NUMBER: Final = {"type": "number"}

FILTERS: Final = (
    Parameter("algorithm", "Exactly this algorithm."),
    Parameter("status", "The model's status.", {"type": "string", "enum": list(STATUSES)}),
    Parameter("tags", "Tags, with commas between them: models that have any of them."),
    Parameter("all_tags", "Tags, with commas between them: models that have all of them."),
    Parameter("created_by", "Exactly this author."),
    Parameter("min_accuracy", "At least this test_accuracy, or accuracy where that is absent.", _NUMBER),
    Parameter("min_metric.", "At least this value of a metric, as in min_metric.f1_score=0.9.", _NUMBER),
    Parameter("max_metric.", "At most this value of a metric.", _NUMBER),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """`where` is for MongoDB; `given` says the same for the binding of cursors."""

    where: Mapping[str, Any]
    given: Mapping[str, Any]


def filters_of(parameters: QueryParameters) -> Filters:
    given = _given(parameters)
    where: dict[str, Any] = {"deleted": False}
    for name in ("algorithm", "status", "created_by"):
        if name in given:
            where[name] = {"$eq": given[name]}
    tags = [{"tags": {"$in": given["tags"]}}] if "tags" in given else []
    tags += [{"tags": {"$all": given["all_tags"]}}] if "all_tags" in given else []
    if tags:
        where["$and"] = tags
    bounds = list(_bounds(given))
    if bounds:
        where["$expr"] = {"$and": bounds}
    return Filters(where, given)


def metric(name: str) -> dict[str, Any]:
    """An expression for a metric's value; its name may hold dots and dollars."""
    return {"$getField": {"field": {"$literal": name}, "input": "$metrics"}}


def _given(parameters: QueryParameters) -> dict[str, Any]:
    found: dict[str, Any] = {
        "algorithm": parameters.text("algorithm", limits.ALGORITHM_CHARACTERS),
        "status": parameters.choice("status", STATUSES),
        "tags": sorted(parameters.entries("tags")),
        "all_tags": sorted(parameters.entries("all_tags")),
        "created_by": parameters.text("created_by", limits.CREATED_BY_CHARACTERS),
        "min_accuracy": parameters.number("min_accuracy"),
    }
    for family in ("min_metric.", "max_metric."):
        for name in parameters.members(family):
            found[family + name] = parameters.number(family + name)
    return {name: value for name, value in found.items() if value not in (None, [])}


def _bounds(given: Mapping[str, Any]) -> Any:
    for name, value in given.items():
        if name == "min_accuracy":
            yield from _bound({"$ifNull": [metric("test_accuracy"), metric("accuracy")]}, "$gte", value)
        elif name.startswith("min_metric."):
            yield from _bound(metric(name.removeprefix("min_metric.")), "$gte", value)
        elif name.startswith("max_metric."):
            yield from _bound(metric(name.removeprefix("max_metric.")), "$lte", value)


def _bound(expression: Any, operator: str, value: int | float) -> list[dict[str, Any]]:
    """A metric that is absent is below every number for MongoDB, so it must be asked for as well."""
    return [{"$isNumber": expression}, {operator: [expression, {"$literal": value}]}]
