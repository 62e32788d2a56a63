"""The process of the sandbox: gives up its rights, scans what it was handed as its input, and prints the verdict."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

from tensorfleet.scanning.confinement import confine
from tensorfleet.scanning.limits import Limits
from tensorfleet.scanning.scan import scan
from tensorfleet.scanning.verdict import Finding, Severity, Verdict, unscanned


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    missing = confine(limits)
    notes = tuple(Finding("not-isolated", Severity.NOTE, "", text) for text in missing)
    verdict = _scanned(limits)
    sys.stdout.write(json.dumps(replace(verdict, findings=verdict.findings + notes).as_json()))


def _scanned(limits: Limits) -> Verdict:
    try:
        with os.fdopen(0, "rb", buffering=0, closefd=False) as content:
            return scan(content, limits)
    except MemoryError:
        return unscanned("limit-memory", f"it takes more than {limits.memory_bytes:,} bytes of memory to read")


if __name__ == "__main__":
    main()
