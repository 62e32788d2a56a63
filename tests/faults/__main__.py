"""The long fault run: `python -m tests.faults --minutes 30 --seed 1`. Exit status 1 if an invariant was violated."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import uvloop

from tests.faults.checker.check import check
from tests.faults.checker.folded import FoldedLog
from tests.faults.collect import observe, wait_until_quiet
from tests.faults.faults import Fault
from tests.faults.report import Report, report
from tests.faults.runner import Injected, inject_all
from tests.faults.schedule import schedule
from tests.faults.world import Plan, World, running


async def run(plan: Plan, faults: Iterable[Fault], seconds: float) -> Report:
    """Load and faults for so long; then wait for the projections, and let the checker decide."""
    async with running(plan) as world:
        injected = await inject_all(world, faults, time.monotonic() + seconds)
        await world.load.stop()
        print("the load has ended; waiting for the projections and the feed", flush=True)
        return await asyncio.to_thread(_judge, world, injected)


def _judge(world: World, injected: Sequence[Injected]) -> Report:
    """In a thread: the services need the event loop, which carries their connections to the servers."""
    wait_until_quiet(world.place)
    world.watch.stop()
    seen = observe(world.place, world.watch.sightings)
    print("checking", flush=True)
    log = FoldedLog.of(seen.log)
    return report(world, injected, check(world.recorder.history(), seen, log), log)


def main() -> int:
    arguments = _parser().parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10_000)
    print(f"seed {seed}", flush=True)
    faults = schedule(arguments.instances, seed)
    if arguments.only:
        faults = (one for one in faults if arguments.only in one.name)
    directory = Path(tempfile.mkdtemp(prefix="tensorfleet-faults-"))
    try:
        done = uvloop.run(run(Plan(directory, seed, arguments.instances), faults, 60 * arguments.minutes))
    finally:
        if arguments.keep:
            print(f"logs and data: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"\n{done.text}")
    return 0 if done.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long faults are injected (default: 30)")
    parser.add_argument("--seed", type=int, help="of the schedule and the load; printed, to run it again")
    parser.add_argument("--instances", type=int, default=1, help="how many command APIs (default: 1)")
    parser.add_argument("--only", default="", help="only faults whose name contains this, as in 'minio'")
    parser.add_argument("--keep", action="store_true", help="keep the logs and data, and say where")
    return parser


if __name__ == "__main__":
    sys.exit(main())
