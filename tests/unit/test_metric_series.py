"""The number of series grows neither with what is registered nor with what is asked for."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from tensorfleet.http.metrics import Metrics, RequestMetrics

MODELS = 100_000
ASKED = 2_000
MOST_SERIES = 500
MODEL = "/api/v1/models/{model_id}"


async def answer(request: Request) -> Response:
    return Response(status_code=404 if request.path_params.get("model_id") == "0" else 200)


async def ask(app: RequestMetrics, method: str, path: str) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None: ...

    query = f"x={path}".encode()
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": [], "root_path": ""}
    await app(scope, receive, send)


def test_100_000_models_are_at_most_500_series() -> None:
    metrics = Metrics()
    paths = ["/api/v1/models", MODEL, f"{MODEL}/download", f"{MODEL}/versions/{{version}}"]
    app = RequestMetrics(Starlette(routes=[Route(one, answer, methods=["GET", "POST"]) for one in paths]), metrics)

    async def ask_for_many() -> None:
        for number in range(ASKED):
            for path in paths:
                await ask(app, "GET", path.format(model_id=number, version=f"v{number}"))
            await ask(app, "POST", "/api/v1/models")
            await ask(app, f"M{number}", f"/api/v1/models/{number}")
            await ask(app, "GET", f"/{number}")

    for number in range(MODELS):
        metrics.registered(f"algorithm {number}")
        metrics.downloaded(f"algorithm {number}")
    asyncio.run(ask_for_many())
    lines = [line for line in metrics.exposition().decode().splitlines() if not line.startswith("#")]
    assert len(lines) <= MOST_SERIES
    assert f'model_registrations_total{{algorithm="other"}} {MODELS - 50:.1f}' in lines
    counts = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if "seconds_count" in line}
    assert sum(counts.values()) == 7 * ASKED
    assert counts[f'api_request_duration_seconds_count{{endpoint="{MODEL}",method="GET",status="200"}}'] == ASKED - 1
    assert not [line for line in lines if "_created" in line]
