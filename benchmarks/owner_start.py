"""How long a command API takes until it serves, with a million events: from a snapshot, and without one."""

from __future__ import annotations

import time
from collections.abc import Iterator

from minio import Minio

from benchmarks.mixed_log import MixedLog
from benchmarks.registry import Registry
from benchmarks.table import Row
from devstack.stack import NativeStack
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topics import prepare_topics

EVENTS, GOAL_SECONDS, MOST_SECONDS = 1_000_000, 10.0, 300.0
SHARES = {"register": 10, "version": 45, "update": 45}


def measure(stack: NativeStack) -> Iterator[Row]:
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    topics, codec = Topics("bench-start"), Codec(Catalogue())
    prepare_topics(configuration.admin(kafka, "bench"), topics.specs, 1)
    MixedLog(kafka, topics, codec, SHARES).write(EVENTS)
    without = _start(stack, wait_for_snapshots=True)
    with_snapshot = _start(stack, wait_for_snapshots=False)
    yield Row(
        f"start of a command API with {EVENTS:,} events",
        f"{with_snapshot:.1f} s",
        f"without a snapshot {without:.1f} s",
        f"<= {GOAL_SECONDS:g} s",
        with_snapshot <= GOAL_SECONDS,
    )


def _start(stack: NativeStack, *, wait_for_snapshots: bool) -> float:
    began = time.perf_counter()
    with Registry(stack, "start", ["command_api"], ready_seconds=MOST_SECONDS) as registry:
        took = time.perf_counter() - began
        if wait_for_snapshots:
            _await_snapshots(stack, registry)
    return took


def _await_snapshots(stack: NativeStack, registry: Registry) -> None:
    minio = Minio(stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key, secure=False)
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        if len(list(minio.list_objects(registry.id, prefix="snapshots/", recursive=True))) == 6:
            return
        time.sleep(0.2)
    raise TimeoutError("the snapshots were not saved in time")
