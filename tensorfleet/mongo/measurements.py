"""Measurements in MongoDB: one document for each series, and the points of a series in chunks.

A series is what was reported of one metric of one version. Its document and each of its chunks say how many points
there are and which are the first, the last, the lowest and the highest, so that a reader skips what these four tell
enough of. A chunk holds the points of CHUNK_EVENTS sequences of the model's stream: where a point goes, its event alone
decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

from bson.int64 import Int64
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database

METRIC_SERIES: Final = "metric_series"
METRIC_CHUNKS: Final = "metric_chunks"
CHUNK_EVENTS: Final = 128
_UPDATES_AT_ONCE: Final = 1_000

Document = dict[str, Any]


class Point(NamedTuple):
    """`at`: when it was measured, in microseconds since 1970. `sequence` is that of its event."""

    at: int
    sequence: int
    value: int | float
    step: int | None
    source: str


@dataclass(slots=True)
class Growth:
    """What a batch adds to a series, or to a chunk of one: points in the order of their events."""

    model_id: str
    metric: str
    version: str
    points: list[Point] = field(default_factory=list)


@dataclass(slots=True)
class Measured:
    """What a batch adds, by the `_id` of the documents that grow."""

    series: dict[str, Growth] = field(default_factory=dict)
    chunks: dict[str, Growth] = field(default_factory=dict)

    def add(self, model_id: str, metric: str, version: str, point: Point) -> None:
        key = series_key(model_id, metric, version)
        for growing, one in ((self.series, key), (self.chunks, chunk_key(key, point.sequence))):
            growth = growing.get(one)
            if growth is None:
                growth = growing[one] = Growth(model_id, metric, version)
            growth.points.append(point)

    def merge(self, later: Measured) -> None:
        for growing, more in ((self.series, later.series), (self.chunks, later.chunks)):
            for key, one in more.items():
                held = growing.setdefault(key, Growth(one.model_id, one.metric, one.version))
                held.points.extend(one.points)


def metric_prefix(model_id: str, metric: str) -> str:
    """What the keys of all series of one metric begin with. A name may hold anything: its hash stands for it."""
    return f"{model_id}:{hashlib.sha256(metric.encode()).hexdigest()[:24]}:"


def series_key(model_id: str, metric: str, version: str) -> str:
    return f"{metric_prefix(model_id, metric)}{version}"


def chunk_key(series: str, sequence: int) -> str:
    return f"{series}:{sequence // CHUNK_EVENTS:012d}"


def write_measured(database: Database[Document], measured: Measured, session: ClientSession | None) -> None:
    """Nothing is read before: MongoDB compares what it has with what comes."""
    _write(database[METRIC_SERIES], (_grown(key, one) for key, one in measured.series.items()), session)
    _write(database[METRIC_CHUNKS], (_extended(key, one) for key, one in measured.chunks.items()), session)


def _write(collection: Collection[Document], updates: Iterator[UpdateOne], session: ClientSession | None) -> None:
    """A few at a time: a replay may hold millions of points, and as documents they take several times the memory."""
    while some := list(islice(updates, _UPDATES_AT_ONCE)):
        collection.bulk_write(some, ordered=False, session=session)


def _grown(key: str, growth: Growth) -> UpdateOne:
    return UpdateOne({"_id": key}, _summary(growth), upsert=True)


def _extended(key: str, growth: Growth) -> UpdateOne:
    points = {"$push": {"points": {"$each": [_by_time(one) for one in growth.points]}}}
    return UpdateOne({"_id": key}, {**_summary(growth), **points}, upsert=True)


def _summary(growth: Growth) -> Mapping[str, Any]:
    """MongoDB compares documents member by member, and no two points have one sequence: nothing depends on batches."""
    points = growth.points
    return {
        "$setOnInsert": {"model_id": growth.model_id, "metric": growth.metric, "version": growth.version},
        "$inc": {"count": Int64(len(points))},
        "$min": {"first": _by_time(min(points)), "low": _by_value(min(points, key=_rank))},
        "$max": {"last": _by_time(max(points)), "high": _by_value(max(points, key=_rank))},
    }


def _rank(point: Point) -> tuple[int | float, int, int]:
    return point.value, point.at, point.sequence


def _by_time(point: Point) -> Document:
    return {
        "at": Int64(point.at),
        "sequence": Int64(point.sequence),
        "value": point.value,
        "step": None if point.step is None else Int64(point.step),
        "source": point.source,
    }


def _by_value(point: Point) -> Document:
    members = _by_time(point)
    return {"value": members.pop("value"), **members}
