"""`tensorfleet verify` on real servers: exact about read models that are as the log makes them, and about others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64, ObjectId

from tests.integration.command_line import CommandLine
from tests.integration.registry_world import EVENTS, RegistryWorld
from tests.processes import free_port


def test_read_models_that_the_log_made_are_exact(world: RegistryWorld, command: CommandLine) -> None:
    before = world.content(world.home)
    done = command.run("verify")
    assert (done.status, "EXACT: every document" in done.out) == (0, True), done.out
    assert re.search(rf"^{EVENTS + 2} records replayed", done.out), done.out
    assert (world.databases(), world.content(world.home)) == ({world.home}, before)


def test_what_the_projector_has_not_projected_yet_is_not_missed(world: RegistryWorld, command: CommandLine) -> None:
    world.log.write(50)
    assert command.run("verify").status == 0


def moved_to_the_end(db: Any) -> None:
    value = db.models.find_one({"_id": first(db)})["status"]
    db.models.update_one({"_id": first(db)}, {"$unset": {"status": ""}})
    db.models.update_one({"_id": first(db)}, {"$set": {"status": value}})


def changed(change: dict[str, Any]) -> Callable[[Any], None]:
    return lambda db: db.models.update_one({"_id": first(db)}, change)


PLANTED: dict[str, tuple[Callable[[Any], None], str]] = {
    "a value": (changed({"$set": {"description": "x"}}), "description"),
    "a type": (changed({"$set": {"registration": Int64(1)}}), "registration"),
    "a lost field": (changed({"$unset": {"status": ""}}), "status"),
    "a new field": (changed({"$set": {"new": 1}}), "new"),
    "the order": (moved_to_the_end, "the order of the fields"),
}


def first(db: Any) -> str:
    return str(db.models.find_one(sort=[("_id", 1)])["_id"])


@pytest.mark.parametrize("name", PLANTED)
def test_a_document_that_was_edited_is_named_with_its_fields(
    world: RegistryWorld, command: CommandLine, name: str
) -> None:
    edit, field = PLANTED[name]
    edit(world.live)
    done = command.run("verify")
    assert done.status == 1
    assert re.findall(r"^  (\w+) +(\w+)  (.*)$", done.out, re.MULTILINE) == [
        ("models", first(world.live), f"differs: {field}")
    ]
    assert world.databases() == {world.home}


def test_a_document_too_many_and_one_too_few_are_named(world: RegistryWorld, command: CommandLine) -> None:
    strange = ObjectId()
    gone = world.live.history.find_one_and_delete({})
    world.live.search.insert_one({"_id": strange})
    done = command.run("verify")
    assert done.status == 1
    assert "NOT EXACT: 2 documents" in done.out
    assert gone is not None
    assert f"history            {gone['_id']}  is missing" in done.out
    assert f"search             {strange}  is not in the log" in done.out


def test_a_changed_count_of_downloads_is_found(world: RegistryWorld, command: CommandLine) -> None:
    changed = world.live.download_counters.find_one_and_update({}, {"$inc": {"downloads": 1}})
    assert changed is not None
    assert f"{changed['_id']}  differs: downloads" in command.run("verify").out


@pytest.mark.parametrize("server", ["KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL"])
def test_servers_that_do_not_answer_are_status_two(
    world: RegistryWorld, command: CommandLine, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv(server, f"mongodb://{address}" if server == "MONGODB_URL" else address)
    done = command.run("verify")
    assert (done.status, "does not answer" in done.err) == (2, True), done.err
    assert world.databases() == {world.home}
