"""What the commands about generations of the read models share: their servers, and how they tell what was seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tensorfleet.cli.environment import CLIENT_ID, RegistryOption, log_settings
from tensorfleet.cli.progress import shown_progress
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.interpreter import tune_interpreter
from tensorfleet.kafka import configuration
from tensorfleet.kafka.dead_letters import DeadLetterTopic
from tensorfleet.mongo.comparison import Difference
from tensorfleet.mongo.generation_stores import open_generations
from tensorfleet.rebuild.lanes import Lanes
from tensorfleet.rebuild.log_source import LogSource
from tensorfleet.rebuild.rebuild import ReadModelWorks, Switched, Verified
from tensorfleet.settings import ReadModelSettings, load

ShowOption = Annotated[int, typer.Option(min=1, max=1000, help="How many differences to print of each collection.")]
HandOverOption = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for projectors before going without them.")
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(min=1, max=64, show_default="one for each processor", help="How many processes replay a long log."),
]
__all__ = [
    "HandOverOption",
    "ProcessesOption",
    "RegistryOption",
    "ShowOption",
    "describe",
    "describe_switch",
    "read_model_works",
]


@contextmanager
def read_model_works(registry: str | None, processes: int | None = None) -> Iterator[ReadModelWorks]:
    """`processes`: how many replay a long log; without it, one for each processor."""
    tune_interpreter()
    log, models = log_settings(registry), load(ReadModelSettings)
    topics = Topics(log.registry_id, log.log_partitions)
    bury = DeadLetterTopic(configuration.producer(log.kafka, CLIENT_ID), topics.dead_letters)
    source = LogSource(topics, log.kafka, CLIENT_ID)
    url = models.mongodb_url.get_secret_value()
    with open_generations(url, models.mongodb_db) as stores, shown_progress() as progress:
        lanes = Lanes(url, models.mongodb_db, processes or os.cpu_count() or 1)
        yield ReadModelWorks(source, stores, Codec(Catalogue()), bury, progress, lanes)


def describe(one: Verified) -> str:
    rate = one.records / one.seconds if one.seconds else 0
    lines = [f"{one.records:,} records replayed in {one.seconds:.1f} s: {rate:,.0f}/s"]
    if one.dead_letters:
        lines.append(f"{one.dead_letters:,} of them can't be projected: see the dead-letter topic")
    lines.append(f"{'live':>12} {'replayed':>12}  {'collection':<18} SHA-256 of what was replayed")
    for part in one.comparison.collections:
        mark = "" if not part.differing else f"  {part.differing:,} different"
        lines.append(f"{part.live:>12,} {part.replayed:>12,}  {part.name:<18} {part.replayed_digest[:16]}{mark}")
    return "\n".join([*lines, *_conclusion(one)])


def describe_switch(one: Switched) -> str:
    lines = [f"Live is {one.live}, before it was {one.previous}: `tensorfleet rollback` goes back to it."]
    if one.dropped:
        lines.append(f"Dropped: {', '.join(one.dropped)}.")
    if one.waiting:
        lines.append(f"No projector has taken over {', '.join(one.waiting)} yet: is one running?")
    return "\n".join(lines)


def _conclusion(one: Verified) -> Iterator[str]:
    if one.comparison.exact:
        yield f"EXACT: every document of {one.database} is, byte for byte, what the log makes of it."
        return
    number = sum(part.differing for part in one.comparison.collections)
    which = f"{number:,} documents of {one.database} differ" if number > 1 else f"1 document of {one.database} differs"
    yield f"NOT EXACT: {which} from the log:"
    yield from map(_difference, one.comparison.differences)


def _difference(one: Difference) -> str:
    what = {"missing": "is missing", "unknown": "is not in the log"}.get(
        one.kind
    ) or f"differs: {', '.join(one.fields)}"
    return f"  {one.collection:<18} {one.id}  {what}"
