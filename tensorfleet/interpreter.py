"""How Python itself is set up, in services and in commands that replay; apart, for these serve no HTTP."""

from __future__ import annotations

import gc
import sys


def tune_interpreter() -> None:
    """Set the interpreter up for many objects that live long, and for threads that wait for one another.

    With the default thresholds, looking for cycles took two thirds of the time of a replay. With the default switch
    interval of 5 ms, a thread whose answer from a server has come waits that long for one that computes.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
