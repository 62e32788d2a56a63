"""`tensorfleet verify-blobs`: is every file that the registry refers to stored, and what it was?"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tensorfleet.cli.environment import RegistryOption, blob_store, log_reader, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.collection.references import References
from tensorfleet.collection.verification import report, verify_blobs
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.settings import parse_bytes


def _rate(text: str | None) -> int | None:
    try:
        return None if text is None else parse_bytes(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


RateOption = Annotated[
    str | None, typer.Option("--rate", metavar="SIZE", help="Bytes a second at most, as 20MB.", show_default=False)
]


def verify(registry: RegistryOption = None, rate: RateOption = None) -> None:
    """Read every file of every version that is not deleted, and compare. Exit status: 0 all well, 1 not, 2 not checked.

    The command API reads again what was found damaged, or marked so before and found whole, and records it as an event.
    """
    bytes_per_second = _rate(rate)
    references = References(log_reader(log_settings(registry)), Codec(Catalogue()))
    with shown_progress() as progress, blob_store() as store:
        references.catch_up(progress)
        files = list(references.live())

        async def check() -> list[str]:
            found = await verify_blobs(store, files, bytes_per_second, progress)
            await asyncio.to_thread(references.catch_up)  # what was deleted meanwhile may be gone
            left = {(one.model_id, one.version) for one in references.live()}
            damaged = [one for one in found if (one.reference.model_id, one.reference.version) in left]
            bad = {(one.reference.model_id, one.reference.version) for one in damaged}
            changed = [one for one in files if ((one.model_id, one.version) in bad) != one.marked_corrupt]
            await report(store.suspects, changed)
            return [
                f"  {one.reference.model_id} {one.reference.version:<8} sha256:{one.reference.file.checksum}  "
                f"{one.found.condition}: {one.found.detail}"
                for one in damaged
            ]

        lines = asyncio.run(check())
    size_bytes = sum({one.file.checksum: one.file.size_bytes for one in files}.values())
    distinct = len({one.file.checksum for one in files})
    typer.echo(f"{len(files):,} files of versions, {distinct:,} blobs, {size_bytes:,} bytes")
    if lines:
        typer.echo("\n".join([f"DAMAGED: {len(lines)} files. See docs/runbooks/damaged-files.md.", *lines]))
        raise typer.Exit(1)
    typer.echo("WHOLE: every blob has the SHA-256 that it is named by.")
