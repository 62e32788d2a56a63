"""A sound run, and how a violation is planted into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.events.envelope import Position
from tests.builders import CODEC, envelope, registration
from tests.faults.checker import Kind
from tests.faults.checker.history import History
from tests.faults.checker.observations import Observations
from tests.unit.fault_story import Story

Plant = Callable[[Story], Any]
PLANTS: list[Any] = []
UPDATE = c.UpdateModel(c.ModelFields(description="new"))
OTHER = c.UpdateModel(c.ModelFields(description="other"))
WHERE = Position(0, 99)


def sound() -> Story:
    """Two models, with all that may happen in a sound run."""
    story = Story()
    story.do(registration("a"))
    story.upload(b"content")
    story.do(c.DeprecateModel("old"))
    story.tell(c.DeprecateModel("old"), "a", story.attempt(200, "", Position(0, 3), projected=True))
    story.tell(registration("a"), "a", story.attempt(409, "name-taken"))
    story.tell(UPDATE, "a", story.attempt(503, "log-unavailable"), story.attempt(503, "blobs-unavailable"))
    story.tell(UPDATE, "a", story.attempt(0), story.attempt(409, "command-still-running"))
    story.do(registration("b"), "b")
    landed = story.event(c.CreateVersion(), "b", "landed")
    story.tell(c.CreateVersion(), "b", story.attempt(503, "outcome-unknown"), command_id="landed")
    batched = story.event(c.CreateVersion(), "b", "batched")
    named = story.attempt(201, "", batched, projected=True)
    story.tell(c.CreateVersion(), "b", named, command_id="batched", in_batch=True)
    story.read(), story.read("b", least=landed), story.read("never", 404)
    story.download(), story.download(complete=False), story.download(complete=False, on_record=False)
    story.do(c.DeleteModel(), "b")
    story.read("b", 404)
    stale = envelope(e.ModelDeleted(), epoch=1, sequence=4, model_id=story.operations[0].model_id)
    story.epoch = 2
    story.claim()
    story.append(CODEC.encode(stale))
    return story


def planted(kind: Kind, sentence: str) -> Callable[[Plant], Plant]:
    """The plant changes the story before it is observed, or returns what to change in the observations."""

    def add(plant: Plant) -> Plant:
        PLANTS.append(pytest.param(kind, plant, id=sentence))
        return plant

    return add


def observed(story: Story, plant: Plant | None = None) -> tuple[History, Observations]:
    changes = (plant(story) if plant else None) or {}
    return story.history(), replace(story.observations(), **changes)
