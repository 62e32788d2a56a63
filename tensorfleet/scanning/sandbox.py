"""Scans a file in a process of its own that has neither network nor much of anything else.

The file is handed over open, so that the process needs to open none. Whatever becomes of it, there is a verdict: where
it crashes, hangs or runs out of memory, the file is unscanned, and the finding says why.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

from tensorfleet.scanning.limits import Limits
from tensorfleet.scanning.verdict import Verdict, unscanned, verdict_from_json

_ROOT: Final = Path(__file__).parents[2]
_GRACE_SECONDS: Final = 5.0
_LONGEST_ANSWER: Final = 1 << 20


def scan_in_sandbox(file: Path, limits: Limits | None = None) -> Verdict:
    """As `scan`, but for what a bound of the process stops. OSError if the file can't be opened."""
    with file.open("rb") as opened:
        return scan_open_file(opened, limits)


def scan_open_file(opened: IO[bytes], limits: Limits | None = None) -> Verdict:
    """Of a real file, from its start, wherever it stands; where it stands afterwards is not defined."""
    limits = limits or Limits()
    child = subprocess.Popen(
        [sys.executable, "-s", "-m", "tensorfleet.scanning.sandboxed", json.dumps(asdict(limits))],
        stdin=opened,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_ROOT,
        env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(_ROOT)},
    )
    with child:
        try:
            answer, errors = child.communicate(timeout=limits.seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return unscanned("scanner-timeout", f"the scanner gave no verdict within {limits.seconds:g} seconds")
        finally:
            if child.poll() is None:
                child.kill()
    return _verdict(child.returncode, answer, errors)


def _verdict(status: int, answer: bytes, errors: bytes) -> Verdict:
    if status != 0:
        return unscanned("scanner-crash", f"the scanner ended with {_cause(status, errors)}")
    try:
        if len(answer) > _LONGEST_ANSWER:
            raise ValueError("it says too much")
        return verdict_from_json(json.loads(answer))
    except (ValueError, KeyError, TypeError) as error:
        return unscanned("scanner-crash", f"the scanner's answer can't be read: {error}")


def _cause(status: int, errors: bytes) -> str:
    if status < 0:
        return f"the signal {signal.Signals(-status).name}"
    last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
    return f"status {status}: {ascii(last[0][:200])[1:-1]}"
