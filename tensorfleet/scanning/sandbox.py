"""Scans a file in a process of its own that has neither network nor much of anything else.

The file is handed over open, so that the process needs to open none. Whatever becomes of it, there is a verdict: where
it crashes, hangs or runs out of memory, the file is unscanned, and the finding says why.
"""

from __future__ import annotations

import asyncio
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
_PIPE: Final = subprocess.PIPE
_ENVIRONMENT: Final = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(_ROOT)}


def scan_in_sandbox(file: Path, limits: Limits | None = None) -> Verdict:
    """As `scan`, but for what a bound of the process stops. OSError if the file can't be opened."""
    with file.open("rb") as opened:
        return scan_open_file(opened, limits)


def scan_open_file(opened: IO[bytes], limits: Limits | None = None) -> Verdict:
    """Of a real file, from its start, wherever it stands; where it stands afterwards is not defined."""
    limits = limits or Limits()
    child = subprocess.Popen(_command(limits), stdin=opened, stdout=_PIPE, stderr=_PIPE, cwd=_ROOT, env=_ENVIRONMENT)
    with child:
        try:
            answer, errors = child.communicate(timeout=limits.seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return _too_long(limits)
        finally:
            if child.poll() is None:
                child.kill()
    return _verdict(child.returncode, answer, errors)


async def judge_open_file(opened: IO[bytes], limits: Limits | None = None) -> Verdict:
    """As `scan_open_file`, awaited: cancelled, it ends the process of the sandbox."""
    limits = limits or Limits()
    child = await asyncio.create_subprocess_exec(
        *_command(limits), stdin=opened, stdout=_PIPE, stderr=_PIPE, cwd=_ROOT, env=_ENVIRONMENT
    )
    try:
        assert child.stdout is not None and child.stderr is not None
        async with asyncio.timeout(limits.seconds + _GRACE_SECONDS):
            answer, errors = await asyncio.gather(_beginning(child.stdout), _beginning(child.stderr))
            status = await child.wait()
    except TimeoutError:
        return _too_long(limits)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _verdict(status, answer, errors)


async def _beginning(stream: asyncio.StreamReader) -> bytes:
    """Enough to see that it is too much: whoever writes it has read hostile bytes. Read to its end."""
    kept = bytearray()
    while chunk := await stream.read(1 << 16):
        if len(kept) <= _LONGEST_ANSWER:
            kept += chunk
    return bytes(kept)


def _command(limits: Limits) -> list[str]:
    return [sys.executable, "-s", "-m", "tensorfleet.scanning.sandboxed", json.dumps(asdict(limits))]


def _too_long(limits: Limits) -> Verdict:
    return unscanned("scanner-timeout", f"the scanner gave no verdict within {limits.seconds:g} seconds")


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
