"""The servers in containers, with a fake engine: what the engine is asked for, and what follows from its answers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from testcontainers.core.config import testcontainers_config

from devstack.errors import ServerFailed
from devstack.kafka_server import properties
from tests import containers
from tests.containers import ContainerStack, Definition, ServerContainer
from tests.unit.fake_engine import LOG, FakeContainer, FakeEngine

REPOSITORY = Path(__file__).parents[2]
KAFKA, MONGODB, MINIO = "kafka", "mongo", "minio"  # ids of the fake engine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """In the place of the user's engine, without Ryuk; servers are ready when their containers run."""
    server = FakeEngine()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", server.url)
    monkeypatch.setattr(testcontainers_config, "tc_properties", {})
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", True)
    monkeypatch.setattr(testcontainers_config, "_docker_auth_config", None)
    monkeypatch.setattr(testcontainers_config, "hub_image_name_prefix", "")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stack(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> ContainerStack:
    class Stack(ContainerStack):
        def definitions(self) -> Iterator[Definition]:
            for one in super().definitions():
                identity = {"kafka": KAFKA, "mongodb": MONGODB, "minio": MINIO}[one.name]
                yield replace(one, is_ready=partial(engine.runs, identity))

    return Stack()


def variables(container: FakeContainer) -> dict[str, str]:
    return dict(one.split("=", 1) for one in container.config["Env"])


def published(container: FakeContainer) -> dict[str, Any]:
    found: dict[str, Any] = container.config["HostConfig"]["PortBindings"]
    return found


def port_of(address: str) -> str:
    return address.removeprefix("mongodb://").removeprefix("127.0.0.1:").partition("/")[0]


def test_the_images_are_those_of_the_compose_file() -> None:
    """Else tests would pass with servers that nobody runs."""
    text = (REPOSITORY / "docker-compose.yml").read_text()
    images = dict(re.findall(r"^  (\w+):\n    image: (\S+)$", text, re.MULTILINE))
    definitions = {one.name: one.image for one in ContainerStack().definitions()}
    assert definitions == {name: images[name] for name in ("kafka", "mongodb", "minio")}


def test_every_server_is_published_where_its_address_says_and_to_this_machine_only(
    engine: FakeEngine, stack: ContainerStack
) -> None:
    """They ask for no password, or for one that other users could learn."""
    with stack:
        kafka, mongodb, minio = (port_of(at) for at in (stack.kafka_bootstrap, stack.mongodb_url, stack.minio_endpoint))
        assert published(engine.containers[KAFKA]) == {f"{kafka}/tcp": [{"HostIp": "127.0.0.1", "HostPort": kafka}]}
        assert published(engine.containers[MONGODB]) == {
            f"{mongodb}/tcp": [{"HostIp": "127.0.0.1", "HostPort": mongodb}]
        }
        assert published(engine.containers[MINIO]) == {"9000/tcp": [{"HostIp": "127.0.0.1", "HostPort": minio}]}
        assert len({kafka, mongodb, minio}) == 3


def test_kafka_gets_the_settings_of_the_native_server(engine: FakeEngine, stack: ContainerStack) -> None:
    """All but where it listens and keeps its data, by the image's rule for names."""
    with stack:
        port = port_of(stack.kafka_bootstrap)
        given = variables(engine.containers[KAFKA])
    assert given.pop("KAFKA_HEAP_OPTS") == "-Xms256m -Xmx512m"
    settings = {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in given.items()}
    assert settings["listeners"] == f"BROKER://:{port},CONTROLLER://127.0.0.1:9093"
    assert settings["advertised.listeners"] == f"BROKER://127.0.0.1:{port}"
    assert settings["auto.create.topics.enable"] == "false"
    native = dict(line.split("=", 1) for line in properties(int(port), 9093, containers.KAFKA_DATA).splitlines())
    assert {**settings, "listeners": ""} == {**native, "listeners": ""}


def test_mongodb_is_a_replica_set_that_listens_beyond_its_container(engine: FakeEngine, stack: ContainerStack) -> None:
    """On the port of the host, since the member's address is for both sides."""
    with stack:
        command = engine.containers[MONGODB].config["Cmd"]
        assert command[:3] == ["mongod", "--replSet", "rs0"]
        assert command[-3:] == ["--bind_ip_all", "--port", port_of(stack.mongodb_url)]
        assert stack.mongodb_url.endswith("/?replicaSet=rs0")


def test_minio_gets_the_keys_that_tests_are_told(engine: FakeEngine, stack: ContainerStack) -> None:
    """The secret is new each time."""
    with stack:
        given = variables(engine.containers[MINIO])
        assert given["MINIO_ROOT_USER"] == stack.minio_access_key
        assert given["MINIO_ROOT_PASSWORD"] == stack.minio_secret_key != ContainerStack().minio_secret_key
        assert engine.containers[MINIO].config["Cmd"] == ["server", "/data"]


def test_a_stopped_server_starts_again_in_the_same_container(engine: FakeEngine, stack: ContainerStack) -> None:
    """So it keeps its address and its data."""
    with stack:
        before = engine.containers[KAFKA]
        stack.stop_server("kafka")
        stack.stop_server("kafka")
        assert before.status == "exited"
        stack.start_server("kafka")
        assert engine.containers[KAFKA] is before
        assert before.status == "running"
        assert set(before.signals) == {"TERM, KILL after 30 s"}


def test_a_killed_server_gets_no_other_signal(engine: FakeEngine, stack: ContainerStack) -> None:
    """And may be killed again, which an engine itself refuses."""
    with stack:
        stack.kill_server("mongodb")
        stack.kill_server("mongodb")
        assert engine.containers[MONGODB].signals == ["KILL"]
        stack.start_server("mongodb")
        assert engine.containers[MONGODB].status == "running"


def test_all_containers_go_at_the_end_stopped_ones_too(engine: FakeEngine, stack: ContainerStack) -> None:
    """With their volumes."""
    with stack:
        stack.stop_server("minio")
    assert sorted(engine.removed) == sorted([KAFKA, MONGODB, MINIO])
    assert not engine.containers


def test_a_container_that_cannot_start_leaves_none_behind(engine: FakeEngine, stack: ContainerStack) -> None:
    """Its own included, which was made before."""
    engine.refused.add(MONGODB)
    with pytest.raises(Exception, match="port is already allocated"), stack:
        raise AssertionError("it started")
    assert sorted(engine.removed) == sorted([KAFKA, MONGODB])
    assert not engine.containers


def test_a_server_that_ends_while_starting_is_reported_with_its_log(engine: FakeEngine, stack: ContainerStack) -> None:
    """At once, not after the time allowed."""
    engine.short_lived.add(MINIO)
    with pytest.raises(ServerFailed, match=rf"minio is exited while starting.*\n{LOG.decode()}"), stack:
        raise AssertionError("it started")
    assert not engine.containers


def test_a_server_that_stays_silent_is_reported(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time allowed."""
    monkeypatch.setattr(containers, "READY_SECONDS", 0.0)
    server = ServerContainer(replace(containers.kafka(12_345), is_ready=lambda: False))
    server.create()
    with pytest.raises(ServerFailed, match="kafka was not ready"):
        server.wait_until_ready()
    server.remove()
    assert not engine.containers
