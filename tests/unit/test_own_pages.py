"""Whose pages may change a registry that asks for no keys; `tests/e2e/hostile_cases.py` has those who may not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.testclient import TestClient

from tensorfleet.http.app import make_app
from tensorfleet.http.metrics import Metrics
from tests.unit.bounded_server import settings

KEY = "kqN3vY_zT7wLb2RxHs9dFgJm4cPaUe8iQ1oZ"
FOREIGN = {"Origin": "https://stranger.example", "Sec-Fetch-Site": "cross-site"}


def client(cors_origins: str, hosts: Collection[str] | None = None) -> TestClient:
    router = APIRouter()

    @router.post("/api/v1/models")
    @router.get("/api/v1/models")
    async def answer() -> None: ...

    @router.get("/health/live")
    async def probe() -> None: ...

    app = make_app("test", Metrics(), [router], cors_origins=cors_origins, hosts=hosts, on_unexpected=print)
    return TestClient(app, base_url="http://registry:8084")


@pytest.mark.parametrize(
    ("cors_origins", "status"),
    [
        ("", 403),
        (" , ", 403),
        ("https://a.example", 403),
        ("https://a.example, https://stranger.example", 200),
        ("*", 200),
    ],
)
def test_pages_of_the_origins_that_are_named_may_send_commands(cors_origins: str, status: int) -> None:
    assert client(cors_origins).post("/api/v1/models", headers=FOREIGN).status_code == status
    assert client(cors_origins).get("/api/v1/models", headers=FOREIGN).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://registry:8084"}, 200),
        ({"Origin": "http://registry"}, 403),
        ({"Origin": "http://registry:8084", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": ""}, 403),
    ],
)
def test_a_browser_is_asked_where_a_command_comes_from(headers: dict[str, str], status: int) -> None:
    answer = client("https://a.example").post("/api/v1/models", headers=headers)
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "foreign-page"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost:8084", 200),
        ("127.0.0.1:8084", 200),
        ("192.0.2.1", 200),
        ("[::1]:8084", 200),
        ("registry.example:443", 200),
        ("stranger.example:8084", 403),
        ("localhost.stranger.example", 403),
        ("registry.example.", 200),
        ("localhost.", 200),
        ("127.0.0.1.stranger.example", 403),
        ("[::1", 403),
        ("[localhost]", 403),
        ("::1", 403),
        ("", 403),
    ],
)
def test_a_site_whose_name_points_here_reads_and_changes_nothing(host: str, status: int) -> None:
    asked = client("*", ["registry.example"])
    for method in ("GET", "HEAD", "POST"):
        answer = asked.request(method, "/api/v1/models", headers={"Host": host})
        assert answer.status_code == status
        assert status == 200 or method == "HEAD" or answer.json()["code"] == "foreign-host"
    assert asked.get("/health/live", headers={"Host": host}).status_code == 200
    assert client("*").get("/api/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({}, frozenset()),
        ({"host": "::1"}, frozenset()),
        ({"host": "localhost"}, frozenset()),
        ({"host": "LocalHost"}, frozenset()),
        ({"host": "::ffff:127.0.0.1"}, frozenset()),
        ({"host": "no such name"}, None),
        ({"host": "0.0.0.0"}, None),
        ({"host": "0.0.0.0", "allowed_hosts": "A.example, b"}, frozenset({"a.example", "b"})),
        ({"allowed_hosts": "a.example"}, frozenset({"a.example"})),
        ({"enable_auth": True, "admin_api_key": KEY, "minio_secret_key": KEY}, None),
    ],
)
def test_names_count_on_ones_own_machine_and_where_they_are_given(
    given: dict[str, Any], hosts: frozenset[str] | None
) -> None:
    assert settings(**given).own_hosts == hosts


@pytest.mark.parametrize("names", ["*", "*.example", "a:8084", "https://a", "b\u00fccher.example", "a..b", "a b"])
def test_what_browsers_never_call_a_host_is_no_name(names: str) -> None:
    with pytest.raises(ValidationError, match="is no list of host names"):
        settings(allowed_hosts=names)
