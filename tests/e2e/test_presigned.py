"""Files that go straight to storage and come straight from it, with a key that can do no more than that."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import pytest
from minio.error import S3Error

from tests.e2e.guarded import OWN, until
from tests.e2e.presigned_world import CONTENT, MOST_BYTES, PART, World, cut_short, presigned_world, put, send, sha256
from tests.servers import Servers


@pytest.fixture(scope="module")
def world(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with presigned_world(stack, tmp_path_factory.mktemp("presigned")) as one:
        yield one


@pytest.fixture(scope="module")
def writer(world: World) -> str:
    return world.key("writer")


def test_a_file_sent_in_parallel_parts_is_the_version_s_file_once(world: World, writer: str) -> None:
    model, streamed = world.model(), world.model()
    begun = world.begin(writer, model)
    assert begun.status_code == 201, begun.text
    upload, path = begun.json(), begun.headers["Location"]
    assert path == f"{model}/uploads/{upload['upload_id']}"
    assert [one["size_bytes"] for one in upload["urls"]] == [PART, PART, 1024]
    send(upload)
    assert world.document(model)["file_metadata"] is None
    # At both instances at once, and again: whoever is first, it happens once.
    key = {"Idempotency-Key": str(uuid.uuid4()), "X-API-Key": writer}
    urls = [world.processes.url_of(one) for one in ("gateway", "gateway.two")]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda url: httpx.post(f"{url}{path}/complete", headers=key, timeout=60), urls))
    assert {one.status_code for one in both} <= {201, 409, 503}, [one.text for one in both]
    done = next(one for one in both if one.status_code == 201)
    file = {"size_bytes": len(CONTENT), "checksum": sha256(CONTENT), "format": "pickle", "filename": "m.pkl"}
    assert done.json()["file"] == file
    again = httpx.post(f"{urls[1]}{path}/complete", headers=key, timeout=60)
    assert (again.status_code, again.headers["Idempotency-Replayed"], again.json()) == (201, "true", done.json())
    assert again.headers["X-Registry-Position"] == done.headers["X-Registry-Position"]
    assert world.ask(writer, "POST", f"{path}/complete").status_code == 200, "without a key it is so already"
    reused = world.ask(
        writer, "PATCH", model, json={"tags": ["x"]}, headers={"Idempotency-Key": key["Idempotency-Key"]}
    )
    assert reused.json()["code"] == "idempotency-key-reused"
    assert world.events(model) == ["ModelRegistered", "ModelFileAttached"]
    # As a file that was streamed, to the last field; and stored once.
    raw = {"Content-Type": "application/octet-stream", "X-File-Name": "m.pkl"}
    assert world.ask(writer, "POST", f"{streamed}/upload", content=CONTENT, headers=raw).status_code == 201
    changes = [world.ask(writer, "GET", f"{one}/history").json()["events"][1] for one in (model, streamed)]
    assert changes[0]["changes"] == changes[1]["changes"] and changes[0]["actor"] == changes[1]["actor"]
    assert world.ask(world.admin, "GET", f"{model}/download").content == CONTENT
    shown = world.ask(writer, "GET", path).json()
    assert (shown["state"], shown["missing"], shown["urls"]) == ("completed", 0, [])
    assert world.ask(writer, "DELETE", path).json()["code"] == "upload-over"
    assert [one for one in world.keys_below("staging/") if upload["upload_id"] in one] == []
    assert put(upload["urls"][2]) in (403, 404), "nothing can be sent any more"


def test_an_upload_goes_on_after_parts_were_lost_on_the_way(world: World, writer: str) -> None:
    model = world.model()
    begun = world.begin(writer, model)
    upload, path = begun.json(), begun.headers["Location"]
    first, second, third = upload["urls"]
    assert (put(first), put(third)) == (200, 200)
    cut_short(second["url"], CONTENT[PART : PART + 1000], PART)
    short = httpx.put(second["url"], content=b"too short")
    assert short.status_code == 403
    for _ in range(2):
        refused = world.ask(writer, "POST", f"{path}/complete")
        assert (refused.status_code, refused.json()["code"]) == (409, "upload-incomplete")
    elsewhere = f"{world.processes.url_of('gateway.two')}{path}"
    shown = httpx.get(elsewhere, headers={"X-API-Key": writer}).json()
    assert (shown["state"], shown["missing"], shown["part_count"]) == ("open", 1, 3)
    assert [one["number"] for one in shown["received"]] == [1, 3]
    assert shown["received"][0]["etag"] == hashlib.md5(CONTENT[:PART]).hexdigest()
    assert [one["number"] for one in shown["urls"]] == [2]
    assert world.ask(writer, "GET", f"{path}?after=2").json()["urls"] == []
    assert world.events(model) == ["ModelRegistered"]
    assert world.document(model)["file_metadata"] is None
    send(shown)
    assert world.ask(writer, "POST", f"{path}/complete").status_code == 201
    assert world.ask(world.admin, "GET", f"{model}/download").content == CONTENT


def test_a_file_that_is_not_what_was_announced_leaves_nothing(world: World, writer: str) -> None:
    model, other = world.model(), b"\0" + CONTENT[1:]
    begun = world.begin(writer, model)
    path = begun.headers["Location"]
    before = world.keys_below("sha256/")
    assert hashlib.sha256(other).hexdigest() not in str(before)
    send(begun.json(), other)
    refused = world.ask(writer, "POST", f"{path}/complete")
    assert (refused.status_code, refused.json()["code"]) == (422, "checksum-mismatch")
    assert world.ask(writer, "POST", f"{path}/complete").json()["code"] == "upload-not-found"
    assert world.events(model) == ["ModelRegistered"]
    assert world.keys_below("sha256/") == before
    assert begun.json()["upload_id"] not in str(world.keys_below("staging/", "uploads/"))


def test_what_can_not_become_the_file_is_refused_before_a_byte_is_sent(world: World, writer: str) -> None:
    model, full = world.model(), world.model()
    world.ask(writer, "POST", f"{full}/upload", files={"file": ("m.bin", b"another")})
    before = world.keys_below("uploads/")
    cases: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
        (model, {"size_bytes": MOST_BYTES + 1}, (413, "too-large")),
        (model, {"size_bytes": 0}, (422, "invalid")),
        (model, {"size_bytes": -1}, (422, "invalid")),
        (model, {"size_bytes": "1"}, (422, "invalid")),
        (model, {"checksum": "sha256:nonsense"}, (422, "invalid")),
        (model, {"part_size": PART - 1}, (422, "invalid")),
        (model, {"part_size": 2**63 - 1}, (422, "invalid")),
        (model, {"unknown": 1}, (422, "invalid")),
        (f"{model[:-24]}{'0' * 24}", {}, (404, "model-not-found")),
        (f"{model[:-24]}nonsense", {}, (404, "model-not-found")),
        (full, {}, (409, "version-has-file")),
    ]
    for where, form, expected in cases:
        answer = world.begin(writer, where, **form)
        assert (answer.status_code, answer.json()["code"]) == expected, (form, answer.text)
    body = {"size_bytes": 1, "checksum": sha256(b"x")}
    missing = world.ask(writer, "POST", f"{model}/uploads?version=v9.0", json=body)
    assert missing.json()["code"] == "version-not-found"
    assert world.ask(writer, "GET", f"{model}/uploads/{'0' * 32}?after=x").status_code == 422
    assert world.keys_below("uploads/") == before


def test_the_file_goes_to_the_version_of_the_beginning_and_a_repeated_beginning_is_one(
    world: World, writer: str
) -> None:
    model, key = world.model(), {"Idempotency-Key": str(uuid.uuid4())}
    begun = world.begin(writer, model, b"small", headers=key)
    world.ask(writer, "POST", f"{model}/versions")
    body = {"size_bytes": 5, "checksum": sha256(b"small"), "filename": "m.pkl", "part_size": PART}
    elsewhere = f"{world.processes.url_of('gateway.two')}{model}/uploads"
    again = httpx.post(elsewhere, json=body, headers={**key, "X-API-Key": writer})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.json()["upload_id"] == begun.json()["upload_id"]
    other = world.begin(writer, model, b"other", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    send(again.json(), b"small")
    done = world.ask(writer, "POST", f"{begun.headers['Location']}/complete")
    assert (done.status_code, done.json()["version"]) == (201, "v1.0")


def test_an_upload_is_there_for_whoever_began_it_and_nobody_else(world: World, writer: str) -> None:
    model = world.model(f"{OWN}{uuid.uuid4()}")
    stranger, tenant = world.key("writer"), world.key("writer", model_prefix="team-b/")
    begun = world.begin(writer, model, b"small")
    path = begun.headers["Location"]
    send(begun.json(), b"small")
    for key in (stranger, tenant, world.admin):
        for method, where in (("GET", path), ("POST", f"{path}/complete"), ("DELETE", path)):
            answer = world.ask(key, method, where)
            assert (answer.status_code, answer.json()["code"]) == (404, "upload-not-found"), (method, where)
    assert world.begin(tenant, model).json()["code"] == "model-not-found"
    assert world.begin(world.key("reader", "downloader"), model).status_code == 403
    elsewhere = f"{world.model()}/uploads/{begun.json()['upload_id']}"
    assert world.ask(writer, "POST", f"{elsewhere}/complete").json()["code"] == "upload-not-found"
    assert world.events(model) == ["ModelRegistered"]
    assert world.ask(writer, "POST", f"{path}/complete").status_code == 201


def test_an_upload_ends_when_it_is_aborted_or_has_expired(world: World, writer: str) -> None:
    model = world.model()

    def abort(path: str) -> None:
        assert world.ask(writer, "DELETE", path).json()["message"] == "Upload aborted"
        assert path.rpartition("/")[2] not in str(world.keys_below("staging/", "uploads/"))

    def expire(path: str) -> None:
        bucket, key = world.processes.registry_id, f"uploads/{path.rpartition('/')[2]}"
        record = {**json.loads(world.root.get_object(bucket, key).data), "expires_at": 1}
        content = json.dumps(record).encode()
        world.root.put_object(bucket, key, BytesIO(content), len(content))

    ends: list[Callable[[str], None]] = [abort, expire]
    for end in ends:
        begun = world.begin(writer, model, b"small")
        path = begun.headers["Location"]
        send(begun.json(), b"small")
        end(path)
        for method, where in (("GET", path), ("POST", f"{path}/complete"), ("DELETE", path)):
            answer = world.ask(writer, method, where)
            assert (answer.status_code, answer.json()["code"]) == (404, "upload-not-found"), end.__name__
    assert world.events(model) == ["ModelRegistered"]


def test_the_key_that_signs_can_send_into_staging_and_get_blobs_and_nothing_else(world: World, writer: str) -> None:
    bucket, model = world.processes.registry_id, world.model()
    world.ask(writer, "POST", f"{model}/upload", files={"file": ("m.bin", b"a blob")})
    blob = f"sha256/{hashlib.sha256(b'a blob').hexdigest()}"
    world.narrow.put_object(bucket, "staging/mine", BytesIO(b"x"), 1)
    assert world.narrow.get_object(bucket, blob).data == b"a blob"
    world.root.put_object(bucket, "uploads/theirs", BytesIO(b"x"), 1)
    refused: list[Callable[[], Any]] = [
        lambda: world.narrow.put_object(bucket, blob, BytesIO(b"x"), 1),
        lambda: world.narrow.put_object(bucket, "uploads/mine", BytesIO(b"x"), 1),
        lambda: world.narrow.put_object(bucket, "incoming/mine", BytesIO(b"x"), 1),
        lambda: world.narrow.get_object(bucket, "staging/mine"),
        lambda: world.narrow.get_object(bucket, "uploads/theirs"),
        lambda: world.narrow.get_object(bucket, f"registries/{bucket}"),
        lambda: world.narrow.remove_object(bucket, blob),
        lambda: world.narrow.remove_object(bucket, "staging/mine"),
        lambda: list(world.narrow.list_objects(bucket, recursive=True)),
        lambda: world.narrow.bucket_exists(bucket),
        lambda: world.narrow.list_buckets() or world.narrow.make_bucket(f"b{uuid.uuid4().hex}"),
        lambda: world.narrow.set_bucket_policy(bucket, "{}"),
    ]
    for attempt in refused:
        with pytest.raises(S3Error) as error:
            attempt()
        assert error.value.code == "AccessDenied"
    for name in ("staging/mine", "uploads/theirs"):
        world.root.remove_object(bucket, name)


def test_a_url_of_a_file_is_given_to_whom_a_download_is_and_counts_as_one(world: World, writer: str) -> None:
    model = world.model(f"{OWN}{uuid.uuid4()}")
    world.ask(writer, "POST", f"{model}/upload", files={"file": ("modèle.bin", CONTENT)})
    downloader, tenant = world.key("downloader"), world.key("downloader", model_prefix="team-b/")
    assert world.ask(writer, "GET", f"{model}/download-url").status_code == 403
    assert world.ask(tenant, "GET", f"{model}/download-url").json()["code"] == "model-not-found"
    assert world.ask(downloader, "GET", f"{model}/download-url?version=v3.0").json()["code"] == "version-not-found"
    assert world.ask(downloader, "GET", f"{world.model()}/download-url").json()["code"] == "file-not-found"
    head = world.ask(downloader, "HEAD", f"{model}/download-url")
    answer = world.ask(downloader, "GET", f"{model}/download-url")
    assert (answer.status_code, head.status_code) == (200, 200)
    assert answer.headers["X-File-Checksum"] == answer.json()["checksum"] == sha256(CONTENT)
    assert (answer.headers["X-Scan-Verdict"], answer.headers["Cache-Control"]) == ("unscanned", "no-store")
    url = answer.json()["url"]
    file = httpx.get(url)
    assert (file.status_code, file.content) == (200, CONTENT)
    assert "UTF-8''mod%C3%A8le.bin" in file.headers["Content-Disposition"]
    assert world.processes.environment["PRESIGN_ACCESS_KEY"] in url
    assert httpx.put(url, content=b"x").status_code == 403
    until(lambda: world.document(model)["download_count"] == 1)
    verdict = {"checksum": sha256(CONTENT), "verdict": "dangerous", "format": "pickle", "scanner": "test"}
    world.ask(world.admin, "POST", f"{model}/versions/v1.0/scan", json=verdict).raise_for_status()
    kept_back = world.ask(downloader, "GET", f"{model}/download-url")
    assert (kept_back.status_code, kept_back.json()["code"]) == (403, "artifact-quarantined")
    assert world.document(model)["download_count"] == 1


def test_the_answers_are_as_the_document_shows_and_no_secret_is_logged(world: World, writer: str) -> None:
    document = world.ask(world.admin, "GET", "/openapi.json").json()["paths"]
    model = world.model()
    begun = world.begin(writer, model, b"small")
    upload = f"{model}/uploads/{begun.json()['upload_id']}"
    answers = {"begin_upload": begun, "get_upload": world.ask(writer, "GET", upload)}
    send(begun.json(), b"small")
    answers["complete_upload"] = world.ask(writer, "POST", f"{upload}/complete")
    answers["get_download_url"] = world.ask(world.admin, "GET", f"{model}/download-url")
    answers["abort_upload"] = world.ask(writer, "DELETE", world.begin(writer, world.model()).headers["Location"])
    compared = 0
    for methods in document.values():
        for one in methods.values():
            if one["operationId"] in answers:
                success = next(answer for status, answer in one["responses"].items() if status.startswith("2"))
                shown = success["content"]["application/json"]["example"]
                assert answers[one["operationId"]].json().keys() == shown.keys(), one["operationId"]
                compared += 1
    assert compared == len(answers)
    logs = "".join(one.read_text() for one in world.processes.directory.glob("*.log"))
    assert world.processes.environment["PRESIGN_SECRET_KEY"] not in logs


def test_it_is_off_unless_it_is_turned_on(http: httpx.Client) -> None:
    model_id = http.post("/api/v1/models", json={"algorithm": "svm"}).json()["model_id"]
    model, body = f"/api/v1/models/{model_id}", {"size_bytes": 1, "checksum": sha256(b"x")}
    upload = f"{model}/uploads/{'0' * 32}"
    calls = [("POST", f"{model}/uploads"), ("GET", upload), ("POST", f"{upload}/complete"), ("DELETE", upload)]
    for method, path in [*calls, ("GET", f"{model}/download-url")]:
        answer = http.request(method, path, json=body if path.endswith("uploads") else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "presign-off"), path
    document = http.get("/openapi.json").json()["paths"]
    for path in ("/api/v1/models/{model_id}/uploads", "/api/v1/models/{model_id}/download-url"):
        assert all("PRESIGN=true" in one["description"] for one in document[path].values())
