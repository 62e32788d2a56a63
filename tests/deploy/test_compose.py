"""docker-compose.yml, checked without an engine: by the reference parser, and by what the parser read."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devstack.installer import install_compose_parser

REPOSITORY = Path(__file__).parents[2]
REGISTRY = {"command-api", "query-api", "projector", "publisher", "scanner"}
SERVERS = {"kafka", "mongodb", "minio"}


def parse(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [str(install_compose_parser()), "-format", "json", *options, str(file)]
    # Nothing of the caller's environment: the defaults are what is checked.
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={}, cwd=file.parent)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    result = parse(REPOSITORY / "docker-compose.yml")
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)["services"]
    return found


def test_the_parser_refuses_what_the_specification_does_not_know(tmp_path: Path) -> None:
    """Else a pass of the file would mean nothing."""
    text = (REPOSITORY / "docker-compose.yml").read_text()
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace("stop_grace_period: 15s", "stop_grace_time: 15s"))
    result = parse(broken)
    assert result.returncode != 0
    assert "stop_grace_time" in result.stderr


def test_the_file_names_the_servers_the_services_and_one_address(services: dict[str, Any]) -> None:
    """No more and no less."""
    assert set(services) == SERVERS | REGISTRY | {"gateway"}


def test_everything_restarts_and_says_whether_it_is_healthy(services: dict[str, Any]) -> None:
    """A service without a health check would hold up `--wait` for ever, or not at all."""
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name


def test_dependents_start_after_what_they_need_is_healthy(services: dict[str, Any]) -> None:
    """The registry after the servers, the address after the registry."""
    for name in REGISTRY:
        assert set(services[name]["depends_on"]) == SERVERS
    assert set(services["gateway"]["depends_on"]) == REGISTRY
    conditions = {need["condition"] for service in services.values() for need in service.get("depends_on", {}).values()}
    assert conditions == {"service_healthy"}


def test_each_registry_service_runs_its_own_module_from_the_one_image(services: dict[str, Any]) -> None:
    """The command chooses the service."""
    for name in REGISTRY:
        module = name.replace("-", "_")
        assert services[name]["command"] == ["python", "-m", f"services.{module}"]
        assert (REPOSITORY / "services" / module).is_dir()
    assert {services[name]["image"] for name in REGISTRY} == {"tensorfleet-registry"}


def test_only_the_registry_is_reachable_from_other_machines(services: dict[str, Any]) -> None:
    """The servers have no passwords, or known ones."""
    published = {(name, port["published"]) for name, service in services.items() for port in service.get("ports", [])}
    open_to_all = {
        (name, port["published"])
        for name, service in services.items()
        for port in service.get("ports", [])
        if port.get("host_ip") != "127.0.0.1"
    }
    assert open_to_all == {("gateway", "8084")}
    assert ("kafka", "9092") in published


def test_data_outlives_the_containers(services: dict[str, Any]) -> None:
    """Each server writes to a named volume."""
    paths = {
        (name, mount["target"])
        for name in SERVERS
        for mount in services[name]["volumes"]
        if mount["type"] == "volume" and mount.get("source")
    }
    assert paths >= {("kafka", "/var/lib/kafka/data"), ("mongodb", "/data/db"), ("minio", "/data")}


def test_containers_hold_no_rights_and_nothing_that_can_be_changed(services: dict[str, Any]) -> None:
    """Ours and the address; of the servers, whose images set themselves up as root, that they gain no rights."""
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged") and not service.get("cap_add"), name
    for name in REGISTRY | {"gateway"}:
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert "/tmp" in str(service["tmpfs"]), name
        writable = [one["target"] for one in service.get("volumes", []) if not one.get("read_only")]
        assert writable == (["/var/tmp"] if name == "scanner" else []), name
    assert services["scanner"]["environment"]["TMPDIR"] == "/var/tmp"
    assert services["gateway"]["user"] == "101:101"


def test_services_and_servers_agree_on_addresses_and_keys(services: dict[str, Any]) -> None:
    """What each service is told is what the servers listen on."""
    kafka, minio = services["kafka"]["environment"], services["minio"]["environment"]
    advertised = dict(one.split("://") for one in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    for name in REGISTRY:
        environment = services[name]["environment"]
        assert environment["KAFKA_BOOTSTRAP_SERVERS"] == advertised["INSIDE"]
        assert environment["MINIO_ACCESS_KEY"] == minio["MINIO_ROOT_USER"]
        assert environment["MINIO_SECRET_KEY"] == minio["MINIO_ROOT_PASSWORD"]
        assert environment["MINIO_ENDPOINT"] == "minio:9000"
        assert services["scanner"]["environment"]["REGISTRY_URL"] == "http://gateway:8084"
        assert re.search(r"//mongodb:27017/\?replicaSet=rs0", environment["MONGODB_URL"])


def test_each_secret_reaches_whom_it_is_for_and_nobody_else() -> None:
    """What is set for Compose is set for the services that read it."""
    wanted = {
        "MINIO_SECRET_KEY": REGISTRY | {"minio"},
        "PRESIGN_SECRET_KEY": REGISTRY,
        "ADMIN_API_KEY": REGISTRY,
        "CURSOR_SECRET": REGISTRY,
        "REGISTRY_API_KEY": {"scanner"},
    }
    services = json.loads(parse(REPOSITORY / "docker-compose.yml", "-no-interpolation").stdout)["services"]
    for secret, readers in wanted.items():
        given = f"${{{secret}:-"
        assert {name for name, service in services.items() if given in json.dumps(service)} == readers, secret
        for name in readers - {"minio"}:
            assert services[name]["environment"][secret].startswith(given), (secret, name)
