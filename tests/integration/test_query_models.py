"""Reads of single models, rankings, comparisons and figures over a real MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from services.query_api.comparison.directions import lower_is_better
from services.query_api.comparison.tracked import MOST_REPORTED_ONLY
from tensorfleet.domain.names import model_id_of
from tensorfleet.mongo.measurements import series_key
from tests.integration.query_world import HOUR, MIB, NOT_SCANNED, NOW, World, event_document, world

MODELS = "/api/v1/models"
DAY = 24 * HOUR


@pytest.fixture
def registry(mongodb_url: str) -> Iterator[World]:
    with world(mongodb_url) as one:
        yield one


def test_the_whole_document_has_every_member(registry: World) -> None:
    model_id = registry.model(
        "fraud",
        versions=["v1.0", "v1.1"],
        files={"v1.1": b"x" * 1500},
        hyperparameters={"depth": 6, "nested": {"a.b": [1, None]}},
        metrics={"auc": 0.1 + 0.2, "n": 2**63 - 1},
        dataset_info={"name": "d"},
        tags=["t"],
        sequence=7,
        offset=2**40,
    )
    registry.downloaded(model_id, 2)
    document = registry.get(f"{MODELS}/{model_id}").json
    checksum = registry.db.versions.find_one({"_id": f"{model_id}@v1.1"})["file"]["checksum"]  # type: ignore[index]
    times = {"created_at": "2026-11-21T16:00:00.000000Z"}
    assert document == {
        "id": model_id,
        "name": "fraud",
        "algorithm": "random_forest",
        "framework": "scikit-learn",
        "description": "",
        "hyperparameters": {"depth": 6, "nested": {"a.b": [1, None]}},
        "metrics": {"auc": 0.1 + 0.2, "n": 2**63 - 1},
        "version": "v1.1",
        "parent_version": "v1.0",
        "dataset_info": {"name": "d"},
        "file_metadata": {
            "size_bytes": 1500,
            "checksum": f"sha256:{checksum}",
            "format": "pickle",
            "filename": "model.pkl",
        },
        "scan": NOT_SCANNED,
        "corrupt": False,
        "model_size": "1.5 KB",
        "download_url": f"{MODELS}/{model_id}/download",
        **times,
        "updated_at": "2026-11-21T16:00:00.000000Z",
        "created_by": "ada",
        "tags": ["t"],
        "status": "active",
        "deprecation": None,
        "model_status": "active",
        "download_count": 2,
        "versions": [
            {
                "version": "v1.1",
                "parent_version": "v1.0",
                "status": "active",
                **times,
                "model_size": "1.5 KB",
                "scan_verdict": "unscanned",
            },
            {
                "version": "v1.0",
                "parent_version": None,
                "status": "active",
                **times,
                "model_size": None,
                "scan_verdict": None,
            },
        ],
        "sequence": 7,
        "position": f"3:{2**40}",
    }


def test_a_named_version_shows_its_own_fields(registry: World) -> None:
    own = {"v1.0": {"metrics": {"auc": 0.5}, "status": "deprecated", "deprecation": {"reason": "old"}}}
    model_id = registry.model("m", versions=["v1.0", "v2.0"], metrics={"auc": 0.9}, version_fields=own)
    shown = registry.get(f"{MODELS}/{model_id}?version=v1.0").json
    assert (shown["version"], shown["metrics"], shown["status"]) == ("v1.0", {"auc": 0.5}, "deprecated")
    assert shown["deprecation"] == {"reason": "old"}
    assert shown["model_status"] == "active"


@pytest.mark.parametrize("name", ["plain", "a/b c", "100% ümlaut?", "download", "v+1", "a&b=c#d", ".."])
def test_a_name_finds_its_model_whatever_it_holds(registry: World, name: str) -> None:
    model_id = registry.model(name)
    assert registry.get(f"{MODELS}/by-name/{quote(name, safe='')}").json["id"] == model_id


def test_a_name_is_normalised_before_it_is_looked_up(registry: World) -> None:
    model_id = registry.model("é")
    assert registry.get(f"{MODELS}/by-name/{quote(' é ')}").json["id"] == model_id


def test_deleted_and_unknown_ids_are_404_model_not_found(registry: World) -> None:
    deleted = registry.model("gone", deleted=True)
    for model_id in (deleted, "f" * 24, "no-id"):
        for path in ("", "/info", "/versions", "/versions/v1.0", "/download"):
            answer = registry.get(f"{MODELS}/{model_id}{path}")
            assert (answer.status, answer.json["code"]) == (404, "model-not-found"), (model_id, path)
    assert registry.get(f"{MODELS}/by-name/gone").status == 404


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("by-name/%FF", 400),
        ("by-name/%zz", 400),
        ("by-name/%00", 422),
        ("by-name/" + "x" * 201, 422),
        ("by-name/", 422),
        ("by-name/x?colour=red", 422),
        ("{id}?version=1.0", 422),
        ("{id}?version=v1.99999999999999999999", 422),
        ("{id}?version=v9.9", 404),
        ("{id}?version=", 422),
        ("{id}/versions/v9.9", 404),
        ("{id}/versions/x", 422),
        ("{id}/versions?limit=1", 422),
        ("{id}/info?x=1", 422),
        ("{id}/history?cursor=x", 422),
        ("{id}/history?limit=0", 422),
        ("popular?window=1h", 422),
        ("popular?limit=101", 422),
        ("popular?page=1", 422),
        ("recent?limit=x", 422),
        ("compare", 422),
        ("compare?ids={id}", 422),
        ("compare?ids={id},{id}", 422),
        ("compare?ids={id},", 422),
        ("compare?ids={id},{id}@x", 422),
        ("compare?ids={id},{id}@v7.0", 404),
        ("compare?ids={id},nothing", 404),
        ("compare?ids={id},{id}@v1.0&lower_is_better=", 422),
        ("compare?ids={id},{id}@v1.0&lower_is_better=a&higher_is_better=b,a", 422),
        ("compare?ids={id},{id}@v1.0&tolerance=1", 422),
        ("compare?ids=" + ",".join(f"{number:024x}" for number in range(21)), 422),
        ("statistics?x=1", 422),
    ],
)
def test_bad_targets_have_their_status(registry: World, target: str, status: int) -> None:
    model_id = registry.model("m")
    answer = registry.get(f"{MODELS}/{target.replace('{id}', model_id)}")
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"


def test_versions_of_an_earlier_registration_and_deleted_ones_do_not_exist(registry: World) -> None:
    gone = {"v1.0": {"registration": 1}, "v2.1": {"deleted": True}}
    model_id = registry.model("m", registration=2, versions=["v1.0", "v2.0", "v2.1"], version_fields=gone)
    listed = registry.get(f"{MODELS}/{model_id}/versions").json
    assert ([one["version"] for one in listed["versions"]], listed["total"]) == (["v2.0"], 1)
    assert [one["version"] for one in registry.get(f"{MODELS}/{model_id}").json["versions"]] == ["v2.0"]
    assert [one["version"] for one in registry.get(f"{MODELS}/recent").json["models"]] == ["v2.0"]
    for version in ("v1.0", "v2.1"):
        for path in (f"/versions/{version}", f"?version={version}", f"/download?version={version}"):
            assert registry.get(f"{MODELS}/{model_id}{path}").json["code"] == "version-not-found"
    assert registry.get(f"{MODELS}/{model_id}/versions/v2.0").json["version"] == "v2.0"


def test_versions_sort_as_numbers(registry: World) -> None:
    model_id = registry.model("m", versions=["v1.0", "v1.2", "v1.10", "v10.0"])
    listed = registry.get(f"{MODELS}/{model_id}/versions").json["versions"]
    assert [one["version"] for one in listed] == ["v10.0", "v1.10", "v1.2", "v1.0"]


def test_info_is_about_the_newest_version_that_has_a_file(registry: World) -> None:
    model_id = registry.model("m", versions=["v1.0", "v1.1"], files={"v1.0": b"abc"})
    info = registry.get(f"{MODELS}/{model_id}/info").json
    assert (info["version"], info["size_bytes"], info["filename"]) == ("v1.0", 3, "model.pkl")
    assert info["checksum"].startswith("sha256:")
    for path in (f"{model_id}/info?version=v1.1", f"{registry.model('empty')}/info"):
        assert registry.get(f"{MODELS}/{path}").json["code"] == "file-not-found"


def test_history_is_complete_in_order_and_outlives_the_model(registry: World) -> None:
    model_id = registry.model("m", sequence=12, deleted=True)
    other = registry.model("n", sequence=1)
    registry.db.history.insert_many([event_document(model_id, number) for number in range(1, 13)])
    registry.db.history.insert_one(event_document(other, 1))
    found, cursor = [], ""
    while cursor is not None:
        answer = registry.get(f"{MODELS}/{model_id}/history?limit=5" + (f"&cursor={cursor}" if cursor else "")).json
        found += [event["sequence"] for event in answer["events"]]
        cursor = answer["pagination"]["next_cursor"]
    assert found == list(range(1, 13))
    event = registry.get(f"{MODELS}/{other}/history").json["events"][0]
    del event["event_id"]
    assert event == {
        "sequence": 1,
        "type": "ModelUpdated",
        "actor": "ada",
        "time": "2026-11-21T17:00:00.000000Z",
        "version": None,
        "changed": ["tags"],
        "changes": [{"field": "tags", "old": [], "new": ["t"]}],
        "position": "3:1001",
        "hash": "ab" * 32,
    }


def test_a_history_cursor_is_bound_to_its_model(registry: World) -> None:
    first, second = registry.model("m"), registry.model("n")
    registry.db.history.insert_many([event_document(first, number) for number in (1, 2)])
    cursor = registry.get(f"{MODELS}/{first}/history?limit=1").json["pagination"]["next_cursor"]
    assert registry.get(f"{MODELS}/{second}/history?cursor={cursor}").status == 422
    assert registry.get(f"{MODELS}?cursor={cursor}").status == 422


def test_popular_counts_its_window_and_breaks_ties_by_name(registry: World) -> None:
    ids = {name: registry.model(name) for name in ("b", "a", "old", "never")}
    gone = registry.model("gone", deleted=True)
    registry.downloaded(ids["b"], 2)
    registry.downloaded(ids["a"], 2, hours_ago=23)
    registry.downloaded(ids["old"], 9, hours_ago=24)
    registry.downloaded(ids["a"], 5, hours_ago=24 * 8)
    registry.downloaded(gone, 100)

    def downloads(query: str) -> list[tuple[str, int, int]]:
        rows = registry.get(f"{MODELS}/popular{query}").json["models"]
        return [(row["name"], row["downloads"], row["download_count"]) for row in rows]

    assert downloads("?window=24h") == [("a", 2, 7), ("b", 2, 2)]
    assert downloads("?window=7d") == [("old", 9, 9), ("a", 2, 7), ("b", 2, 2)]
    assert downloads("?window=30d&limit=1") == [("old", 9, 9)]
    assert downloads("") == downloads("?window=all") == [("old", 9, 9), ("a", 7, 7), ("b", 2, 2)]


def test_equally_popular_models_are_sorted_by_name(registry: World) -> None:
    names = [f"m{number}" for number in range(8)]
    for name in reversed(names):
        registry.downloaded(registry.model(name), 3)
    assert registry.names(f"{MODELS}/popular") == registry.names(f"{MODELS}/popular?window=24h") == names


def test_recent_shows_versions_as_well_as_registrations(registry: World) -> None:
    times = {number: {"created_at": NOW + after} for number, after in (("v1.0", 1), ("v1.1", 3))}
    times["v1.1"]["metrics"] = {"auc": 1}  # type: ignore[assignment]
    registry.model("m", versions=["v1.0", "v1.1"], version_fields=times)
    registry.model("n", version_fields={"v1.0": {"created_at": NOW + 2}})
    for number in range(25):
        registry.model(f"gone {number}", deleted=True, version_fields={"v1.0": {"created_at": NOW + 9}})
    rows = registry.get(f"{MODELS}/recent").json["models"]
    assert [(row["name"], row["version"]) for row in rows] == [("m", "v1.1"), ("n", "v1.0"), ("m", "v1.0")]
    assert rows[0]["metrics"] == {"auc": 1}
    assert len(registry.get(f"{MODELS}/recent?limit=1").json["models"]) == 1


def test_a_comparison_tells_best_values_and_differences_to_the_first(registry: World) -> None:
    first = registry.model("a", metrics={"auc": 0.5, "log_loss": 0.4, "only": 1}, hyperparameters={"n": 1, "k": "x"})
    own = {"v1.0": {"metrics": {"auc": 0.75, "log_loss": 0.6}, "hyperparameters": {"n": True, "k": "x"}}}
    second = registry.model("b", versions=["v1.0", "v1.1"], version_fields=own)
    answer = registry.get(f"{MODELS}/compare?ids={first},{second}@v1.0").json
    assert [(one["name"], one["version"]) for one in answer["models"]] == [("a", "v1.0"), ("b", "v1.0")]
    assert answer["metrics"]["auc"] == {
        "values": [0.5, 0.75],
        "best": 1,
        "difference": [0, 0.25],
        "same": False,
        "better": "higher",
        "all_best": [1],
        "against_parent": [None, None],
        "tracked": [None, None],
    }
    assert (answer["metrics"]["log_loss"]["best"], answer["metrics"]["log_loss"]["better"]) == (0, "lower")
    assert answer["metrics"]["only"] == {
        "values": [1, None],
        "best": 0,
        "difference": [0, None],
        "same": False,
        "better": "higher",
        "all_best": [0],
        "against_parent": [None, None],
        "tracked": [None, None],
    }
    assert answer["hyperparameters"]["n"] == {
        "values": [1, True],
        "best": None,
        "difference": [0, None],
        "same": False,
    }
    assert answer["hyperparameters"]["k"]["same"] is True


def test_a_comparison_shows_what_became_worse_than_in_the_parent(registry: World) -> None:
    own: dict[str, Any] = {
        "v1.0": {"metrics": {"auc": 0.9, "val_loss": 0.1, "gone": 1, "n": 1}},
        "v1.1": {"metrics": {"auc": 0.9, "val_loss": 0.2, "n": 3}, "deleted": True},
        "v1.2": {"metrics": {"auc": 0.8, "val_loss": 0.1, "n": 2.0}},
    }
    model_id = registry.model("m", versions=["v1.0", "v1.1", "v1.2", "v1.3"], version_fields=own)
    registry.db.versions.update_one({"_id": f"{model_id}@v1.2"}, {"$set": {"parent_version": "v1.0"}})
    registry.db.versions.update_one({"_id": f"{model_id}@v1.3"}, {"$set": {"parent_version": "v1.1"}})
    registry.db.models.update_one({"_id": model_id}, {"$set": {"metrics": {"auc": 0.1}, "parent_version": "v1.1"}})
    last = {"at": NOW, "sequence": 9, "value": 0.7, "step": 4, "source": "production"}
    series = {"_id": series_key(model_id, "auc", "v1.2"), "model_id": model_id, "metric": "auc", "version": "v1.2"}
    registry.db.metric_series.insert_one({**series, "count": 1, "last": last})
    target = f"{MODELS}/compare?ids={model_id}@v1.0,{model_id}@v1.2,{model_id}"
    answer = registry.get(target).json
    shown = [(one["version"], one["parent_version"], one["regressions"]) for one in answer["models"]]
    assert shown == [("v1.0", None, []), ("v1.2", "v1.0", ["auc"]), ("v1.3", "v1.1", [])]
    auc, loss = answer["metrics"]["auc"], answer["metrics"]["val_loss"]
    against = {"version": "v1.0", "value": 0.9, "difference": 0.8 - 0.9, "regression": True}
    assert auc["against_parent"] == [None, against, None]
    assert loss["against_parent"][1] == {**against, "value": 0.1, "difference": 0.0, "regression": False}
    assert (loss["best"], loss["all_best"], loss["same"]) == (0, [0, 1], False)
    assert answer["metrics"]["gone"]["against_parent"] == [None, None, None]
    tracked = {"value": 0.7, "recorded_at": "2026-11-21T17:00:00.000000Z", "step": 4, "source": "production"}
    assert auc["tracked"] == [None, tracked, None]
    assert loss["tracked"] == [None, None, None]
    turned = registry.get(f"{target}&lower_is_better=auc,n&higher_is_better=val_loss").json
    assert [one["regressions"] for one in turned["models"]] == [[], ["n"], []]
    assert (turned["metrics"]["auc"]["best"], turned["metrics"]["auc"]["better"]) == (2, "lower")
    assert turned["metrics"]["val_loss"]["better"] == "higher"


def test_a_comparison_shows_what_was_only_reported_and_what_became_worse_there(registry: World) -> None:
    first, second = registry.model("m", versions=["v1.0", "v1.1", "v1.2"], metrics={"own": 1}), registry.model("other")
    registry.db.versions.update_one({"_id": f"{first}@v1.2"}, {"$set": {"parent_version": "v1.1", "metrics": {}}})
    registry.db.models.update_one({"_id": first}, {"$set": {"metrics": {}}})
    registry.db.versions.update_one({"_id": f"{first}@v1.0"}, {"$set": {"deleted": True}})
    reported = {
        (first, "v1.0"): {"loss": 0.1, "auc": 0.9, "of a deleted version": 1},
        (first, "v1.1"): {"loss": 0.2, "auc": 0.8, "drift": 5, "own": 3},
        (first, "v1.2"): {"loss": 0.3, "auc": 0.85, "$a.b": 1},
        (second, "v1.0"): {"loss": 0.25, "own": 4},
    }
    for (model_id, version), metrics in reported.items():
        for name, value in metrics.items():
            last = {"at": NOW, "sequence": 9, "value": value, "step": None, "source": "production"}
            series = {"_id": series_key(model_id, name, version), "model_id": model_id, "metric": name}
            registry.db.metric_series.insert_one({**series, "version": version, "count": 1, "last": last})
    target = f"{MODELS}/compare?ids={first}@v1.1,{first},{second}"
    answer = registry.get(target).json
    assert set(answer["metrics"]) == {"own"}
    tracked = answer["tracked"]
    assert list(tracked) == ["$a.b", "auc", "drift", "loss", "own"]
    assert [one["tracked_regressions"] for one in answer["models"]] == [[], ["loss"], []]
    assert [one["regressions"] for one in answer["models"]] == [[], [], []]
    assert tracked["loss"] == {
        "values": [0.2, 0.3, 0.25],
        "difference": [0, 0.3 - 0.2, 0.25 - 0.2],
        "same": False,
        "best": 0,
        "all_best": [0],
        "better": "lower",
        "against_parent": [
            None,
            {"version": "v1.1", "value": 0.2, "difference": 0.3 - 0.2, "regression": True},
            None,
        ],
        "tracked": [
            {"value": one, "recorded_at": "2026-11-21T17:00:00.000000Z", "step": None, "source": "production"}
            for one in (0.2, 0.3, 0.25)
        ],
    }
    assert tracked["auc"]["against_parent"][1]["regression"] is False
    assert (tracked["own"]["values"], tracked["own"]["best"]) == ([3, None, 4], 2)
    assert tracked["drift"]["against_parent"] == [None, None, None]
    turned = registry.get(f"{target}&higher_is_better=loss&lower_is_better=auc").json
    assert [one["tracked_regressions"] for one in turned["models"]] == [[], ["auc"], []]


def test_a_comparison_takes_no_more_reported_metrics_than_a_version_may_have(registry: World) -> None:
    """The first by name, over all versions; those that a version has as its own are shown besides."""
    first, second = registry.model("m", metrics={"!": 1}), registry.model("other")
    last = {"at": NOW, "sequence": 9, "value": 1, "step": None, "source": "production"}
    registry.db.metric_series.insert_many(
        {**{"_id": series_key(one, name, "v1.0"), "model_id": one, "metric": name}, "version": "v1.0", "last": last}
        for index, one in enumerate((first, second))
        for name in [*(f"{number:04d}" for number in range(index, 2 * MOST_REPORTED_ONLY, 2)), "!"]
    )
    tracked = registry.get(f"{MODELS}/compare?ids={first},{second}").json["tracked"]
    assert list(tracked) == ["!", *(f"{number:04d}" for number in range(MOST_REPORTED_ONLY))]
    assert (tracked["0000"]["values"], tracked["0001"]["values"]) == ([1, None], [None, 1])


@pytest.mark.parametrize(
    ("names", "lower"),
    [
        ("loss val_loss valLoss trainLoss Logloss log-loss2 MAE test.rmse RMSE_test mean_absolute_error", True),
        ("WER p99_latency latency_ms fit_seconds errors CrossEntropy perplexity", True),
        ("accuracy f1 auc r2 precision lossless uptime mean timely mAP score", False),
    ],
)
def test_the_name_of_a_metric_says_which_way_is_better(names: str, lower: bool) -> None:
    assert [name for name in names.split() if lower_is_better(name) is not lower] == []


def test_a_comparison_names_all_that_is_not_there(registry: World) -> None:
    there, gone = registry.model("m"), registry.model("gone", deleted=True)
    answer = registry.get(f"{MODELS}/compare?ids={there},{gone},{there}@v9.0,x")
    assert (answer.status, answer.json["code"]) == (404, "not-found")
    said = {one["field"]: one["message"] for one in answer.json["errors"]}
    assert said.keys() == {"ids.1", "ids.2", "ids.3"}
    assert (gone in said["ids.1"], "v9.0" in said["ids.2"]) == (True, True)


def test_settings_of_another_kind_are_not_the_same_at_any_depth(registry: World) -> None:
    depths: list[Any] = [{"a": [1, {"b": 2}]}, {"a": [True, {"b": 2}]}]
    ids = [registry.model(str(one), hyperparameters={"k": one, "l": {"x": 1, "y": 2}}) for one in depths]
    registry.db.models.update_one({"_id": ids[1]}, {"$set": {"hyperparameters.l": {"y": 2, "x": 1}}})
    found = registry.get(f"{MODELS}/compare?ids={','.join(ids)}").json["hyperparameters"]
    assert (found["k"]["same"], found["l"]["same"]) == (False, True)


def test_a_comparison_survives_the_largest_numbers(registry: World) -> None:
    ids = [registry.model(str(value), metrics={"x": value}) for value in (-(2**63), 2**63 - 1, -1.7e308, 1.7e308)]
    answer = registry.get(f"{MODELS}/compare?ids={','.join(ids)}")
    assert answer.status == 200
    assert answer.json["metrics"]["x"]["difference"][:2] == [0, float(2**64 - 1)]


def test_statistics_sum_all_partitions_in_both_shapes(registry: World) -> None:
    for partition, models, algorithms, size, files in (
        (0, 3, [["svm", 1], ["x.y", 2]], 2_000_000_000, 2),
        (1, 1, [["svm", 1], ["zero", 0]], 100_000_000, 1),
    ):
        statuses = {"active": models, "deprecated": 0, "archived": 0}
        part = {"_id": partition, "models": models, "algorithms": algorithms, "statuses": statuses}
        registry.db.statistics.insert_one({**part, "total_size_bytes": size, "files": files})
    today = registry.model("today", created_at=NOW - 17 * HOUR)
    registry.model("this week", created_at=NOW - 7 * DAY)
    registry.model("yesterday", created_at=NOW - 17 * HOUR - 1)
    registry.model("long ago", created_at=NOW - 7 * DAY - 1)
    registry.model("gone", deleted=True)
    registry.downloaded(today, 1, hours_ago=17)
    registry.downloaded(today, 2, hours_ago=18)
    registry.downloaded(today, 4, hours_ago=24)
    assert registry.get(f"{MODELS}/statistics").json == {
        "total_models": 4,
        "algorithms": {"svm": 2, "x.y": 2},
        "status_distribution": {"active": 4, "deprecated": 0, "archived": 0},
        "total_downloads": 7,
        "storage_usage": {"total_size_gb": 2.1, "average_model_size_mb": 700.0},
        "recent_activity": {"models_added_last_7_days": 3, "downloads_last_24_hours": 3},
    }
    assert registry.get("/api/v1/statistics").json == {
        "total_models": 4,
        "models_by_algorithm": {"svm": 2, "x.y": 2},
        "models_by_status": {"active": 4, "deprecated": 0, "archived": 0},
        "storage_stats": {"total_size": "2.1 GB", "average_model_size": "700.0 MB"},
        "recent_activity": {"models_created_today": 1, "models_downloaded_today": 1},
    }


def test_an_empty_registry_answers_everything(registry: World) -> None:
    for path in (MODELS, f"{MODELS}/search?q=x", f"{MODELS}/popular", f"{MODELS}/popular?window=7d"):
        assert registry.get(path).json["models"] == []
    assert registry.get(f"{MODELS}/recent").json == {"models": []}
    assert registry.get("/api/v1/statistics").json["storage_stats"]["average_model_size"] == "0 B"
    assert registry.get(f"{MODELS}/statistics").json["total_models"] == 0


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (999_949, "999.9 KB"), (999_950, "1.0 MB"), (MIB, "1.0 MB")],
)
def test_sizes_in_words_use_powers_of_ten(registry: World, size: int, words: str) -> None:
    file = {"size_bytes": size, "checksum": "0" * 64, "format": "pickle", "filename": "m.pkl"}
    model_id = registry.model("m", version_fields={"v1.0": {"file": file}})
    assert registry.get(f"{MODELS}/{model_id}").json["model_size"] == words


def test_schemas_are_served_as_confluents_registry_does(registry: World) -> None:
    subjects = registry.get("/subjects?deleted=false&offset=0&limit=-1").json
    assert "tensorfleet.model.events.v1-value" in subjects
    latest = registry.get("/subjects/tensorfleet.model.events.v1-value/versions/latest").json
    assert set(latest) == {"subject", "version", "id", "schema"}
    by_id = registry.get(f"/schemas/ids/{latest['id']}?subject=x&fetchMaxId=true")
    assert by_id.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    assert by_id.json == {"schema": latest["schema"]}
    assert registry.get("/subjects/tensorfleet.model.events.v1-value/versions").json == [1, 2, 3]
    assert registry.get("/subjects/tensorfleet.model.events.v1-value/versions/3").json == latest
    assert registry.get("/subjects/tensorfleet.model.events.v1-value/versions/-1").json == latest
    assert registry.get("/schemas/types").json == ["AVRO"]
    assert registry.get("/config").json == {"compatibilityLevel": "FULL_TRANSITIVE"}


@pytest.mark.parametrize(
    ("path", "status", "error_code"),
    [
        ("/subjects/none/versions", 404, 40401),
        ("/subjects/none/versions/1", 404, 40401),
        ("/subjects/tensorfleet.model.events.v1-value/versions/9", 404, 40402),
        ("/schemas/ids/999", 404, 40403),
        ("/schemas/ids/abc", 400, 40000),
        ("/schemas/ids/%D9%A3", 400, 40000),
        ("/subjects?colour=red", 422, 42202),
    ],
)
def test_what_the_schema_endpoints_refuse(registry: World, path: str, status: int, error_code: int) -> None:
    answer = registry.get(path)
    assert (answer.status, answer.json["error_code"]) == (status, error_code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_route_is_documented(registry: World) -> None:
    routes = registry.get("/openapi.json").json["paths"]
    operations = [one for methods in routes.values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) >= 21
    for one in operations:
        assert one["operationId"].islower() and one["summary"] and one["tags"]
    names = {one["name"] for one in routes[MODELS]["get"]["parameters"]}
    assert {"page", "limit", "cursor", "min_metric.<name>", "X-Registry-Min-Position"} <= names


def test_confluents_own_client_reads_the_schemas(registry: World) -> None:
    client = SchemaRegistryClient({"url": f"http://127.0.0.1:{registry.port}"})
    subject = "tensorfleet.model.state.v1-value"
    assert subject in client.get_subjects()
    latest = client.get_latest_version(subject)
    assert client.get_schema(latest.schema_id).schema_str == latest.schema.schema_str
    assert client.get_versions(subject) == [1, 2]


def test_ids_are_made_from_names(registry: World) -> None:
    assert registry.get(f"{MODELS}/{registry.model('m')}").json["id"] == model_id_of("m")


def test_every_read_waits_for_a_position_and_gives_up_in_time(registry: World) -> None:
    """As many as wait at once take no longer than one. The schemas are the same whatever the log says."""
    values = {"model_id": registry.model("m"), "version": "v1.0", "name": "m", "subject": "s", "schema_id": "1"}
    required = {"ids": f"{values['model_id']},{values['model_id']}@v1.0", "q": "m"}
    reads: list[str] = []
    for path, methods in registry.get("/openapi.json").json["paths"].items():
        if "X-Registry-Min-Position" in {one["name"] for one in methods["get"]["parameters"]}:
            names = [
                one["name"] for one in methods["get"]["parameters"] if one.get("required") and one["in"] == "query"
            ]
            query = "&".join(f"{name}={quote(required[name])}" for name in names)
            reads.append(f"{path.format_map(values)}?{query}")
        else:
            assert path.startswith(("/schemas", "/subjects", "/config", "/mode")), path
    reads = [one for one in reads if "/download-url" not in one]  # it is off
    assert len(reads) >= 18

    def asked(path: str) -> tuple[str, int, str | None]:
        answer = registry.get(path, X_Registry_Min_Position="0:999999999")
        return path, answer.status, answer.json["code"]

    with ThreadPoolExecutor(len(reads)) as threads:
        assert set(threads.map(asked, reads)) == {(one, 504, "position-not-reached") for one in reads}
