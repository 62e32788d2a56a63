"""The OpenAPI document is valid and complete, and a client that is generated from it works."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from tensorfleet.http.openapi.examples import ANSWERS, REQUESTS

Document = dict[str, Any]
OFF_BY_DEFAULT = ("get_upload", "get_download_url")
"""`tests/e2e/test_presigned.py` compares them."""


@pytest.fixture
def document(http: httpx.Client) -> Document:
    return dict(http.get("/openapi.json").json())


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_is_valid_and_says_everything_of_every_call(document: Document) -> None:
    validate(document)
    ids = [one["operationId"] for _, _, one in operations(document)]
    assert len(ids) == len(set(ids))
    declared = {one["name"] for one in document["tags"]}
    for path, method, one in operations(document):
        assert (one["summary"], len(one["tags"]), set(one["tags"]) <= declared) == (one["summary"], 1, True), path
        assert [status for status in one["responses"] if status.startswith("2")], path
        assert {"408", "431", "500"} <= one["responses"].keys(), path
        for status, answer in one["responses"].items():
            if status >= "400" and "content" in answer:
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, path
        if path.startswith("/api/"):
            assert {"400", "422", "500", "503"} <= one["responses"].keys(), path
        if "{" in path:
            assert "404" in one["responses"], path
        if method == "get" and "If-None-Match" in {parameter["name"] for parameter in one["parameters"]}:
            assert "304" in one["responses"], path


def json_contents(operation: Document) -> Iterator[Document]:
    """Of the body, and of the answer that is no error."""
    answers = [one for status, one in operation["responses"].items() if status.startswith("2")]
    for part in (operation.get("requestBody", {}), *answers):
        for media_type, content in part.get("content", {}).items():
            if media_type.endswith("json"):
                yield content


def test_every_json_body_and_answer_has_an_example(document: Document) -> None:
    contents = [(one["operationId"], content) for _, _, one in operations(document) for content in json_contents(one)]
    assert [name for name, content in contents if "example" not in content] == []
    assert {name for name, _ in contents} >= REQUESTS.keys() | ANSWERS.keys()


def test_examples_have_the_members_of_real_answers(http: httpx.Client, document: Document) -> None:
    model_id = http.post("/api/v1/models", json=ANSWERS_NEED).json()["model_id"]
    http.post(f"/api/v1/models/{model_id}/upload", files={"file": ("m.bin", b"x")})
    values = {"model_id": model_id, "version": "v1.0", "name": ANSWERS_NEED["name"], "schema_id": "1"}
    of_subject = {"subject": http.get("/subjects").json()[0], "version": "1"}
    queries = {
        "search_models": "?q=svm",
        "compare_models": f"?ids={model_id},{model_id}@v1.0",
        "get_metric_history": "?name=accuracy",
    }
    compared = 0
    for path, method, one in operations(document):
        name = one["operationId"]
        if method == "get" and name in ANSWERS and name not in OFF_BY_DEFAULT:
            address = path.format_map(of_subject if path.startswith("/subjects") else values)
            answer = http.get(address + queries.get(name, ""))
            assert shape(answer.json(), ANSWERS[name]), (name, answer.text)
            compared += 1
    assert compared >= 25
    row = http.get(f"/api/v1/models/compare{queries['compare_models']}").json()["metrics"]["accuracy"]
    assert row.keys() == ANSWERS["compare_models"]["metrics"]["test_accuracy"].keys()


def shape(answer: Any, example: Any) -> bool:
    """Whether both have the same members, and so have the first rows of their lists, if both have any."""
    if isinstance(example, list):
        return isinstance(answer, list) and type(answer[0]) is type(example[0])
    lists = [name for name, one in example.items() if isinstance(one, list)]
    rows = [(answer[name][0], example[name][0]) for name in lists if answer.get(name) and example[name]]
    same = [one.keys() == shown.keys() for one, shown in rows if isinstance(shown, dict)]
    return bool(answer.keys() == example.keys() and all(same))


ANSWERS_NEED = {"name": f"n {uuid.uuid4()}", "algorithm": "svm", "metrics": {"accuracy": 0.5}}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, registry_processes: Any) -> Iterator[ModuleType]:
    """The package that openapi-python-client makes of the document."""
    directory = tmp_path_factory.mktemp("generated")
    (directory / "openapi.json").write_bytes(httpx.get(f"{registry_processes.url}/openapi.json").content)
    (directory / "config.json").write_text(json.dumps({"post_hooks": []}))
    arguments = [
        "--path",
        "openapi.json",
        "--config",
        "config.json",
        "--meta",
        "none",
        "--output-path",
        "registry_client",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", *arguments],
        cwd=directory,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(directory))
    try:
        yield importlib.import_module("registry_client")
    finally:
        sys.path.remove(str(directory))


def test_a_generated_client_works(generated: ModuleType, http: httpx.Client) -> None:
    def api(name: str) -> Any:
        return importlib.import_module(f"registry_client.api.{name}").sync

    models = importlib.import_module("registry_client.models")
    client = generated.Client(base_url=str(http.base_url))
    form = models.RegisterModelRegisterForm(
        algorithm="svm",
        name=f"n {uuid.uuid4()}",
        tags=["generated"],
        metrics=models.RegisterModelRegisterFormMetrics.from_dict({"accuracy": 0.5}),
    )
    model_id = api("commands.register_model")(client=client, body=form)["model_id"]
    assert api("models.get_model")(model_id, client=client)["metrics"] == {"accuracy": 0.5}
    body = models.CreateVersionVersionForm.from_dict({"breaking_changes": True})
    assert api("commands.create_version")(model_id, client=client, body=body)["version"] == "v2.0"
    found = api("models.list_models")(client=client, tags="generated", status=models.ListModelsStatus.ACTIVE, limit=5)
    assert model_id in [one["id"] for one in found["models"]]
    assert [one["sequence"] for one in api("history.get_history")(model_id, client=client)["events"]] == [1, 2]
    assert api("models.get_model_by_name")(form.name, client=client)["id"] == model_id
    assert "events" in api("events.list_events")(client=client, model_id=model_id, type_="ModelRegistered", limit=1)
    assert api("commands.delete_model")(model_id, client=client)["deleted_id"] == model_id
    missing = api("models.get_model")(model_id, client=client)
    assert (type(missing).__name__, missing.status, missing.code) == ("Problem", 404, "model-not-found")
