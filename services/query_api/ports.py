"""What the query API needs from outside, beside the read models and the blob store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tensorfleet.events.envelope import Position

Clock = Callable[[], int]
"""The time now, in microseconds since 1970, UTC."""


class DownloadLog(Protocol):
    """Where downloads are put on record."""

    async def record(
        self, model_id: str, model_name: str, version: str, algorithm: str, size_bytes: int, actor: str
    ) -> None:
        """Append one ModelDownloaded event; returns once Kafka has acknowledged it.

        LogUnavailable if Kafka does not acknowledge it in time; whether the event is in the log is then unknown, and
        the download must not be completed. Not idempotent: each call is one download.
        """


class PositionWaiter(Protocol):
    """Tells when the read models contain a position of the log."""

    async def wait(self, position: Position, timeout_seconds: float) -> bool:
        """True once they do, at once if they do already; False if that took longer than the time-out.

        Other callers do not delay each other. ReadModelsUnavailable if the read models do not answer.
        """
        raise NotImplementedError


class FoundRecords(Protocol):
    """`values` by offset. An offset below `looked_until` that is not among them is not in the log."""

    @property
    def values(self) -> Mapping[int, bytes | None]: ...
    @property
    def looked_until(self) -> int: ...


class Records(Protocol):
    """Single records of the log."""

    def find(self, partition: int, offsets: Sequence[int], seconds: float) -> FoundRecords:
        """Look for ascending `offsets` until `seconds` are over, or one of them is not in the log. It blocks.

        LogUnavailable if Kafka said nothing at all in that time.
        """
        raise NotImplementedError
