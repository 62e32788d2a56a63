"""Rebuild and rollback beside traffic: no read fails or goes back in time, and a client reads its own writes."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.processes import REPOSITORY, RegistryProcesses
from tests.servers import Servers

pytestmark = [pytest.mark.timeout(240), pytest.mark.alone]
MODELS = 4
COMPOSITIONS = {
    "one gateway": ("gateway", "gateway", ["gateway", "projector"]),
    "separate processes": (
        "command_api",
        "query_api",
        ["command_api", "query_api", "projector.first", "projector.second"],
    ),
}


@pytest.fixture(scope="module", params=COMPOSITIONS)
def registry(
    request: pytest.FixtureRequest, stack: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    writes, reads, names = COMPOSITIONS[request.param]
    processes = RegistryProcesses(stack, tmp_path_factory.mktemp("switched"), names)
    try:
        processes.start()
        with MongoClient[dict[str, Any]](stack.mongodb_url) as client:
            yield Registry(processes, processes.url_of(writes), processes.url_of(reads), client)
    finally:
        processes.stop_all()


class Registry:
    def __init__(
        self, processes: RegistryProcesses, writes: str, reads: str, client: MongoClient[dict[str, Any]]
    ) -> None:
        self.processes = processes
        self.writes = writes
        self.reads = reads
        self._home = client[processes.registry_id]

    @property
    def live(self) -> str:
        found = self._home.generations.find_one({"_id": "live"})
        return self._home.name if found is None else str(found["live"])

    @property
    def models(self) -> Any:
        """The live ones."""
        return self._home.client[self.live].models

    def command(self, *arguments: str, status: int = 0) -> str:
        """Run it, which must end with this status: what it printed.

        In a process of its own, less polite than an operator's: beside this traffic it would get next to no time.
        """
        done = subprocess.run(
            [sys.executable, "-c", f"from tensorfleet.cli.__main__ import main; main({[*arguments]})"],
            cwd=REPOSITORY,
            env=self.processes.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


class Traffic:
    """Writers that each read what they just wrote, and readers that never want to see less than before."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._stopping = threading.Event()
        self._round = threading.Condition()
        self._written = 0
        self.read = 0
        self.ids: list[str] = []

    def __enter__(self) -> Traffic:
        with httpx.Client(base_url=self._registry.writes, timeout=30) as http:
            for _ in range(MODELS):
                body = {"name": f"n {uuid.uuid4()}", "algorithm": "svm"}
                self.ids.append(http.post("/api/v1/models", json=body).json()["model_id"])
        self._pool = ThreadPoolExecutor(3)
        jobs: list[Callable[[], None]] = [self._write, self._read_one, self._read_list]
        self._running = [self._pool.submit(one) for one in jobs]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        for one in self._running:
            one.result()

    def more(self, number: int = 20) -> None:
        """Return after so many more writes."""
        with self._round:
            wanted = self._written + number
            assert self._round.wait_for(lambda: self._written >= wanted or self._ended(), 60)
        assert not self._ended(), [one.exception() for one in self._running if one.done()]

    def _ended(self) -> bool:
        return any(one.done() for one in self._running)

    def _write(self) -> None:
        with (
            httpx.Client(base_url=self._registry.writes, timeout=30) as commands,
            httpx.Client(base_url=self._registry.reads, timeout=30) as queries,
        ):
            while not self._stopping.is_set():
                model_id = self.ids[self._written % MODELS]
                made = commands.post(f"/api/v1/models/{model_id}/versions")
                assert (made.status_code, made.headers["X-Registry-Projected"]) == (201, "true"), made.text
                seen = queries.get(f"/api/v1/models/{model_id}")
                assert seen.status_code == 200, seen.text
                assert seen.json()["version"] == made.json()["version"], "did not read its own write"
                with self._round:
                    self._written += 1
                    self._round.notify_all()

    def _read_one(self) -> None:
        newest = 0.0
        with httpx.Client(base_url=self._registry.reads, timeout=30) as http:
            while not self._stopping.is_set():
                answer = http.get(f"/api/v1/models/{self.ids[0]}")
                assert answer.status_code == 200, answer.text
                newest = self._not_before(newest, answer.json()["version"])

    def _read_list(self) -> None:
        newest = dict.fromkeys(self.ids, 0.0)
        with httpx.Client(base_url=self._registry.reads, timeout=30) as http:
            while not self._stopping.is_set():
                answer = http.get("/api/v1/models")
                assert answer.status_code == 200, answer.text
                rows = {one["id"]: one["version"] for one in answer.json()["models"]}
                newest = {key: self._not_before(newest[key], rows[key]) for key in self.ids}

    def _not_before(self, newest: float, version: str) -> float:
        number = int(version.split(".")[1])
        assert number >= newest, f"{version} after v1.{newest}: a read went back in time"
        self.read += 1
        return number


def test_rebuild_and_rollback_go_unnoticed(registry: Registry) -> None:
    home = registry.live
    with Traffic(registry) as traffic:
        traffic.more()
        assert "No projector" not in registry.command("rebuild")
        assert registry.live == f"{home}__1"
        traffic.more()
        assert "No projector" not in registry.command("rollback")
        assert registry.live == home
        traffic.more()
        registry.command("verify")
    assert traffic.read > 100


def test_a_repair_beside_traffic_shows_what_the_log_says(registry: Registry) -> None:
    with Traffic(registry) as traffic:
        planted = {"_id": traffic.ids[1]}
        registry.models.update_one(planted, {"$set": {"description": "edited by hand"}})
        traffic.more()
        registry.command("rebuild", status=1)
        registry.command("rebuild", "--repair")
        traffic.more()
        answer = httpx.get(f"{registry.reads}/api/v1/models/{traffic.ids[1]}").json()
        assert answer["description"] != "edited by hand"
        registry.command("verify")
