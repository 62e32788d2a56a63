"""The checker: decides from what clients saw and what the servers hold whether the invariants held. Pure.

`check` takes observations that someone else loaded, and returns every violation of the invariants of the design
that they show. Nothing here talks to a server, and nothing knows which faults were injected.
"""

from tests.faults.checker.check import check
from tests.faults.checker.violations import Kind, Violation

__all__ = ["Kind", "Violation", "check"]
