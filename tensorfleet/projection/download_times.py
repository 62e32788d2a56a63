"""When each download was, in pages: so that counts of the past are exact, while counters stay cheap to write.

A page holds the downloads of one partition, of one hour, and of one block of offsets: it never grows large, whatever
the traffic, and what is on it does not depend on batches.
"""

from __future__ import annotations

from typing import Any, Final

from bson.int64 import Int64

from tensorfleet.events.envelope import Envelope
from tensorfleet.kafka.records import Record
from tensorfleet.projection.downloads import hour_of

BLOCK: Final = 128
"""Offsets."""


class DownloadTimes:
    """`pages` by `partition:hour:block`: `hour` counts from 1970, `downloads` are `{model_id, at}` in log order."""

    def __init__(self, pages: dict[str, dict[str, Any]]) -> None:
        self._pages = pages

    def add(self, record: Record, download: Envelope) -> None:
        hour = hour_of(download.occurred_at)
        key = f"{record.partition}:{hour}:{record.offset // BLOCK}"
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = {"hour": Int64(hour), "downloads": []}
        page["downloads"].append({"model_id": download.model_id, "at": Int64(download.occurred_at)})
