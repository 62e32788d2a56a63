"""An instance starts from a snapshot if the log confirms it, and from the log's beginning if not; it knows the same."""

from __future__ import annotations

import io
import uuid

import httpx
import pytest
from minio import Minio

from tests.processes import RegistryProcesses
from tests.servers import Servers

pytestmark = pytest.mark.timeout(180)
MODELS = 30


def accepted(processes: RegistryProcesses) -> int:
    """How many events the gateway has read since it started."""
    lines = httpx.get(f"{processes.url}/metrics").text.splitlines()
    return int(float(next((one.split()[1] for one in lines if one.startswith('log_records_total{verdict="acc')), "0")))


def bucket(stack: Servers) -> Minio:
    return Minio(stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key, secure=False)


def snapshots(stack: Servers, processes: RegistryProcesses) -> list[str]:
    found = bucket(stack).list_objects(processes.registry_id, prefix="snapshots/", recursive=True)
    return [str(one.object_name) for one in found]


@pytest.mark.parametrize("spoil", [None, "damaged", "of another partition"])
def test_a_start_from_snapshots(stack: Servers, own_processes: RegistryProcesses, spoil: str | None) -> None:
    own_processes.environment["SNAPSHOT_EVERY"] = "1"
    own_processes.start_missing()
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with httpx.Client(base_url=own_processes.url, timeout=30) as http:
        first = http.post("/api/v1/models", json={"algorithm": "svm"}, headers=key).json()
        for number in range(MODELS):
            assert (
                http.post("/api/v1/models", json={"name": f"{spoil} {number}", "algorithm": "svm"}).status_code == 201
            )
    own_processes.wait_until(lambda: len(snapshots(stack, own_processes)) == 6, "gateway")
    own_processes.stop("gateway", 9)
    names = snapshots(stack, own_processes)
    if spoil is not None:
        other = bucket(stack).get_object(own_processes.registry_id, names[0]).read()
        content = b"damaged" if spoil == "damaged" else other
        for name in names[1:]:
            bucket(stack).put_object(own_processes.registry_id, name, io.BytesIO(content), len(content))

    own_processes.start("gateway")
    read = accepted(own_processes)
    assert read < MODELS + 1 if spoil is None else read > 0
    with httpx.Client(base_url=own_processes.url, timeout=30) as http:
        again = http.post("/api/v1/models", json={"algorithm": "svm"}, headers=key)
        assert (again.json(), again.headers["Idempotency-Replayed"]) == (first, "true")
        for number in range(MODELS):
            taken = http.post("/api/v1/models", json={"name": f"{spoil} {number}", "algorithm": "svm"})
            assert taken.status_code == 409
            model_id = taken.json()["model_id"]
            version = http.post(f"/api/v1/models/{model_id}/versions")
            assert (version.status_code, version.json()["version"]) == (201, "v1.1")
            assert http.get(f"/api/v1/models/{model_id}").json()["name"] == f"{spoil} {number}"
