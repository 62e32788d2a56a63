"""Whatever is sent, the answer is a problem of the contract, or nothing is found; and nothing is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from services.query_api.cursors import Cursors, signing_key
from services.query_api.events.places import Places
from tests.e2e.guarded import Guarded
from tests.e2e.hostile_cases import KEYS, TABLE
from tests.e2e.hostile_rows import Case
from tests.e2e.raw_http import sent
from tests.processes import RegistryProcesses

FILE = b"weights"
PROBLEM = {"type", "title", "status", "detail", "code", "error"}
Known = dict[str, str]


@pytest.fixture(scope="module")
def known(registry_processes: RegistryProcesses) -> Iterator[Known]:
    """What stands for names in braces: what this registry gave out, and what it did not."""
    with httpx.Client(base_url=registry_processes.url, timeout=30) as http:
        models = [http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"}) for _ in "ab"]
        model = f"/api/v1/models/{models[0].json()['model_id']}"
        assert http.post(f"{model}/upload", files={"file": ("m.bin", FILE)}).status_code == 201
        listed = http.get("/api/v1/models", params={"limit": 1}).json()
        history = http.get(f"{model}/history", params={"limit": 1}).json()
        place = http.get("/api/v1/events", params={"limit": 1}).json()["next"]
    cursor = listed["pagination"]["next_cursor"]
    others = Cursors(signing_key("another secret"))
    other_feed = Cursors(signing_key(registry_processes.environment["MINIO_SECRET_KEY"]))
    yield {
        "id": models[0].json()["model_id"],
        "time": listed["models"][0]["created_at"],
        "cursor": cursor,
        "changed": changed(cursor, 0),
        "cut": cursor[:10],
        "forged": others.issue(["models"], [1, "x"]),
        "history": history["pagination"]["next_cursor"],
        "place": place,
        "changed_place": changed(place, len(place) - 2),
        "other_registry": Places(other_feed, "other.model.events.v1", 6).token((0,) * 6),
    }


def changed(token: str, at: int) -> str:
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


def filled(text: str, known: Known) -> str:
    for name, value in known.items():
        text = text.replace("{" + name + "}", value)
    return text


def outcome(port: int, case: Case, known: Known, *headers: str) -> str:
    """Of the answer's status, code, field and place as much as the case expects."""
    request, lines = filled(case.request, known), tuple(filled(one, known) for one in (*case.headers, *headers))
    body = None if case.body is None else case.body.replace(b"{id}", known["id"].encode())
    try:
        status, kind, content = sent(port, request, lines, body)
    except OSError as error:
        return f"no answer: {error!r}"
    words = [str(status), *(told(status, kind, content) if status >= 400 else found(kind, content))]
    return " ".join(words[: len(case.expected.split())]).strip()


def told(status: int, kind: str, content: bytes) -> list[str]:
    problem = json.loads(content)
    if kind != "application/problem+json" or not problem.keys() >= PROBLEM or problem["status"] != status:
        return ["no problem:", kind, str(problem)]
    first = (problem.get("errors") or [{}])[0]
    place = ["at", str(first["position"])] if "position" in first else []
    return [problem["code"], str(first.get("field", "")), *place]


def found(kind: str, content: bytes) -> list[str]:
    listed = json.loads(content).get("models") if kind == "application/json" else None
    return ["nothing" if listed == [] else "something"]


def unexpected(cases: list[Case], answered: Callable[[Case], str]) -> dict[str, str]:
    assert len({one.name for one in cases}) == len(cases)
    answers = {one.name: (one.expected, answered(one)) for one in cases}
    return {name: f"{got}, not {expected}" for name, (expected, got) in answers.items() if got != expected}


def standing(http: httpx.Client) -> Any:
    """What was registered, and how it stands, as far as a page tells; downloads of files count on their own."""
    page = http.get("/api/v1/models", params={"limit": 100}).json()
    rows = [{name: value for name, value in row.items() if name != "download_count"} for row in page["models"]]
    return rows, page["pagination"]["total"]


@pytest.mark.parametrize("section", TABLE)
def test_hostile_requests_are_problems_or_find_nothing_and_change_nothing(
    registry_processes: RegistryProcesses, http: httpx.Client, known: Known, section: str
) -> None:
    before = standing(http), registry_processes.log_ends()
    port = registry_processes.ports["gateway"]
    assert unexpected(TABLE[section], lambda case: outcome(port, case, known)) == {}
    assert (standing(http), registry_processes.log_ends()) == before
    assert [http.get(path).status_code for path in ("/health", "/health/ready")] == [200, 200]


def test_hostile_requests_about_keys_are_problems_and_change_nothing(guarded: Guarded) -> None:
    def keys() -> list[dict[str, Any]]:
        listed = guarded.ask(guarded.admin, "GET", "/api/v1/keys").json()["keys"]
        return [{name: value for name, value in one.items() if name != "last_used"} for one in listed]

    before, port, key = keys(), guarded.processes.ports["gateway"], f"X-API-Key: {guarded.admin}"
    assert unexpected(KEYS, lambda case: outcome(port, case, {"id": ""}, key)) == {}
    assert keys() == before
    assert guarded.http.get("/health/ready").status_code == 200


def test_maps_can_not_grow_without_bound(http: httpx.Client) -> None:
    """Each change is small enough; what they add up to is refused before anything that keeps it is too small."""
    model_id = http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"}).json()["model_id"]
    statuses = [
        http.patch(f"/api/v1/models/{model_id}", json={"dataset_info": {f"k{number}": "x" * 600_000}}).status_code
        for number in range(3)
    ]
    assert statuses == [200, 422, 422]
    assert http.post(f"/api/v1/models/{model_id}/versions").status_code == 201
    assert len(http.get(f"/api/v1/models/{model_id}").json()["dataset_info"]) == 1
