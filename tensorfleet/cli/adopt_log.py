"""`tensorfleet adopt-log`: after a restore, read models that are right go on with the restored log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from tensorfleet.cli.environment import CLIENT_ID, RegistryOption, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.events.topics import Topics
from tensorfleet.mongo.generation_stores import open_generations
from tensorfleet.rebuild.adoption import Adoption, Examined
from tensorfleet.rebuild.log_source import LogSource
from tensorfleet.settings import ReadModelSettings, load


def adopt_log(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, registry: RegistryOption = None
) -> None:
    """Let the read models be those of the log that is there now, if it holds all that they were made from.

    Every record up to each checkpoint is read and compared by hash, for every generation. Exit status: 0 adopted, or
    nothing to do; 1 the log is another one, and nothing was changed. Stop the registry's services first.
    """
    log, models = log_settings(registry), load(ReadModelSettings)
    source = LogSource(Topics(log.registry_id, log.log_partitions), log.kafka, CLIENT_ID)
    with open_generations(models.mongodb_url.get_secret_value(), models.mongodb_db) as stores:
        with shown_progress() as progress:
            adoption = Adoption(source, stores, progress)
            examined = adoption.examine()
        typer.echo("\n".join(_table(examined)))
        problems = sum(one.problem is not None for one in examined)
        if problems:
            typer.echo(
                f"NOT ADOPTED: {problems} of {len(examined)} checkpoints are of another log. Nothing was changed."
            )
            typer.echo("Restore the right log, or start against new read models: see docs/runbooks/log-lost.md.")
            raise typer.Exit(1)
        if not any(one.other_identity for one in examined):
            typer.echo("The read models are those of this log already. Nothing was changed.")
            return
        if not yes:
            typer.confirm("Is this log the truth from now on, and does no service run?", abort=True)
        adoption.adopt(examined)
    typer.echo("Adopted. Start the services.")


def _table(examined: Sequence[Examined]) -> Iterator[str]:
    for one in examined:
        what = one.problem or ("the same records" if one.other_identity else "the same log")
        yield f"{one.database:<28} {one.before.id:<14} up to {one.before.next_offset:>10,}  {what}"
    ids = {(one.before.topic, one.before.cluster_id, one.before.topic_id) for one in examined if one.other_identity}
    for topic, cluster_id, topic_id in sorted(ids):
        yield f"{topic}: until now cluster {cluster_id}, topic id {topic_id}"
    ids = {(one.after.topic, one.after.cluster_id, one.after.topic_id) for one in examined if one.other_identity}
    for topic, cluster_id, topic_id in sorted(ids):
        yield f"{topic}: from now on cluster {cluster_id}, topic id {topic_id}"
