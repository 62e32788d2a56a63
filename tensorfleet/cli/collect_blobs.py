"""`tensorfleet collect-blobs`: remove from storage what no version needs any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated

import typer

from tensorfleet.cli.environment import RegistryOption, blob_store, log_reader, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.collection.abandoned import AbandonedUploads
from tensorfleet.collection.collector import Collectable, Collected, Collector, require_own_bucket
from tensorfleet.collection.references import References
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.settings import BlobSettings, load

DeleteOption = Annotated[bool, typer.Option("--delete", help="Remove it; without this, only tell what would go.")]
GraceOption = Annotated[
    float | None,
    typer.Option("--grace-hours", min=0, metavar="HOURS", help="Instead of BLOB_GRACE_HOURS.", show_default=False),
]
StoppedOption = Annotated[
    bool, typer.Option("--registry-stopped", help="No command API runs: remove without marks, as a full store needs.")
]
ShowOption = Annotated[int, typer.Option(min=0, max=100_000, help="How many blobs to name.")]


def collect(
    delete: DeleteOption = False,
    grace: GraceOption = None,
    stopped: StoppedOption = False,
    show: ShowOption = 20,
    registry: RegistryOption = None,
) -> None:
    """Find blobs that no event names, and those that only deleted models and versions had, both for longer than the
    grace period, and leftovers of uploads that never ended. Exit status: 0 done, 2 it could not be done.

    The registry goes on meanwhile: whatever it wants again stays.
    """
    settings, files = log_settings(registry), load(BlobSettings)
    hours = files.blob_grace_hours if grace is None else grace
    log = log_reader(settings)
    references = References(log, Codec(Catalogue()))
    with shown_progress() as progress, blob_store() as store:
        collector = Collector(store.inventory, references, hours * 3600, alone=stopped)
        abandoned = AbandonedUploads(store.staging, files.presign_upload_hours * 3600)

        async def work() -> tuple[Collectable, list[str], Collected | None]:
            await require_own_bucket(store.inventory, settings.registry_id, str(log.identity()))
            await asyncio.to_thread(references.catch_up, progress)
            found, uploads = await collector.look(), await abandoned.look()
            if not delete:
                return found, uploads, None
            await abandoned.remove(uploads)
            return found, uploads, await collector.remove(found, progress)

        found, uploads, done = asyncio.run(work())
    typer.echo("\n".join(_lines(found, len(uploads), done, hours, show)))


def _lines(found: Collectable, expired: int, done: Collected | None, hours: float, show: int) -> Iterator[str]:
    for what, blobs in (("that no event names", found.orphans), ("of what was deleted", found.released)):
        size_bytes = sum(one.size_bytes for one in blobs)
        yield f"{len(blobs):>9,} blobs {what} for {hours:g} h and more, {size_bytes:,} bytes"
        yield from (f"            {one.checksum}  {one.size_bytes:,} bytes" for one in blobs[:show])
    yield f"{len(found.leftovers) + len(found.uploads):>9,} leftovers of uploads and commands"
    if expired:
        yield f"{expired:>9,} uploads straight to storage that have expired"
    if done is None:
        yield "Nothing was removed. With --delete it is."
    else:
        yield f"Removed {done.blobs:,} blobs of {done.size_bytes:,} bytes, and {done.leftovers:,} leftovers."
        if done.spared:
            yield f"{done.spared:,} blobs stayed, because somebody wanted them again."
