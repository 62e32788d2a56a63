"""Limits as the real processes have them, from their settings; the rules themselves are tests of units."""

from __future__ import annotations

import socket
import uuid

import httpx

from tests.e2e.guarded import Guarded, until

CALLER = "203.0.113.7"


def test_every_process_limits_and_records_the_address_that_a_trusted_proxy_names(guarded: Guarded) -> None:
    forwarded = {"X-Forwarded-For": f"198.51.100.1, {CALLER}"}
    for name in guarded.processes.ports:
        url = guarded.processes.url_of(name)
        refused = httpx.get(f"{url}/metrics", headers=forwarded)
        assert (refused.status_code, refused.headers["RateLimit-Policy"]) == (401, '"requests";q=100000;w=3600')
        assert int(refused.headers["RateLimit-Remaining"]) > 99_900, "an address of its own"
        long = httpx.get(f"{url}/health/live", headers={"X-Long": "x" * 70_000})
        assert (long.status_code, long.json()["code"]) == (431, "headers-too-large")
    reader = guarded.ask(guarded.keys["reader"], "GET", "/api/v1/models")
    assert reader.headers["RateLimit-Policy"] == '"requests";q=1000000;w=86400'
    declared = guarded.ask(guarded.keys["reader"], "GET", "/openapi.json").json()["paths"]["/api/v1/models"]["get"]
    assert "RateLimit" in declared["responses"]["429"]["headers"]

    def recorded() -> set[str]:
        records = guarded.ask(guarded.admin, "GET", "/api/v1/audit/denials?kind=denied").json()["records"]
        return {one["address"] for one in records if one["route"] == "/metrics"}

    until(lambda: CALLER in recorded())
    assert "198.51.100.1" not in recorded()


def test_one_key_can_not_take_every_upload(guarded: Guarded) -> None:
    writer = guarded.keys["writer"]
    _, other = guarded.issue(roles=["writer"])
    models = [guarded.register(writer, f"n {uuid.uuid4()}") for _ in range(2)]
    with socket.create_connection(("127.0.0.1", guarded.processes.ports["gateway"]), timeout=30) as slow:
        head = f"POST /api/v1/models/{models[0]}/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {writer}\r\n"
        body = "Content-Type: application/octet-stream\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        slow.sendall((head + body).encode())
        assert slow.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n", "the body is asked for once the upload is let in"
        slow.sendall(b"x")

        def upload(key: str) -> httpx.Response:
            binary = {"Content-Type": "application/octet-stream"}
            return guarded.ask(key, "POST", f"/api/v1/models/{models[1]}/upload", content=b"y", headers=binary)

        refused = upload(writer)
        assert (refused.json()["code"], refused.headers["Retry-After"]) == ("too-busy", "2")
        assert upload(other).status_code in (200, 201)
        slow.sendall(b"x")
        assert slow.recv(65536).startswith(b"HTTP/1.1 201")
    assert upload(writer).status_code == 200
