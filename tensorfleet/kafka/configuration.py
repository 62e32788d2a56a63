"""librdkafka settings by role. Each value that differs from the default has its reason beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = dict[str, Any]

_RECONNECT: Mapping[str, Any] = {
    # A broker that comes back is noticed within half a second; the default backs off to ten.
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 500,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 200,
    # A frozen broker is given up after three seconds; the default waits sixty.
    "socket.timeout.ms": 3000,
    # Lost connections are expected while a server restarts, and reported by readiness instead.
    "log_level": 2,
}


PATIENT_FETCH: Mapping[str, Any] = {"fetch.wait.max.ms": 500}
"""For who reads on and on: what comes is sent at once all the same, and an idle broker has a fifth of the requests. Who
waits to be told that there is no more waits so long."""


def reader(kafka: Mapping[str, str], client_id: str) -> Config:
    """A reader of assigned partitions, which never commits: its place is in what it has folded."""
    return {
        **_RECONNECT,
        **kafka,
        "client.id": client_id,
        "group.id": f"{client_id}.reader",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        # A missing offset means that the log was lost or swapped. Starting elsewhere would hide it.
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 20,
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": 16384,
    }


def member(kafka: Mapping[str, str], client_id: str, group: str, instance: str | None = None) -> Config:
    """A group member. What it is assigned is a licence; where it starts reading is decided elsewhere.

    `instance` names a process over its restarts: one that was killed has its partitions back as soon as it is up again,
    while others wait for its session to end. An orderly end must unsubscribe before it closes, or they wait then, too.
    Such a member can fence off itself, when a broker dies while it joins: it then needs a new client.
    """
    return {
        **reader(kafka, client_id),
        "group.id": group,
        **PATIENT_FETCH,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        **({"group.instance.id": instance} if instance else {}),
    }


def worker(kafka: Mapping[str, str], client_id: str, group: str, instance: str) -> Config:
    """A group member whose place is kept by Kafka: what it has stored is committed each second, and at its end.

    A group that is new begins at the beginning, and so does one whose place is gone: work that may be repeated.
    """
    return {
        **member(kafka, client_id, group, instance),
        "enable.auto.commit": True,
        "auto.commit.interval.ms": 1000,
        "enable.partition.eof": False,
        "auto.offset.reset": "earliest",
    }


def producer(kafka: Mapping[str, str], client_id: str) -> Config:
    return {
        **_RECONNECT,
        **kafka,
        "client.id": client_id,
        "acks": "all",
        "enable.idempotence": True,
        # Batches form by themselves while one request is under way: waiting for more only adds time.
        "linger.ms": 0,
        "request.timeout.ms": 2000,
        "message.timeout.ms": 15000,
        "message.max.bytes": 8 * 1024 * 1024,
    }


def patient_producer(kafka: Mapping[str, str], client_id: str) -> Config:
    """For records that nobody reads a second time: where a repeat would count.

    A record that times out makes librdkafka number the others anew and send them again, though Kafka may have them
    already (its issue 4953). So none times out: a caller that waits no longer leaves its record on the way.
    """
    return {**producer(kafka, client_id), "message.timeout.ms": 0}


def filling_producer(kafka: Mapping[str, str], client_id: str) -> Config:
    """For filling a topic that was made just now, with records whose order counts and nobody waits for one by one.

    With one request under way, for of two the broker can refuse the first, since it has not taken up the partition yet,
    and take the second: the first never fits again (KAFKA-15591). An owner needs no such care: its first record to a
    partition is a claim, which it reads back before it sends more.
    """
    return {**producer(kafka, client_id), "linger.ms": 20, "max.in.flight.requests.per.connection": 1}


def transactional_producer(kafka: Mapping[str, str], client_id: str, transactional_id: str) -> Config:
    return {
        **producer(kafka, client_id),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 15000,
    }


def admin(kafka: Mapping[str, str], client_id: str) -> Config:
    return {**_RECONNECT, **kafka, "client.id": client_id}
