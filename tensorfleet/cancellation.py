"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_AGAIN_SECONDS: Final = 0.2


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Return when all have ended, whatever they raised.

    Each is cancelled until it has: in Python 3.11 `asyncio.wait_for`, by which PyMongo waits for sockets and locks,
    loses a cancellation that comes in the moment when what it waits for is done (CPython's issue 86296).
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at: else it is reported as one that nobody has seen
