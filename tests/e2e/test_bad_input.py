"""Whatever is sent, the answer is a problem of the contract, and nothing is written."""

from __future__ import annotations

import uuid

import httpx
import pytest

from tests.processes import RegistryProcesses

BODIES: list[tuple[str, bytes, int]] = [
    ("nothing", b"", 400),
    ("not JSON", b"{", 400),
    ("a list", b"[]", 400),
    ("a lone number", b"1", 400),
    ("bad UTF-8", b'{"algorithm": "\xff"}', 400),
    ("NaN", b'{"algorithm": "a", "metrics": {"x": NaN}}', 400),
    ("Infinity", b'{"algorithm": "a", "metrics": {"x": -Infinity}}', 400),
    ("a key twice", b'{"algorithm": "a", "algorithm": "b"}', 400),
    ("10,000 deep", b'{"hyperparameters": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001, 400),
    ("10,000 lists deep", b"[" * 10_000 + b"]" * 10_000, 400),
    ("100 deep", b'{"algorithm": "a", "hyperparameters": ' + b'{"a":' * 100 + b"1" + b"}" * 101, 400),
    ("a float too large", b'{"algorithm": "a", "metrics": {"x": 1e400}}', 422),
    ("an integer beyond 64 bits", b'{"algorithm": "a", "metrics": {"x": 9223372036854775808}}', 422),
    ("10,000 digits", b'{"algorithm": "a", "metrics": {"x": ' + b"9" * 10_000 + b"}}", 422),
    ("NUL", b'{"algorithm": "a\\u0000"}', 422),
    ("a lone surrogate", b'{"algorithm": "\\ud800"}', 422),
    ("a lone surrogate in a key", b'{"algorithm": "a", "hyperparameters": {"\\udfff": 1}}', 422),
    ("no algorithm", b'{"name": "x"}', 422),
    ("an empty algorithm", b'{"algorithm": " "}', 422),
    ("an unknown member", b'{"algorithm": "a", "algorithmm": "b"}', 422),
    ("a name that is a number", b'{"algorithm": "a", "name": 1}', 422),
    ("an empty name", b'{"algorithm": "a", "name": ""}', 422),
    ("a control character in the name", b'{"algorithm": "a", "name": "a\\u0007"}', 422),
    ("a name too long", b'{"algorithm": "a", "name": "' + b"n" * 201 + b'"}', 422),
    ("a metric that is text", b'{"algorithm": "a", "metrics": {"x": "1"}}', 422),
    ("a metric that is true", b'{"algorithm": "a", "metrics": {"x": true}}', 422),
    ("a metric that is null", b'{"algorithm": "a", "metrics": {"x": null}}', 422),
    ("tags that are text", b'{"algorithm": "a", "tags": "x"}', 422),
    ("101 tags", b'{"algorithm": "a", "tags": [' + b",".join([b'"t"'] * 101) + b"]}", 422),
    ("a tag too long", b'{"algorithm": "a", "tags": ["' + b"t" * 201 + b'"]}', 422),
    ("an empty key", b'{"algorithm": "a", "hyperparameters": {"": 1}}', 422),
    ("a description too long", b'{"algorithm": "a", "description": "' + b"d" * 65_537 + b'"}', 422),
    ("a key that MongoDB takes for a reference", b'{"algorithm": "a", "dataset_info": {"$ref": "c", "$id": "1"}}', 422),
    ("such a key further down", b'{"algorithm": "a", "hyperparameters": {"a": [{"\\u0024ref": "c"}]}}', 422),
    ("a metric of that name", b'{"algorithm": "a", "metrics": {"$ref": 1}}', 422),
    ("a body over 1 MiB", b'{"description": "' + b"d" * 1_048_577 + b'"}', 413),
]


@pytest.mark.parametrize(("body", "status"), [one[1:] for one in BODIES], ids=[one[0] for one in BODIES])
def test_a_bad_body_is_a_problem_and_writes_nothing(
    registry_processes: RegistryProcesses, http: httpx.Client, body: bytes, status: int
) -> None:
    before = registry_processes.log_ends()
    answer = http.post("/api/v1/models", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "error"} <= answer.json().keys()
    assert registry_processes.log_ends() == before


CALLS: list[tuple[str, str, bytes | None, int]] = [
    ("PATCH", "/api/v1/models/{id}", b"{}", 422),
    ("PATCH", "/api/v1/models/{id}", b'{"name": "other"}', 422),
    ("PATCH", "/api/v1/models/{id}", b'{"status": "gone"}', 422),
    ("PATCH", "/api/v1/models/{id}?version=v1.0", b'{"tags": []}', 422),
    ("PATCH", "/api/v1/models/{id}?version=1", b'{"status": "active"}', 422),
    ("PATCH", "/api/v1/models/{id}?version=v9.9", b'{"status": "active"}', 404),
    ("PATCH", "/api/v1/models/{id}?versio=v1.0", b'{"status": "active"}', 422),
    ("PATCH", "/api/v1/models/{id}?version=v1.0&version=v1.0", b'{"status": "active"}', 422),
    ("PATCH", "/api/v1/models/{id}?version=%FF", b'{"status": "active"}', 400),
    ("POST", "/api/v1/models/{id}/archive?%FF", None, 400),
    ("PATCH", "/api/v1/models/not-an-id", b'{"tags": []}', 404),
    ("PATCH", "/api/v1/models/" + "0" * 24, b'{"tags": []}', 404),
    ("POST", "/api/v1/models/" + "0" * 24 + "/versions", b"{}", 404),
    ("POST", "/api/v1/models/{id}/deprecate", b'{"replacement_model_id": "x"}', 422),
    ("POST", "/api/v1/models/{id}/deprecate", b'{"version": "v7.7"}', 404),
    ("POST", "/api/v1/models/{id}/metrics", b"{}", 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {}}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": null}}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": NaN}}', 400),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": true}}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "step": -1}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "step": 1.0}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "step": true}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "recorded_at": "now"}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "recorded_at": "9999-12-31T00:00:00Z"}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "recorded_at": 1795262400}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "source": "\\u0007"}', 422),
    ("POST", "/api/v1/models/{id}/metrics", b'{"metrics": {"x": 1}, "version": "v9.9"}', 404),
    ("POST", "/api/v1/models/{id}/metrics?version=v1.0", b'{"metrics": {"x": 1}}', 422),
    ("POST", "/api/v1/models/" + "0" * 24 + "/metrics", b'{"metrics": {"x": 1}}', 404),
    ("POST", "/api/v1/models/batch", b'{"operations": {}}', 422),
    ("POST", "/api/v1/models/batch", b'{"operations": [' + b",".join([b'{"op":"x"}'] * 1001) + b"]}", 422),
    ("DELETE", "/api/v1/models/{id}/versions/v1.0", None, 409),
    ("DELETE", "/api/v1/models/{id}/versions/v1.00", None, 422),
    ("DELETE", "/api/v1/models", None, 405),
    ("GET", "/api/v1/nothing", None, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_a_bad_call_is_a_problem_and_writes_nothing(
    registry_processes: RegistryProcesses,
    http: httpx.Client,
    method: str,
    path: str,
    body: bytes | None,
    status: int,
) -> None:
    model = http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"}).json()
    before = registry_processes.log_ends()
    headers = {"Content-Type": "application/json"} if body is not None else {}
    answer = http.request(method, path.replace("{id}", model["model_id"]), content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert registry_processes.log_ends() == before


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "\u00e9", "application/json; charset=latin-1"]
)
def test_another_content_type_is_refused(http: httpx.Client, content_type: str) -> None:
    answer = http.post("/api/v1/models", content=b"{}", headers={"Content-Type": content_type.encode("latin-1")})
    assert answer.status_code == 415


DISPOSITIONS = [
    'form-data; name="file"; filename*=a; filename*0=b',
    "form-data; name=file; filename*0*=a; filename*=b; filename*1=c",
    "form-data; name*1=file; name=x; name*=y",
    'form-data; name="file"; filename*=utf-8',
    ";;;=;",
    "",
]


@pytest.mark.parametrize("disposition", DISPOSITIONS)
def test_a_hostile_part_header_is_a_problem(http: httpx.Client, disposition: str) -> None:
    model_id = http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"}).json()["model_id"]
    body = f"--b\r\nContent-Disposition: {disposition}\r\n\r\ncontent\r\n--b--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = http.post(f"/api/v1/models/{model_id}/upload", content=body, headers=headers)
    assert answer.status_code in (201, 400, 422), answer.text
    assert http.get(f"/api/v1/models/{model_id}").status_code == 200


def test_maps_can_not_grow_without_bound(http: httpx.Client) -> None:
    """Each change is small enough; what they add up to is refused before anything that keeps it is too small."""
    model_id = http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"}).json()["model_id"]
    statuses = [
        http.patch(f"/api/v1/models/{model_id}", json={"dataset_info": {f"k{number}": "x" * 600_000}}).status_code
        for number in range(3)
    ]
    assert statuses == [200, 422, 422]
    assert http.post(f"/api/v1/models/{model_id}/versions").status_code == 201
    assert len(http.get(f"/api/v1/models/{model_id}").json()["dataset_info"]) == 1


def test_a_method_that_is_not_allowed_learns_which_are(http: httpx.Client) -> None:
    answer = http.delete("/api/v1/models")
    assert answer.status_code == 405
    assert {one.strip() for one in answer.headers["Allow"].split(",")} >= {"GET", "POST"}
