"""The checker of the fault runs: it finds each planted violation, as what it is, and nothing in a sound history."""

from __future__ import annotations

import pytest

from tensorfleet.domain import events as e
from tensorfleet.domain.guard import NO_HASH
from tests.builders import CODEC, envelope
from tests.faults.checker import Kind, check
from tests.unit import fault_plants_in_answers, fault_plants_in_servers
from tests.unit.fault_planting import PLANTS, Plant, observed, sound
from tests.unit.fault_story import Story

assert fault_plants_in_answers and fault_plants_in_servers, "importing them fills PLANTS"


def test_a_sound_history_passes() -> None:
    assert check(*observed(sound())) == []


def test_an_empty_history_passes() -> None:
    assert check(*observed(Story())) == []


def test_records_that_the_guard_voids_ask_for_nothing() -> None:
    story = sound()
    gap = envelope(e.ModelDeleted(), epoch=2, sequence=40, model_id="f" * 24, previous_hash=NO_HASH)
    story.append(CODEC.encode(gap))
    story.append(b"garbage")
    assert check(*observed(story)) == []


@pytest.mark.parametrize(("kind", "plant"), PLANTS)
def test_a_planted_violation_is_found_as_what_it_is(kind: Kind, plant: Plant) -> None:
    assert {one.kind for one in check(*observed(sound(), plant))} == {kind}


def test_every_kind_of_violation_is_planted() -> None:
    assert {one.values[0] for one in PLANTS} == set(Kind)
