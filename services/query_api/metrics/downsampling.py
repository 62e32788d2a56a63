"""A series in at most so many points: of each of equal spans of time the first, the lowest, the highest and the last.

A line drawn through these looks as one through all points does, as long as a span is at most as wide as the pen (M4, by
Jugel and others). Where a chunk lies within one span, its own first, last, lowest and highest stand for its points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tensorfleet.mongo.measurements import METRIC_CHUNKS

POINTS_OF_SPAN: Final = 4
_CORNERS: Final = ("first", "low", "high", "last")

SUMMED_UP: Final = {
    "count": {"$sum": "$count"},
    "first": {"$min": "$first"},
    "low": {"$min": "$low"},
    "high": {"$max": "$high"},
    "last": {"$max": "$last"},
}
"""For a $group over series, chunks or pieces of them."""

Document = dict[str, Any]
Stages = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Window:
    """A range of time, in microseconds since 1970, both ends included."""

    start: int
    end: int

    def chunks(self, where: Mapping[str, Any]) -> Mapping[str, Any]:
        """The filter for chunks that may hold a point of it."""
        return {**where, "last.at": {"$gte": self.start}, "first.at": {"$lte": self.end}}


def with_versions() -> Document:
    """The four points of a series or of a chunk, each with the version that it belongs to."""
    return {corner: {"$mergeObjects": [f"${corner}", {"version": "$version"}]} for corner in _CORNERS}


def all_points(where: Mapping[str, Any], window: Window, most: int) -> Stages:
    """Every point of the window, in order; the first `most`, should more have come in by now."""
    return [
        {"$match": window.chunks(where)},
        {"$unwind": "$points"},
        {"$match": {"points.at": {"$gte": window.start, "$lte": window.end}}},
        {"$replaceWith": {"$mergeObjects": ["$points", {"version": "$version"}]}},
        {"$sort": {"at": 1, "sequence": 1}},
        {"$limit": most},
    ]


def spans(where: Mapping[str, Any], window: Window, number: int) -> Stages:
    """One document for each span that has a point: `count`, and the four points that stand for it."""
    within_one = {
        "$and": [
            {"$gte": ["$first.at", window.start]},
            {"$lte": ["$last.at", window.end]},
            {"$eq": [_span("$first.at", window, number), _span("$last.at", window, number)]},
        ]
    }
    match = {"$match": window.chunks(where)}
    taken_apart = [match, {"$match": {"$expr": {"$not": [within_one]}}}, *_spans_of_points(window, number)]
    return [
        match,
        {"$match": {"$expr": within_one}},
        {"$project": {"span": _span("$first.at", window, number), "count": 1, **with_versions()}},
        {"$unionWith": {"coll": METRIC_CHUNKS, "pipeline": taken_apart}},
        {"$group": {"_id": "$span", **SUMMED_UP}},
    ]


def _spans_of_points(window: Window, number: int) -> Stages:
    """As `spans`, from each point of the chunks that come. Members are put together only of what is left at the end."""
    by_time = {"point": "$points", "version": "$version"}
    by_value = {"value": "$points.value", **by_time}
    found = {
        corner: {"$mergeObjects": [f"${corner}.point", {"version": f"${corner}.version"}]}
        for corner in ("first", "last")
    } | {
        corner: {
            "$mergeObjects": [{"value": f"${corner}.value"}, f"${corner}.point", {"version": f"${corner}.version"}]
        }
        for corner in ("low", "high")
    }
    return [
        {"$unwind": "$points"},
        {"$match": {"points.at": {"$gte": window.start, "$lte": window.end}}},
        {
            "$group": {
                "_id": _span("$points.at", window, number),
                "count": {"$sum": 1},
                "first": {"$min": by_time},
                "low": {"$min": by_value},
                "high": {"$max": by_value},
                "last": {"$max": by_time},
            }
        },
        {"$project": {"span": "$_id", "count": 1, **found}},
    ]


def corners(found: Sequence[Document]) -> list[Document]:
    """The points of all spans in the order of time, each once."""
    points = {one[corner]["sequence"]: one[corner] for one in found for corner in _CORNERS}
    return sorted(points.values(), key=lambda one: (one["at"], one["sequence"]))


def _span(at: str, window: Window, number: int) -> Document:
    """The number of the span that a time is in, from 0. It never falls while the time grows, however it is rounded."""
    passed = {"$multiply": [{"$subtract": [at, window.start]}, number]}
    return {"$floor": {"$divide": [passed, window.end - window.start + 1]}}
