"""Reads of the registry beside those of MLflow's: the same models on both sides, asked in turns by 16 clients.

Ours are asked twice: by questions that come again, which a query API answers from what it kept, and on a query API that
makes each answer anew. MLflow gets a connection for each request: on one that is kept it answers some 40 ms late, which
the last rows show for one client and for all. Ours are measured both ways. MLflow orders by the time of the last update
where ours takes the newest; that is the order of registration on both sides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import uvloop

from benchmarks.create_version import Load, load, summary
from benchmarks.http_client import Connection
from benchmarks.mlflow_server import mlflow_name, mlflow_server, shared_word
from benchmarks.registry import Registry
from benchmarks.seeded_registry import ALIKE, ANEW, QUERY_API, TAGS, name_of, seeded_registry
from benchmarks.table import Row
from devstack.stack import NativeStack
from tensorfleet.domain.names import model_id_of

MODELS, CLIENTS, ROUNDS, SECONDS, WARM_SECONDS, PAGE = 10_000, 16, 3, 2.0, 1.0, 20
VARIANTS = 100
OURS, THEIRS = "/api/v1/models", "/api/2.0/mlflow/registered-models"


@dataclass(frozen=True, slots=True)
class Read:
    """`ours` and `theirs` are paths, asked one after the other; `goal` is how many times MLflow's rate ours is."""

    figure: str
    goal: float
    ours: Sequence[str]
    theirs: Sequence[str]
    found: int = PAGE


@dataclass(frozen=True, slots=True)
class Measured:
    again: list[Load]
    fresh: list[Load]
    anew: list[Load]
    mlflow: list[Load]


def measure(stack: NativeStack, models: int = MODELS) -> Iterator[Row]:
    """`models`: of each registry."""
    with seeded_registry(stack, models, "beside-mlflow") as registry, mlflow_server(stack, models) as theirs:
        for read in _reads(models):
            yield from _rows(read, uvloop.run(_in_turns(read, registry, theirs)))
        for clients in (1, CLIENTS):
            yield uvloop.run(_kept_by_mlflow(_reads(models)[0], theirs, clients))


def _reads(models: int) -> tuple[Read, ...]:
    numbers, batches = _spread(models), _spread(models // ALIKE)
    newest = {"max_results": PAGE, "order_by": "last_updated_timestamp DESC"}
    return (
        Read(
            "model by id",
            9,
            [f"{OURS}/{model_id_of(name_of(number))}" for number in numbers],
            [f"{THEIRS}/get?{urlencode({'name': mlflow_name(number)})}" for number in numbers],
            found=1,
        ),
        Read(f"newest {PAGE}", 35, [OURS], [_search(newest)]),
        Read(
            f"tag + newest {PAGE}",
            45,
            [f"{OURS}?tags={tag}" for tag in TAGS],
            [_search({**newest, "filter": f"tags.`{tag}` = 'true'"}) for tag in TAGS],
        ),
        Read(
            f"text search, {ALIKE} found",
            35,
            [f"{OURS}/search?q=batch{batch}" for batch in batches],
            [_search({"max_results": PAGE, "filter": f"name ILIKE '%{shared_word(batch)}%'"}) for batch in batches],
        ),
    )


def _spread(count: int) -> range:
    """Some VARIANTS numbers below `count`, evenly."""
    return range(0, count, max(1, count // VARIANTS))


def _search(parameters: dict[str, object]) -> str:
    return f"{THEIRS}/search?{urlencode(parameters)}"


async def _in_turns(read: Read, registry: Registry, theirs: int) -> Measured:
    """Kept and fresh connections to ours, kept ones to the one that makes all anew, fresh ones to MLflow."""
    ours, anew = registry.ports[QUERY_API], registry.ports[ANEW]
    await _require_the_same(read, ours, theirs)
    sides = (
        (ours, read.ours, False),
        (ours, read.ours, True),
        (anew, read.ours, False),
        (theirs, read.theirs, True),
    )
    for port, paths, fresh in sides:
        await _round(port, paths, fresh, WARM_SECONDS)
    measured = Measured([], [], [], [])
    for _ in range(ROUNDS):
        for loads, side in zip((measured.again, measured.fresh, measured.anew, measured.mlflow), sides, strict=True):
            loads.append(await _round(*side))
    return measured


async def _round(
    port: int, paths: Sequence[str], fresh: bool, seconds: float = SECONDS, clients: int = CLIENTS
) -> Load:
    """`fresh`: a connection for each request, its opening counted; else one for each client."""
    async with AsyncExitStack() as stack:
        kept = [] if fresh else [await stack.enter_async_context(Connection(port)) for _ in range(clients)]

        async def ask(client: int, turn: int) -> None:
            path = paths[(client + turn * clients) % len(paths)]
            if not fresh:
                await kept[client].get(path)
                return
            async with Connection(port) as connection:
                await connection.get(path)

        return await load(ask, clients, seconds)


async def _require_the_same(read: Read, ours: int, theirs: int) -> None:
    """Each path finds as many models on either side, or what is compared is not the same work."""
    asked = ((ours, read.ours, "models"), (theirs, read.theirs, "registered_models"))
    for port, paths, key in asked:
        async for path, answer in _answers(port, paths):
            found = len(answer.get(key, [answer]))
            assert found == read.found, f"{path} found {found} models, not {read.found}"


async def _answers(port: int, paths: Sequence[str]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for path in paths:
        async with Connection(port) as connection:
            yield path, await connection.get(path)


def _rows(read: Read, measured: Measured) -> Iterator[Row]:
    """One for each way to ask ours; what was promised is about questions over connections that are kept."""
    base, base_latency = summary(measured.mlflow)
    beside = f"MLflow {base:,.0f}/s, {base_latency}"
    ways = (("", measured.again), (", fresh connections", measured.fresh), (", made anew", measured.anew))
    for way, loads in ways:
        rate, latency = summary(loads)
        limit, met = ("", None) if way else (f">= {read.goal:g}x", rate >= read.goal * base)
        yield Row(f"{read.figure}{way}", f"{rate:,.0f}/s, {latency} ({rate / base:.1f}x)", beside, limit, met)


async def _kept_by_mlflow(read: Read, port: int, clients: int) -> Row:
    """In turns: why MLflow is asked over fresh connections, and what that costs it."""
    kept, fresh = [], []
    for _ in range(ROUNDS):
        kept.append(await _round(port, read.theirs, fresh=False, clients=clients))
        fresh.append(await _round(port, read.theirs, fresh=True, clients=clients))
    (rate, latency), (other, other_latency) = summary(kept), summary(fresh)
    figure = f"MLflow's {read.figure}, kept connections, {clients} at once"
    return Row(figure, f"{rate:,.0f}/s, {latency}", f"fresh ones {other:,.0f}/s, {other_latency}")
