"""Comparing versions side by side: each metric and hyperparameter, the best value, and differences to the first."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.gate import ReadGate, docs
from services.query_api.lookups import live_model, live_version
from services.query_api.rendering import time_text
from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.mongo.read_models import Document, ReadModels

FEWEST: Final = 2
MOST: Final = 20
IDS: Final = Parameter(
    "ids", "2 to 20 models, with commas between them: an id, or id@version.", {"type": "string"}, required=True
)
LOWER_IS_BETTER: Final = re.compile(
    r"(^|[^a-z])(loss|log_?loss|error|mse|rmse|mae|mape|brier|perplexity|time|latency|duration)([^a-z]|$)"
)
_NOTHING: Final = object()


def comparison_routes(gate: ReadGate, reads: ReadModels) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])

    @router.get("/compare", **docs("compare_models", "Metrics and hyperparameters side by side", [IDS], 404))
    async def compare(request: Request) -> Response:
        wanted = _wanted(await gate.enter(request, [IDS]))
        columns = await asyncio.gather(*(_column(reads, *one) for one in wanted))
        members = {
            "models": [column["head"] for column in columns],
            "metrics": {name: _metric(name, values) for name, values in _rows(columns, "metrics")},
            "hyperparameters": {name: _setting(values) for name, values in _rows(columns, "hyperparameters")},
        }
        return conditional_json(request, members)

    return router


def _wanted(parameters: QueryParameters) -> list[tuple[str, str | None]]:
    entries = parameters.entries(IDS.name)
    if not FEWEST <= len(entries) <= MOST:
        raise InvalidCommand.of(IDS.name, f"must name {FEWEST} to {MOST} different models or versions")
    split = [entry.partition("@") for entry in entries]
    return [(model_id, str(ModelVersion.parse(version, IDS.name)) if at else None) for model_id, at, version in split]


async def _column(reads: ReadModels, model_id: str, version: str | None) -> Document:
    model = await live_model(reads, model_id)
    shown = await live_version(reads, model, version) if version else model
    head = {
        "id": model_id,
        "name": model["name"],
        "algorithm": model["algorithm"],
        "version": shown["version"],
        "status": shown["status"],
        "created_at": time_text(shown["created_at"]),
    }
    return {"head": head, "metrics": shown["metrics"], "hyperparameters": shown["hyperparameters"]}


def _rows(columns: Sequence[Document], part: str) -> list[tuple[str, list[Any]]]:
    names = sorted({name for column in columns for name in column[part]})
    return [(name, [column[part].get(name, _NOTHING) for column in columns]) for name in names]


def _metric(name: str, values: Sequence[Any]) -> Mapping[str, Any]:
    """`best` is the index of the best value in `models`, the first of equals."""
    lower = LOWER_IS_BETTER.search(name.lower()) is not None
    present = [(value, index) for index, value in enumerate(values) if value is not _NOTHING]
    choose = min if lower else max
    best = choose(present, key=lambda one: one[0])[1]
    return {**_setting(values), "best": best, "better": "lower" if lower else "higher"}


def _setting(values: Sequence[Any]) -> dict[str, Any]:
    """Absent values, and differences that no number tells, are null. What is best among settings nobody knows."""
    return {
        "values": [None if value is _NOTHING else value for value in values],
        "best": None,
        "difference": [_difference(value, values[0]) for value in values],
        "same": all(type(value) is type(values[0]) and value == values[0] for value in values),
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
