"""Orders of lists: what MongoDB sorts by, and where a page after a given row starts (keyset paging).

Each order ends with newest first, then id, so that no two rows are equal and none is skipped or shown twice. A time
that ascends is the same list from its other end, ties and all: so one index serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.query_api.lists.filters import PLAIN_NAME, metric
from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.mongo.read_models import DOWNLOAD_COUNTERS

SORT: Final = Parameter(
    "sort",
    "created_at (the default), updated_at, name, download_count, or metrics.<name>: models without it come last.",
)
ORDER: Final = Parameter(
    "order",
    "asc or desc; by default names ascend and everything else descends.",
    {"type": "string", "enum": ["asc", "desc"]},
)
Stages = Sequence[Mapping[str, Any]]
_TIES: Final = (("created_at", -1), ("_id", 1))
_FIELDS: Final = {
    "created_at": (("created_at", -1), ("_id", 1)),
    "updated_at": (("updated_at", -1), *_TIES),
    "name": (("name", -1),),
}
"""As they descend. A name is that of one model."""
_KEY: Final = "_key"
DOWNLOADS: Final = "_downloads"
_ABSENT: Final = "_absent"


@dataclass(frozen=True, slots=True)
class Ordering:
    """`stages` compute what is sorted by; `keys` are fields and directions, first to last."""

    name: str
    stages: tuple[Mapping[str, Any], ...]
    keys: tuple[tuple[str, int], ...]

    @property
    def sort(self) -> Mapping[str, Any]:
        return {"$sort": dict(self.keys)}

    @property
    def computed(self) -> bool:
        """No index has this order: MongoDB looks at every model that passes the filters."""
        return bool(self.stages)

    def place(self, row: Mapping[str, Any]) -> list[Any]:
        """What a cursor remembers of the last row of a page."""
        return [row.get(name) for name, _ in self.keys]

    def legs(self, place: Sequence[Any] | None) -> Sequence[Stages]:
        """The rows behind `place`, or all, in order: those of the first leg, then those of the next."""
        return [[*([] if place is None else [self.after(place)]), self.sort]]

    def after(self, place: Sequence[Any]) -> Mapping[str, Any]:
        """The stage that leaves only rows behind `place`."""
        branches = []
        equal: dict[str, Any] = {}
        first, direction = self.keys[0]
        # Says nothing that the branches do not say, but gives the index a range to begin at.
        start = {first: {"$gte" if direction > 0 else "$lte": place[0]}}
        for (name, direction), value in zip(self.keys, place, strict=True):
            if value is None:
                continue  # an absent metric: all rows with `_absent` are equal in it
            branches.append({**equal, name: {"$gt" if direction > 0 else "$lt": value}})
            equal = {**equal, name: {"$eq": value}}
        return {"$match": {**start, "$or": branches}}


@dataclass(frozen=True, slots=True)
class MetricOrdering(Ordering):
    """By a metric that a path leads to, which MongoDB sorts several times as fast as what a stage computes."""

    metric: str = ""

    @property
    def computed(self) -> bool:
        return True

    def place(self, row: Mapping[str, Any]) -> list[Any]:
        return [row["metrics"].get(self.metric), *(row[name] for name, _ in _TIES)]

    def legs(self, place: Sequence[Any] | None) -> Sequence[Stages]:
        """Those that have the metric, and those that have not."""
        path = f"metrics.{self.metric}"
        without = Ordering("", (), _TIES)
        last = [{"$match": {path: {"$exists": False}}}]
        if place is not None and place[0] is None:
            return [[*last, *without.legs(place[1:])[0]]]
        behind = Ordering("", (), self.keys).legs(place)[0]
        return [[{"$match": {path: {"$exists": True}}}, *behind], [*last, without.sort]]


def ordering_of(parameters: QueryParameters, *, by_score: bool = False, of_past: bool = False) -> Ordering:
    """`by_score`: for search, best match first unless another order is asked for. `of_past`: one sort for all rows."""
    name = parameters.text(SORT.name, limits.MAP_KEY_CHARACTERS + len("metrics."))
    asked = parameters.choice(ORDER.name, ("asc", "desc"))
    name = name or ("score" if by_score else "created_at")
    direction = {"asc": 1, "desc": -1, None: 1 if name == "name" else -1}[asked]
    label = f"{name} {direction}"
    if name in _FIELDS:
        return Ordering(label, (), tuple((key, way * -direction) for key, way in _FIELDS[name]))
    if by_score and name == "score":
        return Ordering(label, (), ((name, direction), *_TIES))
    if name == "download_count":
        return Ordering(label, _COUNTED, ((DOWNLOADS, direction), *_TIES))
    if name.startswith("metrics."):
        return _by_metric(label, name.removeprefix("metrics."), direction, in_legs=not of_past)
    raise InvalidCommand.of(SORT.name, f"is none of {', '.join(_FIELDS)}, download_count, metrics.<name>")


def _by_metric(label: str, name: str, direction: int, *, in_legs: bool) -> Ordering:
    problem = limits.key_problem(name)
    if problem:
        raise InvalidCommand.of(SORT.name, problem)
    if in_legs and PLAIN_NAME.fullmatch(name):
        return MetricOrdering(label, (), ((f"metrics.{name}", direction), *_TIES), name)
    value = metric(name)
    compute = {"$set": {_KEY: value, _ABSENT: {"$cond": [{"$isNumber": value}, 0, 1]}}}
    return Ordering(label, (compute,), ((_ABSENT, 1), (_KEY, direction), *_TIES))


_COUNTED: Final = (
    {"$lookup": {"from": DOWNLOAD_COUNTERS, "localField": "_id", "foreignField": "_id", "as": "_counter"}},
    {"$set": {DOWNLOADS: {"$ifNull": [{"$first": "$_counter.downloads"}, 0]}}},
    {"$unset": "_counter"},
)
