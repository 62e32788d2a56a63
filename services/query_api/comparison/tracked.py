"""What was last reported of the metrics of the compared versions, and of their parents."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from tensorfleet.domain.limits import MAP_KEYS
from tensorfleet.mongo.measurements import METRIC_SERIES, series_key
from tensorfleet.mongo.read_models import Document, ReadModels

MOST_REPORTED_ONLY: Final = MAP_KEYS
"""Metrics of a comparison that none of its versions has as its own: as many as one version may have of those."""
_KEYS_AT_ONCE: Final = 10_000
"""A question to MongoDB has at most 16 MiB."""
_FIELDS: Final = {"model_id": 1, "version": 1, "metric": 1, "last": 1}

Points = dict[str, dict[str, Document]]
"""By model and version (`id@v1.0`), then by metric."""


async def last_points(reads: ReadModels, found: Sequence[tuple[Document, Document]]) -> Points:
    """Of each metric that one of the versions has, and, by name, of the first MOST_REPORTED_ONLY that none has."""
    names = sorted({name for _, shown in found for name in shown["metrics"]})
    keys = [series_key(model["_id"], name, shown["version"]) for model, shown in found for name in names]
    versions: dict[str, set[str]] = {}
    for model, shown in found:
        versions.setdefault(model["_id"], set()).add(shown["version"])
    series, *others = await asyncio.gather(
        _series(reads, keys), *(_reported_only(reads, model_id, of, names) for model_id, of in versions.items())
    )
    reported_only = [one for some in others for one in some]
    shown_names = set(sorted({one["metric"] for one in reported_only})[:MOST_REPORTED_ONLY])
    return _by_version([*series, *(one for one in reported_only if one["metric"] in shown_names)])


async def last_points_of_parents(
    reads: ReadModels,
    parents: Container[str],
    found: Sequence[tuple[Document, Document]],
    tracked: Mapping[str, Mapping[str, Document]],
) -> Points:
    """Of the metrics that the version itself has points of. `parents` are those that are there, by `_id`."""
    keys = {
        series_key(model["_id"], name, shown["parent_version"])
        for model, shown in found
        if f"{model['_id']}@{shown['parent_version']}" in parents
        for name in tracked.get(f"{model['_id']}@{shown['version']}", ())
    }
    return _by_version(await _series(reads, sorted(keys)))


async def _series(reads: ReadModels, keys: Sequence[str]) -> list[Document]:
    found: list[Document] = []
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        where = {"_id": {"$in": keys[start : start + _KEYS_AT_ONCE]}}
        found += await reads.find(METRIC_SERIES, where, fields=_FIELDS)
    return found


async def _reported_only(reads: ReadModels, model_id: str, versions: set[str], names: Sequence[str]) -> list[Document]:
    """The first by name. A metric has one series in each version, so the limit cuts off none of the first names."""
    where = {
        "_id": {"$gt": f"{model_id}:", "$lt": f"{model_id};"},
        "version": {"$in": sorted(versions)},
        "metric": {"$nin": names},
    }
    most = MOST_REPORTED_ONLY * len(versions)
    return await reads.find(METRIC_SERIES, where, sort=[("metric", 1)], limit=most, fields=_FIELDS)


def _by_version(series: Iterable[Document]) -> Points:
    points: Points = {}
    for one in series:
        points.setdefault(f"{one['model_id']}@{one['version']}", {})[one["metric"]] = one["last"]
    return points
