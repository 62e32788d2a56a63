"""A model goes the whole way through the real processes; what was just written is what is read."""

from __future__ import annotations

import hashlib
import uuid

import httpx

CONTENT = b"not a pickle, but bytes all the same" * 1000


def register(http: httpx.Client, **fields: object) -> str:
    body = {"name": f"model {uuid.uuid4()}", "algorithm": "random_forest", "metrics": {"accuracy": 0.9}, **fields}
    answer = http.post("/api/v1/models", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["model_id"])


def test_a_registered_model_is_read_at_once(http: httpx.Client) -> None:
    answer = http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "xgboost"})
    assert answer.headers["X-Registry-Projected"] == "true"
    document = http.get(answer.headers["Location"]).json()
    assert (document["version"], document["algorithm"], document["status"]) == ("v1.0", "xgboost", "active")
    assert document["position"] == answer.headers["X-Registry-Position"]


def test_what_happens_is_counted_for_prometheus(http: httpx.Client) -> None:
    algorithm = f"a{uuid.uuid4().hex[:8]}"
    model_id = register(http, algorithm=algorithm)
    http.post(f"/api/v1/models/{model_id}/upload", files={"file": ("m.bin", CONTENT)})
    http.get(f"/api/v1/models/{model_id}/download")
    lines = http.get("/metrics").text.splitlines()
    assert f'model_registrations_total{{algorithm="{algorithm}"}} 1.0' in lines
    assert f'model_downloads_total{{algorithm="{algorithm}"}} 1.0' in lines
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values["active_models_total"]) >= 1
    assert float(values["storage_usage_bytes"]) >= len(CONTENT)


def test_a_name_is_taken_once(http: httpx.Client) -> None:
    name = f"n {uuid.uuid4()}"
    first = http.post("/api/v1/models", json={"name": name, "algorithm": "svm"}).json()
    second = http.post("/api/v1/models", json={"name": f" {name} ", "algorithm": "svm"})
    assert (second.status_code, second.json()["code"]) == (409, "name-taken")
    assert second.json()["model_id"] == first["model_id"]


def test_a_model_without_a_name_gets_a_telling_one(http: httpx.Client) -> None:
    body = {"algorithm": f"a{uuid.uuid4().hex[:6]}_forest", "metrics": {"accuracy": 0.952}}
    first = http.post("/api/v1/models", json=body).json()["name"]
    second = http.post("/api/v1/models", json=body).json()["name"]
    assert "Forest_95.2%_" in first
    assert second == f"{first}-2"


def test_a_file_comes_back_as_it_was_and_its_download_is_counted_once(http: httpx.Client) -> None:
    model_id = register(http)
    checksum = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    upload = http.post(f"/api/v1/models/{model_id}/upload", files={"file": ("../m.pkl", CONTENT)})
    assert upload.status_code == 201, upload.text
    assert upload.json()["file"] == {
        "size_bytes": len(CONTENT),
        "checksum": checksum,
        "format": "pickle",
        "filename": "m.pkl",
    }
    download = http.get(f"/api/v1/models/{model_id}/download")
    assert (download.content, download.headers["X-File-Checksum"]) == (CONTENT, checksum)
    http.head(f"/api/v1/models/{model_id}/download")
    wait_for_downloads(http, model_id, 1)


def wait_for_downloads(http: httpx.Client, model_id: str, wanted: int) -> None:
    """Downloads have no position in the log; poll, within bounds, until they are all projected."""
    for _ in range(2000):
        if http.get(f"/api/v1/models/{model_id}").json()["download_count"] >= wanted:
            break
    assert http.get(f"/api/v1/models/{model_id}").json()["download_count"] == wanted


def test_the_same_file_again_changes_nothing_and_another_is_refused(http: httpx.Client) -> None:
    url = f"/api/v1/models/{register(http)}/upload"
    headers = {"Content-Type": "application/octet-stream", "X-File-Name": "a.onnx"}
    assert http.post(url, content=CONTENT, headers=headers).status_code == 201
    assert http.post(url, content=CONTENT, headers=headers).status_code == 200
    other = http.post(url, content=b"other", headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "version-has-file")


def test_a_file_that_is_not_what_was_announced_is_refused(http: httpx.Client) -> None:
    url = f"/api/v1/models/{register(http)}/upload"
    headers = {"Content-Type": "application/octet-stream", "X-File-Checksum": "sha256:" + "0" * 64}
    answer = http.post(url, content=CONTENT, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "checksum-mismatch")
    assert http.get(url.removesuffix("/upload")).json()["file_metadata"] is None


def test_a_file_over_the_limit_is_refused(http: httpx.Client) -> None:
    url = f"/api/v1/models/{register(http)}/upload"
    answer = http.post(url, content=bytes(23_000_000), headers={"Content-Type": "application/octet-stream"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_versions_inherit_and_patches_merge(http: httpx.Client) -> None:
    model_id = register(http, hyperparameters={"depth": 3, "seed": 1})
    minor = http.post(f"/api/v1/models/{model_id}/versions", json={"metrics": {"f1": 0.5}}).json()
    major = http.post(
        f"/api/v1/models/{model_id}/versions", json={"breaking_changes": True, "hyperparameters": {"seed": None}}
    ).json()
    assert (minor["version"], major["version"], major["parent_version"]) == ("v1.1", "v2.0", "v1.1")
    document = http.get(f"/api/v1/models/{model_id}").json()
    assert document["metrics"] == {"accuracy": 0.9, "f1": 0.5}
    assert document["hyperparameters"] == {"depth": 3}
    first = http.get(f"/api/v1/models/{model_id}", params={"version": "v1.0"}).json()
    assert first["hyperparameters"] == {"depth": 3, "seed": 1}


def test_status_follows_deprecate_archive_and_restore(http: httpx.Client) -> None:
    model_id = register(http)
    for call, status in (("deprecate", "deprecated"), ("archive", "archived"), ("restore", "active")):
        answer = http.post(f"/api/v1/models/{model_id}/{call}")
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert http.get(f"/api/v1/models/{model_id}").json()["status"] == status


def test_a_deleted_model_is_gone_and_can_come_back(http: httpx.Client) -> None:
    model_id = register(http)
    http.post(f"/api/v1/models/{model_id}/upload", files={"file": ("m.pkl", CONTENT)})
    assert http.delete(f"/api/v1/models/{model_id}").json()["deleted_id"] == model_id
    assert http.get(f"/api/v1/models/{model_id}").status_code == 404
    assert http.get(f"/api/v1/models/{model_id}/download").status_code == 404
    assert http.post(f"/api/v1/models/{model_id}/restore").status_code == 200
    assert http.get(f"/api/v1/models/{model_id}/download").content == CONTENT


def test_a_deleted_name_begins_anew_at_the_next_major_number(http: httpx.Client) -> None:
    name = f"n {uuid.uuid4()}"
    model_id = register(http, name=name, tags=["old"])
    http.delete(f"/api/v1/models/{model_id}")
    again = http.post("/api/v1/models", json={"name": name, "algorithm": "svm"}).json()
    assert (again["model_id"], again["version"]) == (model_id, "v2.0")
    document = http.get(f"/api/v1/models/{model_id}").json()
    assert (document["tags"], [one["version"] for one in document["versions"]]) == ([], ["v2.0"])


def test_a_retry_with_its_key_gets_the_first_answer(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"algorithm": "svm", "metrics": {"accuracy": 0.5}}
    first = http.post("/api/v1/models", json=body, headers=headers)
    again = http.post("/api/v1/models", json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Registry-Position"] == first.headers["X-Registry-Position"]
    other = http.post("/api/v1/models", json={**body, "tags": ["x"]}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_a_batch_answers_each_operation_in_order(http: httpx.Client) -> None:
    model_id = register(http)
    operations = [
        {"op": "version", "model_id": model_id, "metrics": {"f1": 0.1}},
        {"op": "explode"},
        {"op": "update", "model_id": model_id, "tags": ["batch"]},
        {"op": "register", "name": f"n {uuid.uuid4()}", "algorithm": "svm"},
        {"op": "deprecate", "model_id": "0" * 24},
    ]
    answer = http.post("/api/v1/models/batch", json={"operations": operations})
    assert [one["status"] for one in answer.json()["results"]] == [201, 422, 200, 201, 404]
    assert (answer.json()["succeeded"], answer.json()["failed"]) == (3, 2)
    assert http.get(f"/api/v1/models/{model_id}").json()["tags"] == ["batch"]


def test_operations_on_one_model_run_in_their_order(http: httpx.Client) -> None:
    model_id = register(http)
    http.post(f"/api/v1/models/{model_id}/upload", files={"file": ("m.pkl", CONTENT)})
    http.delete(f"/api/v1/models/{model_id}")
    operations = [
        {"op": "restore", "model_id": model_id},
        *({"op": "update", "model_id": model_id, "tags": [str(number)]} for number in range(20)),
        {"op": "delete", "model_id": model_id},
        {"op": "update", "model_id": model_id, "tags": ["late"]},
        {"op": "restore", "model_id": model_id},
    ]
    answer = http.post("/api/v1/models/batch", json={"operations": operations}).json()
    assert [one["status"] for one in answer["results"]] == [200] * 22 + [404, 200]
    assert http.get(f"/api/v1/models/{model_id}").json()["tags"] == ["19"]


def test_a_batch_with_its_key_is_carried_out_once(http: httpx.Client) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"operations": [{"op": "register", "algorithm": "svm"}, {"op": "register", "algorithm": "svm"}]}
    first = http.post("/api/v1/models/batch", json=body, headers=key)
    again = http.post("/api/v1/models/batch", json=body, headers=key)
    assert "Idempotency-Replayed" not in first.headers
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert again.headers["X-Registry-Position"] == first.headers["X-Registry-Position"]
    shorter = http.post("/api/v1/models/batch", json={"operations": body["operations"][:1]}, headers=key)
    assert (shorter.status_code, shorter.json()["code"]) == (422, "idempotency-key-reused")
    single = http.post("/api/v1/models", json={"algorithm": "svm"}, headers=key)
    assert (single.status_code, single.json()["code"]) == (422, "idempotency-key-reused")


def test_a_rejected_command_says_where_in_the_log_that_holds(http: httpx.Client) -> None:
    model_id = register(http)
    answer = http.delete(f"/api/v1/models/{model_id}/versions/v1.0")
    assert answer.status_code == 409
    assert answer.headers["X-Registry-Projected"] == "true"
    minimum = {"X-Registry-Min-Position": answer.headers["X-Registry-Position"]}
    assert http.get(f"/api/v1/models/{model_id}", headers=minimum).status_code == 200


def test_search_finds_a_part_of_a_compound_name(http: httpx.Client) -> None:
    word = f"w{uuid.uuid4().hex[:10]}"
    model_id = register(http, name=f"fraud_{word}_v2")
    found = http.get("/api/v1/models/search", params={"q": word}).json()["models"]
    assert [one["id"] for one in found] == [model_id]


def test_health_tells_of_every_part(http: httpx.Client) -> None:
    answer = http.get("/health/detailed")
    assert answer.status_code == 200
    assert set(answer.json()["checks"]) == {
        "kafka",
        "mongodb",
        "storage",
        "disk_space",
        "projection",
        "model_registry",
    }
    assert "api_request_duration_seconds_bucket" in http.get("/metrics").text
    assert len(http.get("/openapi.json").json()["paths"]) > 20
