"""Apache Kafka in KRaft mode: each process is broker and controller, and usually there is only one."""

import base64
import os
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack.commands import require_tool
from devstack.errors import ServerFailed
from devstack.ports import HOST

# No delay before a rebalance: nobody else is about to join. After a kill the new broker may register only when the
# session of the old one has run out: 3 s instead of 9.
PROPERTIES = """\
process.roles=broker,controller
node.id={node_id}
controller.quorum.voters={voters}
listeners={listeners},CONTROLLER://{host}:{controller_port}
advertised.listeners={advertised}
listener.security.protocol.map=BROKER:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.replication.factor={replication}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replication}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
controlled.shutdown.enable={hands_over}
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


@dataclass(frozen=True)
class ClientListener:
    """A second listener, for clients that come through a proxy: they are told to come to `advertised`."""

    port: int
    advertised: int


@dataclass(frozen=True)
class KafkaNode:
    """A broker's place in a cluster. `voters`: the port of each node's controller, by node id.

    `hands_over`: it gives up what it leads before it stops. Without others it has nobody to hand over to, and says
    until it ends that the cluster has no brokers, after which librdkafka may never connect again (its issue 5301).

    `more`: lines of its properties that come after all others, and win.
    """

    id: int
    cluster_id: str
    voters: Mapping[int, int]
    clients: ClientListener | None = None
    hands_over: bool = True
    more: str = ""

    @property
    def replication(self) -> int:
        """Of Kafka's own topics."""
        return min(3, len(self.voters))


class KafkaServer:
    """Data under `directory`/data; the properties are rewritten at each start, so that ports can change.

    Without a `node` it is a cluster of its own. `brief`: for minutes, on a machine that has other things to do.
    """

    def __init__(
        self,
        directory: Path,
        lib: Path,
        port: int,
        controller_port: int,
        node: KafkaNode | None = None,
        *,
        brief: bool = False,
    ) -> None:
        self.name = "kafka" if node is None else f"kafka-{node.id}"
        self._node = node or KafkaNode(1, random_uuid(), {1: controller_port}, hands_over=False)
        # Compiled quickly rather than well: in the first minutes, compiling well takes a third of a broker's time.
        self._compiler = ["-XX:TieredStopAtLevel=1"] if brief else []
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
        return [_java(), *options, *self._compiler, "-cp", self._classpath, "kafka.Kafka", str(self._properties)]

    def environment(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def is_ready(self) -> bool:
        """Whether topics can be made."""
        return serves_clients(self._port, self._node.id)

    def _format(self) -> None:
        """In a folder beside, then renamed: an interrupted format leaves nothing that looks formatted."""
        fresh = self._directory / "data.partial"
        self._write_properties(fresh)
        options = [
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self._logging}",
        ]
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", self._node.cluster_id]
        argv = [_java(), *options, "-cp", self._classpath, *tool, "-c", str(self._properties)]
        result = subprocess.run(argv, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ServerFailed(f"kafka: formatting its storage failed:\n{result.stdout}{result.stderr}")
        fresh.rename(self._data)
        self._write_properties(self._data)

    def _write_properties(self, data: Path) -> None:
        self._properties.write_text(properties(self._port, self._controller_port, data, self._node))


def properties(port: int, controller_port: int, data: Path, node: KafkaNode | None = None) -> str:
    """The text of server.properties; without a `node` that of a cluster of one."""
    node = node or KafkaNode(1, "", {1: controller_port})
    listeners, advertised = [f"BROKER://{HOST}:{port}"], [f"BROKER://{HOST}:{port}"]
    if node.clients is not None:
        listeners.append(f"CLIENTS://{HOST}:{node.clients.port}")
        advertised.append(f"CLIENTS://{HOST}:{node.clients.advertised}")
    text = PROPERTIES.format(
        host=HOST,
        node_id=node.id,
        voters=",".join(f"{number}@{HOST}:{port}" for number, port in node.voters.items()),
        listeners=",".join(listeners),
        advertised=",".join(advertised),
        controller_port=controller_port,
        replication=node.replication,
        in_sync=max(1, node.replication - 1),
        hands_over=str(node.hands_over).lower(),
        logs=data,
    )
    return text + node.more


def serves_clients(port: int, node_id: int = 1) -> bool:
    """Whether the broker lists itself: from then on topics can be made."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(METADATA_REQUEST)
            answer = connection.makefile("rb")
            (size,) = struct.unpack(">i", answer.read(4))
            return node_id in _node_ids(answer.read(size))
    except (OSError, struct.error):
        return False


def _node_ids(answer: bytes) -> list[int]:
    """The brokers in the answer: each an id, a host with its length before it, a port and a rack (-1: none)."""
    (brokers,) = struct.unpack_from(">i", answer, 4)
    ids, place = [], 8
    for _ in range(brokers):
        node_id, host_length = struct.unpack_from(">ih", answer, place)
        (rack_length,) = struct.unpack_from(">h", answer, place + 6 + host_length + 4)
        ids.append(node_id)
        place += 6 + host_length + 4 + 2 + max(0, rack_length)
    return ids


def _java() -> str:
    return require_tool("java", "kafka", "a Java runtime, 17 or newer (Debian: openjdk-17-jre-headless)")


def random_uuid() -> str:
    """As `StorageTool random-uuid` makes it, without the second that a JVM takes."""
    while True:
        text = base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()
        if not text.startswith("-"):  # it would read as an option
            return text
