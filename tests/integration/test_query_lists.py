"""Lists and search over a real MongoDB: filters, orders, pages, cursors."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.query_world import HOUR, NOW, World, walk, world

MODELS = "/api/v1/models"
SEARCH = "/api/v1/models/search"


@pytest.fixture
def registry(mongodb_url: str) -> Iterator[World]:
    with world(mongodb_url) as one:
        yield one


def five(registry: World) -> None:
    """a is the oldest; only b, c and d have the metric, and c and d are equal in it."""
    scores = {"a": {}, "b": {"f1.micro": 3}, "c": {"f1.micro": 0.5}, "d": {"f1.micro": 0.5}, "e": {"$other": 9}}
    for age, (name, metrics) in enumerate(scores.items()):
        plain = {"f1": metrics["f1.micro"]} if "f1.micro" in metrics else {}
        registry.model(name, metrics=metrics | plain, created_at=NOW + age, updated_at=NOW - age)


def test_the_list_is_newest_first_and_leaves_deleted_models_out(registry: World) -> None:
    registry.model("old", created_at=NOW - 2)
    registry.model("new", created_at=NOW - 1)
    registry.model("gone", deleted=True)
    assert registry.names(MODELS) == ["new", "old"]


def test_a_row_has_the_members_of_the_contract(registry: World) -> None:
    model_id = registry.model("m", tags=["t"], metrics={"auc": 0.5}, created_at=NOW + 7)
    registry.downloaded(model_id, 47)
    answer = registry.get(MODELS).json
    row = answer["models"][0]
    assert row == {
        "id": model_id,
        "name": "m",
        "algorithm": "random_forest",
        "version": "v1.0",
        "metrics": {"auc": 0.5},
        "tags": ["t"],
        "created_at": "2026-11-21T17:00:00.000007Z",
        "updated_at": "2026-11-21T16:00:00.000000Z",
        "status": "active",
        "download_count": 47,
        "scan_verdict": None,
    }
    assert answer["pagination"] == {"page": 1, "limit": 20, "total": 1, "pages": 1, "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("algorithm=xgboost", ["b"]),
        ("status=deprecated", ["b"]),
        ("created_by=grace", ["b"]),
        ("tags=red,blue", ["a", "b"]),
        ("all_tags=red,blue", ["b"]),
        ("tags=red&all_tags=blue", ["b"]),
        ("algorithm=%7B%22%24ne%22%3Anull%7D", []),
        ("min_accuracy=0.9", ["b", "c"]),
        ("min_metric.f1.macro=2", ["b"]),
        ("max_metric.f1.macro=2", ["a", "b"]),
        ("max_metric.f1.macro=1.5", ["a"]),
        ("min_metric.%24x=1", ["c"]),
        ("max_metric.absent=1000", []),
        ("min_metric.big=9007199254740993", ["c"]),
        ("min_accuracy=0.9&tags=blue", ["b"]),
    ],
)
def test_filters(registry: World, query: str, names: list[str]) -> None:
    registry.model("a", tags=["red"], metrics={"accuracy": 0.89, "f1.macro": 1, "big": 9007199254740992})
    registry.model(
        "b",
        algorithm="xgboost",
        tags=["red", "blue"],
        status="deprecated",
        created_by="grace",
        metrics={"test_accuracy": 0.9, "accuracy": 0.1, "f1.macro": 2.0},
    )
    registry.model("c", metrics={"accuracy": 0.95, "$x": 1, "big": 9007199254740993, "f1": {"macro": 5}})
    assert sorted(registry.names(f"{MODELS}?{query}")) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sort=created_at", "edcba"),
        ("sort=created_at&order=asc", "abcde"),
        ("sort=updated_at", "abcde"),
        ("sort=name", "abcde"),
        ("sort=name&order=desc", "edcba"),
        ("sort=metrics.f1.micro", "bdcea"),
        ("sort=metrics.f1.micro&order=asc", "dcbea"),
        ("sort=metrics.f1", "bdcea"),
        ("sort=metrics.f1&order=asc", "dcbea"),
        ("sort=metrics.%24other", "edcba"),
        ("sort=download_count", "bedca"),
        ("sort=download_count&order=asc", "edcab"),
    ],
)
def test_orders_hold_by_page_number_and_by_cursor(registry: World, query: str, names: str) -> None:
    five(registry)
    registry.downloaded(registry.db.models.find_one({"name": "b"})["_id"], 3)  # type: ignore[index]
    assert registry.names(f"{MODELS}?{query}") == list(names)
    for limit in (1, 2, 5):
        paged = [name for page in range(1, 7) for name in registry.names(f"{MODELS}?{query}&limit={limit}&page={page}")]
        assert paged == list(names)
        assert walk(registry, f"{MODELS}?{query}&limit={limit}") == list(names)


def test_equal_times_are_ordered_by_id_and_none_is_skipped(registry: World) -> None:
    ids = sorted((registry.model(f"m{number}"), f"m{number}") for number in range(7))
    assert walk(registry, f"{MODELS}?limit=2") == [name for _, name in ids]


def test_a_page_past_the_last_is_empty_and_the_total_stays_exact(registry: World) -> None:
    five(registry)
    answer = registry.get(f"{MODELS}?page=9&limit=2").json
    assert answer["models"] == []
    assert answer["pagination"] == {"page": 9, "limit": 2, "total": 5, "pages": 3, "next_cursor": None}


def test_a_model_registered_between_two_pages_does_not_shift_the_second(registry: World) -> None:
    five(registry)
    first = registry.get(f"{MODELS}?limit=2").json
    registry.model("newest", created_at=NOW + 100)
    second = registry.names(f"{MODELS}?limit=2&cursor={first['pagination']['next_cursor']}")
    assert second == ["c", "b"]


def test_a_cursor_goes_on_with_another_limit(registry: World) -> None:
    five(registry)
    cursor = registry.get(f"{MODELS}?limit=2").json["pagination"]["next_cursor"]
    assert registry.names(f"{MODELS}?limit=3&cursor={cursor}") == list("cba")


def test_search_finds_words_of_every_field_and_the_best_match_comes_first(registry: World) -> None:
    registry.model("churn forest")
    registry.model("b", tags=["churn"])
    registry.model("c", algorithm="churn")
    registry.model("d", dataset_info={"name": "churn"})
    registry.model("e", description="about churn")
    registry.model("f")
    answer = registry.get(f"{SEARCH}?q=churn").json
    assert [one["name"] for one in answer["models"]] == ["churn forest", "b", "c", "d", "e"]
    scores = [one["score"] for one in answer["models"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["pagination"]["total"] == 5
    assert walk(registry, f"{SEARCH}?q=churn&limit=2") == ["churn forest", "b", "c", "d", "e"]


def test_search_takes_the_filters_and_orders_of_lists(registry: World) -> None:
    registry.model("churn one", tags=["x"], created_at=NOW - HOUR)
    registry.model("churn two", tags=["x"], created_at=NOW)
    registry.model("churn three")
    assert registry.names(f"{SEARCH}?q=churn&tags=x&sort=created_at&order=asc") == ["churn one", "churn two"]


def test_unknown_and_repeated_parameters_are_all_named(registry: World) -> None:
    problem = registry.get(f"{MODELS}?colour=red&limit=1&limit=2&size=3")
    assert problem.headers["content-type"] == "application/problem+json"
    assert [one["field"] for one in problem.json["errors"]] == ["colour", "size", "limit"]


def test_a_known_answer_is_not_sent_again_until_it_changes(registry: World) -> None:
    five(registry)
    tag = registry.get(MODELS).headers["etag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        unchanged = registry.get(MODELS, If_None_Match=known)
        assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", tag)
    registry.model("f")
    assert registry.get(MODELS, If_None_Match=tag).status == 200


def test_a_read_waits_for_the_position_that_it_names(registry: World) -> None:
    registry.db.checkpoints.insert_one({"_id": "log:3", "next_offset": 10})
    assert registry.get(MODELS, X_Registry_Min_Position="3:9").status == 200
    assert registry.get(MODELS, X_Registry_Min_Position="3:8, 3:9").status == 200
    late = registry.get(MODELS, X_Registry_Min_Position="3:10")
    assert (late.status, late.json["code"]) == (504, "position-not-reached")


def test_without_mongodb_a_read_is_a_503_that_says_when_to_retry(mongodb_url: str) -> None:
    from tensorfleet.mongo.live_generation import LiveGeneration
    from tensorfleet.mongo.read_models import ReadModels, connect

    class Nowhere(ReadModels):
        def __init__(self) -> None:
            client = connect("mongodb://127.0.0.1:1/?connectTimeoutMS=200")
            super().__init__(LiveGeneration(client, "none"))

    with world(mongodb_url, reads=Nowhere()) as registry:
        paths = (MODELS, f"{SEARCH}?q=x", f"{MODELS}/{'a' * 24}", "/api/v1/statistics")
        for answer in ThreadPoolExecutor(len(paths)).map(registry.get, paths):
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")
            assert answer.json["code"] == "read-models-unavailable"
