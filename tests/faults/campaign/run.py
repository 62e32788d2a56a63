"""A whole run: the world, load and faults for some time, then the verdict."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Iterable, Sequence

from tests.faults.campaign.faults import Fault
from tests.faults.campaign.report import Report, report
from tests.faults.campaign.runner import Injected, NotRecovered, inject_all
from tests.faults.checker.check import check
from tests.faults.checker.folded import FoldedLog
from tests.faults.world.collect import NeverQuiet, observe, wait_until_quiet
from tests.faults.world.service_processes import NotReady
from tests.faults.world.world import Plan, World, running


async def run(plan: Plan, faults: Iterable[Fault], seconds: float) -> Report:
    """What goes wrong on the way is in the report, and the checker decides all the same."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # so that all is ended and unmounted
    injected: list[Injected] = []
    failures: list[str] = []
    async with running(plan) as world:
        gc.disable()  # while it looks at all that is recorded, the clients stand still: a time without service
        try:
            await inject_all(world, faults, time.monotonic() + seconds, injected)
        except (NotRecovered, NotReady) as error:
            failures.append(str(error))
        finally:
            gc.enable()
        await world.load.stop()
        # An owner may claim anew at any time: without any, the log has an end.
        await asyncio.gather(*(one.stop() for one in world.services.of_kind("command_api")))
        print("the load has ended; waiting for the projections and the feed", flush=True)
        # In a thread: the services need the event loop, which carries their connections to the servers.
        return await asyncio.to_thread(_judge, world, injected, failures)


def _judge(world: World, injected: Sequence[Injected], failures: Sequence[str]) -> Report:
    try:
        wait_until_quiet(world.place, world.plan.patience_seconds)
    except NeverQuiet as error:
        failures = [*failures, str(error)]
    world.watch.stop()
    seen = observe(world.place, world.watch.sightings)
    print("checking", flush=True)
    log = FoldedLog.of(seen.log)
    return report(world, injected, failures, check(world.recorder.history(), seen, log), log)
