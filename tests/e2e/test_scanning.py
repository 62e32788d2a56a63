"""Files that are uploaded to the real processes get a verdict, each one, and a dangerous one is not given out."""

from __future__ import annotations

import io
import os
import pickle
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy
import pytest

from tests.processes import RegistryProcesses
from tests.servers import Servers

PROCESSES = ("gateway", "projector", "publisher", "scanner")
MODELS = "/api/v1/models"
SLOW = b"\x80\x04" + b"N0" * 1_000_000 + b"N."
"""A pickle of two million opcodes: more than a second of reading, and safe."""


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo never",)


class Scanned:
    """A registry with a scanner."""

    def __init__(self, processes: RegistryProcesses, http: httpx.Client) -> None:
        self.processes = processes
        self.http = http

    def uploaded(self, content: bytes, filename: str = "m.bin", model_id: str | None = None) -> str:
        """The file of a new model, or of a new version of one."""
        if model_id is None:
            body = {"name": f"model {uuid.uuid4()}", "algorithm": "svm"}
            model_id = self.http.post(MODELS, json=body).json()["model_id"]
        else:
            assert self.http.post(f"{MODELS}/{model_id}/versions").status_code == 201
        answer = self.http.post(f"{MODELS}/{model_id}/upload", files={"file": (filename, content)})
        assert answer.status_code == 201, answer.text
        return str(model_id)

    def verdict(self, model_id: str) -> dict[str, Any]:
        """Of the newest version, once there is one."""

        def scan() -> dict[str, Any]:
            found: dict[str, Any] = self.http.get(f"{MODELS}/{model_id}").json()["scan"]
            return found

        self.processes.wait_until(lambda: scan()["scanned_at"] is not None, "scanner")
        return scan()

    def verdicts(self, model_id: str) -> list[str]:
        """The versions on which there were verdicts, as often as there were."""
        events = self.http.get(f"{MODELS}/{model_id}/history").json()["events"]
        return [one["version"] for one in events if one["type"] == "ArtifactScanned"]


@pytest.fixture(scope="module")
def registry(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    processes = RegistryProcesses(stack, tmp_path_factory.mktemp("scanned"), PROCESSES)
    try:
        processes.start()
        with httpx.Client(base_url=processes.url, timeout=30) as http:
            yield Scanned(processes, http)
    finally:
        processes.stop_all()


def numbers() -> bytes:
    content = io.BytesIO()
    numpy.save(content, numpy.arange(1000))
    return content.getvalue()


def test_a_safe_file_is_told_to_be_safe_wherever_it_is_shown(registry: Scanned) -> None:
    model_id = registry.uploaded(numbers(), "weights.pkl")
    scan = registry.verdict(model_id)
    assert (scan["verdict"], scan["format"], scan["released"]) == ("safe", "npy", False)
    assert registry.http.get(f"{MODELS}/{model_id}/versions/v1.0").json()["scan"] == scan
    assert registry.http.get(f"{MODELS}/{model_id}/download").headers["X-Scan-Verdict"] == "safe"
    change = registry.http.get(f"{MODELS}/{model_id}/history").json()["events"][-1]
    assert (change["type"], change["changes"][0]["new"]["verdict"]) == ("ArtifactScanned", "safe")
    registry.processes.wait_until(
        lambda: "ArtifactScanned" in {one["type"] for one in feed_of(registry, model_id)}, "publisher"
    )


def feed_of(registry: Scanned, model_id: str) -> list[dict[str, Any]]:
    return list(registry.http.get("/api/v1/events", params={"model_id": model_id}).json()["events"])


def test_a_renamed_pickle_that_runs_a_program_is_kept_back_until_it_is_released(registry: Scanned) -> None:
    model_id = registry.uploaded(pickle.dumps(Evil()), "weights.safetensors")
    scan = registry.verdict(model_id)
    assert (scan["verdict"], scan["format"]) == ("dangerous", "pickle")
    assert any("system" in one["text"] for one in scan["findings"])
    download, release = f"{MODELS}/{model_id}/download", f"{MODELS}/{model_id}/versions/v1.0/release"
    refused = registry.http.get(download)
    assert (refused.status_code, refused.json()["code"]) == (403, "artifact-quarantined")
    assert registry.http.head(download).status_code == 403
    listed = registry.http.get(MODELS, params={"scan_verdict": "dangerous"}).json()["models"]
    assert model_id in [one["id"] for one in listed]
    assert registry.http.post(release, json={}).status_code == 422
    for _ in range(2):
        assert registry.http.post(release, json={"reason": "read by hand"}).status_code == 200
    answer = registry.http.get(download)
    assert (answer.status_code, answer.headers["X-Scan-Verdict"]) == (200, "dangerous")
    assert registry.http.get(f"{MODELS}/{model_id}").json()["scan"] == {**scan, "released": True}
    events = registry.http.get(f"{MODELS}/{model_id}/history").json()["events"]
    assert [one["type"] for one in events[2:]] == ["ArtifactScanned", "ArtifactReleased"]


def test_a_verdict_is_only_taken_for_the_file_that_the_version_has(registry: Scanned) -> None:
    model_id = registry.uploaded(numbers())
    registry.verdict(model_id)
    path = f"{MODELS}/{model_id}/versions/v1.0/scan"
    verdict = {"checksum": "sha256:" + "0" * 64, "verdict": "safe", "format": "npy", "scanner": "another 1"}
    answers = {
        "other-file": registry.http.post(path, json=verdict),
        "invalid": registry.http.post(path, json={**verdict, "verdict": "fine"}),
        "version-not-found": registry.http.post(path.replace("v1.0", "v9.0"), json=verdict),
        "nothing-to-release": registry.http.post(path.replace("/scan", "/release"), json={"reason": "why not"}),
    }
    assert {code: one.json()["code"] for code, one in answers.items()} == {code: code for code in answers}
    assert registry.verdicts(model_id) == ["v1.0"]


def test_what_was_uploaded_and_deleted_unseen_is_scanned_when_it_comes_back(registry: Scanned) -> None:
    registry.processes.stop("scanner")
    model_id = registry.uploaded(pickle.dumps(Evil()))
    assert registry.http.get(f"{MODELS}/{model_id}/download").headers["X-Scan-Verdict"] == "unscanned"
    assert registry.http.delete(f"{MODELS}/{model_id}").status_code == 200
    behind = registry.uploaded(numbers(), model_id=same_partition(registry, model_id))
    registry.processes.start("scanner")
    registry.verdict(behind)
    assert registry.http.post(f"{MODELS}/{model_id}/restore").status_code == 200
    assert registry.verdict(model_id)["verdict"] == "dangerous"
    assert registry.verdicts(model_id) == ["v1.0"]


def same_partition(registry: Scanned, model_id: str) -> str:
    """Another model, whose events stand behind those of this one."""
    while True:
        other = registry.http.post(MODELS, json={"name": f"model {uuid.uuid4()}", "algorithm": "svm"}).json()[
            "model_id"
        ]
        if int(other[:8], 16) % 6 == int(model_id[:8], 16) % 6:
            return str(other)


def test_a_scanner_that_is_killed_leaves_no_file_out_and_judges_none_twice(registry: Scanned) -> None:
    processes = registry.processes
    model_id = registry.uploaded(SLOW)
    processes.wait_until(lambda: bool(children(processes.pid("scanner"))), "scanner")
    processes.stop("scanner", signal.SIGKILL)
    assert registry.verdicts(model_id) == []
    processes.start("scanner")
    assert registry.verdict(model_id)["verdict"] == "safe"
    processes.stop("scanner", signal.SIGKILL)  # before its place is committed, as a rule
    processes.start("scanner")
    registry.uploaded(numbers(), model_id=model_id)
    registry.verdict(model_id)
    assert registry.verdicts(model_id) == ["v1.0", "v1.1"]


def test_a_scan_whose_process_is_killed_is_a_verdict_and_no_end_of_the_scanner(registry: Scanned) -> None:
    scanner = registry.processes.pid("scanner")
    model_id = registry.uploaded(SLOW)
    registry.processes.wait_until(lambda: bool(children(scanner)), "scanner")
    os.kill(children(scanner)[0], signal.SIGKILL)
    scan = registry.verdict(model_id)
    assert (scan["verdict"], scan["findings"][0]["code"]) == ("unscanned", "scanner-crash")
    assert "SIGKILL" in scan["findings"][0]["text"]
    assert registry.verdict(registry.uploaded(numbers()))["verdict"] == "safe"


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(one) for task in tasks for one in (task / "children").read_text().split()]
