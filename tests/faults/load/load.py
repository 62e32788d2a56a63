"""The load: clients that send commands, read and download without pause, and never trust a single answer.

Each partition has clients of its own, so that one without service does not keep the others from being asked. Some
clients wait for each answer; others send at a steady pace whatever happens, which measures the time without service:
half of what these send waits until it is visible, the other half is answered by its owner, whatever the projector does.
Those that send batches wait until they see what they sent. Else a slow machine would fall ever further behind, and the
time until something is visible would say nothing of a fault.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.load.attempts import Caller
from tests.faults.load.http_client import HttpClient
from tests.faults.load.models import Models
from tests.faults.load.reader import Reader
from tests.faults.load.recorder import Recorder
from tests.faults.load.requests import Request

BATCH_ENTRIES = 200
MOST_UNDER_WAY = 60
THINKING_SECONDS = 4.0
ASYNCHRONOUS = 0.3
"""How often a patient client does not wait until what it sent is visible."""
SEEN_SECONDS, UNSEEN_SECONDS = 0.7, 2.0
"""After a batch, by whether it could be seen. The machine is to have something left for whoever starts again."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many clients of each sort; `paced` in commands a second for each partition."""

    patient: int = 1
    batching: int = 2
    reading: int = 1
    paced: float = 2.0


class Load:
    """`command_ports` and `query_ports` are asked in turn."""

    def __init__(
        self, command_ports: Sequence[int], query_ports: Sequence[int], recorder: Recorder, seed: int, shape: Shape
    ) -> None:
        self._recorder = recorder
        self._chance = random.Random(seed)
        self._shape = shape
        run = f"run {seed}"
        self._models = [
            Models(number, recorder.partitions, run, random.Random(seed * 1000 + number))
            for number in range(recorder.partitions)
        ]
        self._commands = [HttpClient(port) for port in command_ports]
        self._queries = [HttpClient(port) for port in query_ports]
        self._callers = 0
        self._seed = seed
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for models in self._models:
            for _ in range(self._shape.patient):
                self._spawn(self._until_stopped(self._patient(models)))
            self._spawn(self._paced(models))
        for _ in range(self._shape.batching):
            self._spawn(self._until_stopped(self._batching()))
        for _ in range(self._shape.reading):
            self._spawn(self._until_stopped(self._reading()))

    async def stop(self) -> None:
        """Nothing new is begun; what is under way is finished, retries and all."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        for client in (*self._commands, *self._queries):
            client.close()

    async def abandon(self) -> None:
        """End at once; nothing happens after `stop`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raise what ended a client: a fault of the suite, not of the registry."""
        for task in self._tasks:
            if task.done() and not self._stopping.is_set():
                task.result()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _until_stopped(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._stopping.is_set():
            await step()

    def _caller(self) -> Caller:
        self._callers += 1
        return Caller(self._callers, self._seed, self._commands, random.Random(self._chance.random()))

    def _patient(self, models: Models) -> Callable[[], Coroutine[Any, Any, None]]:
        caller = self._caller()

        async def step() -> None:
            asynchronous = self._chance.random() < ASYNCHRONOUS
            await self._carry_out(caller, models, models.next_request(), asynchronous=asynchronous)
            await asyncio.sleep(THINKING_SECONDS)

        return step

    async def _carry_out(self, caller: Caller, models: Models, request: Request, *, asynchronous: bool) -> None:
        done = await caller.carry_out(request, asynchronous=asynchronous)
        self._recorder.add(done)
        models.learn(request, done, ",".join(map(str, done.last.positions)))

    async def _paced(self, models: Models) -> None:
        """At its pace even while nobody answers; only so many are under way at once."""
        caller = self._caller()
        under_way: set[asyncio.Task[None]] = set()
        for asynchronous in itertools.cycle((True, False)):
            if self._stopping.is_set():
                break
            if len(under_way) < MOST_UNDER_WAY:
                sending = self._carry_out(caller, models, models.next_request(), asynchronous=asynchronous)
                task = asyncio.create_task(sending)
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(1 / self._shape.paced)
        await asyncio.gather(*under_way)

    def _batching(self) -> Callable[[], Coroutine[Any, Any, None]]:
        caller = self._caller()

        async def step() -> None:
            chosen: dict[str, tuple[Models, Request]] = {}
            for _ in range(BATCH_ENTRIES):
                models = self._chance.choice(self._models)
                request = models.for_batch()
                chosen.setdefault(request.model_id, (models, request))
            done = await caller.carry_out_batch([request for _, request in chosen.values()])
            for (models, request), one in zip(chosen.values(), done, strict=True):
                self._recorder.add(one)
                models.learn(request, one, ",".join(map(str, one.last.positions)))
            seen = all(one.last.projected for one in done if one.last.acknowledged)
            await asyncio.sleep(SEEN_SECONDS if seen else UNSEEN_SECONDS)

        return step

    def _reading(self) -> Callable[[], Coroutine[Any, Any, None]]:
        reader = Reader(self._queries, self._recorder, self._chance)

        async def step() -> None:
            models = self._chance.choice(self._models)
            if not models.live:
                await asyncio.sleep(0.05)
            elif self._chance.random() < 0.3:
                await reader.download(models.any())
            else:
                await reader.read(models.any())
            await asyncio.sleep(0.02)

        return step
