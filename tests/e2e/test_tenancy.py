"""A key that is limited to a prefix of model names: of everything else it learns nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx

from tensorfleet.access.roles import Role
from tensorfleet.domain.names import model_id_of
from tensorfleet.http.access.routes_table import ROUTES, Limited
from tensorfleet.http.openapi.examples import REQUESTS
from tests.e2e.guarded import FOREIGN, LIMITED, NOT_THERE, OWN, Guarded, until


def test_of_a_foreign_model_a_limited_key_learns_nothing(guarded: Guarded) -> None:
    """By every route about one model, and with every body that is right: the answer of a model that is not there."""
    key = guarded.keys[LIMITED]
    foreign = guarded.register(guarded.admin, f"{FOREIGN}hidden", metrics={"accuracy": 0.9})
    guarded.ask(guarded.admin, "POST", f"/api/v1/models/{foreign}/upload", files={"file": ("m.bin", b"secret")})
    documented = guarded.ask(guarded.admin, "GET", "/openapi.json").json()["paths"]
    asked = 0
    for route, entry in ROUTES.items():
        method, template = route.split(" ")
        if "{model_id}" not in template and "{name:path}" not in template:
            continue
        if entry.role is Role.ADMIN:
            continue  # no key that is limited can have it
        assert entry.limited is Limited.OWN
        operation = documented[template.replace("{name:path}", "{name}")][method.lower()]["operationId"]
        body = REQUESTS.get(operation, {} if method in ("POST", "PUT", "PATCH") else None)
        given: dict[str, Any] = {"json": body} if body is not None else {}
        if template.endswith("/upload"):
            given = {"content": b"x", "headers": {"Content-Type": "application/octet-stream"}}
        answers = []
        for model_id, name in ((foreign, f"{FOREIGN}hidden"), (NOT_THERE, "not-there")):
            path = template.replace("{model_id}", model_id).replace("{version}", "v1.0").replace("{name:path}", name)
            path = path.replace("{upload_id}", "1" * 32)
            answer = guarded.ask(key, method, path, **given)
            answers.append((answer.status_code, answer.text.replace(model_id, "?")))
            asked += 1
        hidden, absent = answers
        if template.endswith("/by-name/{name:path}"):
            absent = (absent[0], absent[1].replace(model_id_of(name), "?"))
            hidden = (hidden[0], hidden[1].replace(foreign, "?"))
        assert hidden[0] == 404 and hidden == absent, (route, answers)
    assert asked >= 30
    batch = {"operations": [{"op": op, "model_id": foreign} for op in ("archive", "restore", "delete", "version")]}
    results = guarded.ask(key, "POST", "/api/v1/models/batch", json=batch).json()["results"]
    assert [one["status"] for one in results] == [404] * 4
    assert guarded.ask(guarded.admin, "GET", f"/api/v1/models/{foreign}").json()["status"] == "active"
    taken = guarded.ask(key, "POST", "/api/v1/models", json={"name": f"{FOREIGN}hidden", "algorithm": "a"})
    free = guarded.ask(key, "POST", "/api/v1/models", json={"name": f"{FOREIGN}free", "algorithm": "a"})
    assert taken.status_code == free.status_code == 403 and taken.json() == free.json()
    pair = f"/api/v1/models/compare?ids={foreign},{NOT_THERE}"
    assert guarded.ask(key, "GET", pair).status_code == 404


def test_everything_that_tells_of_many_models_tells_a_limited_key_of_its_own(guarded: Guarded) -> None:
    key = guarded.keys[LIMITED]
    own = guarded.register(key, f"{OWN}seen", tags=["shared"], metrics={"accuracy": 0.5})
    other = guarded.register(guarded.admin, f"{FOREIGN}unseen", tags=["shared"], algorithm="hidden_algorithm")
    for model_id in (own, other):
        upload = guarded.ask(
            guarded.admin, "POST", f"/api/v1/models/{model_id}/upload", files={"file": ("m.bin", b"12345")}
        )
        assert upload.status_code == 201
        guarded.ask(guarded.admin, "GET", f"/api/v1/models/{model_id}/download").raise_for_status()
    until(lambda: "unseen" in guarded.ask(guarded.admin, "GET", "/api/v1/models/popular?window=24h").text)
    until(lambda: "unseen" in guarded.ask(guarded.admin, "GET", f"/api/v1/events?model_id={other}").text)
    one = guarded.ask(key, "GET", "/api/v1/models?tags=shared").json()
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
        answer = guarded.ask(key, "GET", f"/api/v1/models{query}")
        names = [row["name"] for row in answer.json()["models"]]
        assert f"{OWN}seen" in names and all(name.startswith(OWN) for name in names), (query, answer.text)
        total = answer.json().get("pagination", {"total": len(names)})["total"]
        assert total == len(names), query
        whole = guarded.ask(guarded.admin, "GET", f"/api/v1/models{query}").json()["models"]
        assert [row for row in whole if row["name"].startswith(OWN)] == answer.json()["models"], query
    whole = guarded.ask(guarded.admin, "GET", "/api/v1/models?limit=100").json()["models"]
    mine = [row for row in whole if row["name"].startswith(OWN)]
    first = guarded.ask(key, "GET", "/api/v1/models/statistics").json()
    assert first["total_models"] == len(mine) and first["algorithms"] == {"svm": len(mine)}
    assert first["total_downloads"] == first["recent_activity"]["downloads_last_24_hours"] == 1
    assert first["recent_activity"]["models_added_last_7_days"] == len(mine)
    second = guarded.ask(key, "GET", "/api/v1/statistics").json()
    assert (second["total_models"], second["storage_stats"]["total_size"]) == (len(mine), "5 B")
    events = guarded.ask(key, "GET", "/api/v1/events?limit=100").json()["events"]
    assert events and all(event["model_name"].startswith(OWN) for event in events)
    with guarded.http.stream("GET", "/api/v1/events/stream?after=0", headers={"X-API-Key": key}) as live:
        lines = (json.loads(line[6:]) for line in live.iter_lines() if line.startswith("data: "))
        seen = [next(lines)["id"] for _ in events]
        guarded.ask(guarded.admin, "POST", f"/api/v1/models/{other}/archive")
        guarded.ask(guarded.admin, "POST", f"/api/v1/models/{own}/archive")
        last = next(lines)
    assert seen == [event["id"] for event in events] and (last["model_id"], last["type"]) == (own, "ModelArchived")
    assert guarded.ask(key, "GET", "/api/v1/audit").status_code == 403
    assert guarded.ask(key, "GET", f"/api/v1/audit?model_id={other}").status_code == 404
    assert guarded.ask(key, "GET", f"/api/v1/audit?model_id={own}").json()["events"]
    past = "/api/v1/statistics?as_of=2020-01-01T00:00:00Z"
    assert guarded.ask(key, "GET", past).status_code == 403


def test_an_answer_that_is_kept_is_given_to_nobody_who_may_not_see_it(guarded: Guarded) -> None:
    model_id = guarded.register(guarded.admin, f"{FOREIGN}kept")
    path = f"/api/v1/models/{model_id}"
    for target in (path, f"{path}/history", "/api/v1/models?sort=name", "/api/v1/models/search?q=kept"):
        for _ in range(3):
            assert f"{FOREIGN}kept" in guarded.ask(guarded.admin, "GET", target).text, target
        for key, status in ((None, 401), (guarded.keys["revoked"], 401), (guarded.keys[LIMITED], None)):
            for _ in range(3):
                answer = guarded.ask(key, "GET", target)
                assert f"{FOREIGN}kept" not in answer.text, target
                assert answer.status_code == (status or (404 if target.startswith(path) else 200)), target
        assert f"{FOREIGN}kept" in guarded.ask(guarded.admin, "GET", target).text, target


def test_an_idempotency_key_of_one_key_means_nothing_to_another(guarded: Guarded) -> None:
    key = guarded.keys[LIMITED]
    answers = [
        guarded.ask(one, "POST", "/api/v1/models", headers={"Idempotency-Key": "same"}, json=body)
        for one, body in (
            (key, {"name": f"{OWN}idem", "algorithm": "svm"}),
            (guarded.keys["writer"], {"name": f"{FOREIGN}idem", "algorithm": "svm"}),
            (key, {"name": f"{OWN}idem", "algorithm": "svm"}),
        )
    ]
    assert [one.status_code for one in answers] == [201] * 3
    assert [one.headers.get("Idempotency-Replayed") for one in answers] == [None, None, "true"]
    assert answers[2].json() == answers[0].json()


def test_the_owner_of_a_partition_hears_who_asked_another_instance(guarded: Guarded) -> None:
    """Two instances own the partitions: of every two commands to one of them about one is carried out by the other."""
    key_id, text = guarded.issue(name="far", roles=["writer"], model_prefix=OWN)
    with httpx.Client(base_url=guarded.processes.url_of("gateway.two"), timeout=30) as two:
        for number in range(8):
            foreign = guarded.register(guarded.admin, f"{FOREIGN}far-{number}")
            own = guarded.register(text, f"{OWN}far-{number}")
            for http in (guarded.http, two):
                headers = {"X-API-Key": text}
                refused = http.post(f"/api/v1/models/{foreign}/archive", headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (404, "model-not-found")
                change = {"description": f"by {http.base_url}"}
                assert http.patch(f"/api/v1/models/{own}", headers=headers, json=change).status_code == 200
            history = guarded.ask(text, "GET", f"/api/v1/models/{own}/history").json()["events"]
            assert [event["actor"] for event in history] == [f"far#{key_id}"] * 3
