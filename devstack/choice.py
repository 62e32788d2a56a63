"""Whether the servers run in Docker or as child processes: decided once for `make up`, for tests, for installing."""

import os
from collections.abc import Callable

from devstack.compose import engine_answers
from devstack.errors import DevstackError


def docker_is_chosen(native_runs: Callable[[], bool] = lambda: False) -> bool:
    """By TENSORFLEET_STACK; else not where it runs natively already; else where a Docker engine answers."""
    match os.environ.get("TENSORFLEET_STACK", ""):
        case "docker":
            return True
        case "native":
            return False
        case "":
            return not native_runs() and engine_answers()
        case other:
            raise DevstackError(f"TENSORFLEET_STACK is '{other}': it must be docker or native")
