"""What a setting turns on is what it says, and nothing else."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from services.command_api import service
from services.query_api.settings import QuerySettings
from tensorfleet.domain.errors import ArtifactQuarantined
from tensorfleet.http.access.guard import Guard
from tensorfleet.http.access.routes_table import ROUTES
from tensorfleet.http.access.side import opened_by
from tensorfleet.settings import load

NEEDED = {
    "KAFKA_BOOTSTRAP_SERVERS": "k",
    "MONGODB_URL": "m",
    "MINIO_ENDPOINT": "e",
    "MINIO_ACCESS_KEY": "a",
    "MINIO_SECRET_KEY": "s",
}
DOCUMENTATION = {"GET /docs", "GET /docs/oauth2-redirect", "GET /redoc", "GET /openapi.json"}


def settings_of(monkeypatch: pytest.MonkeyPatch, **given: str) -> QuerySettings:
    for name, value in {**NEEDED, **given}.items():
        monkeypatch.setenv(name, value)
    return load(QuerySettings)


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ({}, set()),
        ({"PUBLIC_DOCS": "false", "PUBLIC_METRICS": "false"}, set()),
        ({"PUBLIC_DOCS": "true"}, DOCUMENTATION),
        ({"PUBLIC_METRICS": "true"}, {"GET /metrics"}),
        ({"PUBLIC_DOCS": "true", "PUBLIC_METRICS": "true"}, {*DOCUMENTATION, "GET /metrics"}),
    ],
)
def test_each_setting_opens_its_own_pages_to_all(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], opened: set[str]
) -> None:
    nobody: Any = None
    guard = Guard(nobody, nobody, opened_by(settings_of(monkeypatch, **given)))
    assert {route for route, entry in ROUTES.items() if entry.role is not None and guard.lets_all(entry)} == opened


GIVEN_OUT = {
    ("off", "false"): {"safe", "suspicious", "unscanned", "dangerous"},
    ("off", "true"): {"safe", "suspicious", "unscanned", "dangerous"},
    ("warn", "false"): {"safe", "suspicious", "unscanned", "dangerous"},
    ("warn", "true"): {"safe", "suspicious", "unscanned", "dangerous"},
    ("quarantine", "false"): {"safe", "suspicious", "unscanned"},
    ("quarantine", "true"): {"safe", "suspicious"},
    (None, None): {"safe", "suspicious", "unscanned"},
}


@pytest.mark.parametrize(("policy", "required"), GIVEN_OUT)
def test_the_policy_for_scans_decides_what_is_given_out_and_what_is_told(
    monkeypatch: pytest.MonkeyPatch, policy: str | None, required: str | None
) -> None:
    given = {} if policy is None or required is None else {"SCAN_POLICY": policy, "SCAN_REQUIRED": required}
    quarantine = settings_of(monkeypatch, **given).quarantine
    given_out, told = set(), set()
    for verdict, released in product(("safe", "suspicious", "unscanned", "dangerous"), (False, True)):
        scan = {"verdict": verdict, "released": released}
        version = {"corrupt": False, "model_id": "m", "version": "v1.0", "scan": scan}
        with suppress(ArtifactQuarantined):
            told |= set(quarantine.headers(version).values())
            given_out.add((verdict, released))
    everything = {"safe", "suspicious", "unscanned", "dangerous"}
    assert {verdict for verdict, released in given_out if not released} == GIVEN_OUT[policy, required]
    assert {verdict for verdict, released in given_out if released} == everything
    assert told == (set() if policy == "off" else everything)


class Begun:
    """Stands for the scrub, and for all that it is begun with; what is spawned runs up to its first wait."""

    partitions = suspects = None

    def __init__(self) -> None:
        self.work: list[str] = []

    def __call__(self, *_: object) -> Begun:
        return self

    async def look_into_suspects(self) -> None:
        self.work.append("suspects")

    async def go_round(self, bytes_per_second: int) -> None:
        self.work.append(f"{bytes_per_second} bytes a second")

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        with suppress(StopIteration):
            work.send(None)


@pytest.mark.parametrize(
    ("given", "begun"),
    [({}, ["suspects"]), ({"BLOB_SCRUB_BYTES_PER_SECOND": "5MB"}, ["suspects", "5000000 bytes a second"])],
)
def test_files_are_gone_round_where_a_pace_is_given(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], begun: list[str]
) -> None:
    scrub: Any = Begun()
    monkeypatch.setattr(service, "Scrub", scrub)
    pace = settings_of(monkeypatch, **given).blob_scrub_bytes_per_second
    service._begin_scrub(pace, scrub, scrub, scrub, scrub)
    assert scrub.work == begun
