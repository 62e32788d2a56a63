"""The feed over HTTP through the real processes: every event once, each model's in order, from any place on."""

from __future__ import annotations

import random
import signal
import time
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.processes import RegistryProcesses
from tests.sse import EventClient

Event = dict[str, Any]
EVENTS = "/api/v1/events"
PARTITIONS = 6


def register(http: httpx.Client, versions: int = 0) -> str:
    body = {"name": f"n {uuid.uuid4()}", "algorithm": "svm", "hyperparameters": {"a": {"b": [1, 2.5]}}}
    model_id = str(http.post("/api/v1/models", json=body).json()["model_id"])
    for _ in range(versions):
        assert http.post(f"/api/v1/models/{model_id}/versions").status_code == 201
    return model_id


def walk(http: httpx.Client, after: str, limit: int = 100, **filters: str) -> tuple[list[Event], str]:
    """All pages from a place on, and the place behind them."""
    found: list[Event] = []
    while True:
        answer = http.get(EVENTS, params={"after": after, "limit": limit, **filters})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found, after = found + page["events"], page["next"]
        if not page["more"]:
            return found, after


def wait_for(http: httpx.Client, after: str, model_id: str, wanted: int) -> list[Event]:
    """The events of a model; the publisher is given its time."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found, _ = walk(http, after, model_id=model_id)
        if len(found) >= wanted:
            return found
    raise AssertionError(f"{model_id} has not {wanted} events in the feed")


def sequences(events: list[Event]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for one in events:
        found[one["model_id"]].append(one["sequence"])
    return found


@pytest.fixture(scope="module")
def port(registry_processes: RegistryProcesses) -> int:
    return registry_processes.ports["gateway"]


@pytest.fixture
def here(http: httpx.Client) -> str:
    """The place behind all that other tests have done: each partition's events come in order."""
    before, last_of = walk(http, "0")[1], {}
    while len(last_of) < PARTITIONS:
        made = http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"})
        partition = made.headers["X-Registry-Position"].partition(":")[0]
        last_of[partition] = made.json()["model_id"]
    for model_id in last_of.values():
        wait_for(http, before, model_id, 1)
    return walk(http, before)[1]


def test_pages_of_any_size_hold_each_event_once_and_in_order(http: httpx.Client, here: str) -> None:
    models = [register(http, versions=3) for _ in range(4)]
    for one in models:
        wait_for(http, here, one, 4)
    whole, end = walk(http, here)
    assert {one: list(range(1, 5)) for one in models} == sequences(whole)
    assert [one["occurred_at"] for one in whole] == sorted(one["occurred_at"] for one in whole)
    for limit in (1, 3, 16):
        assert walk(http, here, limit)[0] == whole
    assert walk(http, end) == ([], end)
    assert walk(http, here, type="ModelRegistered")[0] == [one for one in whole if one["sequence"] == 1]
    both = {"type": "ModelVersioned,ModelDeleted", "model_id": models[2]}
    assert [one["sequence"] for one in walk(http, here, 2, **both)[0]] == [2, 3, 4]
    first = whole[0]
    history = http.get(f"/api/v1/models/{first['model_id']}/history").json()["events"][0]
    assert (first["id"], first["position"], first["actor"]) == (history["event_id"], history["position"], "anonymous")
    assert first["data"]["hyperparameters"] == {"a": {"b": [1, 2.5]}}


def test_a_page_that_has_not_changed_is_not_sent_again(http: httpx.Client) -> None:
    first = http.get(EVENTS, params={"limit": 1})
    again = http.get(EVENTS, params={"limit": 1}, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_stream_goes_on_behind_every_one_of_its_ids(http: httpx.Client, port: int, here: str) -> None:
    models = [register(http, versions=2) for _ in range(3)]
    with EventClient(port, f"?after={here}") as stream:
        ids, seen = [here], []
        for _ in range(9):
            seen += stream.events(1)
            ids.append(stream.last_id)
        assert sequences(seen) == {one: [1, 2, 3] for one in models}
        assert stream.headers["content-type"].startswith("text/event-stream")
    for number, one in enumerate(ids):
        # The address of a browser that comes back still has the `after` of its first time.
        with EventClient(port, "?after=0", last_event_id=one) as stream:
            rest = stream.events(9 - number)
        assert {event["id"] for event in rest} == {event["id"] for event in seen[number:]}
        assert {event["id"] for event in walk(http, one)[0]} == {event["id"] for event in rest}


def test_a_stream_begins_now_or_at_the_beginning_and_takes_what_is_wanted(http: httpx.Client, port: int) -> None:
    first = http.get(EVENTS, params={"limit": 1}).json()["events"] or [None]
    model_id = register(http, versions=1)
    wait_for(http, "0", model_id, 2)
    with (
        EventClient(port) as now,
        EventClient(port, "?after=0") as everything,
        EventClient(port, f"?model_id={model_id}&type=ModelArchived,ModelVersioned&after=0") as some,
    ):
        opening = next(now._blocks)
        assert (opening.members, opening.id != "") == (None, True)
        assert first in ([None], everything.events(1))
        assert [one["type"] for one in some.events(1)] == ["ModelVersioned"]
        http.post(f"/api/v1/models/{model_id}/deprecate")
        http.post(f"/api/v1/models/{model_id}/archive")
        assert [one["type"] for one in some.events(1)] == ["ModelArchived"]
        assert [one["type"] for one in now.events(2)] == ["ModelDeprecated", "ModelArchived"]
        assert "event_streams_open 3.0" in http.get("/metrics").text


def test_clients_that_come_and_go_miss_and_repeat_nothing(http: httpx.Client, port: int, here: str) -> None:
    """Eight clients break off after a few events, again and again, while four writers are at work."""
    models, versions, wanted = [register(http) for _ in range(4)], 30, 4 * 31
    url = http.base_url

    def write(model_id: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as own:
            for _ in range(versions):
                own.post(f"/api/v1/models/{model_id}/versions").raise_for_status()

    def follow(seed: int) -> list[Event]:
        chance, last, seen = random.Random(seed), here, []
        while len(seen) < wanted:
            with EventClient(port, last_event_id=last) as stream:
                seen += stream.events(min(chance.randrange(1, 20), wanted - len(seen)))
                last = stream.last_id
        return seen

    with ThreadPoolExecutor(12) as pool:
        following = [pool.submit(follow, seed) for seed in range(8)]
        writing = [pool.submit(write, one) for one in models]
        for one in writing:
            one.result(60)
        for seen in following:
            assert sequences(seen.result(60)) == {one: list(range(1, versions + 2)) for one in models}


def test_streams_end_properly_when_the_process_is_asked_to_stop(own_processes: RegistryProcesses) -> None:
    own_processes.start()
    port = own_processes.ports["gateway"]
    with EventClient(port) as now, EventClient(port, "?after=0") as old:
        assert own_processes.stop("gateway", signal.SIGTERM) == 0
        assert (now.rest(), now.ended, old.rest(), old.ended) == ([], True, [], True)
