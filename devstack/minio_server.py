"""MinIO, one folder as one drive."""

import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.ports import HOST


class MinioServer:
    """`data` may lie on a tmpfs, when the disk is not what is to be measured."""

    name = "minio"

    def __init__(
        self, directory: Path, data: Path, binary: Path, ports: tuple[int, int], credentials: tuple[str, str]
    ) -> None:
        self._data = data
        self._certificates = directory / "certificates"
        self._binary = binary
        self._port, self._console_port = ports
        self._access_key, self._secret_key = credentials

    def ports(self) -> Mapping[str, int]:
        """The S3 interface and the console for people."""
        return {"minio": self._port, "minio_console": self._console_port}

    def prepare(self) -> None:
        """Make the folders. Certificates: else MinIO looks for some in the user's home."""
        self._data.mkdir(parents=True, exist_ok=True)
        self._certificates.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """Both listeners on the loopback address."""
        listeners = ["--address", f"{HOST}:{self._port}", "--console-address", f"{HOST}:{self._console_port}"]
        return [
            str(self._binary),
            "server",
            str(self._data),
            *listeners,
            "--certs-dir",
            str(self._certificates),
        ]

    def environment(self) -> Mapping[str, str]:
        """The keys, and no question to the vendor about updates."""
        return {
            "MINIO_ROOT_USER": self._access_key,
            "MINIO_ROOT_PASSWORD": self._secret_key,
            "MINIO_UPDATE": "off",
        }

    def is_ready(self) -> bool:
        """Whether buckets can be made."""
        return serves_clients(self._port)


def serves_clients(port: int) -> bool:
    """As MinIO says itself."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/minio/health/ready", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:  # URLError and HTTPError are OSErrors
        return False
