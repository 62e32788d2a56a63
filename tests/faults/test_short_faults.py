"""The fault suite in short: a few faults under load on three brokers, and not one violated invariant.

The long run is `make faults`. How long each fault may take is a matter for it: this machine may be busy with others.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import uvloop

from tests.faults.campaign.environment_faults import FullDisk
from tests.faults.campaign.faults import FreezeService, KillServer, KillService
from tests.faults.campaign.run import run
from tests.faults.world.world import Plan

pytestmark = [pytest.mark.timeout(300), pytest.mark.alone]


def test_nothing_acknowledged_is_lost_doubled_or_invented(tmp_path: Path) -> None:
    faults = [
        KillService("command_api-1"),
        FreezeService("projector-1", 2.0),
        KillServer("mongodb", 1.0),
        FullDisk(2.0),
    ]
    done = uvloop.run(run(Plan(tmp_path, seed=1), faults, seconds=200))
    assert (done.violations, done.failures) == ([], []), done.text
    assert len(done.injected) >= len(faults) - 1, "only the full disk may be skipped, where nothing can be mounted"
