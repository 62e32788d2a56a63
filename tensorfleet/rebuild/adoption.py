"""Lets read models go on with a log that was restored: the same records under other ids of cluster and topics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorfleet.events.stored import OffsetRange
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.mongo.generation_stores import GenerationStores
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.progress import Progress
from tensorfleet.projection.progress import running_hash_after
from tensorfleet.rebuild.log_source import LogSource


@dataclass(frozen=True, slots=True)
class Examined:
    """A checkpoint of the generation `database`, what it would become, and why the log is not its log, or None."""

    database: str
    before: Checkpoint
    after: Checkpoint
    problem: str | None

    @property
    def other_identity(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Adoption:
    """GenerationsBusy while someone makes or switches generations. LogUnavailable, ReadModelsUnavailable."""

    source: LogSource
    stores: GenerationStores
    progress: Progress

    def examine(self) -> list[Examined]:
        """Every checkpoint of every generation that is live or kept. TopicMismatch if a topic is not there."""
        held = [
            (database, one)
            for database in self.stores.read().kept
            for one in self.stores.checkpoints(database).values()
        ]
        found: list[Examined] = []
        for topic, name in (("log", self.source.topics.log), ("downloads", self.source.topics.downloads)):
            reader = TopicReader(self.source.kafka, name, self.source.client_id)
            found += self._examined(reader, [(database, one) for database, one in held if one.topic == topic])
        return found

    def adopt(self, examined: Sequence[Examined]) -> None:
        """All of them, or nothing: CheckpointTaken if one is not what it was when it was examined."""
        changes: dict[str, list[tuple[Checkpoint, Checkpoint]]] = {}
        for one in examined:
            changes.setdefault(one.database, []).append((one.before, one.after))
        with self.stores.lease():
            self.stores.adopt(changes)

    def _examined(self, reader: TopicReader, held: Sequence[tuple[str, Checkpoint]]) -> Iterator[Examined]:
        identity = reader.identity()
        ranges = {one.partition: one for one in reader.ranges()}
        for partition in sorted({one.partition for _, one in held}):
            here = [(database, one) for database, one in held if one.partition == partition]
            problems = self._problems(reader, ranges.get(partition), [one for _, one in here])
            for database, one in here:
                after = replace(one, cluster_id=identity.cluster_id, topic_id=identity.topic_id)
                yield Examined(database, one, after, problems[one.next_offset, one.running_hash])

    def _problems(
        self, reader: TopicReader, there: OffsetRange | None, held: Sequence[Checkpoint]
    ) -> Mapping[tuple[int, bytes], str | None]:
        """By offset and running hash of the checkpoint."""
        sound = there is not None and there.first == 0
        ends = [one.next_offset for one in held if there is not None and sound and one.next_offset <= there.end]
        hashes = self._running_hashes(reader, held[0], max(ends, default=0), set(ends))
        return {(one.next_offset, one.running_hash): _problem(there, one, hashes.get(one.next_offset)) for one in held}

    def _running_hashes(self, reader: TopicReader, one: Checkpoint, end: int, wanted: set[int]) -> dict[int, bytes]:
        """That of the log at each offset wanted."""
        running = bytes(32)
        found = {0: running}
        self.progress.begin(f"reading {reader.topic} {one.partition}", end)
        for number, record in enumerate(reader.read([OffsetRange(one.partition, 0, end)]), 1):
            value = record.value or b""
            running = running_hash_after(running, hashlib.sha256(value).digest() if one.topic == "log" else value)
            if number in wanted:
                found[number] = running
            self.progress.advance()
        return found


def _problem(there: OffsetRange | None, one: Checkpoint, running_hash: bytes | None) -> str | None:
    if there is None:
        return "the topic has no such partition"
    if there.first > 0:
        return f"the topic begins at offset {there.first} only"
    if there.end < one.next_offset:
        return f"the topic ends at offset {there.end}: records are missing"
    if running_hash != one.running_hash:
        return "the topic holds other records before this offset"
    return None
