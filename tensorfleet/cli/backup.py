"""`tensorfleet backup`: the log, the downloads and the files, into a folder."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tensorfleet.backup.backup import Source, back_up
from tensorfleet.backup.manifest import BlobState, Manifest
from tensorfleet.cli.environment import CLIENT_ID, RegistryOption, blob_store, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.topic_reader import TopicReader


class Blobs(StrEnum):
    COPY = "copy"
    REFERENCE = "reference"


def backup(
    directory: Annotated[Path, typer.Argument(file_okay=False, metavar="DIR", help="New, or a backup to continue.")],
    blobs: Annotated[Blobs, typer.Option(help="Copy the files, or only note their names.")] = Blobs.COPY,
    registry: RegistryOption = None,
) -> None:
    """Back up the log, the downloads and the files. In a folder with a backup, only what is new is added."""
    settings = log_settings(registry)
    topics = Topics(settings.registry_id)
    readers = {
        short: TopicReader(settings.kafka, name, CLIENT_ID)
        for short, name in (("log", topics.log), ("downloads", topics.downloads))
    }
    with ExitStack() as stack:
        store = stack.enter_context(blob_store()) if blobs is Blobs.COPY else None
        source = Source(settings.registry_id, readers, store, Codec(Catalogue()))
        manifest = asyncio.run(back_up(source, directory, stack.enter_context(shown_progress())))
    typer.echo(_described(manifest, directory))
    raise typer.Exit(1 if any(one.state is BlobState.CORRUPT for one in manifest.blobs) else 0)


def _described(manifest: Manifest, directory: Path) -> str:
    states = Counter(one.state for one in manifest.blobs)
    lines = [f"{directory}: registry {manifest.registry} as of {manifest.finished_at}"]
    for short, topic in manifest.topics.items():
        segments = sum(len(part.segments) for part in topic.partitions)
        lines.append(f"{topic.records:>12,}  records of the {short}, in {segments} segments")
    lines += [f"{states[state]:>12,}  blobs {state}" for state in BlobState if states[state]]
    if states[BlobState.MISSING] or states[BlobState.CORRUPT]:
        lines.append("Some files could not be copied. `tensorfleet audit verify` tells whether any of them is needed.")
    return "\n".join(lines)
