"""A series in at most so many points: of each of equal spans of time the first, the lowest, the highest and the last.

A line drawn through these looks as one through all points does, as long as a span is at most as wide as the pen (M4, by
Jugel and others). Where a chunk lies within one span, its own first, last, lowest and highest stand for its points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
    whole = {
        "$and": [
            {"$gte": ["$first.at", window.start]},
            {"$lte": ["$last.at", window.end]},
            {"$eq": [_span("$first.at", window, number), _span("$last.at", window, number)]},
        ]
    }
    chunk = {
        "span": _span("$first.at", window, number),
        "count": "$count",
        **with_versions(),
    }
    within = {"$and": [{"$gte": ["$$this.at", window.start]}, {"$lte": ["$$this.at", window.end]}]}
    asked = {"$filter": {"input": "$points", "cond": within}}
    split = {"$map": {"input": asked, "in": _single_point(window, number)}}
    return [
        {"$match": window.chunks(where)},
        {"$project": {"pieces": {"$cond": [whole, [chunk], split]}}},
        {"$unwind": "$pieces"},
        {"$replaceWith": "$pieces"},
        {"$group": {"_id": "$span", **SUMMED_UP}},
    ]


def corners(found: Sequence[Document]) -> list[Document]:
    """The points of all spans in the order of time, each once."""
    points = {one[corner]["sequence"]: one[corner] for one in found for corner in _CORNERS}
    return sorted(points.values(), key=lambda one: (one["at"], one["sequence"]))


def _span(at: str, window: Window, number: int) -> Document:
    """The number of the span that a time is in, from 0."""
    passed = {"$multiply": [{"$subtract": [at, window.start]}, number]}
    return {"$floor": {"$divide": [passed, window.end - window.start + 1]}}


def _single_point(window: Window, number: int) -> Document:
    """A piece that one point makes. MongoDB compares documents member by member: what decides stands first."""
    names = ("at", "sequence", "value", "step", "source")
    by_time = {**{name: f"$$this.{name}" for name in names}, "version": "$version"}
    by_value = {"value": "$$this.value", **by_time}
    span = _span("$$this.at", window, number)
    return {"span": span, "count": 1, "first": by_time, "low": by_value, "high": by_value, "last": by_time}
