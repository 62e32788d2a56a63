"""The guard alone: no route without an entry, one credential, and nothing of a refused request is read."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.testclient import TestClient

from tensorfleet.access.audit import Access
from tensorfleet.access.denials import Denied, Reason
from tensorfleet.access.principal import NamePrefix, Principal
from tensorfleet.access.roles import Role, held
from tensorfleet.http.access.guard import MOST_CREDENTIAL, Guard, note_denial, principal_of
from tensorfleet.http.access.routes_table import Public
from tensorfleet.http.app import make_app
from tensorfleet.http.metrics import Metrics

READER = Principal("ann#1", held([Role.READER]), None, key_id="1")
LIMITED = Principal("bob#2", held([Role.WRITER]), NamePrefix("b/"), key_id="2")


@dataclass
class World:
    """Takes the keys `reader` and `limited`."""

    log: list[Access] = field(default_factory=list)
    called: list[str] = field(default_factory=list)

    def authenticate(self, text: str, now: int) -> Principal:
        if text not in ("reader", "limited"):
            raise Denied(Reason.UNKNOWN)
        return READER if text == "reader" else LIMITED

    def still_counts(self, principal: Principal, now: int) -> bool:
        return True

    def add(self, access: Access) -> None:
        self.log.append(access)

    def app(self, public: frozenset[Public] = frozenset()) -> FastAPI:
        router = APIRouter()

        @router.get("/api/v1/models/{model_id}")
        @router.post("/api/v1/models/{model_id}/metrics")
        async def noted(request: Request) -> Response:
            note_denial(request, Reason.FOREIGN)
            return Response(status_code=404 if request.method == "GET" else 200)

        @router.post("/api/v1/models")
        @router.get("/api/v1/models")
        @router.get("/metrics")
        @router.get("/health/live")
        async def answer(request: Request) -> Response:
            self.called.append(principal_of(request).actor)
            return Response(await request.body())

        guard = Guard(self, self, public)
        return make_app("test", Metrics(), [router], cors_origins="https://a.example", on_unexpected=print, guard=guard)

    def client(self, *public: Public) -> TestClient:
        return TestClient(self.app(frozenset(public)))


@pytest.mark.parametrize("kind", ["route", "mount"])
def test_an_app_with_a_route_that_is_not_in_the_table_does_not_start(kind: str) -> None:
    router = APIRouter()
    if kind == "mount":
        router.mount("/api/v1/models", FastAPI())
    else:
        router.add_api_route("/api/v1/forgotten", lambda: None)
    with pytest.raises(LookupError):
        make_app("test", Metrics(), [router], cors_origins="", on_unexpected=print)


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ([], 401, Reason.NO_KEY),
        ([("X-API-Key", "reader")], 200, None),
        ([("Authorization", "bearer  reader")], 200, None),
        ([("X-API-Key", "reader"), ("Authorization", "Bearer reader")], 200, None),
        ([("X-API-Key", "reader"), ("X-API-Key", "limited")], 401, Reason.MALFORMED),
        ([("X-API-Key", "reader"), ("Authorization", "Bearer other")], 401, Reason.MALFORMED),
        ([("X-API-Key", "reader"), ("Authorization", "Basic cmVhZGVy")], 401, Reason.MALFORMED),
        ([("X-API-Key", "")], 401, Reason.MALFORMED),
        ([("X-API-Key", "reader" * MOST_CREDENTIAL)], 401, Reason.MALFORMED),
        ([("X-API-Key", "r\xe9ader".encode("latin-1"))], 401, Reason.UNKNOWN),
    ],
)
def test_a_request_shows_one_key_in_one_of_two_places(
    headers: list[tuple[str, str | bytes]], status: int, reason: Reason | None
) -> None:
    world = World()
    answer = world.client().get("/api/v1/models", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, world.called) == (status, ["ann#1"] if status == 200 else [])
    assert [one.reason for one in world.log] == ([] if reason is None else [reason])


def test_what_is_refused_never_reaches_the_route_and_what_is_open_has_no_name() -> None:
    world = World()
    client = world.client()
    reader, limited = {"X-API-Key": "reader"}, {"X-API-Key": "limited"}
    assert client.post("/api/v1/models", content=b"body", headers=reader).status_code == 403
    assert client.get("/metrics", headers=limited).status_code == 403
    assert client.get("/metrics").status_code == client.head("/api/v1/models").status_code == 401
    assert world.called == []
    assert client.post("/api/v1/models", content=b"body", headers=limited).text == "body"
    assert client.get("/health/live", headers=reader).status_code == 200
    assert world.client(Public.METRICS).get("/metrics").status_code == 200
    assert world.called == ["bob#2", "anonymous", "anonymous"]
    assert [(one.kind, one.actor, one.reason, one.status) for one in world.log] == [
        ("denied", "ann#1", "missing-role", 403),
        ("denied", "bob#2", "limited-key", 403),
        ("denied", "anonymous", "no-key", 401),
        ("denied", "anonymous", "no-key", 401),
        ("used", "bob#2", "", 200),
    ]
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/api/v1/models", headers=preflight).status_code == 200
    assert client.options("/api/v1/models").status_code == 204
    assert client.delete("/api/v1/models").status_code == 405


def test_what_a_route_notes_as_denied_is_on_record_for_every_key_and_hides_nothing_that_was_done() -> None:
    world = World()
    client = world.client()
    for key in ("reader", "limited"):
        assert client.get("/api/v1/models/m", headers={"X-API-Key": key}).status_code == 404
    assert client.post("/api/v1/models/m/metrics", headers={"X-API-Key": "limited"}).status_code == 200
    assert [(one.kind, one.actor, one.reason, one.status) for one in world.log] == [
        ("denied", "ann#1", "foreign-model", 404),
        ("denied", "bob#2", "foreign-model", 404),
        ("denied", "bob#2", "foreign-model", 200),
        ("used", "bob#2", "", 200),
    ]
