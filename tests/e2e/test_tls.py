"""Every connection of a registry by TLS; its secrets from files; and none of them in its logs."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.certificates import Certificates
from tests.e2e.tls_front import tls_front
from tests.processes import REPOSITORY, RegistryProcesses
from tests.secured_kafka import secured_kafka
from tests.servers import Servers

pytestmark = pytest.mark.timeout(180)
FIRST, SECOND, SCANNER = "gateway", "gateway.second", "scanner"
NAMES = (FIRST, SECOND, SCANNER, "projector", "publisher")
MODELS = 12
SECRETS = (
    "MINIO_SECRET_KEY",
    "MINIO_ACCESS_KEY",
    "MONGODB_URL",
    "ADMIN_API_KEY",
    "CURSOR_SECRET",
    "REGISTRY_API_KEY",
    "KAFKA_SASL_PASSWORD",
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(scope="module")
def secured(
    stack: Servers, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryProcesses]:
    processes = RegistryProcesses(stack, tmp_path_factory.mktemp("secured"), NAMES)
    mongodb = stack.mongodb_url.partition("//")[2].partition("/")[0]
    with (
        secured_kafka(tmp_path_factory.mktemp("kafka") / "secured", certificates) as kafka,
        tls_front(stack.minio_endpoint, certificates.shown) as minio,
        tls_front(mongodb, certificates.shown) as mongodb_front,
    ):
        processes.trusted = certificates.trusted
        tls = f"tls=true&tlsCAFile={certificates.ca}&directConnection=true"
        admin = secrets.token_urlsafe(32)
        processes.environment |= {
            **kafka,
            "TLS_CERTIFICATE_FILE": str(certificates.certificate),
            "TLS_KEY_FILE": str(certificates.key),
            "TLS_CA_FILE": str(certificates.ca),
            "REGISTRY_URL": processes.url,
            "MINIO_ENDPOINT": minio.address,
            "MINIO_SECURE": "true",
            "MINIO_CA_FILE": str(certificates.ca),
            "MONGODB_URL": f"mongodb://{mongodb_front.address}/?{tls}",
            "ENABLE_AUTH": "true",
            "ADMIN_API_KEY": admin,
            "REGISTRY_API_KEY": admin,
            "CURSOR_SECRET": secrets.token_urlsafe(32),
            "LOG_LEVEL": "DEBUG",
        }
        try:
            put_in_files(processes, tmp_path_factory.mktemp("secrets"))
            processes.start()
            yield processes
        finally:
            processes.stop_all()


def put_in_files(processes: RegistryProcesses, directory: Path) -> None:
    for name in SECRETS:
        (directory / name).write_text(processes.environment.pop(name) + "\n")
        processes.environment[f"{name}_FILE"] = str(directory / name)


def secret(processes: RegistryProcesses, name: str) -> str:
    return Path(processes.environment[f"{name}_FILE"]).read_text().strip()


def owned(http: httpx.Client) -> int:
    lines = http.get("/metrics").text.splitlines()
    return sum(line.startswith("partition_owned{") and line.endswith(" 1.0") for line in lines)


def test_clients_servers_instances_and_the_scanner_meet_by_tls(
    secured: RegistryProcesses, certificates: Certificates
) -> None:
    key = {"X-API-Key": secret(secured, "ADMIN_API_KEY")}
    given = {"base_url": secured.url, "headers": key, "verify": certificates.trusted, "timeout": 30}
    with httpx.Client(**given) as http, httpx.Client(**{**given, "base_url": secured.url_of(SECOND)}) as second:
        secured.wait_until(lambda: owned(second) > 0 and 0 < owned(http) < 6, SECOND)
        for number in range(MODELS):  # some of them belong to the other instance
            answer = http.post("/api/v1/models", json={"name": f"tls {number}", "algorithm": "svm"})
            assert answer.status_code == 201, answer.text
            model = f"/api/v1/models/{answer.json()['model_id']}"
        assert http.post(f"{model}/upload", files={"file": ("m.bin", b"weights")}).status_code == 201
        assert second.get(f"{model}/download", headers={"X-Registry-Min-Position": "0:0"}).content == b"weights"

        def scanned() -> bool:
            return bool(http.get(model).json()["scan"]["scanned_at"])

        secured.wait_until(scanned, SCANNER)
        cursor = http.get("/api/v1/models", params={"limit": 1}).json()["pagination"]["next_cursor"]
        assert second.get("/api/v1/models", params={"limit": 1, "cursor": cursor}).status_code == 200

    for name in secured.ports:
        asked = [sys.executable, "-m", "tensorfleet.own_health", "ready"]
        environment = {**secured.environment, "PORT": str(secured.ports[name])}
        assert subprocess.run(asked, cwd=REPOSITORY, env=environment, check=False).returncode == 0, name
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{secured.url}/health/live")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{secured.url.replace('https', 'http')}/health/live")
    logs = {one.stem: one.read_text() for one in secured.directory.glob("*.log")}
    assert set(logs) == set(secured.ports) and "partition" in logs[FIRST]
    secret_texts = {name: secret(secured, name) for name in SECRETS if name != "MINIO_ACCESS_KEY"}
    assert [(name, log) for name, text in secret_texts.items() for log, told in logs.items() if text in told] == []
    assert certificates.key.read_text().splitlines()[1] not in "".join(logs.values())


def test_a_process_that_speaks_tls_ends_when_it_is_asked_to(secured: RegistryProcesses) -> None:
    """Whoever is in the midst of agreeing on TLS then is left alone; nobody else is there."""
    with socket.create_connection(("127.0.0.1", secured.ports[SECOND])) as silent:
        assert secured.stop(SECOND) == 0
        assert silent.recv(1) == b""


def test_kafka_lets_in_nobody_else_and_the_cause_is_told(
    secured: RegistryProcesses, certificates: Certificates, tmp_path: Path
) -> None:
    stranger = Certificates(tmp_path / "stranger")
    none = {"KAFKA_SSL_CERTIFICATE_LOCATION": "", "KAFKA_SSL_KEY_LOCATION": ""}
    comers: dict[str, tuple[dict[str, str], int, str]] = {
        "as the services": ({}, 0, "Sound: nothing is missing"),
        "wrong password": (
            {"KAFKA_SASL_PASSWORD": "guessed", "KAFKA_SASL_PASSWORD_FILE": ""},
            2,
            "SASL authentication error",
        ),
        "trusts somebody else": ({"KAFKA_SSL_CA_LOCATION": str(stranger.ca)}, 2, "certificate verify failed"),
        "no certificate": (none, 2, "alert bad certificate"),
    }

    def come(change: dict[str, str]) -> subprocess.CompletedProcess[str]:
        asked = [sys.executable, "-m", "tensorfleet.cli", "audit", "verify", "--no-blobs"]
        environment = {**secured.environment, **change}
        return subprocess.run(asked, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(len(comers)) as pool:
        came = dict(zip(comers, pool.map(come, (change for change, _, _ in comers.values())), strict=True))
    for name, (_, status, told) in comers.items():
        assert came[name].returncode == status, (name, came[name])
        assert told in came[name].stdout + came[name].stderr, (name, came[name])
