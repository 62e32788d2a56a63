"""GET /api/v1/models/{id}/verify over a real log: what is wrong in Kafka itself, and a model that is parked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from devstack.stack import NativeStack
from tensorfleet.domain import commands as c
from tensorfleet.kafka.record_lookup import FoundRecords, RecordLookup
from tensorfleet.projection.log_projection import DeadLetter
from tests.builders import CODEC, MODEL_ID, Stream, registration
from tests.integration.kafka_world import KafkaWorld
from tests.integration.projected import projector_running, wait_for_checkpoints
from tests.integration.query_world import World, world

pytestmark = pytest.mark.timeout(120)
Values = list[tuple[bytes, bytes]]
VERIFY = f"/api/v1/models/{MODEL_ID}/verify"


class SomeLog:
    """The log that the registry looks into, which a test can exchange: a partition of a topic."""

    def __init__(self, kafka: KafkaWorld) -> None:
        self.look_into(kafka, 0)

    def look_into(self, kafka: KafkaWorld, partition: int) -> None:
        self._lookup = RecordLookup(kafka.kafka, kafka.topics.log, "test")
        self._partition = partition

    def find(self, partition: int, offsets: Sequence[int], seconds: float) -> FoundRecords:
        return self._lookup.find(self._partition, offsets, seconds)


def edited(values: Values, offset: int, change: Callable[[bytes], bytes]) -> Values:
    return [*values[:offset], (values[offset][0], change(values[offset][1])), *values[offset + 1 :]]


def unchained(value: bytes) -> bytes:
    return CODEC.encode(CODEC.decode(value)._replace(previous_hash=b"\x01" * 32))


def test_what_is_wrong_in_kafka_itself_is_found_and_so_is_a_parked_model(stack: NativeStack) -> None:
    kafka, other = KafkaWorld(stack.kafka_bootstrap), KafkaWorld(stack.kafka_bootstrap, partitions=4)
    stream = Stream()
    for command in (registration(description="first"), c.CreateVersion(), c.DeprecateModel("old"), c.ArchiveModel()):
        stream.add(command)
    right = stream.values
    kafka.append(kafka.topics.log, right)
    log, letters = SomeLog(kafka), list[DeadLetter]()
    with (
        world(stack.mongodb_url, topics=kafka.topics, records=log) as http,
        projector_running(kafka.kafka, kafka.topics, stack.mongodb_url, http.db.name, letters.extend),
    ):
        wait_for_checkpoints(http.db, {"log:0": 5, "downloads:0": 0})
        sound = http.get(VERIFY).json
        assert (sound["verified"], sound["records"]) == (True, 4), sound

        wrong: list[tuple[Values, bool, str, int]] = [
            (edited(right, 1, lambda one: one.replace(b"first", b"firsu")), False, "altered", 1),
            (edited(right, 3, unchained), True, "chain", 3),
            (edited(right, 3, lambda one: b"\0" * 9), True, "unreadable", 3),
            (right[:-1], False, "record-missing", 4),
        ]
        for partition, (values, told, what, sequence) in enumerate(wrong):
            other.append(other.topics.log, values, partition)
            log.look_into(other, partition)
            found = verified(http, values[sequence][1] if told else None, sequence)
            problem = found["first_problem"]
            assert (found["verified"], problem["what"], problem["sequence"]) == (False, what, sequence), found
            assert (problem["position"], found["records"]) == (f"0:{sequence}", sequence - 1)

        log.look_into(kafka, 0)
        assert http.get(VERIFY).json == sound
        kafka.append(kafka.topics.log, [(MODEL_ID.encode(), b"garbage")])
        wait_for_checkpoints(http.db, {"log:0": 6, "downloads:0": 0})
        parked = http.get(VERIFY).json
        assert (parked["verified"], parked["complete"], parked["records"]) == (False, True, 4)
        problem = parked["first_problem"]
        assert (problem["what"], problem["sequence"], problem["position"]) == ("parked", 5, "0:5")
        assert "can't be decoded" in problem["found"]


def verified(http: World, value: bytes | None, sequence: int) -> Any:
    """`value`: the history says, too, that these are the record's bytes."""
    if value is None:
        return http.get(VERIFY).json
    where = {"_id": f"{MODEL_ID}:{sequence:012d}"}
    held = http.db.history.find_one_and_update(where, {"$set": {"hash": hashlib.sha256(value).hexdigest()}})
    try:
        return http.get(VERIFY).json
    finally:
        http.db.history.replace_one(where, held)
