"""The audit of the blobs that a log names: each must be there, whole, unless nothing needs it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

from tensorfleet.audit.findings import Findings, Kind
from tensorfleet.audit.partition import BlobReference
from tensorfleet.blobs.inspection import Condition, Inspection, inspect
from tensorfleet.blobs.store import BlobStore
from tensorfleet.progress import Progress

_AT_ONCE: Final = 4


async def audit_blobs(
    store: BlobStore,
    references: Iterable[BlobReference],
    live_checksums: Collection[str],
    findings: Findings,
    progress: Progress,
) -> None:
    """BlobsUnavailable if the store does not answer."""
    wanted = list(references)
    progress.begin("checking blobs", len(wanted))
    found: dict[BlobReference, Inspection] = {}
    left = iter(wanted)

    async def look() -> None:
        for one in left:
            found[one] = await inspect(store, one.checksum, one.size_bytes)
            progress.advance()

    await asyncio.gather(*(look() for _ in range(_AT_ONCE)))
    for one in wanted:
        _judge(one, found[one], one.checksum in live_checksums, findings)


def _judge(reference: BlobReference, found: Inspection, needed: bool, findings: Findings) -> None:
    name = f"sha256:{reference.checksum}"
    match found.condition:
        case Condition.CORRUPT:
            findings.add(Kind.BLOB_CORRUPT, reference.position, f"{name} is damaged: {found.detail}")
        case Condition.MISSING if needed:
            findings.add(Kind.BLOB_MISSING, reference.position, f"{name} ({reference.size_bytes} bytes) is not stored")
        case Condition.MISSING:
            findings.counts["blobs gone with what was deleted"] += 1
        case _:
            findings.counts["blobs whole"] += 1
            findings.counts["blob bytes"] += reference.size_bytes
