"""How fast model files are scanned, and what memory that takes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.table import Row, median
from devstack.stack import NativeStack
from tensorfleet.scanning.limits import Limits
from tensorfleet.scanning.sandbox import scan_in_sandbox
from tensorfleet.scanning.scan import scan

MIB = 1 << 20
ROUNDS = 3
TORCH_BYTES, PICKLE_BYTES, SPARSE_BYTES = 512 * MIB, 10**7, 10 << 30
LEAST_MIB_PER_SECOND, MOST_MILLISECONDS, MOST_MEMORY = 100, 200, 200 * 10**6
# The pickle of a dict of float tensors, whose storages are the members beside it.
_MODEL = b"\x80\x02}(" + b"X\x01\x00\x00\x00wccollections\nOrderedDict\n)Ru" + b"."
_CHILD = """
import re, sys
from pathlib import Path
from tensorfleet.scanning.scan import scan
verdict = scan(Path(sys.argv[1]))
most = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(verdict.format, verdict.verdict, int(most[1]) * 1024)
"""


def measure(stack: NativeStack) -> Iterator[Row]:
    directory = stack.directory / "scanner"
    directory.mkdir()
    yield _torch(directory / "torch")
    yield from _pickles(directory / "pickle")
    yield from _memory(directory / "sparse")


def _torch(file: Path) -> Row:
    block = os.urandom(MIB)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m/data.pkl", _MODEL)
        archive.writestr("m/version", "3")
        for number in range(TORCH_BYTES // (64 * MIB)):
            with archive.open(f"m/data/{number}", "w", force_zip64=True) as storage:
                for _ in range(64):
                    storage.write(block)
    beside = _seconds(lambda: _read(file))
    rate = TORCH_BYTES / MIB / _seconds(lambda: scan_in_sandbox(file))
    file.unlink()
    return Row(
        f"scan of a torch zip of {TORCH_BYTES // MIB} MiB, in the sandbox",
        f"{rate:.0f} MiB/s",
        f"only reading it {TORCH_BYTES / MIB / beside:,.0f} MiB/s",
        f">= {LEAST_MIB_PER_SECOND} MiB/s",
        rate >= LEAST_MIB_PER_SECOND,
    )


def _pickles(file: Path) -> Iterator[Row]:
    """Of arrays, as models are; of numbers one by one; and of short texts, the worst there is."""
    arrays = [os.urandom(PICKLE_BYTES // 100) for _ in range(100)]
    numbers = [number / 7 for number in range(PICKLE_BYTES // 9)]
    texts = [f"word{number:07}" for number in range(PICKLE_BYTES // 14)]
    for what, value, promised in (("arrays", arrays, True), ("numbers", numbers, True), ("short texts", texts, False)):
        file.write_bytes(pickle.dumps(value))
        taken = _seconds(lambda: scan(file)) * 1000
        limit = f"<= {MOST_MILLISECONDS} ms" if promised else ""
        loaded = _seconds(lambda: pickle.loads(file.read_bytes())) * 1000
        yield Row(
            f"scan of a pickle of 10 MB of {what}",
            f"{taken:.0f} ms",
            f"loading it {loaded:.0f} ms",
            limit,
            taken <= MOST_MILLISECONDS if promised else None,
        )
        file.unlink()


def _memory(file: Path) -> Iterator[Row]:
    """Of sparse files of 10 GiB: one array in a pickle, and a header of safetensors that says one tensor."""
    start = b"\x80\x04\x8e" + (SPARSE_BYTES).to_bytes(8, "little")
    text = f'{{"w":{{"dtype":"U8","shape":[{SPARSE_BYTES}],"data_offsets":[0,{SPARSE_BYTES}]}}}}'.encode()
    for what, head, tail in (
        ("pickle", start, b"."),
        ("safetensors", len(text).to_bytes(8, "little") + text, b""),
        ("hdf5", b"\x89HDF\r\n\x1a\n", b""),
    ):
        with file.open("wb") as out:
            out.write(head)
            out.truncate(len(head) + SPARSE_BYTES)
            out.seek(0, os.SEEK_END)
            out.write(tail)
        command = [sys.executable, "-c", _CHILD, str(file)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=Limits().seconds)
        recognised, verdict, memory = answer.stdout.split()
        if (recognised, verdict) != (what, "safe"):
            raise AssertionError(f"{what} of 10 GiB: {answer.stdout}")
        yield Row(
            f"most memory for a sparse file of 10 GiB, {what}",
            f"{int(memory) / 10**6:.0f} MB",
            "",
            f"<= {MOST_MEMORY // 10**6} MB",
            int(memory) <= MOST_MEMORY,
        )
        file.unlink()


def _seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times)


def _read(file: Path) -> None:
    with file.open("rb", buffering=0) as content:
        while content.read(MIB):
            pass
