"""`tensorfleet rebuild`: new read models from the log, without downtime."""

from __future__ import annotations

from typing import Annotated

import typer

from tensorfleet.cli.read_models import (
    HandOverOption,
    ProcessesOption,
    RegistryOption,
    ShowOption,
    describe,
    describe_switch,
    read_model_works,
)
from tensorfleet.rebuild.rebuild import Options


def rebuild(
    repair: Annotated[
        bool, typer.Option("--repair", help="Switch although the live read models differ from the log.")
    ] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="After the switch, drop all generations but the live and the previous.")
    ] = False,
    hand_over: HandOverOption = 30.0,
    registry: RegistryOption = None,
    show: ShowOption = 20,
    processes: ProcessesOption = None,
) -> None:
    """Make new read models beside the live ones, compare both, switch. Exit status: 0 switched, 1 not, 2 failed.

    Without --repair, a difference leaves everything as it was. The registry goes on meanwhile.
    """
    with read_model_works(registry, processes) as works:
        done = works.rebuild(Options(show, repair, drop_old, hand_over))
    typer.echo(describe(done.verified))
    if done.switched is None:
        typer.echo("Nothing was changed. `tensorfleet rebuild --repair` makes what the log says live.")
        raise typer.Exit(1)
    typer.echo(describe_switch(done.switched))
