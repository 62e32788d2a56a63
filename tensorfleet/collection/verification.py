"""Reading every blob that the log refers to, each once, and telling which versions have lost their file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tensorfleet.blobs.inspection import Condition, Inspection, inspect
from tensorfleet.blobs.pace import Pace
from tensorfleet.blobs.store import BlobStore
from tensorfleet.blobs.suspects import Suspect, Suspects
from tensorfleet.collection.references import FileReference
from tensorfleet.progress import Progress

_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Damage:
    reference: FileReference
    found: Inspection


async def verify_blobs(
    store: BlobStore, references: Iterable[FileReference], bytes_per_second: int | None, progress: Progress
) -> list[Damage]:
    """What is missing or not what it was, in the order of `references`. BlobsUnavailable if the store is down."""
    wanted = list(references)
    keys = dict.fromkeys((one.file.checksum, one.file.size_bytes) for one in wanted)
    found: dict[tuple[str, int], Inspection] = {}
    progress.begin("reading blobs", len(keys))
    left, pace = iter(keys), Pace(bytes_per_second)

    async def look() -> None:
        for checksum, size_bytes in left:
            found[checksum, size_bytes] = await inspect(store, checksum, size_bytes, pace)
            progress.advance()

    await asyncio.gather(*(look() for _ in range(_AT_ONCE)))
    judged = [Damage(one, found[one.file.checksum, one.file.size_bytes]) for one in wanted]
    return [one for one in judged if one.found.condition is not Condition.WHOLE]


async def report(suspects: Suspects, references: Iterable[FileReference]) -> None:
    """Let a command API look for itself; what it finds too becomes an event."""
    for one in references:
        await suspects.report(Suspect(one.file.checksum, one.model_id, one.version))
