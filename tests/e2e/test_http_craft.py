"""What every read gives, whichever it is: tags, HEAD, OPTIONS, Allow, compression. A new route is tried by itself."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.processes import ORIGIN, RegistryProcesses
from tests.sse import EventClient

OFF_BY_DEFAULT = ("/uploads/{upload_id}", "/download-url")
"""`tests/e2e/test_presigned.py` tries them."""
NEVER_KEPT = {"/health", "/health/live", "/health/ready", "/health/detailed", "/metrics", "/api/v1/events/stream"}


@pytest.fixture(scope="module")
def http(registry_processes: RegistryProcesses) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=registry_processes.url, timeout=30, headers={"Accept-Encoding": "identity"}) as client:
        yield client


@pytest.fixture(scope="module")
def known(http: httpx.Client) -> dict[str, str]:
    """A value for each parameter that some read must have."""
    description = "".join(str(uuid.uuid4()) for _ in range(400))
    body = {"name": f"n {uuid.uuid4()}", "algorithm": "svm", "metrics": {"accuracy": 0.5}, "description": description}
    model = http.post("/api/v1/models", json=body).json()
    model_id = model["model_id"]
    http.post(f"/api/v1/models/{model_id}/upload", files={"file": ("m.bin", b"content" * 2000)})
    http.post(f"/api/v1/models/{model_id}/versions")
    subject = http.get("/subjects").json()[0]
    return {
        "model_id": model_id,
        "version": "v1.0",
        "name": model["name"],
        "ids": f"{model_id}@v1.0,{model_id}@v1.1",
        "q": "svm",
        "schema_id": "1",
        "key_id": "0" * 16,
        "upload_id": "0" * 32,
        "subject": subject,
    }


@pytest.fixture(scope="module")
def reads(http: httpx.Client, known: dict[str, str]) -> list[str]:
    """An address for each GET of the OpenAPI document, with whatever it must have."""
    found = []
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        if "get" not in methods or path == "/api/v1/events/stream" or path.endswith(OFF_BY_DEFAULT):
            continue
        values = known | {"version": "1"} if path.startswith("/subjects") else known
        required = [one for one in methods["get"]["parameters"] if one["in"] == "query" and one.get("required")]
        query = httpx.QueryParams({one["name"]: values.get(one["name"], one.get("example", "1")) for one in required})
        address = path.format_map({name: quote(value) for name, value in values.items()})
        found.append(f"{address}?{query}" if required else address)
    assert len(found) > 25
    # Downloads last: each is counted, and what counts them would change meanwhile.
    return sorted(found, key=lambda one: one.endswith("/download"))


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("date", "transfer-encoding")}


def test_every_read_can_be_asked_again_and_for_its_head(http: httpx.Client, reads: list[str]) -> None:
    for one in reads:
        path = one.partition("?")[0]
        answer = http.get(one)
        assert answer.status_code == 200, (one, answer.text)
        head = http.head(one)
        assert (head.status_code, head.content) == (200, b""), one
        assert "Cache-Control" in answer.headers, one
        if path in NEVER_KEPT:
            assert answer.headers["Cache-Control"] == "no-store", one
            continue
        assert headers_of(head) == headers_of(answer), one
        unchanged = http.get(one, headers={"If-None-Match": f'"other", {answer.headers["ETag"]}'})
        assert (unchanged.status_code, unchanged.content) == (304, b""), one
        for name in ("ETag", "Cache-Control"):
            assert unchanged.headers[name] == answer.headers[name], one
        changed = http.get(one, headers={"If-None-Match": '"other"'})
        assert changed.status_code == 200, one


def test_every_read_of_the_read_models_refuses_a_position_that_is_none(http: httpx.Client, reads: list[str]) -> None:
    """The others do not look at it: what they tell is not in the read models. HEAD is as GET."""
    others = (
        "/schemas",
        "/subjects",
        "/config",
        "/mode",
        "/health",
        "/metrics",
        "/api/v1/keys",
        "/api/v1/audit/denials",
    )
    for one in [*reads, "/api/v1/events/stream"]:
        for method, given in (("GET", "3:"), ("GET", "0:0,x"), ("HEAD", "999:0")):
            with http.stream(method, one, headers={"X-Registry-Min-Position": given}) as answer:
                if one.startswith(others):
                    assert answer.status_code == 200, one
                    continue
                assert answer.status_code == 422, (method, one)  # before it is read: the stream would not end
                body = answer.read()
            if method == "GET":
                assert [error["field"] for error in json.loads(body)["errors"]] == ["X-Registry-Min-Position"], one
    documented = http.get("/openapi.json").json()["paths"]
    taking = {path for path, methods in documented.items() if takes_a_position(methods.get("get", {}))}
    paths = {path for path, methods in documented.items() if "get" in methods and not path.startswith(others)}
    assert paths - taking == {"/api/v1/models/{model_id}/uploads/{upload_id}"}
    assert taking - paths == set()


def takes_a_position(operation: dict[str, Any]) -> bool:
    return "X-Registry-Min-Position" in {one["name"] for one in operation.get("parameters", ())}


def test_what_never_changes_may_be_kept_for_ever_and_nothing_else(http: httpx.Client, reads: list[str]) -> None:
    kept = {one: http.get(one).headers["Cache-Control"] for one in reads if one.partition("?")[0] not in NEVER_KEPT}
    assert {one for one, value in kept.items() if "immutable" in value} == {"/schemas/ids/1"}
    assert {value for one, value in kept.items() if one != "/schemas/ids/1"} == {"private, no-cache"}
    missing = http.get("/api/v1/models/" + "0" * 24)
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")


def test_every_path_says_what_it_allows(http: httpx.Client, known: dict[str, str]) -> None:
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        address = path.format_map(known)
        taken = {one.upper() for one in methods} | {"OPTIONS"} | ({"HEAD"} if "get" in methods else set())
        options = http.options(address)
        assert (options.status_code, options.content) == (204, b""), path
        allowed = {one.strip() for one in options.headers["Allow"].split(",")}
        assert taken <= allowed, path
        refused = http.request("PROPFIND", address)
        assert (refused.status_code, refused.json()["code"]) == (405, "method-not-allowed")
        assert {one.strip() for one in refused.headers["Allow"].split(",")} == allowed
    assert http.options("/api/v1/nothing").status_code == 404
    assert http.head("/api/v1/nothing").status_code == 404
    assert http.request("PROPFIND", "/docs/problems").headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_large_answer_is_compressed_for_those_who_take_it(http: httpx.Client, known: dict[str, str]) -> None:
    url = f"/api/v1/models/{known['model_id']}"
    plain = http.get(url)
    request = http.build_request("GET", url, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    answer = http.send(request, stream=True)
    packed = b"".join(answer.iter_raw())
    assert (answer.headers["Content-Encoding"], gzip.decompress(packed)) == ("gzip", plain.content)
    assert int(answer.headers["Content-Length"]) == len(packed) < len(plain.content)
    assert answer.headers["ETag"] == f"W/{plain.headers['ETag']}"
    for one in (plain, answer):
        assert "Accept-Encoding" in one.headers["Vary"]
    for tag in (answer.headers["ETag"], plain.headers["ETag"]):
        again = http.get(url, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
        assert (again.status_code, again.headers["ETag"]) == (304, tag)
    refused = ("identity", "gzip;q=0", "gzip; q=0.000, br", "*;q=0", "nonsense")
    assert all("Content-Encoding" not in http.get(url, headers={"Accept-Encoding": one}).headers for one in refused)


def test_files_streams_and_small_answers_are_never_compressed(
    http: httpx.Client, registry_processes: RegistryProcesses, known: dict[str, str]
) -> None:
    for one in (f"/api/v1/models/{known['model_id']}/download", f"/api/v1/models/{known['model_id']}/info"):
        assert "Content-Encoding" not in http.get(one, headers={"Accept-Encoding": "gzip"}).headers
    with EventClient(registry_processes.ports["gateway"], "?after=0") as stream:
        assert "content-encoding" not in stream.headers
        assert stream.events(1)


def test_pages_of_the_named_origins_may_ask(http: httpx.Client, known: dict[str, str]) -> None:
    url = f"/api/v1/models/{known['model_id']}"
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    preflight = http.options(url, headers={**asked, "Access-Control-Request-Headers": "idempotency-key"})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert "idempotency-key" in preflight.headers["Access-Control-Allow-Headers"]
    answer = http.get(url, headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {one.strip() for one in answer.headers["Vary"].split(",")} == {"Accept-Encoding", "Origin"}
    stranger = {**asked, "Origin": "https://stranger.example"}
    assert "Access-Control-Allow-Origin" not in http.get(url, headers=stranger).headers
    assert http.options(url, headers=stranger).status_code == 400


def test_the_head_of_the_stream_opens_none(http: httpx.Client) -> None:
    head = http.head("/api/v1/events/stream")
    assert (head.status_code, head.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert "event_streams_open 0.0" in http.get("/metrics").text
