"""Which faults a run injects, in which order: every kind once, shuffled by the seed, then again from the start."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.faults.campaign.environment_faults import (
    CutLink,
    DelayLink,
    FullDisk,
    HalfOpenLink,
    HoldLink,
    RebalanceStorm,
)
from tests.faults.campaign.faults import (
    Fault,
    FreezeLeader,
    FreezeServer,
    FreezeService,
    KillLeader,
    KillMajority,
    KillServer,
    KillService,
    Limits,
    Owner,
    StopService,
)
from tests.faults.campaign.log_faults import ForeignClaims, KillBlockedProjector, KillPublisherMidway
from tests.faults.campaign.wrong_clock import WrongClock

HAND_OVER, OWNER_KILLED = Limits(served=2.0), Limits(served=10.0)
LEADER_KILLED, PROJECTOR_KILLED = Limits(served=15.0), Limits(visible=5.0)
_KAFKA = ("kafka-1", "kafka-2", "kafka-3")
_LINKS = (*_KAFKA, "mongodb", "minio")


def all_faults(instances: int, chance: random.Random) -> list[Callable[[], Fault]]:
    """One maker for each; what it strikes is chosen anew each time."""
    apis = [f"command_api-{number + 1}" for number in range(instances)]
    seconds = chance.uniform
    # With one command API a stop is a restart, and no other can take over: the promise is for two or more.
    handing_over = HAND_OVER if instances > 1 else Limits()
    return [
        lambda: KillService(Owner(chance.randrange(6)), OWNER_KILLED),
        lambda: StopService(Owner(chance.randrange(6)), handing_over),
        lambda: FreezeService(Owner(chance.randrange(6)), seconds(3, 12)),
        lambda: KillService("query_api-1"),
        lambda: FreezeService("query_api-1", seconds(3, 6)),
        lambda: KillService("projector-1", PROJECTOR_KILLED),
        lambda: FreezeService("projector-1", seconds(3, 12)),
        lambda: KillBlockedProjector("projector-1", seconds(1, 3)),
        lambda: KillService("publisher-1"),
        lambda: KillPublisherMidway("publisher-1"),
        lambda: FreezeService("publisher-1", seconds(3, 12)),
        lambda: ForeignClaims(seconds(2, 4)),
        lambda: KillLeader(chance.randrange(6), seconds(3, 12), LEADER_KILLED),
        lambda: FreezeLeader(chance.randrange(6), seconds(3, 10)),
        lambda: KillMajority(chance.randint(1, 3), 10.0),
        lambda: KillServer("mongodb", seconds(1, 6)),
        lambda: FreezeServer("mongodb", seconds(2, 8)),
        lambda: KillServer("minio", seconds(1, 6)),
        lambda: FreezeServer("minio", seconds(2, 8)),
        lambda: DelayLink(chance.choice(_LINKS), seconds(4, 8), seconds(0.02, 0.3)),
        lambda: CutLink(chance.choice(_LINKS), seconds(1, 5)),
        lambda: HoldLink(chance.choice(_LINKS), seconds(2, 8)),
        lambda: HalfOpenLink(chance.choice(_LINKS), seconds(2, 8)),
        lambda: FullDisk(seconds(3, 6)),
        lambda: WrongClock(chance.choice([*apis, "projector-1"]), seconds(4, 8), chance.choice([1, -1])),
        lambda: RebalanceStorm(chance.choice(["command-api", "projector", "publisher"]), seconds(5, 10)),
    ]


def schedule(instances: int, seed: int) -> Iterator[Fault]:
    """Without end."""
    chance = random.Random(seed)
    makers = all_faults(instances, chance)
    while True:
        chance.shuffle(makers)
        yield from (make() for make in makers)
