"""The per-user cache of installed servers: where it is, and how an entry gets in whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_directory() -> Path:
    """Outside the clone, so that a second clone starts in seconds."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tensorfleet"


def install_once(entry: str, build: Callable[[Path], None], say: Callable[[str], None]) -> Path:
    """Return the folder of `entry`, calling `build(folder)` first if it is not there yet.

    The folder is built beside its place and renamed when complete, so what carries the final name is whole,
    however the build ended. A second process waits for the first one's result instead of building again.
    """
    final = cache_directory() / entry
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(final.with_name(f".{entry}.lock"), lambda: say("waiting for another installation of it")):
        if final.is_dir():
            return final
        staging = final.with_name(f".{entry}.partial")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        build(staging)
        staging.rename(final)
    return final


@contextmanager
def _exclusive(path: Path, before_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path`; the kernel lets go of it when the process ends, however it ends."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            before_waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
