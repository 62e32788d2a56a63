"""What authentication costs: one model read by id, with a key where keys are asked for, and where they are not.

Two registries of one model each, on the same servers, are asked in turns: rounds of requests to one and the other, and
the medians are compared. So whatever else the machine does falls on both.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Final

import uvloop

from benchmarks.http_client import Connection, register
from benchmarks.registry import Registry
from benchmarks.table import Row, median
from devstack.stack import NativeStack

ROUNDS: Final = 40
REQUESTS: Final = 100
MOST_RATIO: Final = 1.05


def measure(stack: NativeStack) -> Iterator[Row]:
    admin = secrets.token_urlsafe(32)
    guarded = {"ENABLE_AUTH": "true", "ADMIN_API_KEY": admin}
    with Registry(stack, "auth-off") as plain, Registry(stack, "auth-on", settings=guarded) as keyed:
        without, with_key = uvloop.run(_measured(plain, keyed, admin))
    ratio = with_key / without
    limit = f"<= {MOST_RATIO}x"
    shown = f"{with_key * 1000:.3f} ms ({ratio:.3f}x)"
    yield Row("model by id, with a key", shown, f"no keys {without * 1000:.3f} ms", limit, ratio <= MOST_RATIO)


async def _measured(plain: Registry, keyed: Registry, admin: str) -> tuple[float, float]:
    """The median seconds of a request without keys, and of one with a key that was issued."""
    async with Connection(keyed.ports["gateway"], admin) as issuer:
        issued = await issuer.command("/api/v1/keys", {"name": "benchmark", "roles": ["reader", "writer"]})
    async with (
        Connection(plain.ports["gateway"]) as one,
        Connection(keyed.ports["gateway"], issued["api_key"]) as other,
    ):
        paths = [f"/api/v1/models/{await register(each, 'measured', wait=True)}" for each in (one, other)]
        took: tuple[list[float], list[float]] = ([], [])
        for number in range(ROUNDS + 1):
            for times, connection, path in zip(took, (one, other), paths, strict=True):
                found = await _times(connection, path)
                times.extend(found if number else [])  # the first round warms up
    return median(took[0]), median(took[1])


async def _times(connection: Connection, path: str) -> list[float]:
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        await connection.get(path)
        took.append(time.perf_counter() - began)
    return took
