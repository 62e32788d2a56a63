"""Metrics are reported through the real processes, epoch by epoch, and read as a history and in a comparison."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx

from tests.e2e.test_lifecycle import register


def test_reports_of_a_training_become_a_history(http: httpx.Client) -> None:
    model_id = register(http, metrics={"loss": 0.3})
    path, before = f"/api/v1/models/{model_id}/metrics", datetime.now(UTC)
    report = {"metrics": {"loss": 0.5, "batches": 7}, "step": 1, "recorded_at": "2026-01-01T00:00:00Z"}
    first = http.post(path, json=report, headers={"Idempotency-Key": model_id})
    assert first.status_code == 201, first.text
    made = {"success": True, "message": "Metrics reported", "model_id": model_id, "version": "v1.0"}
    assert first.json() == made
    again = http.post(path, json=report, headers={"Idempotency-Key": model_id})
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (made, "true")
    other = http.post(path, json={**report, "step": 2}, headers={"Idempotency-Key": model_id})
    assert other.json()["code"] == "idempotency-key-reused"
    http.post(f"/api/v1/models/{model_id}/versions")
    epochs = [
        {"op": "report_metrics", "model_id": model_id, "version": "v1.0", "step": step, "metrics": {"loss": 1 / step}}
        for step in range(2, 5)
    ]
    answers = http.post("/api/v1/models/batch", json={"operations": [*epochs, {**epochs[0], "step": -1}]}).json()
    assert [one["status"] for one in answers["results"]] == [201, 201, 201, 422]
    assert answers["results"][3]["errors"][0]["field"] == "step"
    now = http.post(path, json={"metrics": {"loss": 9}, "source": "production"})
    assert now.json()["version"] == "v1.1"

    found = http.get(now.headers["Location"], params={"name": "loss"}).json()
    assert (found["total"], found["versions"]) == (5, ["v1.0", "v1.1"])
    told = [(one["step"], one["value"], one["version"], one["source"]) for one in found["series"]]
    training = [(step, 1 / step, "v1.0", "") for step in range(2, 5)]
    assert told == [(1, 0.5, "v1.0", ""), *training, (None, 9, "v1.1", "production")]
    assert found["series"][0]["recorded_at"] == "2026-01-01T00:00:00.000000Z"
    recorded = datetime.fromisoformat(found["series"][-1]["recorded_at"])
    assert before - timedelta(seconds=1) < recorded < datetime.now(UTC) + timedelta(seconds=1)
    listed = {one["name"]: one["count"] for one in http.get(f"{path}/history").json()["metrics"]}
    assert listed == {"loss": 5, "batches": 1}

    assert http.get(f"/api/v1/models/{model_id}").json()["metrics"] == {"loss": 0.3}
    events = http.get(f"/api/v1/models/{model_id}/history").json()["events"]
    reports = [(one["version"], one["changed"]) for one in events if one["type"] == "MetricsReported"]
    assert reports == [*[("v1.0", [])] * 4, ("v1.1", [])]
    compared = http.get("/api/v1/models/compare", params={"ids": f"{model_id}@v1.0,{model_id}"}).json()
    assert [one["value"] for one in compared["metrics"]["loss"]["tracked"]] == [0.25, 9]


def test_what_is_deleted_takes_no_reports_and_shows_none(http: httpx.Client) -> None:
    model_id = register(http)
    path, report = f"/api/v1/models/{model_id}/metrics", {"metrics": {"loss": 1}}
    http.post(f"/api/v1/models/{model_id}/versions")
    assert http.post(path, json=report).status_code == 201
    http.delete(f"/api/v1/models/{model_id}/versions/v1.1")
    assert http.post(path, json={**report, "version": "v1.1"}).json()["code"] == "version-not-found"
    assert http.get(f"{path}/history").json()["metrics"] == []
    http.delete(f"/api/v1/models/{model_id}")
    assert http.post(path, json=report).json()["code"] == "model-not-found"
    assert http.get(f"{path}/history").json()["code"] == "model-not-found"
