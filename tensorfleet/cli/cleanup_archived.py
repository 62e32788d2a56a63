"""`tensorfleet cleanup-archived`: delete what has been archived for long, by commands to the registry."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from tensorfleet.cli.command_api import ApiKeyOption, RegistryUrlOption, delete_archived
from tensorfleet.cli.environment import RegistryOption, log_reader, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.collection.archives import Archived, Archives
from tensorfleet.domain.errors import Rejected
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec

_DAY: Final = 86_400 * 10**6
DaysOption = Annotated[
    float | None,
    typer.Option(
        "--days", min=0, envvar="CLEANUP_ARCHIVED_AFTER_DAYS", help="For so long and more.", show_default=False
    ),
]


def cleanup(
    days: DaysOption = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this, only tell what would go.")] = False,
    url: RegistryUrlOption = "http://localhost:8084",
    api_key: ApiKeyOption = "",
    registry: RegistryOption = None,
) -> None:
    """Delete models, and versions of the other models, that have been archived for so many days. Off without days.

    Each deletion is an event like any other. What was restored meanwhile stays. Exit status: 0 done, 1 some could not
    be deleted, 2 nothing could be done.
    """
    if days is None:
        typer.echo("CLEANUP_ARCHIVED_AFTER_DAYS is not set: nothing is ever deleted for being archived.")
        return
    archives = Archives(Codec(Catalogue()))
    with shown_progress() as progress:
        archives.read(log_reader(log_settings(registry)), progress)
    found = archives.before(time.time_ns() // 1000 - int(days * _DAY))
    refused = 0
    for one in found:
        outcome = "would be deleted"
        if delete:
            try:
                outcome = f"deleted by the event at {delete_archived(url, one.model_id, one.version, api_key)}"
            except Rejected as error:
                outcome, refused = error.detail, refused + 1
        typer.echo(f"{_described(one)}  {outcome}")
    typer.echo(f"{len(found):,} models and versions have been archived for {days:g} days and more.")
    if not delete:
        typer.echo("Nothing was deleted. With --delete they are.")
    raise typer.Exit(1 if refused else 0)


def _described(one: Archived) -> str:
    since = datetime.fromtimestamp(one.since / 10**6, UTC)
    return f"{one.model_id} {one.version or 'whole':<8} archived {since:%Y-%m-%d}  {one.model_name}"
