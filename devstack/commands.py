"""Running an installer's command: progress while it is long, its last lines when it fails."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import InstallError

PROGRESS_SECONDS = 30
LINES_SHOWN = 15


@dataclass(frozen=True)
class Step:
    """One long command of an installation, and how to speak of it."""

    doing: str
    usually: str
    argv: Sequence[str]
    environment: Mapping[str, str]


def require_tool(tool: str, server: str, where_from: str) -> str:
    """The tool's path, or an error that says what is missing and what it is for."""
    found = shutil.which(tool)
    if found is None:
        raise InstallError(f"the command '{tool}' is missing; {server} needs it: {where_from}.")
    return found


def run_step(step: Step, log: Path, say: Callable[[str], None]) -> None:
    """Run to the end; raises InstallError with the last lines of output if it fails."""
    say(f"{step.doing}, usually {step.usually}")
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            step.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **step.environment},
        )
        try:
            _wait(process, step, started, say)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode != 0:
        raise InstallError(
            f"{step.doing} failed (exit code {process.returncode}): {' '.join(step.argv)}\n"
            f"{last_lines(log, LINES_SHOWN)}"
        )
    say(f"{step.doing}: done in {time.monotonic() - started:.0f} s")


def _wait(process: subprocess.Popen[bytes], step: Step, started: float, say: Callable[[str], None]) -> None:
    while True:
        try:
            process.wait(timeout=PROGRESS_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{step.doing}, usually {step.usually}, {time.monotonic() - started:.0f} s so far")
        else:
            return


def last_lines(path: Path, count: int) -> str:
    """The end of a text file, indented to stand below an error; empty if there is no file."""
    if not path.exists():
        return ""
    lines = path.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines)
