"""A clock that is off, for one process: a library of few lines, compiled here and preloaded."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.campaign.faults import Fault
from tests.faults.world.world import World

_SOURCE = Path(__file__).with_suffix(".c")


class WrongClock(Fault):
    """One process is started again with a clock that is off, and again with the right one."""

    def __init__(self, target: str, seconds: float, hours: int) -> None:
        super().__init__(f"a clock {hours:+d} h off for", target, seconds)
        self._offset = 3600 * hours

    def skipped_because(self, world: World) -> str | None:
        return why_not(world.plan.directory)

    async def inject(self, world: World) -> None:
        await self._restart(world, preloaded(library_in(world.plan.directory), self._offset))

    async def heal(self, world: World) -> None:
        await self._restart(world, {})

    async def _restart(self, world: World, overrides: dict[str, str]) -> None:
        service = world.services.by_name[self.target]
        await service.stop()
        service.overrides = overrides
        service.start()


def preloaded(library: Path, seconds: int) -> dict[str, str]:
    """The environment of a process whose date is off by so much. Its monotonic clock is right."""
    return {"LD_PRELOAD": str(library), "WRONG_CLOCK_SECONDS": str(seconds)}


@functools.cache
def why_not(directory: Path) -> str | None:
    """Why no process can be given a wrong clock here; None if one can. It is tried out on a Python like ours."""
    if shutil.which("cc") is None:
        return "there is no C compiler (Debian: apt-get install gcc libc6-dev)"
    try:
        library = library_in(directory)
        shown = subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"],
            env=preloaded(library, 3600),
            check=True,
            capture_output=True,
        )
    except subprocess.CalledProcessError as error:
        return f"no wrong clock can be made: {error.stderr.decode()[:300]}"
    ahead = float(shown.stdout) - time.time()
    return None if 3000 < ahead < 4200 else f"a preloaded clock is not asked: it is {ahead:.0f} s ahead instead of 3600"


def library_in(directory: Path) -> Path:
    """CalledProcessError if it can't be compiled."""
    library = directory / "wrong_clock.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=directory) as place:
            made = Path(place) / library.name
            argv = ["cc", "-shared", "-fPIC", "-O1", "-o", str(made), str(_SOURCE), "-ldl"]
            subprocess.run(argv, check=True, capture_output=True)
            made.rename(library)
    return library
