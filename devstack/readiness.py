"""Waiting for the registry: what is not ready, said as it changes, and an end to the waiting."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from devstack.commands import last_lines
from devstack.errors import NotReady
from devstack.ports import HOST
from devstack.supervisor import failures_file

WAIT_SECONDS = 90.0
FAILURES_ALLOWED = 3
POLL_SECONDS = 0.1
READY = ""


def what_is_missing(ports: Mapping[str, int]) -> str:
    """READY, or what the processes lack, in a few words; `ports` by process name."""
    complaints = {name: _ask(port) for name, port in ports.items()}
    return "; ".join(f"{name}: {text}" for name, text in complaints.items() if text)


def wait_until_ready(directory: Path, ports: Mapping[str, int], still_supervised: Callable[[], bool]) -> None:
    """Raises NotReady, with the end of the log that explains it, when it takes too long or a process keeps failing."""
    deadline = time.monotonic() + WAIT_SECONDS
    said = ""
    while (missing := what_is_missing(ports)) != READY:
        if missing != said:
            print(f"waiting for {missing}", flush=True)
            said = missing
        failing = [name for name, count in _failures(directory).items() if count >= FAILURES_ALLOWED]
        if failing:
            raise _not_ready(f"{failing[0]} keeps ending", directory / "logs" / f"{failing[0]}.log")
        if not still_supervised():
            raise _not_ready("the supervisor ended", directory / "logs" / "supervisor.log")
        if time.monotonic() > deadline:
            first = missing.partition(":")[0]
            text = f"not ready after {WAIT_SECONDS:.0f} s: {missing}"
            raise _not_ready(text, directory / "logs" / f"{first}.log")
        time.sleep(POLL_SECONDS)


def _ask(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/health/ready", timeout=5):
            return READY
    except urllib.error.HTTPError as error:
        return _parts_not_ready(error.read()) or f"answers {error.code}"
    except OSError:
        return "does not listen yet"


def _parts_not_ready(body: bytes) -> str:
    """From the answer's `checks`, whether their values are booleans, words or objects with a status."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    checks = answer.get("checks")
    if not isinstance(checks, dict):
        return str(answer.get("detail", ""))
    return ", ".join(f"{name} {text}" for name, check in checks.items() if (text := _complaint(check)))


def _complaint(check: object) -> str:
    match check:
        case True | "ok" | "healthy" | "ready" | "up" | "pass" | "connected":
            return ""
        case False | None:
            return "not ready"
        case {"detail": detail, **rest}:
            return _complaint(rest.get("status", False)) and str(detail)
        case {"status": status}:
            return _complaint(status)
        case _:
            return str(check)


def _failures(directory: Path) -> dict[str, int]:
    try:
        return {str(name): int(count) for name, count in json.loads(failures_file(directory).read_text()).items()}
    except FileNotFoundError:
        return {}


def _not_ready(what: str, log: Path) -> NotReady:
    return NotReady(f"{what}. The end of {log}:\n{last_lines(log, 15)}")
