"""Problem answers: every kind is explained, and an error that nobody expected ends the process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from tensorfleet.domain.errors import Fatal, LogUnavailable, RegistryError
from tensorfleet.http.app import make_app
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.problem_pages import MEANINGS
from tensorfleet.http.problems import HTTP_CODES, status_of


def answers(root: type[RegistryError]) -> Iterator[type[RegistryError]]:
    for one in root.__subclasses__():
        if not issubclass(one, Fatal):
            yield one
            yield from answers(one)


def client(error: Exception, unexpected: list[BaseException]) -> TestClient:
    router = APIRouter()

    @router.get("/health")
    async def fails() -> None:
        raise error

    app = make_app("test", Metrics(), [router], cors_origins="", on_unexpected=unexpected.append)
    return TestClient(app, raise_server_exceptions=False)


def test_every_problem_has_a_meaning_and_a_place_on_the_page_that_its_type_names() -> None:
    codes = {one.code for one in answers(RegistryError)} | set(HTTP_CODES.values()) | {"internal-error", "http-error"}
    assert codes == set(MEANINGS)
    page = client(ValueError(), []).get("/docs/problems")
    assert page.headers["content-type"].startswith("text/html")
    for code in codes:
        assert f'id="{code}"' in page.text


def test_the_contract_page_of_the_docs_names_every_problem() -> None:
    page = (Path(__file__).parents[2] / "docs" / "contract.md").read_text().split("## Errors")[1]
    assert {code for code in MEANINGS if f"`{code}`" not in page} == set()


@pytest.mark.parametrize("kind", list(answers(RegistryError)), ids=lambda one: one.__name__)
def test_every_error_that_is_an_answer_has_a_status(kind: type[RegistryError]) -> None:
    assert 400 <= status_of(kind.__new__(kind)) < 600


def test_an_unexpected_error_is_a_problem_and_reaches_whoever_ends_the_process() -> None:
    error, unexpected = ZeroDivisionError("secret"), list[BaseException]()
    answer = client(error, unexpected).get("/health")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "secret" not in answer.text
    assert unexpected == [error]


@pytest.mark.parametrize("error", [LogUnavailable("gone"), ClientDisconnect()])
def test_an_error_that_is_known_ends_nothing(error: Exception) -> None:
    unexpected: list[BaseException] = []
    client(error, unexpected).get("/health")
    assert unexpected == []
