"""`tensorfleet rollback`: back to the read models from before the last switch."""

from __future__ import annotations

import typer

from tensorfleet.cli.read_models import HandOverOption, RegistryOption, describe_switch, read_model_works
from tensorfleet.rebuild.rebuild import Options


def rollback(hand_over: HandOverOption = 30.0, registry: RegistryOption = None) -> None:
    """Bring the previous read models up to date and make them live again. The registry goes on meanwhile."""
    with read_model_works(registry) as works:
        switched = works.rollback(Options(hand_over_seconds=hand_over))
    typer.echo(describe_switch(switched))
