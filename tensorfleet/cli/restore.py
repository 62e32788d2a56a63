"""`tensorfleet restore`: a backup into empty servers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tensorfleet.backup import manifest as manifests
from tensorfleet.backup.restore import MAPPING_NAME, Restored, Target
from tensorfleet.backup.restore import restore as restore_backup
from tensorfleet.cli.environment import CLIENT_ID, RegistryOption, blob_store, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.domain.errors import BackupRefused
from tensorfleet.events.topics import Topics


def restore(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, metavar="DIR", help="A backup.")],
    registry: RegistryOption = None,
) -> None:
    """Verify a backup, then write it into empty topics and into object storage. Stop the registry's services first."""
    settings = log_settings(registry)
    if registry is None:
        _require_same_registry(directory, settings.registry_id)
    topics = Topics(settings.registry_id, settings.log_partitions)
    with blob_store() as store, shown_progress() as progress:
        target = Target(topics, settings.kafka, settings.replication_factor, store, CLIENT_ID)
        done = asyncio.run(restore_backup(directory, target, progress))
    typer.echo(_described(done, topics, directory))


def _require_same_registry(directory: Path, registry_id: str) -> None:
    """A registry gets another name only if that was said, not because a variable was forgotten."""
    manifest = manifests.load(directory)
    if manifest is not None and manifest.registry != registry_id:
        raise BackupRefused(
            f"The backup is of the registry {manifest.registry}, REGISTRY_ID is {registry_id}. Set REGISTRY_ID, or "
            f"give the restored registry another name with --registry {registry_id}."
        )


def _described(done: Restored, topics: Topics, directory: Path) -> str:
    lines = [
        f"Restored registry {topics.registry}, as of {done.manifest.finished_at}",
        f"{done.manifest.log.records:>12,}  records in {topics.log}",
        f"{done.manifest.downloads.records:>12,}  records in {topics.downloads}",
        f"{done.blobs_put:>12,}  blobs put back",
    ]
    if done.mapped:
        lines.append(f"Offsets have changed; {directory / MAPPING_NAME} says how.")
    else:
        lines.append("Every record has its old offset.")
    return "\n".join(lines)
