"""Which ports the servers use: the usual ones for the running stack, free ones for tests."""

import os
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """One port per listener, all on 127.0.0.1."""

    kafka: int = 9092
    kafka_controller: int = 9093
    mongodb: int = 27017
    minio: int = 9000
    minio_console: int = 9001

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Ports":
        """The usual ports, each replaced by the variable that `VARIABLES` names, where it is set."""
        return cls(**chosen_ports(VARIABLES, environment))

    @classmethod
    def pick_free(cls) -> "Ports":
        """Five ports that nobody listens on now."""
        return cls(*free_ports(5))


# The environment variable that moves each port: named in the error when the port is taken.
VARIABLES = {
    "kafka": "KAFKA_PORT",
    "kafka_controller": "KAFKA_CONTROLLER_PORT",
    "mongodb": "MONGODB_PORT",
    "minio": "MINIO_PORT",
    "minio_console": "MINIO_CONSOLE_PORT",
}


def chosen_ports(variables: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, int]:
    """The ports that the environment sets, by field; DevstackError for what is not a port."""
    texts = {field: environment[name] for field, name in variables.items() if environment.get(name)}
    for field, text in texts.items():
        if not text.isdecimal() or not 0 < int(text) < 65_536:
            raise DevstackError(f"{variables[field]} is '{text}': it must be a port, 1 to 65535")
    return {field: int(text) for field, text in texts.items()}


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections in TIME_WAIT do not matter
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now.

    They come from below the range that the kernel gives to outgoing connections. A client that keeps
    reconnecting to a stopped server could otherwise be given the server's own port as its source, connect
    to itself, and block the port.
    """
    candidates = random.sample(range(10_000, _first_ephemeral_port()), 200)
    return [port for port in candidates if is_free(port)][:number]


def _first_ephemeral_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768
    return first if first > 12_000 else 32_768
