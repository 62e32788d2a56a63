"""Installs what is missing, several at a time, and says where everything is."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from devstack.artifacts import SECOND_S3, SERVERS, TEST_TOOLS, Artifact
from devstack.cache import cache_directory, install_once
from devstack.errors import DevstackError, InstallError


@dataclass(frozen=True)
class Binaries:
    """Where the installed servers are."""

    kafka_lib: Path
    mongod: Path
    minio: Path


def binaries() -> Binaries:
    """Where the servers are once `install_servers` has run."""
    folders = {artifact.name: cache_directory() / artifact.entry for artifact in SERVERS}
    return Binaries(
        kafka_lib=folders["kafka"] / "lib",
        mongod=folders["mongodb"] / "bin" / "mongod",
        minio=folders["minio"] / "bin" / "minio",
    )


def install_servers() -> None:
    """Kafka, MongoDB and MinIO; instant when the cache has them."""
    install(SERVERS)


def install_compose_parser() -> Path:
    """The program that checks docker-compose.yml."""
    return install(TEST_TOOLS)["compose-parser"] / "bin" / "cmd"


def install_versitygw() -> Path:
    """The S3 server that `make test-s3` uses instead of MinIO."""
    return install([SECOND_S3])["versitygw"] / "bin" / "versitygw"


def install(artifacts: Sequence[Artifact]) -> dict[str, Path]:
    """Folders by name. One failure does not stop the others; all failures are reported together."""
    failures: list[str] = []
    folders: dict[str, Path] = {}
    with ThreadPoolExecutor(max_workers=len(artifacts)) as pool:
        futures = {artifact.name: pool.submit(_install_one, artifact) for artifact in artifacts}
        for name, future in futures.items():
            try:
                folders[name] = future.result()
            except DevstackError as error:
                failures.append(f"{name}: {error}")
    if failures:
        raise InstallError("\n".join(failures))
    return folders


def _install_one(artifact: Artifact) -> Path:
    def say(text: str) -> None:
        print(f"{artifact.name}: {text}", flush=True)

    return install_once(artifact.entry, lambda folder: artifact.build(folder, say), say)
