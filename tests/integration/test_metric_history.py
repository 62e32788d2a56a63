"""What was reported comes back: whole, or in fewer points that keep every extreme, whatever the order it came in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.measurements import CHUNK_EVENTS, Measured, Point
from tensorfleet.mongo.writes import Checkpoint, Writes
from tests.integration.query_world import NOW, World, world

MODELS = "/api/v1/models"
Reports = list[tuple[int, int | float]]
"""When it was measured, in seconds after NOW, and the value; in the order of the reports."""


@pytest.fixture(scope="module")
def registry(mongodb_url: str) -> Iterator[World]:
    with world(mongodb_url) as one:
        yield one


@pytest.fixture(scope="module")
def report(mongodb_url: str, registry: World) -> Iterator[Any]:
    with open_store(mongodb_url, registry.db.name) as store:
        store.prepare()

        def write(model_id: str, metric: str, reports: Reports, version: str = "v1.0", batch: int = 10_000) -> None:
            """In transactions of `batch` reports; the first has the sequence 1."""
            numbered = list(enumerate(reports, 1))
            for start in range(0, len(numbered), batch):
                measured = Measured()
                for sequence, (seconds, value) in numbered[start : start + batch]:
                    point = Point(NOW + seconds * 1_000_000, sequence, value, sequence, "training")
                    measured.add(model_id, metric, version, point)
                before = store.checkpoint(Checkpoint("log", 0, "cluster", "topic", 0, 0, bytes(32)))
                moved = before, replace(before, next_offset=before.next_offset + 1)
                store.commit(Writes(measured=measured, checkpoints=[moved]))

        yield write


def history(registry: World, model_id: str, query: str) -> Any:
    answer = registry.get(f"{MODELS}/{model_id}/metrics/history{query}")
    assert answer.status == 200, answer.body
    return answer.json


def text(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"2026-11-21T{17 + minutes // 60:02}:{minutes % 60:02}:{rest:02}.000000Z"


def pairs(series: list[Any]) -> list[tuple[str, Any]]:
    return [(one["recorded_at"], one["value"]) for one in series]


def in_order(reports: Reports) -> list[tuple[str, Any]]:
    """By time; of one time, as they were reported."""
    return [(text(seconds), value) for seconds, value in sorted(reports, key=lambda one: one[0])]


def test_a_short_history_comes_back_whole(registry: World, report: Any) -> None:
    model_id = registry.model(f"short {uuid4()}", versions=["v1.0", "v1.1"])
    report(model_id, "val.loss: $x;", [(2, 0.5), (1, 2**63 - 1), (2, -1e300)])
    report(model_id, "val.loss: $x;", [(3, 7)], version="v1.1")
    found = history(registry, model_id, f"?name={quote('val.loss: $x;')}")
    series = found.pop("series")
    assert found == {
        "id": model_id,
        "model_name": registry.db.models.find_one({"_id": model_id})["name"],  # type: ignore[index]
        "version": None,
        "name": "val.loss: $x;",
        "versions": ["v1.0", "v1.1"],
        "total": 4,
        "returned": 4,
    }
    assert pairs(series) == [(text(1), 2**63 - 1), (text(2), 0.5), (text(2), -1e300), (text(3), 7)]
    first = {"recorded_at": text(1), "step": 2, "value": 2**63 - 1, "version": "v1.0", "source": "training"}
    assert series[0] == first
    newer = history(registry, model_id, f"?name={quote('val.loss: $x;')}&version=v1.1")
    assert (newer["version"], newer["versions"], pairs(newer["series"])) == ("v1.1", ["v1.1"], [(text(3), 7)])
    assert history(registry, model_id, "?name=val.loss")["series"] == []


def test_the_metrics_that_have_a_history_are_summed_up(registry: World, report: Any) -> None:
    model_id = registry.model(
        f"list {uuid4()}", versions=["v1.0", "v1.1", "v1.2"], version_fields={"v1.2": {"deleted": True}}
    )
    report(model_id, "b", [(2, 5), (9, 1), (4, 3.5)])
    report(model_id, "b", [(1, 4), (12, 9)], version="v1.1")
    report(model_id, "a", [(1, 1)])
    report(model_id, "b", [(99, 99)], version="v1.2")
    report(model_id, "gone", [(99, 99)], version="v1.2")
    found = history(registry, model_id, "")
    assert (found["total"], found["returned"], [one["name"] for one in found["metrics"]]) == (2, 2, ["a", "b"])
    b = found["metrics"][1]
    assert b["count"] == 5
    told = {
        corner: (b[corner]["recorded_at"], b[corner]["value"], b[corner]["version"])
        for corner in ("first", "last", "min", "max")
    }
    assert told == {
        "first": (text(1), 4, "v1.1"),
        "last": (text(12), 9, "v1.1"),
        "min": (text(9), 1, "v1.0"),
        "max": (text(12), 9, "v1.1"),
    }
    assert history(registry, model_id, "?version=v1.0")["metrics"][1]["count"] == 3
    assert history(registry, model_id, "?name=gone")["series"] == []
    assert history(registry, model_id, "?name=b")["total"] == 5


VALUES = st.integers(-3, 3) | st.floats(-3, 3)
COUNTS = st.integers(0, 40) | st.integers(2 * CHUNK_EVENTS, 5 * CHUNK_EVENTS)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_down_sampling_keeps_the_extremes_of_every_span(registry: World, report: Any, data: st.DataObject) -> None:
    """Against a plain computation from all points: in the window, in order, at most so many, each span's four."""
    random = data.draw(st.randoms(use_true_random=False))
    count = data.draw(COUNTS)
    late = data.draw(st.sampled_from([0, 1, 200]))
    reports = [
        (
            max(0, number + random.randint(-late, late)),
            data.draw(VALUES) if number < 5 else random.choice((random.random(), random.randint(-9, 9))),
        )
        for number in range(count)
    ]
    model_id = registry.model(f"sampled {uuid4()}")
    report(model_id, "m", reports, batch=data.draw(st.sampled_from([1000, 100, 7])) if count < 200 else 1000)
    points = data.draw(st.integers(4, 60))
    start, end = sorted(data.draw(st.tuples(st.integers(0, 700), st.integers(0, 700))))
    window = data.draw(st.booleans())
    query = f"?name=m&points={points}" + (f"&from={text(start)}&to={text(end)}" if window else "")
    found = history(registry, model_id, query)
    asked = [one for one in reports if not window or start <= one[0] <= end]
    shown = [(one["recorded_at"], one["step"], one["value"]) for one in found["series"]]
    every = {
        (text(seconds), number, value)
        for number, (seconds, value) in enumerate(reports, 1)
        if (seconds, value) in asked
    }
    assert found["total"] == len(asked)
    assert found["returned"] == len(shown) == len(set(shown))
    assert set(shown) <= every
    assert [one[:2] for one in shown] == sorted(one[:2] for one in shown)
    if len(asked) <= points:
        assert set(shown) == every
        return
    assert len(shown) <= points
    low = max(start, min(one[0] for one in reports)) if window else min(one[0] for one in reports)
    high = min(end, max(one[0] for one in reports)) if window else max(one[0] for one in reports)
    values = {one[2] for one in shown}
    for _, span in itertools.groupby(
        sorted(asked, key=lambda one: one[0]),
        key=lambda one: (one[0] - low) * 1_000_000 * (points // 4) // ((high - low) * 1_000_000 + 1),
    ):
        inside = list(span)
        times = {inside[0][0], inside[-1][0]}
        assert {min(value for _, value in inside), max(value for _, value in inside)} <= values
        assert {text(one) for one in times} <= {one[0] for one in shown}


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("?name=m&points=3", 422, "points"),
        ("?name=m&points=1001", 422, "points"),
        ("?name=m&points=1_0", 422, "points"),
        ("?name=", 422, "name"),
        ("?name=" + "x" * 201, 422, "name"),
        ("?name=m&name=m", 422, "name"),
        ("?name=m&from=yesterday", 422, "from"),
        ("?name=m&to=2026-11-21", 422, "to"),
        ("?name=m&from=2026-11-21T17:00:00%2B01:00&to=2026-11-21T15:59:59Z", 422, "from"),
        ("?points=10", 422, "points"),
        ("?from=2026-11-21T17:00:00Z", 422, "from"),
        ("?limit=1", 422, "limit"),
        ("?name[$ne]=", 422, "name[$ne]"),
        ("?version=1", 422, "version"),
        ("?version=v9.9", 404, None),
        ("?name=%FF", 400, None),
    ],
)
def test_a_bad_query_names_its_parameter(registry: World, query: str, status: int, field: str | None) -> None:
    model_id = registry.model(f"bad {uuid4()}")
    answer = registry.get(f"{MODELS}/{model_id}/metrics/history{query}")
    assert answer.status == status, answer.body
    if field is not None:
        assert [one["field"] for one in answer.json["errors"]] == [field]


def test_a_deleted_model_has_no_history_of_metrics(registry: World) -> None:
    model_id = registry.model(f"gone {uuid4()}", deleted=True)
    assert registry.get(f"{MODELS}/{model_id}/metrics/history").json["code"] == "model-not-found"
