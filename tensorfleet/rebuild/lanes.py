"""Fills a generation by several processes at a time, for as long as most of the log is still before it.

Records of one partition depend on no other, and the documents that they make belong to their partition alone. So each
process, a *lane*, replays some partitions as if there were no others; one process has one interpreter, and no more than
one core. Nobody reads what they fill, and nobody goes on with it if one of them fails: so they write without
transactions. The last way, beside the live generation, is for one process again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Final

from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.interpreter import tune_interpreter
from tensorfleet.mongo.filling_store import FillingStore
from tensorfleet.mongo.generation_stores import open_generations
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.progress import Progress
from tensorfleet.rebuild.filling import Filling, filling
from tensorfleet.rebuild.log_source import LogSource

WORTH_RECORDS: Final = 20_000
"""Starting the processes takes about as long as replaying so many."""
_LOOK_SECONDS: Final = 0.5
_NICENESS: Final = 10
"""Whoever reads from the live generation on the same machine goes first."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What one process does; all of it can be sent there. Checkpoints are by id."""

    source: LogSource
    mongodb_url: str
    home: str
    database: str
    holder: str
    beginnings: Mapping[str, Checkpoint]
    targets: Mapping[str, Checkpoint]


@dataclass(frozen=True, slots=True)
class Filled:
    records: int
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """`processes`: how many at most."""

    mongodb_url: str
    home: str
    processes: int

    def fill(self, one: Filling, targets: Mapping[str, Checkpoint], progress: Progress) -> None:
        """As `one.fill_to(targets)`, with the same errors; after one, the generation is of no more use."""
        lanes = list(self._lanes(one, targets))
        with ProcessPoolExecutor(len(lanes), get_context("spawn")) as pool:
            working = [pool.submit(fill_lane, lane) for lane in lanes]
            _watch(working, one.store, progress)
            for done in working:
                one.records += done.result().records
                one.dead_letters += done.result().dead_letters
        one.resume()

    def _lanes(self, one: Filling, targets: Mapping[str, Checkpoint]) -> list[Lane]:
        numbers = sorted({target.partition for target in targets.values()})
        shares = [numbers[start :: self.processes] for start in range(min(self.processes, len(numbers)))]
        return [
            Lane(
                one.source,
                self.mongodb_url,
                self.home,
                one.store.database,
                one.store.holder,
                _of(one.beginnings, share),
                _of(targets, share),
            )
            for share in shares
        ]


def fill_lane(lane: Lane) -> Filled:
    """In a process of its own, that ends when the one does which wants it done."""
    Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICENESS)
    tune_interpreter()
    with open_generations(lane.mongodb_url, lane.home) as stores:
        store = stores.lane_store(lane.database, lane.holder)
        with filling(lane.source, store, Codec(Catalogue()), lane.beginnings, lambda _: None) as one:
            one.resume()
            one.fill_straight_to(lane.targets)
            store.flush()
            return Filled(one.records, one.dead_letters)


def _end_with_parent() -> None:
    """Also if that was killed: what it left half done is fenced off by the next, but takes processors until then."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _watch(working: list[Future[Filled]], store: FillingStore, progress: Progress) -> None:
    """Until all have ended. What one fails with ends all, and is raised."""
    seen, left = store.records_of_lanes(), set(working)
    while left:
        done, left = wait(left, _LOOK_SECONDS, FIRST_EXCEPTION)
        failed = next((error for ended in done if (error := ended.exception())), None)
        if failed is not None:
            store.give_up()
            wait(left)
            raise failed
        now = store.records_of_lanes()
        progress.advance(now - seen)
        seen = now


def _of(checkpoints: Mapping[str, Checkpoint], partitions: list[int]) -> dict[str, Checkpoint]:
    return {key: one for key, one in checkpoints.items() if one.partition in partitions}
