"""Streams under what real servers seldom do: a feed that fails, clients that do not read, more than is kept."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn

from services.query_api.cursors import Cursors
from services.query_api.events import live as event_live
from services.query_api.events import streams as event_streams
from services.query_api.events.places import Places
from services.query_api.events.routes import event_routes
from services.query_api.events.streams import EventStreams
from services.query_api.gate import ReadGate
from tensorfleet.domain import events as e
from tensorfleet.domain.errors import FeedUnavailable
from tensorfleet.events.envelope import Position
from tensorfleet.events.feed import Burst, NoSuchPlace, PartitionSlice, Place
from tensorfleet.events.headers import LOG_POSITION
from tensorfleet.events.topics import Topics
from tensorfleet.http import event_stream
from tensorfleet.http.app import make_app
from tensorfleet.http.event_stream import OpenStreams
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.feed import KafkaFeed
from tensorfleet.kafka.records import EndOfPartition, Record
from tests.builders import CODEC, envelope
from tests.sse import EventClient

PARTITIONS = 2


class MemoryFeed:
    """A Feed in memory. Every third offset is a transaction's marker; `failing` makes Kafka silent.

    While it is `late`, followers get nothing, and all of it with the first event after that.
    """

    def __init__(self) -> None:
        self.records: dict[int, list[Record]] = defaultdict(list)
        self.next = [0] * PARTITIONS
        self.failing = False
        self.reads = 0
        self.late = False
        self._waiting: list[Record | EndOfPartition] = []
        self._followers: list[tuple[asyncio.AbstractEventLoop, Callable[[Burst], None]]] = []

    def append(self, count: int, reason: str = "") -> None:
        for _ in range(count):
            number = sum(map(len, self.records.values())) % PARTITIONS
            event = e.ModelDeprecated(None, reason, None)
            one = envelope(event, sequence=len(self.records[number]) + 1, model_id=f"{number:024x}")
            headers = [(LOG_POSITION, str(Position(number, self.next[number])).encode())]
            value = CODEC.encode(one)
            record = Record("feed", number, self.next[number], None, value, lambda headers=headers: headers)  # type: ignore[misc]
            self.next[number] += 2 if self.next[number] % 3 == 1 else 1
            self.records[number].append(record)
            self._waiting += [record, EndOfPartition("feed", number, self.next[number])]
        if not self.late:
            for loop, on_burst in self._followers:
                loop.call_soon_threadsafe(on_burst, self._waiting)
            self._waiting = []

    async def ends(self) -> Place:
        if self.failing:
            raise FeedUnavailable("Kafka is silent.")
        return tuple(self.next)

    def read(self, offsets: Mapping[int, int], most_each: int) -> Mapping[int, PartitionSlice]:
        self.reads += 1
        if self.failing:
            raise FeedUnavailable("Kafka is silent.")
        found = {}
        for number, offset in offsets.items():
            if offset > self.next[number]:
                raise NoSuchPlace
            rest = [one for one in self.records[number] if one.offset >= offset]
            some = rest[:most_each]
            at_end = len(some) == len(rest)
            found[number] = PartitionSlice(some, self.next[number] if at_end else some[-1].offset + 1, at_end)
        return found

    def follow(
        self, place: Place, on_burst: Callable[[Burst], None], on_failure: Callable[[BaseException], None]
    ) -> MemoryFeed:
        loop = asyncio.get_running_loop()
        burst: list[Record | EndOfPartition] = [
            one for number, offset in enumerate(place) for one in self.records[number] if one.offset >= offset
        ]
        burst += [EndOfPartition("feed", number, self.next[number]) for number in range(PARTITIONS)]
        loop.call_soon(on_burst, burst)
        self._followers.append((loop, on_burst))
        return self

    async def stop(self) -> None:
        self._followers.clear()


class NoWait:
    async def wait(self, position: Position, timeout_seconds: float) -> bool:
        return True


@dataclass
class Served:
    port: int
    feed: MemoryFeed
    metrics: Metrics
    unexpected: list[BaseException] = field(default_factory=list)

    def value(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@contextmanager
def serving(feed: MemoryFeed | KafkaFeed) -> Iterator[Served]:
    listening = socket.create_server(("127.0.0.1", 0))
    served = Served(listening.getsockname()[1], feed, Metrics())  # type: ignore[arg-type]
    open_streams = OpenStreams(served.metrics)
    places = Places(Cursors(b"key"), Topics("test").feed, PARTITIONS)
    servers: list[uvicorn.Server] = []
    started = threading.Event()

    async def serve() -> None:
        streams = EventStreams(feed, CODEC, places, open_streams)
        running = asyncio.create_task(streams.run())
        routes = event_routes(ReadGate(NoWait(), 1, PARTITIONS), streams, open_streams, places, 100, lambda _: True)
        app = make_app("test", served.metrics, [routes], cors_origins="", on_unexpected=served.unexpected.append)
        servers.append(uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")))
        started.set()
        serving = asyncio.create_task(servers[0].serve(sockets=[listening]))
        while not servers[0].should_exit:
            await asyncio.sleep(0.01)
        streams.end()
        await serving
        running.cancel()
        await streams.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield served
    finally:
        servers[0].should_exit = True
        thread.join(20)
    assert served.unexpected == []


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(MemoryFeed()) as one:
        yield one


def both(count: int) -> dict[str, list[int]]:
    """The sequences of the two models after `count` events."""
    return {f"{number:024x}": list(range(1, (count + 1 - number) // 2 + 1)) for number in range(PARTITIONS)}


def sequences(events: list[dict[str, object]]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = defaultdict(list)
    for one in events:
        found[str(one["model_id"])].append(one["sequence"])
    return found


def test_more_than_is_kept_comes_from_kafka_and_the_rest_without_a_gap(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_live, "FROM_BEFORE", 10)
    monkeypatch.setattr(event_live, "MOST_FRAMES", 40)
    served.feed.append(1_300)
    with EventClient(served.port) as first:
        served.feed.append(30)
        assert sequences(first.events(30)) == {key: one[650:] for key, one in both(1_330).items()}
        reads = served.feed.reads
        with EventClient(served.port, last_event_id=first.last_id) as same:
            served.feed.append(10)
            assert [one["id"] for one in same.events(10)] == [one["id"] for one in first.events(10)]
        assert served.feed.reads == reads
        with (
            EventClient(served.port, "?after=0") as everything,
            EventClient(served.port, "?after=0&model_id=" + "0" * 24) as one,
        ):
            assert sequences(everything.events(1_340)) == both(1_340)
            served.feed.append(101)
            assert sequences(everything.events(101)) == {key: found[670:] for key, found in both(1_441).items()}
            assert sequences(one.events(721)) == {"0" * 24: both(1_441)["0" * 24]}


def test_a_place_ahead_of_this_process_is_waited_for(served: Served) -> None:
    """The client comes from another instance, whose reader was faster."""
    with EventClient(served.port) as slow, ThreadPoolExecutor(1) as pool:
        served.feed.late = True
        served.feed.append(4)
        ahead = httpx.get(f"http://127.0.0.1:{served.port}/api/v1/events").json()["next"]
        opening = pool.submit(EventClient, served.port, last_event_id=ahead)
        served.feed.late = False
        served.feed.append(2)
        assert len(slow.events(6)) == 6
        with opening.result(20) as stream:
            assert sequences(stream.events(2)) == {key: one[2:] for key, one in both(6).items()}


def test_a_client_that_does_not_read_is_dropped_and_harms_nobody(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "STALLED_SECONDS", 0.3)
    with EventClient(served.port) as reader, EventClient(served.port) as idle:
        served.wait(lambda: served.value("event_streams_open") == 2)
        deadline = time.monotonic() + 60
        while served.value("event_streams_dropped_total") == 0:
            assert time.monotonic() < deadline
            served.feed.append(20, reason="x" * 50_000)  # until what lies between them is full, and it is noticed
            assert len(reader.events(20)) == 20
        assert served.value("event_streams_open") == 1
        idle.rest()
        assert not idle.ended
        with EventClient(served.port, last_event_id=idle.last_id) as again:
            assert again.events(1)
        served.feed.append(1)
        assert reader.events(1)


def test_a_client_that_goes_is_forgotten(served: Served) -> None:
    with EventClient(served.port):
        served.wait(lambda: served.value("event_streams_open") == 1)
    served.wait(lambda: served.value("event_streams_open") == 0)
    assert served.value("event_streams_dropped_total") == 0


def test_a_silent_stream_has_a_heartbeat_that_moves_its_place(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "_TICK_SECONDS", 0.02)
    served.feed.append(3)
    with EventClient(served.port, "?type=ModelArchived") as stream:
        assert stream.until_heartbeat() == []
        before = stream.last_id
        served.feed.append(3)
        while stream.last_id == before:
            assert stream.until_heartbeat() == []
        served.feed.append(2)
        with EventClient(served.port, last_event_id=stream.last_id) as again:
            assert sequences(again.events(2)) == {key: one[3:] for key, one in both(8).items()}


def test_streams_end_when_the_feed_fails_and_begin_again_after(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_live, "CHECK_SECONDS", 0.05)
    served.feed.append(4)
    with EventClient(served.port, "?after=0") as stream:
        assert len(stream.events(4)) == 4
        served.feed.failing = True
        assert (stream.rest(), stream.ended) == ([], True)
    for path in ("", "/stream", "/stream?after=0"):
        answer = httpx.get(f"http://127.0.0.1:{served.port}/api/v1/events{path}")
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (
            503,
            "feed-unavailable",
            "2",
        )
    served.feed.failing = False
    served.feed.append(2)
    with EventClient(served.port, last_event_id=stream.last_id) as again:
        assert sequences(again.events(2)) == {key: one[2:] for key, one in both(6).items()}


def test_a_place_that_the_feed_never_had_is_refused(served: Served) -> None:
    token = Places(Cursors(b"key"), Topics("test").feed, PARTITIONS).token((0, 999))
    answer = httpx.get(f"http://127.0.0.1:{served.port}/api/v1/events", params={"after": token})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")


def test_a_kafka_that_is_not_there_is_a_503_with_retry_after() -> None:
    feed = KafkaFeed({"bootstrap.servers": "127.0.0.1:1"}, Topics("test", PARTITIONS), "test")
    with serving(feed) as served, httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=30) as http:
        for answer in ThreadPoolExecutor(2).map(http.get, ("/api/v1/events", "/api/v1/events/stream")):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), answer.text
