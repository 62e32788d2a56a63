"""Removing what nothing refers to: what goes and what stays, and that no event is ever left without its blob."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from tensorfleet.blobs.claims import kept
from tensorfleet.blobs.minio_inventory import MinioInventory
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.collection.collector import Collectable, Collector, require_own_bucket
from tensorfleet.collection.references import References
from tensorfleet.domain import commands as c
from tensorfleet.domain.errors import BlobMissing, CollectionRefused, LogUnavailable, OutcomeUnknown
from tensorfleet.domain.names import model_id_of
from tensorfleet.events.stored import OffsetRange, StoredRecord
from tensorfleet.progress import Unwatched
from tests.builders import CODEC, Stream, blob, registration

DAY = 86_400
RACES, LANES = 1000, 8


class MemoryLog(Stream):
    """One partition, read as from Kafka: what has been added is there."""

    def ranges(self) -> list[OffsetRange]:
        return [OffsetRange(0, 0, len(self.values))]

    def read(self, ranges: list[OffsetRange]) -> Iterator[StoredRecord]:
        for one in ranges:
            for offset in range(one.first, one.end):
                key, value = self.values[offset]
                yield StoredRecord(0, offset, key, value)

    def with_file(self, name: str, content: bytes) -> None:
        self.add(registration(name), name, occurred_at=now())
        self.add(c.AttachFile(blob(content)), name, occurred_at=now())


def now() -> int:
    return time.time_ns() // 1000


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def put(store: MinioBlobStore, content: bytes) -> str:
    return (await store.put(chunks(content), expected_checksum=None, max_bytes=1 << 20)).checksum


def collector_of(store: MinioBlobStore, log: MemoryLog, grace_seconds: float = 0.0, later: float = 0.0) -> Collector:
    """As it is `later` seconds from now."""
    references = References(log, CODEC)
    references.catch_up()
    return Collector(store.inventory, references, grace_seconds, lambda: now() + int(later * 1e6))


async def collected(collector: Collector) -> Collectable:
    found = await collector.look()
    await collector.remove(found, Unwatched())
    return found


def test_only_what_nothing_needs_goes(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        log = MemoryLog()
        names = ("live", "archived", "deleted", "shared", "version", "restored", "registered again")
        contents = {name: name.encode() for name in names}
        for name in names:
            await put(blob_store, contents[name])
            log.with_file(name, contents[name])
        log.add(c.ArchiveModel(), "archived", occurred_at=now())
        log.with_file("shares", contents["shared"])
        for name in ("deleted", "shared", "restored", "registered again"):
            log.add(c.DeleteModel(), name, occurred_at=now())
        log.add(c.RestoreModel(), "restored", occurred_at=now())
        log.add(registration("registered again"), "registered again", occurred_at=now())
        log.add(c.CreateVersion(), "version", occurred_at=now())
        log.add(c.DeleteVersion(log.models[model_id_of("version")].newest.parent), "version", occurred_at=now())  # type: ignore
        orphan = await put(blob_store, b"orphan")
        gone = {blob(contents[name]).checksum for name in ("deleted", "version", "registered again")}

        young = await collector_of(blob_store, log, DAY).look()
        assert young == Collectable(), "within the grace period all stays"
        old = collector_of(blob_store, log)
        found = await old.look()
        assert {one.checksum for one in found.released} == gone
        assert [one.checksum for one in found.orphans] == [orphan]
        done = await old.remove(found, Unwatched())
        assert (done.blobs, done.spared) == (4, 0)
        kept_keys = {blob(contents[name]).checksum for name in names} - gone
        assert {one.checksum async for one in blob_store.inventory.blobs()} == kept_keys
        assert [one async for one in blob_store.inventory.marks()] == []

    asyncio.run(scenario())


def test_a_blob_released_within_the_grace_period_stays_however_old_it_is(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        log = MemoryLog()
        await put(blob_store, b"old")
        log.with_file("m", b"old")
        log.add(c.DeleteModel(), "m", occurred_at=now() + 60_000_000)
        assert (await collector_of(blob_store, log, 0.0).look()).blobs == []
        assert len((await collector_of(blob_store, log, 0.0, later=61).look()).released) == 1

    asyncio.run(scenario())


def test_what_is_claimed_is_spared_and_what_is_being_removed_makes_a_claim_wait(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        log = MemoryLog()
        checksum = await put(blob_store, b"wanted again")
        collector = collector_of(blob_store, log)
        found = await collector.look()
        async with kept(blob_store, [checksum]):
            assert (await collector.remove(found, Unwatched())).spared == 1
        mark = None
        while mark is None:  # the claim goes a moment after it was let go
            mark = await blob_store.inventory.condemn(checksum)
        waiting = asyncio.create_task(blob_store.claim(checksum))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        await blob_store.inventory.remove(f"sha256/{checksum}")
        await blob_store.inventory.remove(mark)
        with pytest.raises(BlobMissing):
            await waiting

    asyncio.run(scenario())


def test_uploads_and_collectors_race_and_no_event_is_left_without_its_blob(blob_store: MinioBlobStore) -> None:
    """A thousand uploads of contents that are old orphans each time, beside two collectors without a grace period."""

    async def scenario() -> None:
        log, chance = MemoryLog(), random.Random(1)
        racing, counts = True, {"already there": 0, "sent again": 0, "removed": 0}

        async def upload(content: bytes, name: str) -> None:
            while True:
                stored = await blob_store.put(chunks(content), expected_checksum=None, max_bytes=100)
                counts["already there"] += stored.already_there
                try:
                    async with kept(blob_store, [stored.checksum]):
                        await asyncio.sleep(chance.random() / 200)  # the way to the log
                        log.with_file(name, content)
                    return
                except BlobMissing:
                    counts["sent again"] += 1

        async def lane(number: int) -> None:
            content = b"lane %d" % number
            for race in range(RACES // LANES):
                name = f"{number}-{race}"
                await upload(content, name)
                for _ in range(2):
                    assert await blob_store.size(blob(content).checksum) is not None, f"{name}: its blob is gone"
                    await asyncio.sleep(chance.random() / 50)
                log.add(c.DeleteModel(), name, occurred_at=now())

        async def collect() -> None:
            collector = collector_of(blob_store, log)
            while racing:
                collector._references.catch_up()
                done = await collector.remove(await collector.look(), Unwatched())
                counts["removed"] += done.blobs

        collectors = [asyncio.create_task(collect()) for _ in range(2)]
        try:
            await asyncio.gather(*map(lane, range(LANES)))
        finally:
            racing = False
            await asyncio.gather(*collectors)
        print(counts)
        assert counts["removed"] > RACES / 20, "the collectors hardly took part"
        assert counts["already there"] > RACES / 20, "hardly an upload met an old blob"

    asyncio.run(scenario())


def test_what_uploads_and_commands_that_died_left_behind_goes(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        client, bucket = blob_store._client, blob_store._bucket
        client.put_object(bucket, "incoming/dead", BytesIO(b"x"), 1)
        upload_id = client._create_multipart_upload(bucket, "incoming/cut", {})
        client._upload_part(bucket, "incoming/cut", b"x" * 100, {}, upload_id, 1)
        mark = (await blob_store.claim(await put(blob_store, b"x"))).key
        references = References(MemoryLog(), CODEC)
        young = await Collector(blob_store.inventory, references, 0.0).look()
        assert (young.leftovers, young.uploads) == ([], []), "they may be under way"

        tomorrow = MinioInventory(client, bucket, lambda: datetime.now(UTC) + timedelta(days=1))
        listed = [one.key for one in await tomorrow.unfinished_uploads()]
        assert listed in (["incoming/cut"], []), "MinIO lists none without their names, and removes them by itself"
        collector = Collector(tomorrow, references, 3600.0)
        found = await collector.look()
        assert {one.key for one in found.leftovers} == {"incoming/dead", mark}
        assert [one.key for one in found.uploads] == listed
        assert (await collector.remove(found, Unwatched())).leftovers == 2 + len(listed)
        again = await collector.look()
        assert (again.leftovers, again.uploads) == ([], [])

    asyncio.run(scenario())


def test_what_clients_send_themselves_is_left_to_its_own_end(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        client, bucket = blob_store._client, blob_store._bucket
        client.put_object(bucket, "staging/sent", BytesIO(b"x"), 1)
        client._create_multipart_upload(bucket, "staging/begun", {})
        found = {}
        for days in (1, 9):
            later = MinioInventory(client, bucket, lambda days=days: datetime.now(UTC) + timedelta(days=days))  # type: ignore[misc]
            one = await Collector(later, References(MemoryLog(), CODEC), 0.0).look()
            found[days] = [*(left.key for left in one.leftovers), *(upload.key for upload in one.uploads)]
        assert found[1] == [], "it may still be completed"
        assert found[9] in (["staging/sent", "staging/begun"], ["staging/sent"]), "MinIO lists none"

    asyncio.run(scenario())


def test_nothing_is_collected_where_it_is_not_certain_what_is_needed(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        inventory, log = blob_store.inventory, MemoryLog()
        with pytest.raises(CollectionRefused, match="signed"):
            await require_own_bucket(inventory, "mine", "cluster/log")
        await inventory.sign("mine", "cluster/log")
        await require_own_bucket(inventory, "mine", "cluster/log")
        with pytest.raises(CollectionRefused, match="signed"):
            await require_own_bucket(inventory, "mine", "cluster/another log")
        await inventory.sign("theirs", "cluster/their log")
        with pytest.raises(CollectionRefused, match="theirs"):
            await require_own_bucket(inventory, "mine", "cluster/log")

        await put(blob_store, b"of a parked model?")
        log.raw(model_id_of("m").encode(), b"can't be read")
        with pytest.raises(CollectionRefused, match="parked"):
            await collector_of(blob_store, log).look()

    asyncio.run(scenario())


def test_a_claim_stays_only_where_the_command_may_still_get_into_the_log(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        checksum = await put(blob_store, b"x")

        async def marks() -> list[str]:
            return [one.key async for one in blob_store.inventory.marks()]

        for error in (None, LogUnavailable("not sent")):
            with pytest.raises(LogUnavailable) if error else nullcontext():
                async with kept(blob_store, [checksum]):
                    assert len(await marks()) == 1
                    if error is not None:
                        raise error
            async with asyncio.timeout(10):
                while await marks():
                    await asyncio.sleep(0.01)
        with pytest.raises(BlobMissing):
            async with kept(blob_store, [checksum, blob(b"absent").checksum]):
                pass
        async with asyncio.timeout(10):
            while await marks():
                await asyncio.sleep(0.01)
        with pytest.raises(OutcomeUnknown):
            async with kept(blob_store, [checksum]):
                raise OutcomeUnknown("it may be in the log")
        assert await blob_store.inventory.condemn(checksum) is None

    asyncio.run(scenario())
