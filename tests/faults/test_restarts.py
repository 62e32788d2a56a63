"""Processes and servers stop; commands that need them get 503, nothing acknowledged is lost, all comes back."""

from __future__ import annotations

import signal
import time
import uuid

import httpx
import pytest

from devstack.stack import ServerName
from tests.processes import RegistryProcesses
from tests.servers import Servers

pytestmark = pytest.mark.timeout(180)


def register(http: httpx.Client) -> httpx.Response:
    return http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"})


def until_registered(http: httpx.Client) -> str:
    """Register until it is acknowledged, within a bound."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = register(http)
        if answer.status_code == 201:
            return str(answer.json()["model_id"])
        assert answer.status_code == 503, answer.text
    raise AssertionError("the registry did not recover")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_gateway_that_ends_keeps_what_it_acknowledged(own_processes: RegistryProcesses, number: int) -> None:
    own_processes.start_missing()
    key = {"Idempotency-Key": f"first {number}"}
    body = {"algorithm": "svm"}
    with httpx.Client(base_url=own_processes.url, timeout=30) as http:
        first = http.post("/api/v1/models", json=body, headers=key).json()
        total = http.get("/api/v1/models").json()["pagination"]["total"]
    status = own_processes.stop("gateway", number)
    assert status == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    own_processes.start("gateway")
    with httpx.Client(base_url=own_processes.url, timeout=30) as http:
        again = http.post("/api/v1/models", json=body, headers=key)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json() == first
        assert http.get("/api/v1/models").json()["pagination"]["total"] == total


@pytest.mark.parametrize("server", ["kafka", "mongodb", "minio"])
def test_a_stopped_server_is_a_503_and_comes_back_by_itself(
    stack: Servers, own_processes: RegistryProcesses, server: ServerName
) -> None:
    own_processes.start_missing()
    with httpx.Client(base_url=own_processes.url, timeout=30) as http:
        model_id = register(http).json()["model_id"]
        upload = f"/api/v1/models/{model_id}/upload"
        stack.stop_server(server)
        try:
            began = time.monotonic()
            failing = {
                "kafka": lambda: register(http),
                "mongodb": lambda: http.get(f"/api/v1/models/{model_id}"),
                "minio": lambda: http.post(upload, files={"file": ("m.pkl", b"x")}),
            }[server]()
            assert failing.status_code == 503, failing.text
            assert "Retry-After" in failing.headers
            assert time.monotonic() - began < 12
            if server != "mongodb":
                assert http.get(f"/api/v1/models/{model_id}").status_code == 200
            assert http.get("/health/live").status_code == 200
        finally:
            stack.start_server(server)
        until_registered(http)
        assert http.post(upload, files={"file": ("m.pkl", b"x")}).status_code in (200, 201)
        assert http.get(f"/api/v1/models/{model_id}").status_code == 200
        own_processes.wait_ready("gateway")
        own_processes.wait_ready("projector")
