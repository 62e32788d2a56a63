"""What the tests of several commands begin with; a module with a world of another kind has its own fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.stack import NativeStack
from tests.integration.command_line import CommandLine
from tests.integration.registry_world import EVENTS, RegistryWorld, registry_world


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stack: NativeStack) -> CommandLine:
    return CommandLine(capsys, monkeypatch, stack)


@pytest.fixture
def world(stack: NativeStack, command: CommandLine) -> Iterator[RegistryWorld]:
    """A registry of EVENTS events, all projected, which the commands meet."""
    with registry_world(stack.kafka_bootstrap, stack.mongodb_url) as world:
        world.write(EVENTS)
        command.use(world)
        yield world
