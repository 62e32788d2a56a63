"""The registry's own processes as the native stack runs them: names, ports, settings."""

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack.ports import HOST, chosen_ports
from devstack.ports import VARIABLES as SERVER_VARIABLES
from devstack.stack import NativeStack

REPOSITORY = Path(__file__).parent.parent

# The environment variable that moves each port.
VARIABLES = {"gateway": "PORT", "projector": "PROJECTOR_PORT", "publisher": "PUBLISHER_PORT", "scanner": "SCANNER_PORT"}


@dataclass(frozen=True)
class ServicePorts:
    """Each process serves its health and metrics; the gateway also the registry itself."""

    gateway: int = 8084
    projector: int = 8085
    publisher: int = 8086
    scanner: int = 8087

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "ServicePorts":
        """The usual ports, each replaced by the variable that `VARIABLES` names, where it is set."""
        return cls(**chosen_ports(VARIABLES, environment))

    def by_name(self) -> dict[str, int]:
        """In the order in which the processes stop: first the one that takes requests."""
        return {str(name): int(port) for name, port in asdict(self).items()}


def service_command(name: str) -> list[str]:
    """With the interpreter that runs us, so that `make up` needs no activated environment."""
    return [sys.executable, "-m", f"services.{name}"]


def registry_settings(stack: NativeStack) -> dict[str, str]:
    """What the registry must know about the servers."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap,
        "REGISTRY_ID": os.environ.get("REGISTRY_ID", "tensorfleet"),
        "MONGODB_URL": stack.mongodb_url,
        "MONGODB_DB": os.environ.get("MONGODB_DB", "tensorfleet"),
        "MINIO_ENDPOINT": stack.minio_endpoint,
        "MINIO_ACCESS_KEY": stack.minio_access_key,
        "MINIO_SECRET_KEY": stack.minio_secret_key,
        "MINIO_BUCKET": os.environ.get("MINIO_BUCKET", "models"),
        "MINIO_SECURE": "false",
        "HOST": HOST,
    }


def service_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our environment, so that other settings pass, without the variables that only choose ports.

    KAFKA_PORT would otherwise be taken for a librdkafka setting named `port`.
    """
    ours = {*SERVER_VARIABLES.values(), *VARIABLES.values()}
    return {**{key: value for key, value in os.environ.items() if key not in ours}, **settings}
