"""Files that are cut on their way in, that rot in storage, and that nobody wants any more, at the real processes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import time
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from minio import Minio

from devstack.stack import NativeStack
from tensorfleet.cli.__main__ import main
from tests.processes import RegistryProcesses
from tests.servers import Servers

MIB = 1024 * 1024
SECONDS = 30


@pytest.fixture
def minio(stack: Servers) -> Minio:
    return Minio(stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key, secure=False, region="us-east-1")


@pytest.fixture
def environment(registry_processes: RegistryProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands in this process meet the registry of the processes."""
    for name, value in registry_processes.environment.items():
        monkeypatch.setenv(name, value)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def registered(http: httpx.Client) -> str:
    """Under a name that no deleted model had: its versions would go on from those."""
    return str(http.post("/api/v1/models", json={"algorithm": "svm", "name": uuid.uuid4().hex}).json()["model_id"])


def uploads_ended(http: httpx.Client) -> int:
    pattern = r'api_request_duration_seconds_count\{endpoint="/api/v1/models/\{model_id\}/upload".*\} (\d+)'
    return sum(map(int, re.findall(pattern, http.get("/metrics").text)))


def requests(model_id: str, content: bytes) -> list[bytes]:
    """An upload as multipart, as plain bytes, and in chunks."""
    boundary = b"cut-here"
    frame = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="m.bin"\r\n\r\n' % boundary
    multipart = frame + content + b"\r\n--%s--\r\n" % boundary
    line = f"POST /api/v1/models/{model_id}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    plain = line + b"Content-Type: application/octet-stream\r\n"
    checksum = b"X-File-Checksum: sha256:%s\r\n" % hashlib.sha256(content).hexdigest().encode()
    return [
        line
        + b"Content-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n" % (boundary, len(multipart))
        + multipart,
        plain + checksum + b"Content-Length: %d\r\n\r\n" % len(content) + content,
        plain + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(content) + content + b"\r\n0\r\n\r\n",
    ]


def test_an_upload_cut_at_any_byte_leaves_no_event_and_no_blob(
    http: httpx.Client, registry_processes: RegistryProcesses, minio: Minio
) -> None:
    """Every byte of the frames, and some of the content; files that are kept in memory, and ones sent on in parts."""
    model_id, bucket = registered(http), registry_processes.registry_id
    before, ended, sent = registry_processes.log_ends(), uploads_ended(http), 0
    port = registry_processes.ports["gateway"]
    contents = [os.urandom(2000), os.urandom(18 * MIB)]
    for content in contents:
        for request in requests(model_id, content):
            head, body = request.index(b"\r\n\r\n") + 4, len(request)
            every = 40 if len(content) > MIB else 3
            near_ends = {*range(head, head + 90, every), *range(body - 60, body, every), body - 1}
            for cut in sorted({head // 2, *near_ends, head + (body - head) // 2}):
                with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                    connection.sendall(request[:cut])
                sent += cut >= head
    wait_for(lambda: uploads_ended(http) >= ended + sent)
    assert registry_processes.log_ends() == before
    keys = {one.object_name for one in minio.list_objects(bucket, recursive=True)}
    assert not {f"sha256/{hashlib.sha256(one).hexdigest()}" for one in contents} & keys
    assert not [one for one in keys if one.startswith("incoming/")]
    assert http.get(f"/api/v1/models/{model_id}").json()["file_metadata"] is None


@pytest.mark.parametrize("size", [5000, 5 * MIB])
def test_a_damaged_file_is_not_given_out_is_recorded_and_is_mended_by_uploading_it_again(
    http: httpx.Client, registry_processes: RegistryProcesses, minio: Minio, size: int
) -> None:
    model_id, content = registered(http), os.urandom(size)
    url = f"/api/v1/models/{model_id}"
    assert http.post(f"{url}/upload", files={"file": ("m.bin", content)}).status_code == 201
    damaged = content[:-1] + bytes([content[-1] ^ 1])
    key = f"sha256/{hashlib.sha256(content).hexdigest()}"
    minio.put_object(registry_processes.registry_id, key, BytesIO(damaged), size)

    if size > 2 * MIB:
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(f"{url}/download")
    else:
        refused = http.get(f"{url}/download")
        assert (refused.status_code, refused.json()["code"]) == (503, "blob-corrupt")
    assert re.search(r'blobs_corrupt_total\{found_by="download"\} [1-9]', http.get("/metrics").text)

    def events() -> list[Any]:
        return [one for one in http.get(f"{url}/history").json()["events"] if one["type"].startswith("Artifact")]

    wait_for(lambda: any(one["type"] == "ArtifactFoundCorrupt" for one in events()))
    assert http.get(url).json()["download_count"] == 0

    again = http.post(f"{url}/upload", files={"file": ("m.bin", content)})
    assert again.status_code == 200, again.text
    assert http.get(f"{url}/download").content == content
    assert [one["type"] for one in events()] == ["ArtifactFoundCorrupt", "ArtifactRepaired"]


def test_a_bit_that_rots_on_the_disk_of_the_store_is_recorded_by_a_download(
    http: httpx.Client, registry_processes: RegistryProcesses, stack: Servers
) -> None:
    if not isinstance(stack, NativeStack):
        pytest.skip("the disk of a container is out of reach")
    model_id, content = registered(http), os.urandom(5 * MIB)
    url = f"/api/v1/models/{model_id}"
    assert http.post(f"{url}/upload", files={"file": ("m.bin", content)}).status_code == 201
    bucket = stack.directory / "minio" / "data" / registry_processes.registry_id
    (part,) = (bucket / "sha256" / hashlib.sha256(content).hexdigest()).glob("*/part.1")
    with part.open("r+b") as file:
        file.seek(3 * MIB)
        byte = file.read(1)
        file.seek(3 * MIB)
        file.write(bytes([byte[0] ^ 1]))
    with contextlib.suppress(httpx.RemoteProtocolError):  # cut short
        assert http.get(f"{url}/download").status_code == 503
    wait_for(lambda: any(e["type"] == "ArtifactFoundCorrupt" for e in http.get(f"{url}/history").json()["events"]))


def test_what_has_been_archived_for_long_is_deleted_unless_it_was_restored(
    http: httpx.Client, registry_processes: RegistryProcesses, capsys: pytest.CaptureFixture[str], environment: None
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["cleanup-archived", "--url", registry_processes.url, *arguments])
        return int(ended.value.code or 0), capsys.readouterr().out

    archived, restored, partly, active = (registered(http) for _ in range(4))
    for one in (archived, restored):
        http.post(f"/api/v1/models/{one}/archive")
    http.post(f"/api/v1/models/{restored}/restore")
    http.post(f"/api/v1/models/{partly}/versions")
    http.post(f"/api/v1/models/{partly}/archive", json={"version": "v1.0"})

    assert "is not set" in run()[1]
    assert archived not in run("--days", "1")[1]
    status, told = run("--days", "0")
    assert status == 0 and "Nothing was deleted" in told
    assert archived in told and f"{partly} v1.0" in told and restored not in told and active not in told
    assert http.get(f"/api/v1/models/{archived}").status_code == 200

    assert http.delete(f"/api/v1/models/{restored}?if_status=archived").json()["code"] == "other-status"
    assert http.delete(f"/api/v1/models/{active}/versions/v1.0?if_status=archived").json()["code"] == "other-status"
    assert http.delete(f"/api/v1/models/{active}?if_status=gone").status_code == 422
    assert run("--days", "0", "--delete")[0] == 0
    assert http.get(f"/api/v1/models/{archived}").status_code == 404
    assert http.get(f"/api/v1/models/{partly}/versions/v1.0").status_code == 404
    for one in (restored, partly, active):
        assert http.get(f"/api/v1/models/{one}").status_code == 200


def test_a_deleted_model_comes_back_only_with_all_of_its_files(
    http: httpx.Client, registry_processes: RegistryProcesses, minio: Minio
) -> None:
    bucket, contents = registry_processes.registry_id, [os.urandom(100) for _ in range(2)]
    model_id = registered(http)
    url = f"/api/v1/models/{model_id}"
    for content in contents:
        assert http.post(f"{url}/versions", json={}).status_code == 201
        assert http.post(f"{url}/upload", files={"file": ("m.bin", content)}).status_code == 201
    assert http.delete(url).status_code == 200
    key = f"sha256/{hashlib.sha256(contents[0]).hexdigest()}"
    minio.remove_object(bucket, key)
    refused = http.post(f"{url}/restore")
    assert (refused.status_code, refused.json()["code"]) == (409, "blobs-gone")
    minio.put_object(bucket, key, BytesIO(contents[0]), 100)
    restored = http.post(f"{url}/restore")
    assert restored.status_code == 200, restored.text
    download = http.get(f"{url}/download", params={"version": "v1.1"})
    assert (download.status_code, download.content) == (200, contents[0]), download.text

    def marks() -> list[Any]:
        return list(minio.list_objects(bucket, "claim-", recursive=True))

    wait_for(lambda: not marks())
