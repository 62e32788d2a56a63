"""MLflow's registry as `mlflow server` runs it by default, filled with the models of a seeded registry.

MLflow is installed in a virtual environment of its own, in the cache that holds the servers of the native stack.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.seeded_registry import ALIKE, name_of, registration
from devstack.artifacts import Artifact, Say
from devstack.cache import cache_directory
from devstack.commands import Step, last_lines, run_step
from devstack.installer import install
from devstack.ports import HOST, free_ports
from devstack.processes import Lifetime, ProcessIdentity, spawn, stop_process
from devstack.stack import NativeStack

VERSION = "3.17.2"
WORKERS = 4
"""Server processes, MLflow's default."""
_SEED = Path(__file__).with_name("mlflow_seed.py")
_READY_SECONDS = 120.0


def mlflow_name(number: int) -> str:
    """Its search looks at names only, so the word that ALIKE models share is in their names."""
    return f"{name_of(number)}_{shared_word(number // ALIKE)}"


def shared_word(batch: int) -> str:
    """With its zeros no such word is a part of another."""
    return f"batch{batch:05d}"


@contextmanager
def mlflow_server(stack: NativeStack, models: int) -> Iterator[int]:
    """Inside, it runs on the port given, and all its workers have started. InstallError without MLflow."""
    python = install([Artifact("mlflow", VERSION, _build)])["mlflow"] / "bin" / "python"
    directory = stack.directory / "mlflow"
    directory.mkdir()
    uri = f"sqlite:///{directory / 'mlflow.db'}"
    _seed(python, uri, models, directory)
    port, log = free_ports(1)[0], directory / "server.log"
    command = [str(python), "-I", "-m", "mlflow", "server", "--backend-store-uri", uri]
    process = spawn(
        [*command, "--host", HOST, "--port", str(port)], log, _environment(), directory, Lifetime.ENDED_WITH_PARENT
    )
    identity = ProcessIdentity.of(process.pid)
    try:
        _await_workers(process, log)
        yield port
    finally:
        if identity is not None:
            stop_process(identity, patience=30)


def _build(folder: Path, say: Say) -> None:
    """The environment is moved when complete, so its scripts name a wrong interpreter: only `python -m` works."""
    logs = cache_directory() / "logs"
    create = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    run_step(Step("making its environment", "1 s", create, {}), logs / "create-mlflow.log", say)
    python = str(folder / "bin" / "python")
    fetch = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", f"mlflow=={VERSION}"]
    run_step(Step("fetching it from the package index", "1 to 5 minutes", fetch, {}), logs / "install-mlflow.log", say)


def _seed(python: Path, uri: str, models: int, directory: Path) -> None:
    """The same tags and descriptions as in the seeded registry, registered in the same order."""
    source, log = directory / "models", directory / "seed.log"
    with source.open("w") as lines:
        for number in range(models):
            fields = registration(number).fields
            model = {"name": mlflow_name(number), "description": fields.description, "tags": fields.tags}
            lines.write(json.dumps(model) + "\n")
    began = time.monotonic()
    with source.open() as given, log.open("w") as output:
        command = [str(python), "-I", str(_SEED), uri]
        ended = subprocess.run(command, stdin=given, stdout=output, stderr=output, env=_environment(), check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"MLflow could not be filled:\n{last_lines(log, 15)}")
    print(f"mlflow: {models:,} models seeded in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    """Without what a user's own MLflow is set to. It reports to nobody and runs no background jobs beside the reads."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _await_workers(process: subprocess.Popen[bytes], log: Path) -> None:
    """All of them, because one that still starts would take the processors from the first figure."""
    deadline = time.monotonic() + _READY_SECONDS
    while log.read_text(errors="replace").count("Application startup complete") < WORKERS:
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"MLflow's server is not ready:\n{last_lines(log, 15)}")
        time.sleep(0.2)
