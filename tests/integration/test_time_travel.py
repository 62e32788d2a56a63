"""What a read said at some moment, it says again `as_of` that moment: while more happens, and after a rebuild."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from devstack.stack import NativeStack
from tensorfleet.domain import commands as c
from tensorfleet.domain.names import model_id_of
from tensorfleet.http.times import time_text
from tensorfleet.kafka.record_lookup import RecordLookup
from tests.integration.command_line import CommandLine
from tests.integration.kafka_world import KafkaWorld
from tests.integration.projected import projector_running
from tests.integration.query_world import HOUR, NOW, World, walk, world
from tests.integration.written_registry import KINDS, RandomSteps, WrittenRegistry

pytestmark = pytest.mark.timeout(300)
MODELS = "/api/v1/models"
NAMES = [f"model {number}" for number in range(7)]
STEPS = 60
IN_WORDS = "metrics.auc >= 0.4 AND (tags = 'b' OR created_by = 'bob') AND NOT status = 'archived' OR version >= 'v1.1'"
LISTS = [
    MODELS,
    f"{MODELS}?limit=2&page=2",
    f"{MODELS}?sort=name&limit=3",
    f"{MODELS}?sort=updated_at&order=asc&status=active",
    f"{MODELS}?sort=download_count&limit=4",
    f"{MODELS}?sort=metrics.auc&order=asc",
    f"{MODELS}?tags=a,b&min_metric.auc=0.3",
    f"{MODELS}?all_tags=a&algorithm=svm&created_by=ann",
    f"{MODELS}?status=deprecated&max_metric.n=1",
    f"{MODELS}?scan_verdict=unscanned&sort=name",
    f"{MODELS}?filter={quote(IN_WORDS)}",
    f"{MODELS}?filter={quote(IN_WORDS)}&sort=download_count&tags=a&limit=3",
]
FIGURES = [f"{MODELS}/statistics", "/api/v1/statistics"]


@dataclass(frozen=True)
class Moment:
    """What was answered to some paths after a step: at a time, and at a position if the step was a command."""

    time: int
    position: str | None
    answers: dict[str, tuple[int, Any]]


class Registry:
    def __init__(self, http: World, written: WrittenRegistry) -> None:
        self.http = http
        self.written = written
        self.steps = RandomSteps(written, NAMES, seed=21)
        self.moments: list[Moment] = []

    def answer(self, path: str, as_of: str | None = None) -> tuple[int, Any]:
        """Status and body; of a cursor only whether there is one, for each belongs to one query."""
        if as_of is not None:
            path += f"{'&' if '?' in path else '?'}as_of={quote(as_of)}"
        got = self.http.get(path)
        body = got.json
        if "pagination" in body:
            body["pagination"]["next_cursor"] = body["pagination"]["next_cursor"] is not None
        return got.status, body

    def differences(self, *, every: int = 1, by_position: bool = False) -> list[str]:
        found = []
        for one in self.moments[::every]:
            as_of = one.position if by_position else time_text(one.time)
            for path, answer in one.answers.items():
                if as_of is not None and (again := self.answer(path, as_of)) != answer:
                    found.append(f"{path} as of {as_of} was\n{answer}\nand became\n{again}")
        return found


@pytest.fixture(scope="module")
def registry(stack: NativeStack) -> Iterator[Registry]:
    """After STEPS random steps, of each of which it remembers what was read then."""
    kafka = KafkaWorld(stack.kafka_bootstrap, 2)
    clock = [NOW]
    chosen = random.Random(5)
    records = RecordLookup(kafka.kafka, kafka.topics.log, "test")
    settings = {"clock": lambda: clock[0], "topics": kafka.topics, "records": records}
    with (
        world(stack.mongodb_url, **settings) as http,
        projector_running(kafka.kafka, kafka.topics, stack.mongodb_url, http.db.name),
    ):
        one = Registry(http, WrittenRegistry(kafka, http.db, NOW))
        for _ in range(STEPS):
            one.written.now = clock[0] = clock[0] + chosen.choice([1, 10**6, HOUR // 3, 5 * HOUR])
            name, position = one.steps.one()
            target = f"{MODELS}/{model_id_of(name)}"
            own = [target, f"{target}?version=v1.0", f"{target}/versions", f"{target}/versions/v1.1"]
            own.append(f"{MODELS}/by-name/{quote(chosen.choice(NAMES))}")
            paths = [*chosen.sample(own, 2), *chosen.sample(LISTS, 3), chosen.choice(FIGURES)]
            answers = {path: one.answer(path) for path in paths}
            one.moments.append(Moment(clock[0], str(position) if position else None, answers))
        clock[0] += 30 * 24 * HOUR
        yield one


def test_every_moment_reads_as_it_did_by_time_and_by_position(registry: Registry) -> None:
    assert registry.steps.done.keys() == set(KINDS)
    assert registry.differences() == []
    assert registry.differences(every=2, by_position=True) == []


def test_pages_of_the_past_follow_each_other(registry: Registry) -> None:
    moment = next(one for one in reversed(registry.moments) if MODELS in one.answers)
    names = [one["name"] for one in moment.answers[MODELS][1]["models"]]
    as_of = quote(time_text(moment.time))
    assert len(names) > 2
    assert walk(registry.http, f"{MODELS}?limit=1&as_of={as_of}") == names
    cursor = registry.http.get(f"{MODELS}?limit=1&as_of={as_of}").json["pagination"]["next_cursor"]
    assert registry.http.get(f"{MODELS}?limit=1&cursor={cursor}").status == 422


def test_between_two_events_holds_what_the_first_left(registry: Registry) -> None:
    before, after = next(
        pair
        for pair in zip(registry.moments, registry.moments[1:], strict=False)
        if pair[1].time - pair[0].time > 1 and pair[0].position
    )
    path = next(iter(before.answers))
    assert registry.answer(path, time_text(after.time - 1)) == before.answers[path]


def test_before_everything_there_is_nothing(registry: Registry) -> None:
    for as_of in (time_text(NOW), "1969-12-31T23:59:59Z", "0:0"):
        assert registry.answer(f"{MODELS}/{model_id_of(NAMES[0])}", as_of)[0] == 404
        assert registry.answer(MODELS, as_of)[1]["pagination"]["total"] == 0
        assert registry.answer(FIGURES[0], as_of)[1]["total_models"] == 0


def test_zones_and_fractions_name_the_same_moment(registry: Registry) -> None:
    moment = next(one for one in registry.moments if one.answers.get(MODELS))
    right = registry.answer(MODELS, time_text(moment.time))
    text = time_text(moment.time)
    assert registry.answer(MODELS, text.replace("Z", "999z").replace("T", "t")) == right
    assert registry.answer(MODELS, text.replace("Z", "-00:00")) == right
    later = registry.moments[0].time
    assert registry.answer(FIGURES[0], time_text(later)) == registry.answer(
        FIGURES[0], time_text(later + 2 * HOUR).replace("Z", "+02:00")
    )


def test_the_audit_is_the_whole_log_newest_first(registry: Registry) -> None:
    def audit(query: str = "") -> list[Any]:
        events, cursor = [], ""
        while cursor is not None:
            page = registry.http.get(f"/api/v1/audit?limit=7{query}" + (f"&cursor={cursor}" if cursor else "")).json
            events += page["events"]
            cursor = page["pagination"]["next_cursor"]
        return events

    whole = audit()
    commands = [one for one in registry.moments if one.position]
    assert [one["position"] for one in reversed(whole)] == [one.position for one in commands]
    assert audit("&order=asc") == whole[::-1]
    model_id, late, early = model_id_of(NAMES[1]), whole[10]["time"], whole[30]["time"]
    filters: dict[str, Callable[[Any], bool]] = {
        "&actor=bob": lambda one: one["actor"] == "bob",
        "&type=ModelUpdated": lambda one: one["type"] == "ModelUpdated",
        "&type=ModelUpdated&actor=ci": lambda one: (one["type"], one["actor"]) == ("ModelUpdated", "ci"),
        f"&model_id={model_id}": lambda one: one["model_id"] == model_id,
        f"&model_id={model_id}&actor=ann": lambda one: (one["model_id"], one["actor"]) == (model_id, "ann"),
        f"&from={early}&to={late}": lambda one: early <= one["time"] < late,
        "&actor=nobody": lambda one: False,
    }
    for query, keep in filters.items():
        assert audit(query) == list(filter(keep, whole)), query
    history = registry.http.get(f"{MODELS}/{model_id_of(NAMES[2])}/history?limit=100").json
    own = [one for one in reversed(whole) if one.pop("model_id") == model_id_of(NAMES[2])]
    assert history["events"] == own
    assert [one["sequence"] for one in own] == list(range(1, history["pagination"]["total"] + 1))


@pytest.mark.parametrize(
    "query",
    [
        "type=OwnershipClaimed",
        "type=",
        "type=x&type=y",
        "actor=",
        "actor=%00",
        "actor=" + "x" * 201,
        "actor[$ne]=x",
        "model_id=x",
        "model_id=" + "A" * 24,
        "from=NaN",
        "to=10**9",
        "from=9223372036854775808",
        "from=2026-11-21T17:00:00",
        "to=2026-11-21T17:00:00%2B24:00",
        "limit=0",
        "limit=101",
        "limit=1_0",
        "order=up",
        "cursor=x",
        "page=2",
    ],
)
def test_bad_filters_of_the_audit_are_422(registry: Registry, query: str) -> None:
    assert registry.http.get(f"/api/v1/audit?{query}").status == 422


def test_a_cursor_of_the_audit_belongs_to_its_filters(registry: Registry) -> None:
    cursor = registry.http.get("/api/v1/audit?limit=1&actor=ann").json["pagination"]["next_cursor"]
    assert registry.http.get(f"/api/v1/audit?actor=ann&cursor={cursor}").status == 200
    for query in ("actor=bob", "order=asc&actor=ann", "actor=ann&type=ModelUpdated", ""):
        assert registry.http.get(f"/api/v1/audit?{query}&cursor={cursor}").status == 422


def test_the_audit_reads_no_more_than_it_shows(registry: Registry) -> None:
    """As MongoDB explains it: an index gives the order, and the events are found in it."""
    from services.query_api.history import routes

    ordered = [(name, -1) for name in routes._KEYS]
    every = {"$in": list(routes.TYPES)}
    for where in ({"type": every}, {"type": "ModelUpdated"}, {"actor": "ann", "type": every}):
        plan = registry.http.db.history.find(where).sort(ordered).limit(5).explain()["executionStats"]
        assert plan["totalDocsExamined"] <= 5, plan
        assert plan["totalKeysExamined"] <= 5 + len(routes.TYPES), plan


def test_a_model_verifies_and_each_forgery_is_found_where_it_is(registry: Registry) -> None:
    db, model_id = registry.http.db, model_id_of(NAMES[3])
    sequence = db.models.find_one({"_id": model_id})["sequence"]  # type: ignore[index]

    def verify(query: str = "") -> Any:
        return registry.http.get(f"{MODELS}/{model_id}/verify{query}").json

    right = verify()
    assert (right["verified"], right["records"], right["first_problem"]) == (True, sequence, None), right
    page, records = verify("?limit=2"), []
    while page["next_cursor"] is not None:
        assert (page["verified"], page["complete"]) == (False, False)
        records.append(page["records"])
        page = verify(f"?limit=2&cursor={page['next_cursor']}")
    assert (page["verified"], records) == (True, list(range(2, sequence, 2)))

    entry = {"_id": f"{model_id}:{3:012d}"}
    version = {"model_id": model_id}
    for collection, where, change, what, at in (
        ("history", entry, {"hash": "0" * 64}, "altered", 3),
        ("history", entry, {"actor": "someone else"}, "entry", 3),
        ("history", entry, {"sequence": 4}, "entry-missing", 3),
        ("history", entry, {"offset": 10**6}, "record-missing", 3),
        ("models", {"_id": model_id}, {"description": "edited"}, "read-model", sequence),
        ("models", {"_id": model_id}, {"head_hash": bytes(32)}, "read-model", sequence),
        ("versions", version, {"metrics": {"auc": 1}}, "read-model", sequence),
    ):
        held = db[collection].find_one_and_update(where, {"$set": change})
        found = verify()
        db[collection].replace_one({"_id": held["_id"]}, held)
        assert (found["verified"], found["first_problem"]["what"]) == (False, what), found
        assert found["first_problem"]["sequence"] == at
    gone = db.history.find_one_and_delete(entry)
    assert verify()["first_problem"]["what"] == "entry-missing"
    db.history.insert_one(gone)
    assert verify() == right


def test_a_history_tells_old_and_new_values_of_what_changed_alone(registry: Registry) -> None:
    name, wide = "a wide model", {f"k{number}": number for number in range(400)}
    written = registry.written
    for command in (
        c.RegisterModel(name, c.ModelFields("svm", tags=("x",)), c.VersionFields(hyperparameters=wide)),
        c.UpdateModel(version_fields=c.VersionFields(hyperparameters={"k1": 1.0, "k2": None, "new": {"a": [1]}})),
        c.CreateVersion(fields=c.ModelFields(tags=("y",)), version_fields=c.VersionFields(metrics={"auc": 0.5})),
        c.DeprecateModel("old"),
        c.DeleteModel(),
        c.RegisterModel(name, c.ModelFields("xgb")),
    ):
        written.now += 1
        written.command(command, name)
    written.projected()
    history = registry.http.get(f"{MODELS}/{model_id_of(name)}/history").json
    changes = [{one["field"]: (one["old"], one["new"]) for one in event["changes"]} for event in history["events"]]
    assert changes[0]["hyperparameters"] == ({}, wide)
    assert (changes[0]["algorithm"], changes[0]["version"]) == ((None, "svm"), (None, "v1.0"))
    assert changes[1] == {"hyperparameters": ({"k1": 1, "k2": 2}, {"k1": 1.0, "new": {"a": [1]}})}
    assert isinstance(changes[1]["hyperparameters"][1]["k1"], float)
    assert changes[2] == {"tags": (["x"], ["y"]), "version": ("v1.0", "v1.1"), "metrics": ({}, {"auc": 0.5})}
    assert changes[3]["status"] == ("active", "deprecated")
    assert changes[4] == {"deleted": (False, True)}
    assert (changes[5]["deleted"], changes[5]["algorithm"]) == ((True, False), (None, "xgb"))
    assert [event["changed"] for event in history["events"]] == [list(one) for one in changes]


def test_every_moment_reads_as_it_did_after_a_rebuild(
    registry: Registry, stack: NativeStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test: it takes the read models away from the projector."""
    command = CommandLine(capsys, monkeypatch, stack)
    command.use(registry.written.kafka)
    monkeypatch.setenv("MONGODB_DB", registry.http.db.name)
    rebuilt = command.run("rebuild", "--hand-over", 0)
    assert rebuilt.status == 0, rebuilt.out + rebuilt.err
    client, live = registry.http.db.client, f"{registry.http.db.name}__1"
    try:
        for name in set(registry.http.db.list_collection_names()) - {"generations"}:
            registry.http.db[name].delete_many({})
        deadline = time.monotonic() + 30
        while registry.answer("/api/v1/audit")[1]["events"] == []:
            assert time.monotonic() < deadline, "the query API still reads what was there before"
        assert registry.differences(every=2) == []
        assert registry.differences(every=2, by_position=True) == []
    finally:
        client.drop_database(live)
