"""Whatever schemathesis makes of the OpenAPI document, as it says and against it, the registry answers below 500.

`FUZZ_CASES` is the most requests to each operation in each manner; `make fuzz` sends many more than `make test`.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from requests import Session
from schemathesis import GenerationMode

CASES = int(os.environ.get("FUZZ_CASES", "6"))
LONG = 1000
PROMISED = 100_000
"""Requests of a run with LONG cases, of 170,000 at most: an operation without parameters has a single one, and none
that is wrong."""
ENDLESS = "/api/v1/events/stream"
"""Its answer does not end; `tests/e2e/test_events.py` gives it hostile values."""


@pytest.mark.timeout(120 + 10 * CASES)
def test_no_request_that_the_document_leads_to_is_answered_by_a_server_error_or_what_is_not_declared(
    http: httpx.Client,
) -> None:
    document = http.get("/openapi.json").json()
    del document["paths"][ENDLESS]
    schema = schemathesis.openapi.from_dict(document)
    name = f"hostile {uuid.uuid4()}"
    model_id = http.post("/api/v1/models", json={"name": name, "algorithm": "svm"}).json()["model_id"]
    http.post(f"/api/v1/models/{model_id}/upload", files={"file": ("m.bin", b"weights")})
    there = {"model_id": model_id, "version": "v1.0", "name": name}
    asked: dict[str, int] = {}
    found: dict[str, str] = {}
    with Session() as session:
        for result in schema.get_all_operations():
            operation = result.ok()
            known = {one: there[one] for one in there if f"{{{one}}}" in operation.path}
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for path_parameters in [known, None] if known else [None]:
                    strategy = operation.as_strategy(mode, path_parameters=path_parameters)
                    send(strategy, str(http.base_url), session, asked, found)
    assert found == {}
    assert len(asked) == sum(len(methods) for methods in document["paths"].values())
    assert sum(asked.values()) >= (CASES * len(asked) if CASES < LONG else PROMISED)


def send(strategy: Any, url: str, session: Session, asked: dict[str, int], found: dict[str, str]) -> None:
    """Count each request in `asked` by its operation; put one with an error of the server's into `found`.

    So is a status that the document does not declare for the operation.
    """

    @settings(max_examples=CASES, derandomize=CASES < 100, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def ask(case: Any) -> None:
        answer = case.call(base_url=url, session=session, timeout=30)
        label = case.operation.label
        asked[label] = asked.get(label, 0) + 1
        declared = str(answer.status_code) in case.operation.definition.raw["responses"]
        if answer.status_code >= 500 or not declared:
            found[label] = f"{answer.status_code} {answer.text[:300]} to {case.as_curl_command()[:1000]}"

    with suppress(Unsatisfiable):  # where nothing is given there is nothing to give wrongly
        ask()
