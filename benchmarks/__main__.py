"""Starts servers in a directory of its own, measures the figures asked for, prints one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import (
    auth_cost,
    beside_mlflow,
    compression,
    create_version,
    dead_letter,
    event_streams,
    files,
    idle_memory,
    lists,
    metric_history,
    owner_start,
    past,
    popular,
    rebuild,
    replay,
    scanner,
    slow_clients,
    two_instances,
    verified_download,
    visibility,
)
from benchmarks.table import Row, render
from devstack.errors import InstallError
from devstack.stack import NativeStack
from tensorfleet.interpreter import tune_interpreter

CACHE_GB: Final = 4.0
"""Of MongoDB. What a million models touch again and again fits into it, as it would in a server for so many."""

FIGURES: dict[str, Callable[[NativeStack], Iterator[Row]]] = {
    "idle_memory": idle_memory.measure,
    "create_version": create_version.measure,
    "two_instances": two_instances.measure,
    "visibility": visibility.measure,
    "dead_letter": dead_letter.measure,
    "replay": replay.measure,
    "rebuild": rebuild.measure,
    "metric_history": metric_history.measure,
    "owner_start": owner_start.measure,
    "popular": popular.measure,
    "lists": lists.measure,
    "past": past.measure,
    "files": files.measure,
    "auth_cost": auth_cost.measure,
    "slow_clients": slow_clients.measure,
    "verified_download": verified_download.measure,
    "event_streams": event_streams.measure,
    "compression": compression.measure,
    "scanner": scanner.measure,
    "mlflow": beside_mlflow.measure,
}
_ONLY_BY_NAME = ("mlflow",)
"""Its first run installs MLflow from the package index; the others need no network."""
_TMPFS = Path("/dev/shm")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    by_default = "all but mlflow, whose first run installs MLflow from the package index"
    parser.add_argument("name", nargs="*", help=f"of {', '.join(FIGURES)} (default: {by_default})")
    sizes = f"`lists` (default {lists.LARGE:,}), of both registries of `mlflow` (default {beside_mlflow.MODELS:,})"
    parser.add_argument("--models", type=int, help=f"of the large registry of {sizes}")
    arguments = parser.parse_args()
    names = arguments.name or [name for name in FIGURES if name not in _ONLY_BY_NAME]
    figures = dict(FIGURES)
    if arguments.models is not None:
        figures["lists"] = partial(lists.measure, models=arguments.models)
        figures["mlflow"] = partial(beside_mlflow.measure, models=arguments.models)
    unknown = sorted(set(names) - set(FIGURES))
    if unknown:
        parser.error(f"no figure is named {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    tune_interpreter()  # as the services do
    rows: list[Row] = []
    fast = _TMPFS if _TMPFS.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="tensorfleet-bench-") as directory,
        tempfile.TemporaryDirectory(prefix="tensorfleet-bench-", dir=fast) as blobs,
        NativeStack(Path(directory), minio_directory=Path(blobs) / "data", mongodb_cache_gb=CACHE_GB) as stack,
    ):
        try:
            for name in names:
                print(f"measuring {name}", file=sys.stderr, flush=True)
                rows.extend(figures[name](stack))
        except InstallError as error:
            sys.exit(f"{error}")
        finally:
            print(render(rows))
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
