"""Reads of a large registry beside the same reads of one of 10,000 models, in turns, over one connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import uvloop

from benchmarks.http_client import Connection, Refused
from benchmarks.registry import Registry
from benchmarks.seeded_registry import ALIKE, ANEW, name_of, seeded_registry
from benchmarks.table import Row, median
from devstack.stack import NativeStack
from tensorfleet.domain.names import model_id_of

SMALL, LARGE = 10_000, 1_000_000
ROUNDS, REQUESTS, MOST_RATIO, MOST_PAGE_RATIO = 5, 40, 1.3, 1.2
PAGE, PAGE_ROWS, ATTEMPTS = 1_000, 5, 10
MODELS = "/api/v1/models"


@dataclass(frozen=True, slots=True)
class Read:
    """`flat`: its time should not grow with the registry."""

    figure: str
    path: str
    flat: bool = True


READS = (
    Read("model by id", f"{MODELS}/{model_id_of(name_of(777))}"),
    Read("newest 20", MODELS),
    Read("algorithm and status + newest 20", f"{MODELS}?algorithm=XGBoost&status=active"),
    Read("tag + newest 20", f"{MODELS}?tags=production"),
    Read("author + by name", f"{MODELS}?created_by=author7&sort=name"),
    Read(f"search for a word of {ALIKE} models", f"{MODELS}/search?q=batch17"),
    Read("search for the beginning of a name", f"{MODELS}/search?q={name_of(777)[:-1]}"),
    Read("two tags + newest 20, counted", f"{MODELS}?all_tags=production,vision", flat=False),
    Read("min_accuracy + newest 20, counted", f"{MODELS}?min_accuracy=0.9", flat=False),
)


def measure(stack: NativeStack, models: int = LARGE) -> Iterator[Row]:
    """`models`: of the large registry."""
    with seeded_registry(stack, SMALL) as small, seeded_registry(stack, models) as large:
        for read in READS:
            if not read.flat and not uvloop.run(_is_answered(large, read.path)):
                yield Row(f"{read.figure}, {models:,} models", "refused: query-too-broad")
                continue
            few, many = uvloop.run(_in_turns(small, large, read.path, read.path))
            met = many <= MOST_RATIO * few if read.flat else None
            limit = f"<= {MOST_RATIO}x" if read.flat else ""
            yield _row(f"{read.figure}, {models:,} models", many, f"{SMALL:,} models", few, limit, met)
        first = f"{MODELS}?limit={PAGE_ROWS}"
        far = uvloop.run(_page(large, first, PAGE))
        one, thousandth = uvloop.run(_in_turns(large, large, first, far))
        limit, met = f"<= {MOST_PAGE_RATIO}x", thousandth <= MOST_PAGE_RATIO * one
        yield _row(f"page {PAGE:,} by cursor, {models:,} models", thousandth, "page 1", one, limit, met)


def _row(figure: str, measured: float, beside: str, other: float, limit: str, met: bool | None) -> Row:
    ratio = f"{measured * 1000:.2f} ms ({measured / other:.2f}x)"
    return Row(figure, ratio, f"{beside} {other * 1000:.2f} ms", limit, met)


async def _in_turns(one: Registry, other: Registry, path: str, other_path: str) -> tuple[float, float]:
    """The median seconds of one request of each, over all rounds."""
    async with Connection(one.ports[ANEW]) as first, Connection(other.ports[ANEW]) as second:
        await _times(first, path, REQUESTS // 4)  # warm
        await _times(second, other_path, REQUESTS // 4)
        took: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            took[0].extend(await _times(first, path, REQUESTS))
            took[1].extend(await _times(second, other_path, REQUESTS))
    return median(took[0]), median(took[1])


async def _is_answered(registry: Registry, path: str) -> bool:
    """Once what it looks through is in MongoDB's cache, to which each attempt brings some."""
    async with Connection(registry.ports[ANEW]) as connection:
        for _ in range(ATTEMPTS):
            try:
                await connection.get(path)
            except Refused as error:
                if error.code != "query-too-broad":
                    raise
            else:
                return True
    return False


async def _times(connection: Connection, path: str, requests: int) -> list[float]:
    took = []
    for _ in range(requests):
        began = time.perf_counter()
        await connection.get(path)
        took.append(time.perf_counter() - began)
    return took


async def _page(registry: Registry, first: str, number: int) -> str:
    """The path of a page, found by going there from cursor to cursor."""
    async with Connection(registry.ports[ANEW]) as connection:
        path = first
        for _ in range(number - 1):
            answer = await connection.get(path)
            path = f"{first}&cursor={answer['pagination']['next_cursor']}"
    return path
