"""A lane holds documents back and writes without transactions: what comes of it is what a projector would write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devstack.stack import NativeStack
from tensorfleet.domain.errors import CheckpointTaken
from tensorfleet.mongo import lane_store
from tensorfleet.mongo.generation_stores import GenerationStores, open_generations
from tensorfleet.rebuild.filling import Filling, filling
from tensorfleet.rebuild.log_source import LogSource
from tests.builders import CODEC
from tests.integration.registry_world import RegistryWorld, registry_world

HOLDER = "filler"


@pytest.fixture(scope="module")
def world(stack: NativeStack) -> Iterator[RegistryWorld]:
    """One model is parked, and goes on being written to."""
    with registry_world(stack.kafka_bootstrap, stack.mongodb_url) as world:
        world.write(200)
        busiest = world.live.models.find_one(sort=[("sequence", -1)])
        assert busiest is not None
        world.append(world.topics.log, [(busiest["_id"].encode(), b"garbage")], busiest["partition"])
        world.log.write(400)
        world.project(letters := [])
        assert len(letters) > 3
        yield world


@pytest.fixture(scope="module")
def stores(world: RegistryWorld) -> Iterator[GenerationStores]:
    with open_generations(world.mongodb_url, world.home) as stores:
        yield stores


@contextmanager
def lane(world: RegistryWorld, stores: GenerationStores) -> Iterator[tuple[lane_store.LaneStore, Filling]]:
    database, source = f"{world.home}__9", LogSource(world.topics, world.kafka, "test")
    beginnings = source.beginnings()
    with filling(source, stores.filling_store(database, HOLDER), CODEC, beginnings, lambda _: None) as whole:
        whole.begin()
    store = stores.lane_store(database, HOLDER)
    with filling(source, store, CODEC, beginnings, lambda _: None) as one:
        one.resume()
        yield store, one
    stores.drop(database)


@pytest.mark.parametrize("most_documents", [0, 25, 1_000_000])
def test_how_much_a_lane_holds_can_not_be_seen_in_what_it_writes(
    world: RegistryWorld, stores: GenerationStores, monkeypatch: pytest.MonkeyPatch, most_documents: int
) -> None:
    monkeypatch.setattr(lane_store, "_MOST_DOCUMENTS", most_documents)
    monkeypatch.setattr("tensorfleet.projection.pipeline.MOST_IN_BATCH", 10)
    targets = stores.checkpoints(world.home)
    with lane(world, stores) as (store, one):
        one.fill_straight_to(targets)
        assert store.records_of_lanes() == sum(target.next_offset for target in targets.values())
        store.flush()
        assert stores.checkpoints(store.database) == targets
        assert world.content(store.database) == world.content(world.home)


def test_a_lane_writes_nothing_once_the_generation_has_been_given_up(
    world: RegistryWorld, stores: GenerationStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tensorfleet.projection.pipeline.MOST_IN_BATCH", 10)
    with lane(world, stores) as (store, one):
        store.give_up()
        empty = world.content(store.database)
        with pytest.raises(CheckpointTaken):
            one.fill_straight_to(stores.checkpoints(world.home))
        assert world.content(store.database) == empty
