"""The filters of lists and search: from query parameters to what MongoDB is asked for.

Names and values from outside stand only where MongoDB takes them as they are: as operands, inside `$literal`, or, for a
name of letters, digits, `_` and `-` alone, as a step of a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.query_api.lists.filter_language import MOST_CHARACTERS, Compiled, compiled
from services.query_api.tenancy import named
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain import limits
from tensorfleet.domain.events import ScanVerdict, Status
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.projection import facets as f

STATUSES: Final = tuple(str(status) for status in Status)
VERDICTS: Final = tuple(str(verdict) for verdict in ScanVerdict)
_NUMBER: Final = {"type": "number"}
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
"""Of a metric or hyperparameter that can be a step of a path."""

FILTERS: Final = (
    Parameter("algorithm", "Exactly this algorithm."),
    Parameter("status", "The model's status.", {"type": "string", "enum": list(STATUSES)}),
    Parameter(
        "scan_verdict",
        "What a scan says of the newest version's file; unscanned: not yet, or not to the end.",
        {"type": "string", "enum": list(VERDICTS)},
    ),
    Parameter("tags", "Tags, with commas between them: models that have any of them."),
    Parameter("all_tags", "Tags, with commas between them: models that have all of them."),
    Parameter("created_by", "Exactly this author."),
    Parameter("min_accuracy", "At least this test_accuracy, or accuracy where that is absent.", _NUMBER),
    Parameter("min_metric.", "At least this value of a metric, as in min_metric.f1_score=0.9.", _NUMBER),
    Parameter("max_metric.", "At most this value of a metric.", _NUMBER),
    Parameter(
        "filter",
        "A condition, as `metrics.accuracy >= 0.9 AND (tags = 'prod' OR algorithm LIKE 'XGB%')`; "
        "docs/filter-language.md tells all of it.",
        {"type": "string", "maxLength": MOST_CHARACTERS},
    ),
)

Condition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """A model passes if it has all of `facets`, one of `any_of` unless that is empty, and meets each of `conditions`.

    `ranged`: one of the conditions is a range of the field that an index of facets is sorted by. `given` says the same
    for the binding of cursors.
    """

    facets: tuple[str, ...]
    any_of: tuple[str, ...]
    conditions: tuple[Condition, ...]
    ranged: bool
    given: Mapping[str, Any]

    @property
    def counted_facet(self) -> str | None:
        """The facet whose counter is the number of models that pass, if there is one."""
        if self.conditions or self.any_of or len(self.facets) > 1:
            return None
        return self.facets[0] if self.facets else f.ALL

    @property
    def by_facets(self) -> Condition:
        """For documents with facets, of models or of the search; {} if no facet is asked for."""
        wanted: list[Condition] = []
        if self.facets:
            wanted.append({"facets": {"$all": list(self.facets)} if len(self.facets) > 1 else self.facets[0]})
        if self.any_of:
            wanted.append({"facets": {"$in": list(self.any_of)}})
        return {"$and": wanted} if len(wanted) > 1 else wanted[0] if wanted else {}


def filters_of(parameters: QueryParameters, names: NamePrefix | None = None) -> Filters:
    """`names`: only models whose names it covers pass. InvalidCommand for a filter that is wrong in itself."""
    given = _given(parameters)
    written = compiled(given["filter"]) if "filter" in given else Compiled()
    tags = [f.by_tag(tag) for tag in given.get("tags", ())]
    facets = {*_facets(given), *written.facets, *(tags if len(tags) == 1 else ())}
    conditions = [*_bounds(given), *written.conditions]
    any_of = tuple(tags) if len(tags) > 1 else ()
    if names is not None:
        conditions.append(named(names))
        given["names of the key"] = names.text
    return Filters(_narrowest(facets), any_of, tuple(conditions), written.ranged or names is not None, given)


def metric(name: str) -> Any:
    """An expression for a metric's value; its name may hold dots and dollars."""
    return {"$getField": {"field": {"$literal": name}, "input": "$metrics"}}


def _given(parameters: QueryParameters) -> dict[str, Any]:
    found: dict[str, Any] = {
        "algorithm": parameters.text("algorithm", limits.ALGORITHM_CHARACTERS),
        "status": parameters.choice("status", STATUSES),
        "scan_verdict": parameters.choice("scan_verdict", VERDICTS),
        "tags": sorted(parameters.entries("tags")),
        "all_tags": sorted(parameters.entries("all_tags")),
        "created_by": parameters.text("created_by", limits.CREATED_BY_CHARACTERS),
        "min_accuracy": parameters.number("min_accuracy"),
        "filter": parameters.text("filter", MOST_CHARACTERS, lines=True),
    }
    for family in ("min_metric.", "max_metric."):
        for name in parameters.members(family):
            found[family + name] = parameters.number(family + name)
    return {name: value for name, value in found.items() if value not in (None, [])}


def _facets(given: Mapping[str, Any]) -> Iterator[str]:
    if "algorithm" in given:
        yield f.by_algorithm(given["algorithm"])
    if "status" in given:
        yield f.by_status(given["status"])
    if "scan_verdict" in given:
        yield f.by_verdict(given["scan_verdict"])
    if "created_by" in given:
        yield f.by_author(given["created_by"])
    yield from map(f.by_tag, given.get("all_tags", ()))


def _narrowest(facets: set[str]) -> tuple[str, ...]:
    """One algorithm and one status are one facet, which has an index range and a counter of its own."""
    algorithms = [one.removeprefix("a:") for one in facets if one.startswith("a:")]
    statuses = [one.removeprefix("s:") for one in facets if one.startswith("s:")]
    if len(algorithms) == len(statuses) == 1:
        both = f.by_algorithm_and_status(algorithms[0], statuses[0])
        facets = {*facets, both} - {f.by_algorithm(algorithms[0]), f.by_status(statuses[0])}
    return tuple(sorted(facets))


def _bounds(given: Mapping[str, Any]) -> Iterator[Condition]:
    for name, value in given.items():
        if name == "min_accuracy":
            yield {
                "$or": [
                    {"metrics.test_accuracy": {"$gte": value}},
                    {"metrics.test_accuracy": {"$exists": False}, "metrics.accuracy": {"$gte": value}},
                ]
            }
        elif name.startswith("min_metric."):
            yield _bound(name.removeprefix("min_metric."), "$gte", value)
        elif name.startswith("max_metric."):
            yield _bound(name.removeprefix("max_metric."), "$lte", value)


def _bound(name: str, operator: str, value: int | float) -> Condition:
    """By a path where the name can be a step of one, which MongoDB goes through several times as fast."""
    if PLAIN_NAME.fullmatch(name):
        return {f"metrics.{name}": {operator: value}}
    # A value that is absent is below every number for MongoDB, so it must be asked for as well.
    return {"$expr": {"$and": [{"$isNumber": metric(name)}, {operator: [metric(name), {"$literal": value}]}]}}
