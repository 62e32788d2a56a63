"""The two topics that the read models are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tensorfleet.domain.errors import LogLost
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.assigned_reader import AssignedReader, Place
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.mongo.writes import Checkpoint


@dataclass(frozen=True, slots=True)
class LogSource:
    """`kafka` are librdkafka's settings."""

    topics: Topics
    kafka: Mapping[str, str]
    client_id: str

    def reader(self) -> AssignedReader:
        return AssignedReader(self.kafka, self.client_id)

    def beginnings(self) -> dict[str, Checkpoint]:
        """A checkpoint before the first record of each partition, by id. LogLost if a topic no longer has it."""
        return {
            one.id: one
            for topic, name in (("log", self.topics.log), ("downloads", self.topics.downloads))
            for one in self._beginnings(topic, TopicReader(self.kafka, name, self.client_id))
        }

    def place(self, checkpoint: Checkpoint) -> Place:
        return self.topics.log if checkpoint.topic == "log" else self.topics.downloads, checkpoint.partition

    def _beginnings(self, topic: str, reader: TopicReader) -> list[Checkpoint]:
        identity, ranges = reader.identity(), reader.ranges()
        for one in ranges:
            if one.first > 0:
                raise LogLost(
                    f"{reader.topic}[{one.partition}] begins at offset {one.first}: its first records are gone, so the "
                    "read models can't be made from it. Nothing was changed."
                )
        return [
            Checkpoint(topic, one.partition, identity.cluster_id, identity.topic_id, 0, 0, bytes(32)) for one in ranges
        ]


def require_made_from(beginnings: Mapping[str, Checkpoint], held: Mapping[str, Checkpoint]) -> None:
    """LogLost if read models come from another log: then no offset of one means anything in the other."""
    for key, one in held.items():
        here = beginnings.get(key)
        if here is None or (here.cluster_id, here.topic_id) != (one.cluster_id, one.topic_id):
            raise LogLost(
                f"Read models were built from another log: {key} is of cluster {one.cluster_id}, topic id "
                f"{one.topic_id}. Nothing was changed. If the log was restored from a backup, `tensorfleet adopt-log`; "
                "else restore it, or use another MONGODB_DB."
            )
