"""`tensorfleet audit export`: the log as JSON Lines that can be verified without any server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from tensorfleet.audit.export import export_log
from tensorfleet.cli.environment import ModelOption, RegistryOption, log_reader, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec


def export(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", dir_okay=False, help="Instead of standard output.", show_default=False),
    ] = None,
    model: ModelOption = None,
    registry: RegistryOption = None,
) -> None:
    """Write the log, or one model's part of it with all ownership claims of its partition, one line for each record."""
    settings = log_settings(registry)
    with shown_progress() as progress, _destination(output) as file:
        for line in export_log(log_reader(settings), settings.registry_id, model, Codec(Catalogue()), progress):
            file.write(line)


@contextmanager
def _destination(output: Path | None) -> Iterator[BinaryIO]:
    """A file appears under its name only when it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = output.with_name(output.name + ".part")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
