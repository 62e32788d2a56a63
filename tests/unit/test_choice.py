"""Docker or native: by hand, or by what the machine has; for tests and for `make up` alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import __main__ as command_line
from devstack.artifacts import SERVERS, TEST_TOOLS, Artifact
from devstack.choice import docker_is_chosen
from devstack.compose import ComposeInstallation
from devstack.errors import DevstackError
from devstack.stack import NativeStack
from tests.containers import ContainerStack
from tests.servers import fresh_servers


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TENSORFLEET_STACK", raising=False)


def docker_client(folder: Path, exit_code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `docker` on the path whose `docker info` ends so."""
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\n[ "$1" = info ] && exit {exit_code}\nexit 99\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize(("exit_code", "docker"), [(0, True), (1, False)])
def test_where_an_engine_answers_docker_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exit_code: int, docker: bool
) -> None:
    """A client without an engine is not enough."""
    docker_client(tmp_path, exit_code, monkeypatch)
    assert docker_is_chosen() is docker


def test_without_a_client_it_is_native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not docker_is_chosen()


def test_what_runs_natively_already_stays_native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make down` has to find it."""
    docker_client(tmp_path, 0, monkeypatch)
    assert not docker_is_chosen(lambda: True)


@pytest.mark.parametrize(("by_hand", "exit_code"), [("docker", 1), ("native", 0)])
def test_by_hand_wins_over_what_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_hand: str, exit_code: int
) -> None:
    docker_client(tmp_path, exit_code, monkeypatch)
    monkeypatch.setenv("TENSORFLEET_STACK", by_hand)
    assert docker_is_chosen(lambda: by_hand == "docker") is (by_hand == "docker")


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORFLEET_STACK", "podman")
    with pytest.raises(DevstackError, match="'podman': it must be docker or native"):
        docker_is_chosen()


@pytest.mark.parametrize(("by_hand", "kind"), [("docker", ContainerStack), ("native", NativeStack)])
def test_tests_take_the_chosen_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_hand: str, kind: type
) -> None:
    """Choosing starts nothing yet."""
    monkeypatch.setenv("TENSORFLEET_STACK", by_hand)
    assert type(fresh_servers(tmp_path)) is kind


@pytest.mark.parametrize(("by_hand", "installed"), [("docker", TEST_TOOLS), ("native", (*SERVERS, *TEST_TOOLS))])
def test_native_servers_are_built_for_tests_only_where_tests_use_them(
    monkeypatch: pytest.MonkeyPatch, by_hand: str, installed: tuple[Artifact, ...]
) -> None:
    """Building MinIO takes minutes. With Docker, the images are fetched instead."""
    monkeypatch.setenv("TENSORFLEET_STACK", by_hand)
    asked: list[Artifact] = []
    fetched: list[str] = []
    monkeypatch.setattr(command_line, "install", asked.extend)
    monkeypatch.setattr(ComposeInstallation, "fetch_servers", lambda _: fetched.append("images"))
    monkeypatch.setattr("sys.argv", ["devstack", "install", "--test-tools"])
    assert command_line.main() == 0
    assert tuple(asked) == installed
    assert bool(fetched) is (by_hand == "docker")
