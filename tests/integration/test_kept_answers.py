"""Answers that are given again: only while nothing has changed, for whoever asks, and within their room."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tests.integration.query_world import World, world

MODELS = "/api/v1/models"
ROOM = 40_000


@pytest.fixture(scope="module")
def registry(mongodb_url: str) -> Iterator[World]:
    with world(mongodb_url, kept_answers=ROOM) as one:
        yield one


_offsets = count(1)


def describe(registry: World, model_id: str, description: str, topic: str = "log") -> None:
    """As a projector would: with the checkpoint of the partition, in one transaction."""
    with registry.db.client.start_session() as session, session.start_transaction():
        registry.db.models.update_one({"_id": model_id}, {"$set": {"description": description}}, session=session)
        moved = {"next_offset": next(_offsets), "running_hash": bytes(32)}
        registry.db.checkpoints.update_one({"_id": f"{topic}:3"}, {"$set": moved}, upsert=True, session=session)


def edit_by_hand(registry: World, model_id: str, description: str) -> None:
    """What no projector does: so that an answer shows whether it was made anew."""
    registry.db.models.update_one({"_id": model_id}, {"$set": {"description": description}})


def shown(registry: World, target: str) -> str:
    answer = registry.get(target)
    assert answer.status == 200, answer.body
    return str(answer.json["description"])


@pytest.mark.parametrize("topic", ["log", "downloads"])
def test_what_is_asked_for_again_is_kept_until_a_checkpoint_moves(registry: World, topic: str) -> None:
    target = f"{MODELS}/{registry.model(f'kept {topic}')}"
    model_id = target.rpartition("/")[2]
    describe(registry, model_id, "one", topic)
    assert [shown(registry, target) for _ in range(2)] == ["one", "one"]
    edit_by_hand(registry, model_id, "by hand")
    assert [shown(registry, target) for _ in range(2)] == ["one", "one"]
    assert shown(registry, f"{target}?version=v1.0") == "by hand"
    describe(registry, model_id, "two", topic)
    assert [shown(registry, target) for _ in range(2)] == ["two", "two"]


def test_a_kept_answer_is_the_same_in_every_way(registry: World) -> None:
    target = f"{MODELS}/{registry.model('alike', description='word ' * 200)}"
    first, second, kept = (registry.get(target) for _ in range(3))
    assert first.body == second.body == kept.body
    for one in (first, second, kept):
        one.headers.pop("date")
    assert first.headers == second.headers == kept.headers
    fresh = registry.get(f"{target}?version=v1.0", If_None_Match='"x"')
    assert fresh.status == 200
    unchanged = registry.get(target, If_None_Match=first.headers["etag"])
    never_kept = registry.get(f"{target}?version=v1.0", If_None_Match=fresh.headers["etag"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert unchanged.headers.keys() == never_kept.headers.keys()


def test_whoever_has_written_reads_it(registry: World) -> None:
    """Readers keep the answers warm; after each write that was committed, the next answer shows it."""
    target = f"{MODELS}/{registry.model('own writes')}"
    model_id = target.rpartition("/")[2]
    stopping: list[bool] = []

    def read() -> None:
        newest = -1
        while not stopping:
            found = shown(registry, target)
            assert int(found or 0) >= newest
            newest = int(found or 0)

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for number in range(1, 80):
                describe(registry, model_id, str(number))
                assert shown(registry, target) == str(number)
        finally:
            stopping.append(True)
        for one in readers:
            one.result()


def test_answers_that_depend_on_more_than_the_log_are_made_anew(registry: World) -> None:
    model_id = registry.model("popular")
    registry.downloaded(model_id, 1000)
    first = [registry.get(f"{MODELS}/popular").json["models"][0]["downloads"] for _ in range(3)]
    registry.downloaded(model_id, 1)
    assert [*first, registry.get(f"{MODELS}/popular").json["models"][0]["downloads"]] == [1000, 1000, 1000, 1001]


def test_the_latest_asked_for_stay_when_there_is_no_more_room(registry: World) -> None:
    targets = [f"{MODELS}/{registry.model(f'room {number}', description='x' * 1500)}" for number in range(40)]
    for target in (*targets, *targets[:1]):
        for _ in range(2):
            registry.get(target)
    for target in targets:
        edit_by_hand(registry, target.rpartition("/")[2], "by hand")
    assert shown(registry, targets[0]) == "x" * 1500
    assert shown(registry, targets[-1]) == "x" * 1500
    assert shown(registry, targets[1]) == "by hand"
    huge = f"{MODELS}/{registry.model('huge', description='y' * (ROOM // 10))}"
    assert len({shown(registry, huge) for _ in range(2)}) == 1
    edit_by_hand(registry, huge.rpartition("/")[2], "too large to be kept")
    assert shown(registry, huge) == "too large to be kept"
