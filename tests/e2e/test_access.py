"""Every route lets in whom the table of routes names, and nobody else; keys, tokens, and the record of denials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from tensorfleet.access.roles import Role, held
from tensorfleet.domain.names import model_id_of
from tensorfleet.http.openapi_examples import REQUESTS
from tensorfleet.http.routes_table import ROUTES, Entry, Limited
from tests.e2e.guarded import FOREIGN, OWN, Guarded, guarded_registry, until
from tests.servers import Servers

HIDDEN = {"GET /docs", "GET /docs/oauth2-redirect", "GET /redoc", "GET /openapi.json", "GET /docs/problems"}
INTERNAL = "POST /internal/v1/commands"
NOT_THERE = "0" * 24
LIMITED = "limited"


@pytest.fixture(scope="module")
def world(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_registry(stack, tmp_path_factory.mktemp("guarded")) as world:
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        expired_id, world.keys["expired"] = world.issue(roles=["admin"], expires_at=soon)
        for role in Role:
            _, world.keys[role] = world.issue(roles=[role])
        _, world.keys[LIMITED] = world.issue(roles=["writer", "downloader"], model_prefix=OWN)
        revoked_id, world.keys["revoked"] = world.issue(roles=["admin"])
        assert world.ask(world.admin, "DELETE", f"/api/v1/keys/{revoked_id}").status_code == 200
        world.keys["unknown"] = "tfr_" + "0" * 16 + "_" + "A" * 43
        world.keys["malformed"] = "let me in"
        until(lambda: status_of_key(world, expired_id) == "expired")
        yield world


def status_of_key(world: Guarded, key_id: str) -> str:
    keys = world.ask(world.admin, "GET", "/api/v1/keys").json()["keys"]
    return str(next(one["status"] for one in keys if one["id"] == key_id))


def expected(entry: Entry, kind: str | None) -> str:
    """What the table says of this kind of key: `open`, 401, 403, or `in`."""
    if entry.role is None:
        return "open"
    if kind in (None, "unknown", "malformed", "revoked", "expired"):
        return "401"
    roles = held([Role.WRITER, Role.DOWNLOADER]) if kind == LIMITED else held([Role(kind)])
    if entry.role not in roles or (kind == LIMITED and entry.limited is Limited.REFUSED):
        return "403"
    return "in"


def met(world: Guarded, method: str, path: str, key: str | None, body: Any) -> str:
    headers = {} if key is None else {"X-API-Key": key}
    with world.http.stream(method, path, headers=headers, json=body) as answer:
        status = answer.status_code
        if status in (401, 403):
            answer.read()
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == {401: "invalid-key", 403: "forbidden"}[status]
        if status == 401:
            assert answer.json()["error"] == "Invalid API key" and "Bearer" in answer.headers["www-authenticate"]
    assert status < 500, (method, path, status)
    return str(status) if status in (401, 403) else "in"


def test_every_route_lets_in_whom_the_table_names(world: Guarded) -> None:
    document = world.ask(world.keys["reader"], "GET", "/openapi.json").json()
    documented = {
        f"{method.upper()} {path.replace('{name}', '{name:path}')}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(documented) | HIDDEN | {INTERNAL} == set(ROUTES)
    filled = {"{model_id}": NOT_THERE, "{version}": "v1.0", "{name:path}": "not-there", "{schema_id}": "1"}
    for (route, entry), kind in product(ROUTES.items(), [None, *world.keys]):
        method, path = route.split(" ")
        for template, value in {**filled, "{subject}": "s", "{key_id}": "0" * 16}.items():
            path = path.replace(template, value)
        outcome = expected(entry, kind)
        if route == INTERNAL:
            assert world.ask(world.keys.get(kind or ""), method, path).status_code == 404
            continue
        got = met(world, method, path, world.keys.get(kind or ""), {} if method != "GET" else None)
        assert got == {"open": "in"}.get(outcome, outcome), (route, kind)
        if method == "GET" and not path.endswith("/stream"):
            head = met(world, "HEAD", path, world.keys.get(kind or ""), None) if outcome in ("open", "in") else got
            assert head == got, (route, kind)
        security = documented.get(route, {}).get("security")
        assert route in HIDDEN or bool(security) == (entry.role is not None), route


def test_of_a_foreign_model_a_limited_key_learns_nothing(world: Guarded) -> None:
    """By every route about one model, and with every body that is right: the answer of a model that is not there."""
    foreign = world.register(world.admin, f"{FOREIGN}hidden", metrics={"accuracy": 0.9})
    world.ask(world.admin, "POST", f"/api/v1/models/{foreign}/upload", files={"file": ("m.bin", b"secret")})
    bodies = {"POST /api/v1/models/{model_id}/metrics": {"metrics": {"loss": 1}}}
    documented = world.ask(world.admin, "GET", "/openapi.json").json()["paths"]
    asked = 0
    for route, entry in ROUTES.items():
        method, template = route.split(" ")
        if "{model_id}" not in template and "{name:path}" not in template:
            continue
        assert entry.limited is Limited.OWN
        operation = documented[template.replace("{name:path}", "{name}")][method.lower()]["operationId"]
        body = bodies.get(route, REQUESTS.get(operation, {} if method in ("POST", "PUT", "PATCH") else None))
        given: dict[str, Any] = {"json": body} if body is not None else {}
        if template.endswith("/upload"):
            given = {"content": b"x", "headers": {"Content-Type": "application/octet-stream"}}
        answers = []
        for model_id, name in ((foreign, f"{FOREIGN}hidden"), (NOT_THERE, "not-there")):
            path = template.replace("{model_id}", model_id).replace("{version}", "v1.0").replace("{name:path}", name)
            answer = world.ask(world.keys[LIMITED], method, path, **given)
            answers.append((answer.status_code, answer.text.replace(model_id, "?")))
            asked += 1
        hidden, absent = answers
        if template.endswith("/by-name/{name:path}"):
            absent = (absent[0], absent[1].replace(model_id_of(name), "?"))
            hidden = (hidden[0], hidden[1].replace(foreign, "?"))
        assert hidden[0] == 404 and hidden == absent, (route, answers)
    assert asked >= 30
    batch = {"operations": [{"op": op, "model_id": foreign} for op in ("archive", "restore", "delete", "version")]}
    results = world.ask(world.keys[LIMITED], "POST", "/api/v1/models/batch", json=batch).json()["results"]
    assert [one["status"] for one in results] == [404] * 4
    assert world.ask(world.admin, "GET", f"/api/v1/models/{foreign}").json()["status"] == "active"
    taken = world.ask(
        world.keys[LIMITED], "POST", "/api/v1/models", json={"name": f"{FOREIGN}hidden", "algorithm": "a"}
    )
    free = world.ask(world.keys[LIMITED], "POST", "/api/v1/models", json={"name": f"{FOREIGN}free", "algorithm": "a"})
    assert taken.status_code == free.status_code == 403 and taken.json() == free.json()
    pair = f"/api/v1/models/compare?ids={foreign},{NOT_THERE}"
    assert world.ask(world.keys[LIMITED], "GET", pair).status_code == 404


def test_everything_that_tells_of_many_models_tells_a_limited_key_of_its_own(world: Guarded) -> None:
    own = world.register(world.keys[LIMITED], f"{OWN}seen", tags=["shared"], metrics={"accuracy": 0.5})
    other = world.register(world.admin, f"{FOREIGN}unseen", tags=["shared"], algorithm="hidden_algorithm")
    for model_id in (own, other):
        upload = world.ask(
            world.admin, "POST", f"/api/v1/models/{model_id}/upload", files={"file": ("m.bin", b"12345")}
        )
        assert upload.status_code == 201
        world.ask(world.admin, "GET", f"/api/v1/models/{model_id}/download").raise_for_status()
    until(lambda: "unseen" in world.ask(world.admin, "GET", "/api/v1/models/popular?window=24h").text)
    until(lambda: f"{FOREIGN}unseen" in world.ask(world.admin, "GET", "/api/v1/events?limit=100").text)
    one = world.ask(world.keys[LIMITED], "GET", "/api/v1/models?tags=shared").json()
    assert [row["id"] for row in one["models"]] == [own] and one["pagination"]["total"] == 1
    reads = [
        "?sort=name&order=asc",
        "?sort=download_count",
        "?sort=metrics.accuracy",
        "?as_of=" + datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "/search?q=seen",
        "/search?q=shared&algorithm=svm",
        "/search?q=team",
        "/popular",
        "/popular?window=24h",
        "/popular?window=30d",
        "/recent",
    ]
    for query in reads:
        answer = world.ask(world.keys[LIMITED], "GET", f"/api/v1/models{query}")
        names = [row["name"] for row in answer.json()["models"]]
        assert f"{OWN}seen" in names and all(name.startswith(OWN) for name in names), (query, answer.text)
        total = answer.json().get("pagination", {"total": len(names)})["total"]
        assert total == len(names), query
        whole = world.ask(world.admin, "GET", f"/api/v1/models{query}").json()["models"]
        assert [row for row in whole if row["name"].startswith(OWN)] == answer.json()["models"], query
    whole = world.ask(world.admin, "GET", "/api/v1/models?limit=100").json()["models"]
    mine = [row for row in whole if row["name"].startswith(OWN)]
    first = world.ask(world.keys[LIMITED], "GET", "/api/v1/models/statistics").json()
    assert first["total_models"] == len(mine) and first["algorithms"] == {"svm": len(mine)}
    assert first["total_downloads"] == first["recent_activity"]["downloads_last_24_hours"] == 1
    assert first["recent_activity"]["models_added_last_7_days"] == len(mine)
    second = world.ask(world.keys[LIMITED], "GET", "/api/v1/statistics").json()
    assert (second["total_models"], second["storage_stats"]["total_size"]) == (len(mine), "5 B")
    events = world.ask(world.keys[LIMITED], "GET", "/api/v1/events?limit=100").json()["events"]
    assert events and all(event["model_name"].startswith(OWN) for event in events)
    with world.http.stream("GET", "/api/v1/events/stream?after=0", headers={"X-API-Key": world.keys[LIMITED]}) as live:
        lines = (json.loads(line[6:]) for line in live.iter_lines() if line.startswith("data: "))
        seen = [next(lines)["id"] for _ in events]
        world.ask(world.admin, "POST", f"/api/v1/models/{other}/archive")
        world.ask(world.admin, "POST", f"/api/v1/models/{own}/archive")
        last = next(lines)
    assert seen == [event["id"] for event in events] and (last["model_id"], last["type"]) == (own, "ModelArchived")
    assert world.ask(world.keys[LIMITED], "GET", "/api/v1/audit").status_code == 403
    assert world.ask(world.keys[LIMITED], "GET", f"/api/v1/audit?model_id={other}").status_code == 404
    assert world.ask(world.keys[LIMITED], "GET", f"/api/v1/audit?model_id={own}").json()["events"]
    past = "/api/v1/statistics?as_of=2020-01-01T00:00:00Z"
    assert world.ask(world.keys[LIMITED], "GET", past).status_code == 403


def test_who_did_it_comes_from_the_key(world: Guarded) -> None:
    key_id, text = world.issue(name="pipeline", roles=["writer"])
    bearer = {"Authorization": f"Bearer {text}"}
    body = {"name": "whose", "algorithm": "svm", "created_by": "somebody else"}
    model_id = world.ask(None, "POST", "/api/v1/models", headers=bearer, json=body).json()["model_id"]
    assert world.ask(text, "GET", f"/api/v1/models/{model_id}").json()["created_by"] == f"pipeline#{key_id}"
    history = world.ask(text, "GET", f"/api/v1/models/{model_id}/history").json()["events"]
    assert [event["actor"] for event in history] == [f"pipeline#{key_id}"]
    for method, path in (("PATCH", ""), ("POST", "/versions")):
        answer = world.ask(text, method, f"/api/v1/models/{model_id}{path}", json={"created_by": "me"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "created_by")
    nameless = world.ask(world.keys[LIMITED], "POST", "/api/v1/models", json={"algorithm": "svm"}).json()
    assert nameless["name"].startswith(f"{OWN}Svm_")
    both = world.ask(world.keys["writer"], "GET", "/api/v1/models", headers=bearer)
    assert both.status_code == 401, "two keys that differ are none"


def test_an_idempotency_key_of_one_key_means_nothing_to_another(world: Guarded) -> None:
    answers = [
        world.ask(key, "POST", "/api/v1/models", headers={"Idempotency-Key": "same"}, json=body)
        for key, body in (
            (world.keys[LIMITED], {"name": f"{OWN}idem", "algorithm": "svm"}),
            (world.keys["writer"], {"name": f"{FOREIGN}idem", "algorithm": "svm"}),
            (world.keys[LIMITED], {"name": f"{OWN}idem", "algorithm": "svm"}),
        )
    ]
    assert [one.status_code for one in answers] == [201] * 3
    assert [one.headers.get("Idempotency-Replayed") for one in answers] == [None, None, "true"]
    assert answers[2].json() == answers[0].json()


def test_revoking_reaches_other_processes_and_ends_open_streams(world: Guarded) -> None:
    key_id, text = world.issue(roles=["reader"])
    elsewhere = f"{world.processes.url_of('query_api')}/api/v1/models"

    def status() -> int:
        return httpx.get(elsewhere, headers={"X-API-Key": text}).status_code

    until(lambda: status() == 200, 5)
    stream = world.http.stream("GET", "/api/v1/events/stream", headers={"X-API-Key": text}, timeout=10)
    with stream as live:
        assert live.status_code == 200
        assert world.ask(world.admin, "DELETE", f"/api/v1/keys/{key_id}").status_code == 200
        assert world.ask(text, "GET", "/api/v1/models").status_code == 401
        until(lambda: status() == 401, 5)
        with pytest.raises(httpx.RemoteProtocolError):
            list(live.iter_lines())
    assert world.ask(world.admin, "DELETE", f"/api/v1/keys/{key_id}").status_code == 200
    assert status_of_key(world, key_id) == "revoked"
    assert world.ask(world.admin, "DELETE", "/api/v1/keys/nonsense").json()["code"] == "key-not-found"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"roles": []}, "roles"),
        ({"roles": ["root"]}, "roles"),
        ({"roles": ["reader"], "name": " "}, "name"),
        ({"roles": ["reader"], "name": "a\nb"}, "name"),
        ({"roles": ["admin"], "model_prefix": "a"}, "model_prefix"),
        ({"roles": ["reader"], "model_prefix": ""}, "model_prefix"),
        ({"roles": ["reader"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"roles": ["reader"], "secret": "x"}, "secret"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_issued(world: Guarded, form: dict[str, Any], field: str) -> None:
    answer = world.ask(world.admin, "POST", "/api/v1/keys", json={"name": "n", **form})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text


def test_a_token_of_the_provider_counts_and_any_other_does_not(world: Guarded) -> None:
    def status(token: str, path: str = "/api/v1/models") -> int:
        return world.ask(None, "GET", path, headers={"Authorization": f"Bearer {token}"}).status_code

    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    reader = {"roles": ["reader"], "models": OWN}
    assert status(world.token(**reader)) == 200
    assert status(world.token(roles=["admin"]), "/api/v1/keys") == 200
    assert status(world.token(models=OWN)) == 403
    wrong = [
        {"iss": "https://other.example"},
        {"aud": "another"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"sub": "a\nb"},
        {"models": None},
        {"models": 7},
    ]
    assert [status(world.token(**{**reader, **claims})) for claims in wrong] == [401] * len(wrong)
    assert status(world.token(stranger, **reader)) == 401
    head, claims, _ = world.token(**reader).split(".")
    assert [status(one) for one in (f"{head}.{claims}.", f"eyJhbGciOiJub25lIn0.{claims}.", "eyJ.a.b")] == [401] * 3
    listed = world.ask(None, "GET", "/api/v1/models", headers={"Authorization": f"Bearer {world.token(**reader)}"})
    assert all(row["name"].startswith(OWN) for row in listed.json()["models"])


def test_denials_are_on_record_with_all_but_the_key(world: Guarded) -> None:
    key_id, text = world.issue(name="curious", roles=["reader"], model_prefix=OWN)
    foreign = world.register(world.admin, f"{FOREIGN}on-record")
    for _ in range(50):
        world.ask(text, "POST", "/api/v1/models", json={"name": "x", "algorithm": "y"})
    world.ask(text, "GET", f"/api/v1/models/{foreign}")

    def records(kind: str) -> list[dict[str, Any]]:
        found = world.ask(world.admin, "GET", f"/api/v1/audit/denials?kind={kind}").json()["records"]
        return [one for one in found if one["key_id"] == key_id or kind == "used"]

    until(lambda: sum(one["count"] for one in records("denied")) == 51, 20)
    denied = {(one["reason"], one["method"], one["route"], one["actor"], one["status"]) for one in records("denied")}
    actor = f"curious#{key_id}"
    assert denied == {
        ("missing-role", "POST", "/api/v1/models", actor, 403),
        ("foreign-model", "GET", "/api/v1/models/{model_id}", actor, 404),
    }
    assert {one["address"] for one in records("denied")} == {"127.0.0.1"}
    assert len(records("denied")) <= 6, "a flood is a few records"
    assert any((one["actor"], one["route"]) == ("admin", "/api/v1/keys") for one in records("used"))


def test_no_secret_is_in_a_log_or_on_record(world: Guarded) -> None:
    world.http.get(f"/api/v1/models?api_key={world.keys['reader']}", headers={"X-API-Key": world.keys["unknown"]})
    minio = world.processes.environment["MINIO_SECRET_KEY"]
    given = [text for kind, text in world.keys.items() if kind not in ("unknown", "malformed")]
    told = world.logs + world.ask(world.admin, "GET", "/api/v1/keys").text
    told += world.ask(world.admin, "GET", "/api/v1/audit/denials").text
    assert "partition" in world.logs
    assert [one for one in (*given, world.admin, minio) if one in told or one.rpartition("_")[2][:20] in told] == []
    assert world.ask(None, "GET", "/health/ready").json()["issues"] == {}
