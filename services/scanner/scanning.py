"""Which events of the feed call for a scan; and what is done then, until the registry has the verdict."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from services.scanner.artifact import Artifact, report
from services.scanner.judging import Judge
from services.scanner.registry import Registry
from tensorfleet.domain.errors import DependencyUnavailable
from tensorfleet.domain.events import ModelFileAttached, ModelRestored, ParkedRecordsDiscarded
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.headers import LOG_POSITION
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.records import Record

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
Result = TypeVar("Result")


class Scanning:
    """One file at a time. A server that does not answer is asked again, for as long as it takes."""

    def __init__(self, codec: Codec, judge: Judge, registry: Registry, metrics: Metrics) -> None:
        self._codec = codec
        self._judge = judge
        self._registry = registry
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._trouble: str | None = None

    def work(self, record: Record) -> Future[None] | None:
        """For the thread that reads the feed."""
        try:
            envelope = self._codec.decode(record.value or b"")
        except Undecodable as error:
            # Of a later release, and no file: those are told in the first schema for ever.
            _LOG.error("%s[%d] offset %d: %s", record.topic, record.partition, record.offset, error)
            return None
        match envelope.event:
            case ModelFileAttached(version, file, _):
                artifact = Artifact(envelope.model_id, version, file.checksum, file.size_bytes)
                return asyncio.run_coroutine_threadsafe(self._scan(artifact), self._loop)
            case ModelRestored(undeleted=True) | ParkedRecordsDiscarded():
                position = dict(record.headers).get(LOG_POSITION, b"").decode()
                return asyncio.run_coroutine_threadsafe(self._catch_up(envelope.model_id, position), self._loop)
            case _:
                return None

    async def check(self) -> str | None:
        """What keeps the file under way from its verdict."""
        return self._trouble

    async def _scan(self, artifact: Artifact) -> None:
        verdict = await self._patiently(lambda: self._judge.verdict(artifact))
        told = report(artifact, verdict)
        wanted = await self._patiently(lambda: self._registry.record(artifact, told))
        self._metrics.scans.labels(told["verdict"]).inc()
        _LOG.info("%s %s: %s%s", artifact.model_id, artifact.version, told["verdict"], "" if wanted else ", and gone")

    async def _catch_up(self, model_id: str, position: str) -> None:
        """While the model was deleted, or parked, no verdict was taken."""
        for artifact in await self._patiently(lambda: self._registry.unscanned(model_id, position)):
            await self._scan(artifact)

    async def _patiently(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        pause = _FIRST_PAUSE
        try:
            while True:
                try:
                    return await ask()
                except DependencyUnavailable as error:
                    self._trouble = error.detail
                    _LOG.warning("a scan waits: %s", error.detail)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._trouble = None
