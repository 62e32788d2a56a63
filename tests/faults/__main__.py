"""The long fault run: `python -m tests.faults --minutes 30 --seed 1`. Exit status 1 if it found anything."""

from __future__ import annotations

import argparse
import itertools
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.faults.campaign.run import run
from tests.faults.campaign.schedule import schedule
from tests.faults.world.world import Plan


def main() -> int:
    arguments = _parser().parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10_000)
    print(f"seed {seed}", flush=True)
    faults = schedule(arguments.instances, seed)
    if arguments.only:
        faults = (one for one in faults if re.search(arguments.only, one.name))
    faults = itertools.islice(faults, arguments.faults)
    directory = Path(tempfile.mkdtemp(prefix="tensorfleet-faults-"))
    plan = Plan(
        directory,
        seed,
        arguments.instances,
        patience_seconds=arguments.patience,
        settle_seconds=arguments.settle,
    )
    try:
        done = uvloop.run(run(plan, faults, 60 * arguments.minutes))
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
    parser.add_argument("--only", default="", help="only faults whose name this pattern is found in")
    parser.add_argument("--faults", type=int, help="end after so many of them (default: when the time is over)")
    parser.add_argument("--patience", type=float, default=150.0, help="seconds until all must be served again")
    parser.add_argument("--settle", type=float, default=10.0, help="seconds of peace after each fault (default: 10)")
    parser.add_argument("--keep", action="store_true", help="keep the logs and data, and say where")
    return parser


if __name__ == "__main__":
    sys.exit(main())
