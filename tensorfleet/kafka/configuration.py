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


def member(kafka: Mapping[str, str], client_id: str, group: str, instance_name: str = "") -> Config:
    """A group member. What it is assigned is a licence; where it starts reading is decided elsewhere.

    With an `instance_name` that it alone has, and keeps when it is started again, it gets its partitions back at once
    after a crash, instead of when its session has run out; and an orderly stop leaves them with it for so long.
    """
    return {
        **reader(kafka, client_id),
        "group.id": group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        **({"group.instance.id": instance_name} if instance_name else {}),
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


def transactional_producer(kafka: Mapping[str, str], client_id: str, transactional_id: str) -> Config:
    return {
        **producer(kafka, client_id),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 15000,
    }


def admin(kafka: Mapping[str, str], client_id: str) -> Config:
    return {**_RECONNECT, **kafka, "client.id": client_id}
