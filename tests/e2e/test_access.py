"""Every route lets in whom the table of routes names, and nobody else; keys, tokens, and the record of denials."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from tensorfleet.access.roles import Role, held
from tensorfleet.http.access.routes_table import ROUTES, Entry, Limited
from tests.e2e.guarded import FOREIGN, LIMITED, NOT_THERE, OWN, Guarded, until

HIDDEN = {"GET /docs", "GET /docs/oauth2-redirect", "GET /redoc", "GET /openapi.json", "GET /docs/problems"}
INTERNAL = "POST /internal/v2/commands"


def expected(entry: Entry, kind: str | None) -> str:
    """What the table says of this kind of key: `open`, 401, 403, or `in`."""
    if entry.role is None:
        return "open"
    if kind in (None, "unknown", "malformed", "revoked", "expired"):
        return "401"
    roles = held([Role.WRITER, Role.DOWNLOADER, Role.SCANNER]) if kind == LIMITED else held([Role(kind)])
    if entry.role not in roles or (kind == LIMITED and entry.limited is Limited.REFUSED):
        return "403"
    return "in"


def met(guarded: Guarded, method: str, path: str, key: str | None, body: Any) -> str:
    headers = {} if key is None else {"X-API-Key": key}
    with guarded.http.stream(method, path, headers=headers, json=body) as answer:
        status = answer.status_code
        if status in (401, 403):
            answer.read()
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == {401: "invalid-key", 403: "forbidden"}[status]
        if status == 401:
            assert answer.json()["error"] == "Invalid API key" and "Bearer" in answer.headers["www-authenticate"]
    assert status < 500, (method, path, status)
    return str(status) if status in (401, 403) else "in"


def test_every_route_lets_in_whom_the_table_names(guarded: Guarded) -> None:
    document = guarded.ask(guarded.keys["reader"], "GET", "/openapi.json").json()
    documented = {
        f"{method.upper()} {path.replace('{name}', '{name:path}')}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "head"
    }
    assert set(documented) | HIDDEN | {INTERNAL} == set(ROUTES)
    filled = {"{model_id}": NOT_THERE, "{version}": "v1.0", "{name:path}": "not-there", "{schema_id}": "1"}
    for (route, entry), kind in product(ROUTES.items(), [None, *guarded.keys]):
        method, path = route.split(" ")
        for template, value in {**filled, "{subject}": "s", "{key_id}": "0" * 16, "{upload_id}": "0" * 32}.items():
            path = path.replace(template, value)
        path += "?model_id=" + NOT_THERE if path == "/api/v1/audit" else ""  # else it is refused to limited keys
        outcome = expected(entry, kind)
        if route == INTERNAL:
            assert guarded.ask(guarded.keys.get(kind or ""), method, path).status_code == 404
            continue
        got = met(guarded, method, path, guarded.keys.get(kind or ""), {} if method != "GET" else None)
        assert got == {"open": "in"}.get(outcome, outcome), (route, kind)
        if method == "GET" and not path.endswith("/stream"):
            head = met(guarded, "HEAD", path, guarded.keys.get(kind or ""), None) if outcome in ("open", "in") else got
            assert head == got, (route, kind)
        security = documented.get(route, {}).get("security")
        assert route in HIDDEN or bool(security) == (entry.role is not None), route


def test_every_process_asks_for_a_key(guarded: Guarded) -> None:
    for name in guarded.processes.ports:
        url, reader = guarded.processes.url_of(name), {"X-API-Key": guarded.keys["reader"]}
        assert httpx.get(f"{url}/health/live").status_code == 200
        for path in ("/metrics", "/health", "/health/detailed", "/docs"):
            answers = [httpx.get(f"{url}{path}", headers=headers).status_code for headers in ({}, reader)]
            assert answers == [401, 200], (name, path)


def test_who_did_it_comes_from_the_key(guarded: Guarded) -> None:
    key_id, text = guarded.issue(name="pipeline", roles=["writer"])
    bearer = {"Authorization": f"Bearer {text}"}
    body = {"name": "whose", "algorithm": "svm", "created_by": "somebody else"}
    model_id = guarded.ask(None, "POST", "/api/v1/models", headers=bearer, json=body).json()["model_id"]
    assert guarded.ask(text, "GET", f"/api/v1/models/{model_id}").json()["created_by"] == f"pipeline#{key_id}"
    history = guarded.ask(text, "GET", f"/api/v1/models/{model_id}/history").json()["events"]
    assert [event["actor"] for event in history] == [f"pipeline#{key_id}"]
    for method, path in (("PATCH", ""), ("POST", "/versions")):
        answer = guarded.ask(text, method, f"/api/v1/models/{model_id}{path}", json={"created_by": "me"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "created_by")
    nameless = guarded.ask(guarded.keys[LIMITED], "POST", "/api/v1/models", json={"algorithm": "svm"}).json()
    assert nameless["name"].startswith(f"{OWN}Svm_")
    both = guarded.ask(guarded.keys["writer"], "GET", "/api/v1/models", headers=bearer)
    assert both.status_code == 401, "two keys that differ are none"


def test_revoking_reaches_other_processes_and_ends_open_streams(guarded: Guarded) -> None:
    key_id, text = guarded.issue(roles=["reader"])
    elsewhere = f"{guarded.processes.url_of('gateway.two')}/api/v1/models"

    def status() -> int:
        return httpx.get(elsewhere, headers={"X-API-Key": text}, verify=False).status_code

    until(lambda: status() == 200, 5)
    stream = guarded.http.stream("GET", "/api/v1/events/stream", headers={"X-API-Key": text}, timeout=10)
    with stream as live:
        assert live.status_code == 200
        assert guarded.ask(guarded.admin, "DELETE", f"/api/v1/keys/{key_id}").status_code == 200
        assert guarded.ask(text, "GET", "/api/v1/models").status_code == 401
        until(lambda: status() == 401, 5)
        with pytest.raises(httpx.RemoteProtocolError):
            list(live.iter_lines())
    assert guarded.ask(guarded.admin, "DELETE", f"/api/v1/keys/{key_id}").status_code == 200
    assert guarded.status_of(key_id) == "revoked"


def test_a_token_of_the_provider_counts_and_any_other_does_not(guarded: Guarded) -> None:
    def status(token: str, path: str = "/api/v1/models") -> int:
        return guarded.ask(None, "GET", path, headers={"Authorization": f"Bearer {token}"}).status_code

    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    reader = {"roles": ["reader"], "models": OWN}
    assert status(guarded.token(**reader)) == 200
    assert status(guarded.token(roles=["admin"]), "/api/v1/keys") == 200
    assert status(guarded.token(models=OWN)) == 403
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
    assert [status(guarded.token(**{**reader, **claims})) for claims in wrong] == [401] * len(wrong)
    assert status(guarded.token(stranger, **reader)) == 401
    head, claims, _ = guarded.token(**reader).split(".")
    assert [status(one) for one in (f"{head}.{claims}.", f"eyJhbGciOiJub25lIn0.{claims}.", "eyJ.a.b")] == [401] * 3
    listed = guarded.ask(None, "GET", "/api/v1/models", headers={"Authorization": f"Bearer {guarded.token(**reader)}"})
    assert all(row["name"].startswith(OWN) for row in listed.json()["models"])


def test_denials_are_on_record_with_all_but_the_key(guarded: Guarded) -> None:
    key_id, text = guarded.issue(name="curious", roles=["writer"], model_prefix=OWN)
    foreign = guarded.register(guarded.admin, f"{FOREIGN}on-record")

    def records(kind: str) -> list[dict[str, Any]]:
        found = guarded.ask(guarded.admin, "GET", f"/api/v1/audit/denials?kind={kind}").json()["records"]
        return [one for one in found if one["key_id"] == key_id or kind == "used"]

    own = guarded.register(text, f"{OWN}on-record")
    begun = {"size_bytes": 1, "checksum": f"sha256:{'0' * 64}"}
    answer = guarded.ask(guarded.admin, "POST", f"/api/v1/models/{own}/uploads", json=begun)
    upload = answer.headers["Location"].removeprefix(f"/api/v1/models/{own}/")
    batch = [
        {"op": "report_metrics", "model_id": foreign, "metrics": {"a": 1}},
        {"op": "deprecate", "model_id": foreign},
        {"op": "update", "model_id": own, "description": "d"},
    ]
    forbidden = [{"op": "register", "name": f"{FOREIGN}another", "algorithm": "svm"}]
    asked: list[tuple[str, str, Any, str, int]] = [
        ("GET", f"{foreign}", None, "foreign-model", 404),
        ("DELETE", f"{foreign}", None, "foreign-model", 404),
        ("POST", f"{foreign}/upload", None, "foreign-model", 404),
        ("POST", f"{foreign}/uploads", begun, "foreign-model", 404),
        ("GET", f"{own}/{upload}", None, "foreign-upload", 404),
        ("POST", f"{own}/{upload}/complete", None, "foreign-upload", 404),
        ("DELETE", f"{own}/{upload}", None, "foreign-upload", 404),
        ("POST", "batch", {"operations": batch}, "foreign-model", 200),
        ("POST", "batch", {"operations": forbidden}, "limited-key", 200),
    ]
    for method, path, body, _, status in asked:
        answer = guarded.ask(text, method, f"/api/v1/models/{path}", json=body)
        assert answer.status_code == status, (path, answer.text)
    for _ in range(50):
        guarded.ask(text, "GET", "/api/v1/keys")
    until(lambda: sum(one["count"] for one in records("denied") if one["reason"] == "missing-role") == 50, 20)
    denied = Counter[Any]()
    for one in records("denied"):
        assert one["actor"] == f"curious#{key_id}"
        denied[(one["reason"], one["method"], one["route"], one["status"])] += one["count"]
    templates = {foreign: "{model_id}", own: "{model_id}", upload: "uploads/{upload_id}"}
    wanted = Counter({("missing-role", "GET", "/api/v1/keys", 403): 50})
    for method, path, _, reason, status in asked:
        route = f"/api/v1/models/{path}"
        for value, template in templates.items():
            route = route.replace(value, template)
        wanted[(reason, method, route, status)] += 1
    assert denied == wanted, "one for each request, however many of its operations are denied"
    used = {one["route"] for one in records("used") if one["key_id"] == key_id}
    assert "/api/v1/models/batch" in used, "what it changed besides is on record, too"
    assert {one["address"] for one in records("denied")} == {"127.0.0.1"}
    assert sum(one["reason"] == "missing-role" for one in records("denied")) <= 2, "a flood is a few records"
    assert any((one["actor"], one["route"]) == ("admin", "/api/v1/keys") for one in records("used"))


def test_no_secret_is_in_a_log_or_on_record(guarded: Guarded) -> None:
    guarded.http.get(f"/api/v1/models?api_key={guarded.keys['reader']}", headers={"X-API-Key": guarded.keys["unknown"]})
    token = guarded.token(roles=["reader"], models=OWN)
    for shown in (token, token[:-1]):  # the second one is refused
        guarded.ask(None, "GET", "/api/v1/models", headers={"Authorization": f"Bearer {shown}"})
    secrets = [guarded.processes.environment[name] for name in ("MINIO_SECRET_KEY", "PRESIGN_SECRET_KEY")]
    given = [text for kind, text in guarded.keys.items() if kind not in ("unknown", "malformed")]
    told = guarded.logs + guarded.ask(guarded.admin, "GET", "/api/v1/keys").text
    told += guarded.ask(guarded.admin, "GET", "/api/v1/audit/denials").text
    assert "partition" in guarded.logs
    assert [one for one in (*given, guarded.admin, *secrets, token) if one[-20:-1] in told] == []
    assert guarded.ask(None, "GET", "/health/ready").json()["issues"] == {}


def test_without_authentication_everyone_may_do_everything_but_make_keys(http: httpx.Client) -> None:
    issues = http.get("/health/detailed").json()["issues"]
    assert [one for one in issues if "authentication is off" in one] == issues != []
    form = {"name": "for later", "roles": ["admin"]}
    answers = [http.post("/api/v1/keys", json=form), http.delete(f"/api/v1/keys/{'0' * 16}")]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "forbidden")] * 2
    assert http.get("/api/v1/keys").json() == {"keys": [], "total": 0}
    assert http.get("/api/v1/audit/denials").json() == {"records": [], "next": None}
