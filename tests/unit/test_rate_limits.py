"""How often one client may ask: by key, by address, with what is open to all, and with what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import Response
from starlette.testclient import TestClient

from tensorfleet.access.audit import Access
from tensorfleet.access.denials import Denied, Reason
from tensorfleet.access.principal import Principal
from tensorfleet.access.roles import Role, held
from tensorfleet.domain.errors import SettingsInvalid, TooBusy
from tensorfleet.http.access import rate_limits
from tensorfleet.http.access.guard import Guard
from tensorfleet.http.access.rate_limits import RateLimits
from tensorfleet.http.access.routes_table import Public
from tensorfleet.http.app import make_app
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.upload_slots import UploadSlots
from tensorfleet.settings import Settings, load
from tests.unit.bounded_server import SECRETS, SERVERS, settings

FILE = "/api/v1/models/1/download"
READS = "/api/v1/models"


@dataclass
class World:
    """Every text of one letter is a key."""

    log: list[Access] = field(default_factory=list)
    called: int = 0

    def authenticate(self, text: str, now: int) -> Principal:
        if len(text) > 1:
            raise Denied(Reason.UNKNOWN)
        return Principal(f"{text}#{text}", held([Role.DOWNLOADER]), None, key_id=text)

    def still_counts(self, principal: Principal, now: int) -> bool:
        return True

    def add(self, access: Access) -> None:
        self.log.append(access)

    def app(self, *, auth: bool, **given: Any) -> Any:
        router = APIRouter()

        @router.get(READS)
        @router.get("/api/v1/models/{model_id}/download")
        @router.get("/metrics")
        @router.get("/health/ready")
        async def answer() -> Response:
            self.called += 1
            return Response(b"here")

        limits = RateLimits(settings(**given), by_default=auth)
        guard = Guard(self, self, frozenset({Public.METRICS})) if auth else None
        return make_app("test", Metrics(), [router], cors_origins="", on_unexpected=print, guard=guard, limits=limits)

    def client(self, *, auth: bool = True, address: str = "192.0.2.1", **given: Any) -> TestClient:
        return TestClient(self.app(auth=auth, **given), client=(address, 4711))


def statuses(client: TestClient, path: str, times: int, key: str | None = None) -> list[int]:
    headers = {} if key is None else {"X-API-Key": key}
    return [client.get(path, headers=headers).status_code for _ in range(times)]


def is_refusal(answer: httpx.Response, limit: int, seconds: int, name: str = "requests") -> bool:
    members = answer.json()
    wait = int(answer.headers["Retry-After"])
    return (
        (answer.status_code, members["code"], members["retry_after"]) == (429, "too-many-requests", wait)
        and 0 < wait <= seconds / limit + 1
        and f'"{name}";q={limit};w={seconds}' in answer.headers["RateLimit-Policy"]
        and f'"{name}";r=0;t={wait}' in answer.headers["RateLimit"]
        and answer.headers["RateLimit-Limit"] == str(limit)
        and (answer.headers["RateLimit-Remaining"], answer.headers["RateLimit-Reset"]) == ("0", str(wait))
    )


def test_with_authentication_on_an_address_without_a_key_has_100_requests_an_hour() -> None:
    """What is open to all and what is refused count together; a key that counts goes on."""
    world = World()
    client = world.client()
    first = client.get("/metrics")
    assert (first.headers["RateLimit"], first.headers["RateLimit-Remaining"]) == ('"requests";r=99;t=36', "99")
    assert statuses(client, READS, 40) == [401] * 40
    assert statuses(client, READS, 40, "wrong") == [401] * 40
    assert statuses(client, "/docs/problems", 19) == [200] * 19
    for path in ("/metrics", READS):
        assert is_refusal(client.get(path), 100, 3600)
    assert [(one.reason, one.status, one.address) for one in world.log[-2:]] == [
        ("too-many-requests", 429, "192.0.2.1"),
        ("no-key", 429, "192.0.2.1"),
    ]
    called = world.called
    assert statuses(client, READS, 120, "a") == [200] * 120
    assert "RateLimit" not in client.get(READS, headers={"X-API-Key": "a"}).headers
    assert statuses(client, "/health/ready", 120) == [200] * 120
    assert world.called == called + 241
    assert client.get(READS, headers={"X-API-Key": "wrong"}).status_code == 429


def test_keys_have_limits_of_their_own_and_downloads_another() -> None:
    world = World()
    client = world.client(key_rate_limit="15/min")
    assert statuses(client, FILE, 10, "a") == [200] * 10
    assert is_refusal(client.get(FILE, headers={"X-API-Key": "a"}), 10, 60, "downloads")
    assert is_refusal(client.get(FILE, headers={"X-API-Key": "a", "Range": "bytes=5-"}), 10, 60, "downloads")
    assert client.head(FILE, headers={"X-API-Key": "a"}).status_code == 200
    assert statuses(client, READS, 2, "a") == [200] * 2
    assert is_refusal(client.get(READS, headers={"X-API-Key": "a"}), 15, 60)
    assert statuses(client, READS, 15, "b") == [200] * 15
    assert world.called == 28
    assert {(one.actor, one.reason) for one in world.log} == {("a#a", "too-many-requests")}


def test_without_authentication_nothing_is_limited_but_what_is_set() -> None:
    assert statuses(World().client(auth=False), FILE, 120) == [200] * 120
    client = World().client(auth=False, rate_limit="3/min", download_rate_limit="1/day")
    assert statuses(client, READS, 1) + statuses(client, FILE, 2) == [200, 200, 429]
    assert is_refusal(client.get(READS), 3, 60)
    off = World().client(auth=True, rate_limit="off", download_rate_limit="off")
    assert statuses(off, "/metrics", 120) + statuses(off, FILE, 20, "a") == [200] * 140


def test_addresses_count_apart_and_those_of_one_ipv6_network_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "KEPT", 50)
    app = World().app(auth=False, rate_limit="2/hour")

    def ask(address: str) -> int:
        return TestClient(app, client=(address, 1)).get(READS).status_code

    assert [ask("192.0.2.1") for _ in range(3)] == [200, 200, 429]
    assert ask("192.0.2.2") == 200
    assert [ask(one) for one in ("2001:db8::1", "2001:db8::2", "2001:db8::3")] == [200, 200, 429]
    assert ask("::ffff:192.0.2.1") == 429
    assert ask("2001:db8:0:1::1") == 200
    assert [ask(f"198.51.100.{number}") for number in range(49)] == [200] * 49
    assert ask("192.0.2.1") == 200, "forgotten, for 50 others came since: memory does not grow"


def test_the_document_says_where_there_may_be_too_many() -> None:
    document = World().app(auth=True).openapi()
    assert "429" in document["paths"][READS]["get"]["responses"]
    assert "429" not in document["paths"]["/health/ready"]["get"]["responses"]


def test_one_client_has_a_quarter_of_the_uploads() -> None:
    slots = UploadSlots(8)
    with slots.one("a"), slots.one("a"):
        with pytest.raises(TooBusy), slots.one("a"):
            pass
        others = [slots.one(one) for one in "bbccdd"]
        for one in others:
            one.__enter__()
        with pytest.raises(TooBusy), slots.one("e"):
            pass
        for one in others:
            one.__exit__(None, None, None)
    with slots.one("a"), slots.one("a"):
        pass


@pytest.mark.parametrize(
    ("name", "text"),
    [("RATE_LIMIT", one) for one in ("100", "0/h", "-1/h", "1/week", "1 per hour", "1/h;drop", "none")]
    + [("TRUSTED_PROXIES", one) for one in ("*", "proxy", "10.0.0.1/8", "10.0.0.0/33")]
    + [("MAX_CONNECTIONS", "0"), ("MAX_UPLOADS", "many")],
)
def test_a_limit_that_can_not_be_read_stops_the_start(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for server, value in (SERVERS | SECRETS).items():
        monkeypatch.setenv(server.upper(), value)
    assert load(Settings).trusted_proxies == ()
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsInvalid, match=name):
        load(Settings)
