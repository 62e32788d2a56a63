"""Comparing versions side by side: each metric and hyperparameter, the best value, and differences to the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.comparison.compared import Compared, compared
from services.query_api.comparison.directions import HIGHER_IS_BETTER, LOWER_IS_BETTER, Directions
from services.query_api.gate import ReadGate, docs
from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.http.times import time_text
from tensorfleet.mongo.read_models import Document, ReadModels

FEWEST: Final = 2
MOST: Final = 20
IDS: Final = Parameter(
    "ids", "2 to 20 models, with commas between them: an id, or id@version.", {"type": "string"}, required=True
)
_ACCEPTED: Final = (IDS, LOWER_IS_BETTER, HIGHER_IS_BETTER)
_NOTHING: Final = object()
Values = Mapping[str, Any]
"""By metric."""


def comparison_routes(gate: ReadGate, reads: ReadModels) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])

    @router.get("/compare", **docs("compare_models", "Metrics and hyperparameters side by side", _ACCEPTED, 404))
    async def compare(request: Request) -> Response:
        parameters = await gate.enter(request, _ACCEPTED)
        wanted, directions = _wanted(parameters), Directions(parameters)
        columns = await compared(reads, request, wanted)
        metrics = _metrics(columns, directions, _own)
        tracked = _metrics(columns, directions, _last_reported)
        settings = _rows([one.shown["hyperparameters"] for one in columns])
        members = {
            "models": [_head(one, index, metrics, tracked) for index, one in enumerate(columns)],
            "metrics": metrics,
            "tracked": tracked,
            "hyperparameters": {name: _setting(values) for name, values in settings},
        }
        return conditional_json(request, members)

    return router


def _wanted(parameters: QueryParameters) -> list[tuple[str, str | None]]:
    entries = parameters.entries(IDS.name)
    if not FEWEST <= len(entries) <= MOST:
        raise InvalidCommand.of(IDS.name, f"must name {FEWEST} to {MOST} different models or versions")
    split = [entry.partition("@") for entry in entries]
    return [(model_id, str(ModelVersion.parse(version, IDS.name)) if at else None) for model_id, at, version in split]


def _head(column: Compared, index: int, metrics: Mapping[str, Document], tracked: Mapping[str, Document]) -> Document:
    return {
        "id": column.model["_id"],
        "name": column.model["name"],
        "algorithm": column.model["algorithm"],
        "version": column.shown["version"],
        "parent_version": column.shown["parent_version"],
        "status": column.shown["status"],
        "created_at": time_text(column.shown["created_at"]),
        "regressions": _regressions(metrics, index),
        "tracked_regressions": _regressions(tracked, index),
    }


def _regressions(metrics: Mapping[str, Document], index: int) -> list[str]:
    against_parent = {name: row["against_parent"][index] for name, row in metrics.items()}
    return [name for name, one in against_parent.items() if one is not None and one["regression"]]


def _own(column: Compared) -> tuple[Values, Values]:
    """The metrics of the version, and of its parent."""
    return column.shown["metrics"], {} if column.parent is None else column.parent["metrics"]


def _last_reported(column: Compared) -> tuple[Values, Values]:
    """The values that were last reported of the version, and of its parent."""
    last, before = column.tracked, column.tracked_of_parent
    return {name: one["value"] for name, one in last.items()}, {name: one["value"] for name, one in before.items()}


def _rows(parts: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    names = sorted({name for part in parts for name in part})
    return [(name, [part.get(name, _NOTHING) for part in parts]) for name in names]


def _metrics(
    columns: Sequence[Compared], directions: Directions, values_of: Callable[[Compared], tuple[Values, Values]]
) -> dict[str, Document]:
    """A row for each metric that one of the columns has a value of."""
    own, of_parents = zip(*(values_of(one) for one in columns), strict=True)
    return {
        name: {
            **_row(values, lower=directions.is_lower_better(name)),
            "against_parent": [
                _against_parent(value, column.parent, before.get(name, _NOTHING), directions.is_lower_better(name))
                for value, column, before in zip(values, columns, of_parents, strict=True)
            ],
            "tracked": [_tracked(one.tracked.get(name)) for one in columns],
        }
        for name, values in _rows(own)
    }


def _row(values: Sequence[Any], *, lower: bool) -> Document:
    """`best` is the index of the best value in `models`, the first of equals; `all_best` are those of all equals."""
    present = [value for value in values if value is not _NOTHING]
    best = min(present) if lower else max(present)
    all_best = [index for index, value in enumerate(values) if value is not _NOTHING and value == best]
    return {
        **_side_by_side(values),
        "same": all(value is not _NOTHING and value == best for value in values),
        "best": all_best[0],
        "all_best": all_best,
        "better": "lower" if lower else "higher",
    }


def _against_parent(value: Any, parent: Document | None, before: Any, lower: bool) -> Document | None:
    """None if there is no parent, or one of the two does not have the metric. Any worse value is a regression."""
    if parent is None or value is _NOTHING or before is _NOTHING:
        return None
    return {
        "version": parent["version"],
        "value": before,
        "difference": _difference(value, before),
        "regression": value > before if lower else value < before,
    }


def _tracked(last: Document | None) -> Document | None:
    """The last point that was reported of the metric."""
    if last is None:
        return None
    return {
        "value": last["value"],
        "recorded_at": time_text(last["at"]),
        "step": last["step"],
        "source": last["source"],
    }


def _setting(values: Sequence[Any]) -> Document:
    """What is best among settings nobody knows. 1, 1.0 and true are three different settings, at any depth."""
    texts = {None if value is _NOTHING else orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in values}
    return {**_side_by_side(values), "same": len(texts) == 1, "best": None}


def _side_by_side(values: Sequence[Any]) -> Document:
    """Absent values, and differences that no number tells, are null."""
    return {
        "values": [None if value is _NOTHING else value for value in values],
        "difference": [_difference(value, values[0]) for value in values],
    }


def _difference(value: Any, first: Any) -> int | float | None:
    if not (_is_number(value) and _is_number(first)):
        return None
    difference = value - first
    if isinstance(difference, int) and not limits.INTEGER_MIN <= difference <= limits.INTEGER_MAX:
        return float(difference)
    return difference if math.isfinite(difference) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
