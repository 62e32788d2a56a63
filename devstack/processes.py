"""Operating-system processes that may outlive us: starting them, recognising them later, ending them."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")
LOG_BYTES_KEPT = 20_000_000

# To the kernel, a process loses its parent when the *thread* that started it ends. So tethered processes are
# started by one thread that lives as long as we do.
_tether = ThreadPoolExecutor(max_workers=1, thread_name_prefix="devstack-tether")


class Lifetime(Enum):
    """What a new process does when the process that started it dies, however it dies."""

    DETACHED = "lives on"
    KILLED_WITH_PARENT = "gets SIGKILL"
    ENDED_WITH_PARENT = "gets SIGTERM"


@dataclass(frozen=True)
class ProcessIdentity:
    """A process for good: ids are reused, but not together with the start time and the boot."""

    pid: int
    start_ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The running process with this id; None if there is none, or only its zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()  # the name before it may contain anything
        if fields[0] in "ZX":
            return None
        return cls(pid, int(fields[19]), Path("/proc/sys/kernel/random/boot_id").read_text().strip())

    @classmethod
    def load(cls, path: Path) -> "ProcessIdentity | None":
        """The process that a pid file names, if that very process still runs."""
        try:
            recorded = cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):  # absent, or cut short by a power failure
            return None
        return recorded if recorded.is_alive() else None

    def save(self, path: Path) -> None:
        """Write the pid file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)))

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def uptime_seconds(self) -> float:
        """How long it has been running."""
        since_boot = float(Path("/proc/uptime").read_text().split()[0])
        return since_boot - self.start_ticks / os.sysconf("SC_CLK_TCK")

    def end(self, signal_number: signal.Signals, patience: float) -> bool:
        """Send the signal and wait; True if the process has ended within `patience` seconds."""
        return self._signal(signal_number, patience)

    def send(self, signal_number: signal.Signals) -> None:
        """Send the signal, if the process still runs."""
        self._signal(signal_number, patience=0)

    def _signal(self, signal_number: signal.Signals, patience: float) -> bool:
        """Through a handle of the very process, so that never a stranger with the same id is hit."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.is_alive():
                return True
            signal.pidfd_send_signal(handle, signal_number)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return bool(poll.poll(patience * 1000))
        finally:
            os.close(handle)


def stop_process(identity: ProcessIdentity, patience: float) -> None:
    """Ask the process to end, and end it when it does not within `patience` seconds."""
    if not identity.end(signal.SIGTERM, patience):
        identity.end(signal.SIGKILL, patience=10)


def spawn(
    argv: Sequence[str], log: Path, environment: Mapping[str, str], directory: Path, lifetime: Lifetime
) -> subprocess.Popen[bytes]:
    """Start a program, its output added to `log`; in a session of its own, for a Ctrl-C is ours to handle."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_KEPT:
        log.replace(log.with_suffix(".old.log"))
    program = [shutil.which(argv[0]) or argv[0], *argv[1:]]
    prefix = [sys.executable, "-I", "-S", str(LAUNCHER)]
    match lifetime:
        case Lifetime.DETACHED:
            return _popen(program, log, environment, directory)
        case Lifetime.KILLED_WITH_PARENT:
            full = [*prefix, str(os.getpid()), *program]
        case Lifetime.ENDED_WITH_PARENT:
            full = [*prefix, "--gently", str(os.getpid()), *program]
    return _tether.submit(_popen, full, log, environment, directory).result()


def _popen(argv: Sequence[str], log: Path, environment: Mapping[str, str], directory: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        output.write(f"--- {time.strftime('%Y-%m-%dT%H:%M:%S%z')} starting\n".encode())
        output.flush()
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
