"""`tensorfleet audit verify`: is the log what it was when it was written?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tensorfleet.audit.blobs import audit_blobs
from tensorfleet.audit.export import ranges_of, watched
from tensorfleet.audit.export_audit import audit_export
from tensorfleet.audit.findings import Findings
from tensorfleet.audit.log import LogAudit
from tensorfleet.cli.environment import ModelOption, RegistryOption, blob_store, log_reader, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.cli.verdict import describe
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.progress import Progress


def verify(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="An export; without it, Kafka.", show_default=False),
    ] = None,
    model: ModelOption = None,
    registry: RegistryOption = None,
    blobs: Annotated[bool, typer.Option("--blobs/--no-blobs", help="Read every blob that the log names.")] = True,
    show: Annotated[int, typer.Option(min=1, max=1000, help="How many violations to print.")] = 20,
) -> None:
    """Check every hash chain, sequence, epoch, event id and blob. Exit status: 0 sound, 1 not, 2 not checked."""
    findings, codec = Findings(), Codec(Catalogue())
    with shown_progress() as progress:
        if file is not None:
            subject = _verify_file(file, model, codec, findings)
        else:
            subject = _verify_kafka(registry, model, blobs, codec, findings, progress)
    typer.echo(describe(subject, findings, blobs and file is None, show))
    raise typer.Exit(0 if findings.sound else 1)


def _verify_file(file: Path, model: str | None, codec: Codec, findings: Findings) -> str:
    with file.open("rb") as content:
        header, _ = audit_export(content, model, codec, findings)
    return f"{file.name}: an export of {header.topic}, {header.partitions} partitions, cluster {header.cluster_id}"


def _verify_kafka(
    registry: str | None, model: str | None, blobs: bool, codec: Codec, findings: Findings, progress: Progress
) -> str:
    reader = log_reader(log_settings(registry))
    partitions, ranges = ranges_of(reader, model)
    identity = reader.identity()
    audit = LogAudit(codec, findings, partitions, ranges, model)
    progress.begin("reading the log", sum(map(len, ranges)))
    for record in watched(reader.read(ranges), progress):
        audit.add(record)
    audit.finish()
    if blobs:
        with blob_store() as store:
            asyncio.run(audit_blobs(store, audit.references(), audit.live_checksums(), findings, progress))
    return f"{identity.topic}, {partitions} partitions, cluster {identity.cluster_id}"
