"""Several command APIs: any takes any command, and none loses or doubles one when an owner ends, dies or freezes."""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.processes import RegistryProcesses
from tests.servers import Servers

pytestmark = pytest.mark.timeout(180)
FIRST, SECOND = "gateway.first", "gateway.second"
MODELS = 12


@pytest.fixture(scope="module")
def two(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcesses]:
    """Each test leaves both running and owning."""
    processes = RegistryProcesses(stack, tmp_path_factory.mktemp("two"), [FIRST, SECOND, "projector"])
    try:
        processes.start()
        until_both_own(processes)
        yield processes
    finally:
        processes.stop_all()


def owned(processes: RegistryProcesses, name: str) -> set[str]:
    lines = httpx.get(f"{processes.url_of(name)}/metrics", verify=False).text.splitlines()
    return {line for line in lines if line.startswith("partition_owned{") and line.endswith(" 1.0")}


def until_both_own(processes: RegistryProcesses) -> None:
    def shared() -> bool:
        first, second = owned(processes, FIRST), owned(processes, SECOND)
        return bool(first and second) and len(first | second) == 6 and not first & second

    processes.wait_until(shared, SECOND)


def register(http: httpx.Client) -> str:
    answer = http.post("/api/v1/models", json={"name": f"n {uuid.uuid4()}", "algorithm": "svm"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["model_id"])


class Load:
    """Makes versions of some models through one instance, one after the other, until it is stopped."""

    def __init__(self, url: str) -> None:
        self.statuses: list[int] = []
        self.acknowledged: dict[str, list[str]] = {}
        self._stopping = threading.Event()
        self._enough = threading.Event()
        self._url = url

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as http:
            ids = [register(http) for _ in range(MODELS)]
            turn = 0
            while not self._stopping.is_set():
                model_id = ids[turn % MODELS]
                answer = http.post(f"/api/v1/models/{model_id}/versions", headers={"Prefer": "respond-async"})
                self.statuses.append(answer.status_code)
                if answer.status_code == 201:
                    self.acknowledged.setdefault(model_id, []).append(answer.json()["version"])
                turn += 1
                if turn % (2 * MODELS) == 0:
                    self._enough.set()

    def one_round(self) -> None:
        """Return when each model has had a version more; the load must be running."""
        self._enough.clear()
        assert self._enough.wait(60)

    def stop(self) -> None:
        self._stopping.set()


def test_an_instance_claims_nothing_before_it_has_read_everything(two: RegistryProcesses) -> None:
    """Meanwhile another one that has read everything could serve it."""
    lines = (two.directory / f"{FIRST}.log").read_text().splitlines()
    first_claim = next(number for number, line in enumerate(lines) if "-> claiming" in line)
    assert sum("replaying -> following" in line for line in lines[:first_claim]) == 6


def statuses_until_refused(url: str) -> list[int]:
    """Of registrations, each over a connection of its own."""
    statuses: list[int] = []
    while len(statuses) < 10_000:
        try:
            with httpx.Client(base_url=url, timeout=30) as http:
                body = {"name": f"n {uuid.uuid4()}", "algorithm": "svm"}
                answer = http.post("/api/v1/models", json=body, headers={"Prefer": "respond-async"})
                statuses.append(answer.status_code)
        except httpx.ConnectError:
            break
    return statuses


def test_an_owner_that_is_asked_to_end_serves_until_others_own_all(two: RegistryProcesses) -> None:
    two.send_signal(FIRST, signal.SIGTERM)
    statuses = statuses_until_refused(two.url_of(FIRST))
    taken_over = owned(two, SECOND)
    assert two.wait_end(FIRST) == 0
    two.start(FIRST)
    until_both_own(two)
    assert len(taken_over) == 6
    assert set(statuses) == {201}


@pytest.mark.parametrize("fault", ["ends", "dies", "freezes"])
def test_no_command_is_lost_doubled_or_refused_when_an_owner(two: RegistryProcesses, fault: str) -> None:
    load = Load(two.url_of(SECOND))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(load.run)
        try:
            load.one_round()
            if fault == "freezes":
                two.send_signal(FIRST, signal.SIGSTOP)
            else:
                two.stop(FIRST, signal.SIGTERM if fault == "ends" else signal.SIGKILL)
            load.one_round()
            if fault == "freezes":
                two.send_signal(FIRST, signal.SIGCONT)
            else:
                two.start(FIRST)
            until_both_own(two)
            load.one_round()
        finally:
            load.stop()
        running.result()
    assert set(load.statuses) == {201}
    last_position = {}
    with httpx.Client(base_url=two.url_of(FIRST), timeout=30) as http:
        for model_id, versions in load.acknowledged.items():
            last = http.post(f"/api/v1/models/{model_id}/versions")
            last_position[model_id] = last.headers["X-Registry-Position"]
            assert last.status_code == 201
            read = http.get(f"/api/v1/models/{model_id}", headers={"X-Registry-Min-Position": last_position[model_id]})
            assert sorted(read.json()["versions"][i]["version"] for i in range(len(read.json()["versions"]))) == sorted(
                ["v1.0", *versions, last.json()["version"]]
            )


def test_any_instance_takes_any_request(two: RegistryProcesses) -> None:
    with (
        httpx.Client(base_url=two.url_of(FIRST), timeout=30) as first,
        httpx.Client(base_url=two.url_of(SECOND), timeout=30) as second,
    ):
        for number in range(MODELS):
            here, there = (first, second) if number % 2 else (second, first)
            name = f"n {uuid.uuid4()}"
            key = {"Idempotency-Key": name}
            made = here.post("/api/v1/models", json={"name": name, "algorithm": "svm"}, headers=key)
            assert made.status_code == 201, made.text
            model_id = made.json()["model_id"]
            again = there.post("/api/v1/models", json={"name": name, "algorithm": "svm"}, headers=key)
            assert (again.json(), again.headers.get("Idempotency-Replayed")) == (made.json(), "true")
            other = there.post("/api/v1/models", json={"name": name, "algorithm": "xgboost"}, headers=key)
            assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
            taken = there.post("/api/v1/models", json={"name": name, "algorithm": "svm"})
            assert (taken.status_code, taken.json()["model_id"]) == (409, model_id)
            upload = there.post(f"/api/v1/models/{model_id}/upload", files={"file": ("m.bin", name.encode())})
            assert upload.status_code == 201, upload.text
            assert here.get(f"/api/v1/models/{model_id}/download").content == name.encode()
            wrong = there.patch(f"/api/v1/models/{model_id}", json={"metrics": {"x": 1}}, params={"version": "v9.0"})
            assert (wrong.status_code, wrong.json()["code"]) == (404, "version-not-found")
            status = there.patch(f"/api/v1/models/{model_id}", json={"metrics": {"x": 2**63 - 1, "y": 0.1}}).status_code
            assert status == 200
            metrics = here.get(f"/api/v1/models/{model_id}").json()["metrics"]
            assert metrics == {"x": 2**63 - 1, "y": 0.1}


def test_a_batch_spans_the_partitions_of_all_owners(two: RegistryProcesses) -> None:
    names = [f"n {uuid.uuid4()}" for _ in range(40)]
    operations = [{"op": "register", "name": name, "algorithm": "svm"} for name in names]
    for name in (FIRST, SECOND):
        with httpx.Client(base_url=two.url_of(name), timeout=30) as http:
            answer = http.post("/api/v1/models/batch", json={"operations": operations}).json()
        assert (answer["succeeded"], answer["failed"]) == ((40, 0) if name == FIRST else (0, 40))


def test_the_way_between_instances_does_not_exist_for_others(two: RegistryProcesses) -> None:
    url = f"{two.url_of(FIRST)}/internal/v2/commands"
    for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "Bearer é"}):
        answer = httpx.post(url, content=b"{}", headers={k: v.encode() for k, v in headers.items()})
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-route")
