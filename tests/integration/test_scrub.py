"""The command side looks after stored files: what it finds becomes a command, once, by the owner of the model alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest

from services.command_api.partition import State
from services.command_api.scrub import Scrub
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.blobs.suspects import Suspect
from tensorfleet.domain import commands as c
from tensorfleet.domain.errors import OutcomeUnknown
from tensorfleet.domain.names import model_id_of, partition_of
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.fold import LogFold
from tensorfleet.events.packing import pack
from tensorfleet.http.metrics import Metrics
from tests.builders import CODEC, Stream, blob, registration

V1 = ModelVersion.parse("v1.0")
NAMES = ("whole", "flipped", "missing", "mended", "lost for long", "packed", "of a stranger")


@dataclass
class HeldPartition:
    state: State
    fold: LogFold


class Registry:
    """The stranger's model is in a partition with another owner. `executed` are the commands, by names of models."""

    def __init__(self, store: MinioBlobStore) -> None:
        self.store = store
        self.metrics = Metrics()
        self.executed: list[tuple[str, c.Command]] = []
        self.failures = 0
        self.stream = Stream()
        for name in NAMES:
            self.stream.add(registration(name), name)
            self.stream.add(c.AttachFile(blob(name.encode())), name)
        for name in ("mended", "lost for long"):
            self.stream.add(c.ReportCorruption(V1, blob(name.encode()).checksum, None, "once"), name)
        self.fold = LogFold(CODEC)
        for offset, (key, value) in enumerate(self.stream.values):
            self.fold.apply(offset, key, value)
        self.fold.packed[model_id_of("packed")] = pack(self.fold.models.pop(model_id_of("packed")))
        strangers = LogFold(CODEC, models={model_id_of(NAMES[-1]): self.fold.models.pop(model_id_of(NAMES[-1]))})
        self.held = HeldPartition(State.OWNING, self.fold)
        self.other = HeldPartition(State.FOLLOWING, strangers)

    def scrub(self) -> Scrub:
        async def execute(command: c.Command, model_id: str) -> None:
            if self.failures:
                self.failures -= 1
                raise OutcomeUnknown("ask again")
            name = next(one for one in NAMES if model_id_of(one) == model_id)
            self.executed.append((name, command))
            self.stream.add(command, name)
            self.fold.apply(len(self.stream.values) - 1, *self.stream.values[-1])

        # Suspects are looked for by the partition of their id: all of them lead to the held one, but the stranger's.
        number = partition_of(model_id_of(NAMES[-1]), 97)
        partitions = [self.other if index == number else self.held for index in range(97)]
        return Scrub(partitions, self.store, self.store.suspects, execute, self.metrics)

    async def store_files(self) -> None:
        async def chunks(content: bytes) -> AsyncIterator[bytes]:
            yield content

        for name in ("whole", "mended", "packed"):
            await self.store.put(chunks(name.encode()), expected_checksum=None, max_bytes=100)
        key = f"sha256/{blob(b'flipped').checksum}"
        self.store._client.put_object(self.store._bucket, key, BytesIO(b"flippee"), 7)

    def found(self) -> set[tuple[str, str]]:
        return {(name, type(command).__name__) for name, command in self.executed}


EXPECTED = {("flipped", "ReportCorruption"), ("missing", "ReportCorruption"), ("mended", "ReportRepair")}


async def until(work: Coroutine[Any, Any, None], done: Any) -> None:
    running = asyncio.create_task(work)
    try:
        async with asyncio.timeout(20):
            while not await done():
                assert not running.done(), running
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.wait([running])


def test_a_round_reads_every_file_and_tells_what_has_changed_since_the_log_knew(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        registry = Registry(blob_store)
        await registry.store_files()

        async def round_is_over() -> bool:
            return registry.found() >= EXPECTED

        await until(registry.scrub().go_round(10**9), round_is_over)
        assert registry.found() == EXPECTED
        commands = dict(registry.executed)
        flipped, missing = commands["flipped"], commands["missing"]
        assert isinstance(flipped, c.ReportCorruption) and flipped.found == blob(b"flippee").checksum
        assert isinstance(missing, c.ReportCorruption) and missing.found is None
        assert b'blobs_corrupt_total{found_by="check"} 2.0' in registry.metrics.exposition()
        assert model_id_of("packed") in registry.fold.packed, "looking at all models does not fill the memory"

    asyncio.run(scenario())


def test_suspects_are_read_again_before_they_are_believed(
    blob_store: MinioBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.command_api.scrub._LOOK_SECONDS", 0.05)

    async def scenario() -> None:
        registry = Registry(blob_store)
        await registry.store_files()
        registry.failures = 1
        suspects = blob_store.suspects
        for name in NAMES:
            await suspects.report(Suspect(blob(name.encode()).checksum, model_id_of(name), "v1.0"))
        await suspects.report(Suspect(blob(b"x").checksum, model_id_of("never registered"), "v1.0"))
        await suspects.report(Suspect(blob(b"x").checksum, "no id", "v1.0"))
        await suspects.report(Suspect(blob(b"whole").checksum, model_id_of("whole"), "v9.0"))
        strangers = Suspect(blob(NAMES[-1].encode()).checksum, model_id_of(NAMES[-1]), "v1.0")

        async def only_the_strangers_is_left() -> bool:
            return await suspects.all() == [strangers]

        await until(registry.scrub().look_into_suspects(), only_the_strangers_is_left)
        assert registry.found() == EXPECTED

    asyncio.run(scenario())
