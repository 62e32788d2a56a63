"""Injects one fault after the other under load, and waits after each until everything is served again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.faults.campaign.faults import Fault
from tests.faults.load.recorder import now
from tests.faults.world.world import World

_START_SECONDS = 150.0
_POLL_SECONDS = 0.05


class NotRecovered(Exception):
    """Some partition was not served again in time after a fault had been healed."""


@dataclass(frozen=True, slots=True)
class Injected:
    """`recovered_at`: when every partition had served, and made visible, a command after the heal."""

    fault: Fault
    began_at: float
    healed_at: float
    recovered_at: float

    def unserved(self, world: World) -> float:
        return world.recorder.longest_gap(world.recorder.served, self.began_at, self.recovered_at)

    def invisible(self, world: World) -> float:
        return world.recorder.longest_gap(world.recorder.visible, self.began_at, self.recovered_at)

    def over_its_limits(self, world: World) -> list[str]:
        limits, found = self.fault.limits, []
        if limits.served is not None and self.unserved(world) > limits.served:
            found.append(f"{self.unserved(world):.1f} s without service, allowed are {limits.served:g}")
        if limits.visible is not None and self.invisible(world) > limits.visible:
            found.append(f"{self.invisible(world):.1f} s until visible, allowed are {limits.visible:g}")
        return found


async def inject_all(world: World, faults: Iterable[Fault], until: float, done: list[Injected]) -> None:
    """One by one into `done`, until the faults or the time (of the monotonic clock) run out. NotRecovered, NotReady.

    Each finds all services ready, those that were started anew by the one before as well: with one that is still on its
    way there would be nobody to hand over to.
    """
    await until_recovered(world, now(), "the start", _START_SECONDS)
    for fault in faults:
        if time.monotonic() >= until:
            break
        reason = fault.skipped_because(world)
        if reason is not None:
            print(f"skipped: {fault.name}: {reason}", flush=True)
            continue
        await world.services.until_ready(world.plan.patience_seconds)
        one = await _inject(world, fault)
        done.append(one)
        print(
            f"{fault.name:60} {one.healed_at - one.began_at:5.1f} s; unserved {one.unserved(world):5.1f} s, "
            f"invisible {one.invisible(world):5.1f} s; {len(world.recorder.operations)} commands so far",
            flush=True,
        )
        await asyncio.sleep(world.plan.settle_seconds)


async def _inject(world: World, fault: Fault) -> Injected:
    began_at = now()
    try:
        await fault.inject(world)
        await asyncio.sleep(fault.seconds)
    finally:
        await fault.heal(world)
    healed_at = now()
    await until_recovered(world, healed_at, fault.name, world.plan.patience_seconds)
    return Injected(fault, began_at, healed_at, now())


async def until_recovered(world: World, since: float, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not world.recorder.is_served_since(since):
        world.load.check()
        if time.monotonic() > deadline:
            recorder = world.recorder
            served = {n: f"{now() - times[-1]:.0f} s ago" for n, times in recorder.served.items() if times}
            visible = {n: f"{now() - times[-1]:.0f} s ago" for n, times in recorder.visible.items() if times}
            raise NotRecovered(f"{seconds:.0f} s after {what}: last served {served}, visible {visible}")
        await asyncio.sleep(_POLL_SECONDS)
