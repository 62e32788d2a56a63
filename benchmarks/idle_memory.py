"""What each process holds in memory when it has nothing to do."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.registry import ALL, Registry
from benchmarks.table import Row, median
from devstack.stack import NativeStack

MOST = 150 * 10**6
LOOKS, APART_SECONDS = 5, 1.0


def measure(stack: NativeStack) -> Iterator[Row]:
    looks: dict[str, list[int]] = {service: [] for service in ALL}
    with Registry(stack, "idle", ALL) as registry:
        for _ in range(LOOKS):
            time.sleep(APART_SECONDS)
            for service in ALL:
                looks[service].append(registry.memory(service, "VmRSS"))
    for service, found in looks.items():
        size = median(found)
        yield Row(f"idle memory of the {service}", f"{size / 10**6:.0f} MB", "", f"<= {MOST // 10**6} MB", size <= MOST)
