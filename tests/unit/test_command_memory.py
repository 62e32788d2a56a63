"""Idempotency keys are remembered for a day and the last thousand of each model, whatever the order they come in."""

from __future__ import annotations

import pytest

from services.command_api import memory
from services.command_api.memory import KEPT_MICROSECONDS, KEPT_PER_MODEL, CommandMemory
from services.command_api.submission import CommandKey, Receipt
from tensorfleet.domain.errors import KeyReused
from tensorfleet.events.envelope import Position

DAY = KEPT_MICROSECONDS
NOW = 100 * DAY


class World:
    def __init__(self) -> None:
        self.now = NOW
        self.memory = CommandMemory(lambda: self.now)

    def remember(self, name: str, at: int, model: str = "m") -> None:
        receipt = Receipt("ModelRegistered", model, model, "v1.0", None, "active", None, Position(0, 1))
        self.memory.remember(CommandKey(name, b"h"), receipt, at)

    def knows(self, name: str) -> bool:
        return self.memory.recall(CommandKey(name, b"h")) is not None


def test_a_key_with_the_same_request_gets_the_first_answer_and_with_another_is_refused() -> None:
    world = World()
    world.remember("k", NOW)
    found = world.memory.recall(CommandKey("k", b"h"))
    assert found is not None and found.replayed
    with pytest.raises(KeyReused):
        world.memory.recall(CommandKey("k", b"other"))


def test_old_keys_that_come_late_do_not_drive_out_those_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is at start: partition after partition is read, each from its beginning."""
    monkeypatch.setattr(memory, "MOST_KEYS", 100)
    world = World()
    for number in range(100):
        world.remember(f"today {number}", NOW - number, f"model {number}")
    for number in range(500):
        world.remember(f"old {number}", NOW - 3 * DAY + number, f"old model {number}")
    assert all(world.knows(f"today {number}") for number in range(100))
    assert len(world.memory) == 100


def test_a_day_later_only_the_last_keys_of_the_model_are_known() -> None:
    world = World()
    for number in range(KEPT_PER_MODEL + 10):
        world.remember(f"k{number}", NOW + number)
    assert world.knows("k0")
    world.now = NOW + 2 * DAY
    world.remember("other", world.now, "another model")
    assert not any(world.knows(f"k{number}") for number in range(10))
    assert all(world.knows(f"k{number}") for number in range(10, KEPT_PER_MODEL + 10))


def test_a_time_from_the_future_drives_nothing_out() -> None:
    world = World()
    world.remember("today", NOW)
    world.remember("from the future", NOW + 5 * DAY, "other")
    assert world.knows("today") and world.knows("from the future")
