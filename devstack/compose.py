"""`up`, `down`, `status`, `logs` and `reset` with Docker Compose."""

import os
import shutil
import subprocess

from devstack.errors import DevstackError
from devstack.services import REPOSITORY


class ComposeInstallation:
    """The stack of docker-compose.yml."""

    @property
    def port(self) -> int:
        """Where the registry answers."""
        return int(os.environ.get("PORT") or 8084)

    def fetch_servers(self) -> None:
        """The images of Kafka, MongoDB and MinIO, where they are missing."""
        self._run("pull", "--policy", "missing", "kafka", "mongodb", "minio")

    def up(self) -> None:
        """Build, start, and wait for the health checks."""
        self._run("up", "--detach", "--build", "--wait", "--wait-timeout", "300")

    def down(self) -> None:
        """Stop everything; the volumes stay."""
        self._run("down")

    def status(self) -> None:
        """As Compose tells it."""
        self._run("ps", "--all")

    def logs(self, names: list[str]) -> None:
        """Follow them."""
        self._run("logs", "--follow", "--tail", "20", *names)

    def reset(self) -> None:
        """Stop everything and delete the volumes."""
        self._run("down", "--volumes")

    def _run(self, *arguments: str) -> None:
        argv = ["docker", "compose", *arguments]
        code = subprocess.run(argv, cwd=REPOSITORY, check=False).returncode
        if code != 0:
            raise DevstackError(f"{' '.join(argv)} ended with code {code}. More: make logs")


def engine_answers() -> bool:
    """Whether a Docker engine runs; the client alone is not enough."""
    if shutil.which("docker") is None:
        return False
    try:
        result = subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0
