"""Apache Kafka in KRaft mode: one process that is broker and controller."""

import base64
import os
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.commands import require_tool
from devstack.errors import ServerFailed
from devstack.ports import HOST

# Replication factors of 1: there is one broker. No delay before a rebalance: nobody else is about to join. After a
# kill the new broker may register only when the session of the old one has run out: 3 s instead of 9.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=20971520
"""

LOGGING = """\
Configuration:
  status: warn
  Appenders:
    Console:
      name: stdout
      PatternLayout:
        pattern: "%d{ISO8601} %-5p %c{1} %m%n"
  Loggers:
    Root:
      level: info
      AppenderRef:
        ref: stdout
"""

# Metadata request, version 1, null client id, an empty list of topics: "which brokers are there?"
METADATA_REQUEST = struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0)


class KafkaServer:
    """Data under `directory`/data; the properties are rewritten at each start, so that ports can change."""

    name = "kafka"

    def __init__(self, directory: Path, lib: Path, port: int, controller_port: int) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._properties = directory / "server.properties"
        self._logging = directory / "log4j2.yaml"
        self._classpath = f"{lib}/*"
        self._port = port
        self._controller_port = controller_port

    def ports(self) -> Mapping[str, int]:
        """Clients and the controller quorum."""
        return {"kafka": self._port, "kafka_controller": self._controller_port}

    def prepare(self) -> None:
        """Write the configuration, and format the data folder the first time."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._logging.write_text(LOGGING)
        self._write_properties(self._data)
        if not self._data.exists():
            self._format()

    def command(self) -> Sequence[str]:
        """The JVM, with the heap that a development machine can spare."""
        options = ["-Xms256m", "-Xmx512m", "-XX:+UseG1GC", f"-Dlog4j2.configurationFile={self._logging}"]
        return [_java(), *options, "-cp", self._classpath, "kafka.Kafka", str(self._properties)]

    def environment(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def is_ready(self) -> bool:
        """Whether topics can be made."""
        return serves_clients(self._port)

    def _format(self) -> None:
        """In a folder beside, then renamed: an interrupted format leaves nothing that looks formatted."""
        fresh = self._directory / "data.partial"
        self._write_properties(fresh)
        options = [
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self._logging}",
        ]
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", _random_uuid()]
        argv = [_java(), *options, "-cp", self._classpath, *tool, "-c", str(self._properties)]
        result = subprocess.run(argv, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ServerFailed(f"kafka: formatting its storage failed:\n{result.stdout}{result.stderr}")
        fresh.rename(self._data)
        self._write_properties(self._data)

    def _write_properties(self, data: Path) -> None:
        self._properties.write_text(properties(self._port, self._controller_port, data))


def properties(port: int, controller_port: int, data: Path) -> str:
    """The text of server.properties."""
    return PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, logs=data)


def serves_clients(port: int) -> bool:
    """Whether the broker lists itself: from then on topics can be made."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(METADATA_REQUEST)
            answer = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return False
    if len(answer) < 12:
        return False
    _size, _correlation, brokers = struct.unpack(">iii", answer)
    return bool(brokers > 0)


def _java() -> str:
    return require_tool("java", "kafka", "a Java runtime, 17 or newer (Debian: openjdk-17-jre-headless)")


def _random_uuid() -> str:
    """As `StorageTool random-uuid` makes it, without the second that a JVM takes."""
    while True:
        text = base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()
        if not text.startswith("-"):  # it would read as an option
            return text
