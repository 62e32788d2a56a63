"""Whose pages may change a registry that asks for no keys; `tests/e2e/hostile_cases.py` has those who may not."""

from __future__ import annotations

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from tensorfleet.http.app import make_app
from tensorfleet.http.metrics import Metrics

FOREIGN = {"Origin": "https://stranger.example", "Sec-Fetch-Site": "cross-site"}


def client(cors_origins: str) -> TestClient:
    router = APIRouter()

    @router.post("/api/v1/models")
    @router.get("/api/v1/models")
    async def answer() -> None: ...

    app = make_app("test", Metrics(), [router], cors_origins=cors_origins, on_unexpected=print)
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
