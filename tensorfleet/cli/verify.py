"""`tensorfleet verify`: are the read models what the log makes of them?"""

from __future__ import annotations

import typer

from tensorfleet.cli.read_models import ProcessesOption, RegistryOption, ShowOption, describe, read_model_works
from tensorfleet.rebuild.rebuild import Options


def verify(registry: RegistryOption = None, show: ShowOption = 20, processes: ProcessesOption = None) -> None:
    """Replay the log into a scratch database and compare every document. Exit status: 0 exact, 1 not, 2 not compared.

    The registry may run meanwhile: both sides are compared as they are at one moment.
    """
    with read_model_works(registry, processes) as works:
        verified = works.verify(Options(show))
    typer.echo(describe(verified))
    raise typer.Exit(0 if verified.comparison.exact else 1)
