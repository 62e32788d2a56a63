"""A fold that goes on from a snapshot is the fold of the whole log; a snapshot that is not right is not used."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorfleet.domain import commands as c
from tensorfleet.domain.names import model_id_of
from tensorfleet.domain.versions import FIRST
from tensorfleet.events.fold import LogFold
from tensorfleet.events.snapshot import Origin, SnapshotUnusable, dump, load
from tensorfleet.kafka.log_snapshots import snapshot_name
from tests.builders import CODEC, Stream, blob, lifecycle, registration, scan_of

ORIGIN = Origin("cluster", "topic", 3)


def log() -> list[tuple[bytes, bytes]]:
    stream = lifecycle(["one", "two"])
    stream.add(c.DeleteModel(), "two")
    odd = c.VersionFields({"a": [None, True, {"b": 0.1}]}, {"n": 2**63 - 1, "x": 1e-300}, {"name": "naïve"})
    stream.add(c.UpdateModel(version_fields=odd), "one")
    stream.raw(model_id_of("ghost").encode(), b"garbage")
    stream.raw(b"no model", b"garbage")
    stream.claim(2)
    stream.add(registration("three"), "three")
    stream.add(c.AttachFile(blob()), "three")
    stream.add(c.CreateVersion(), "three")
    stream.add(c.AttachFile(blob()), "three")
    stream.add(scan_of(blob()), "three")
    stream.add(c.ReleaseArtifact(FIRST, "looked at"), "three")
    stream.add(c.ReportCorruption(FIRST, blob().checksum, None, ""), "three")
    stream.add(c.RestoreModel(), "two")
    return stream.values


def folded(values: list[tuple[bytes, bytes]], fold: LogFold | None = None) -> LogFold:
    fold = fold or LogFold(CODEC)
    for key, value in values:
        fold.apply(fold.next_offset, key, value)
    return fold


@given(st.integers(min_value=1, max_value=len(log())))
def test_folding_on_from_a_snapshot_gives_the_state_of_the_whole_log(cut: int) -> None:
    before = folded(log()[:cut])
    state, extra = load(dump(ORIGIN, before.state(), [["some", 1.5], None]), ORIGIN)
    assert extra == [["some", 1.5], None]
    resumed = LogFold(CODEC)
    resumed.restore(state)
    folded(log()[cut:], resumed)
    again, _ = load(dump(ORIGIN, resumed.state(), []), ORIGIN)
    twice = LogFold(CODEC)
    twice.restore(again)
    whole = folded(log())
    for other in (resumed, twice):
        assert {one: other.model(one) for one in whole.names} == {one: whole.model(one) for one in whole.names}
        assert (other.guard, other.names, other.next_offset) == (whole.guard, whole.names, whole.next_offset)
        assert other.latest == whole.latest > 0
        assert (other.parked, other.last_hash) == (whole.parked, whole.last_hash)


def test_a_state_that_was_taken_stays_as_it_is_while_the_fold_goes_on() -> None:
    stream = Stream()
    stream.add(registration())
    fold = folded(stream.values)
    state = fold.state()
    before = dump(ORIGIN, state, [])
    stream.add(c.CreateVersion())
    folded(stream.values[2:], fold)
    assert gzip.decompress(dump(ORIGIN, state, [])) == gzip.decompress(before)


@pytest.mark.parametrize("wrong", ["empty", "cut", "not gzip", "not JSON", "another partition", "another format"])
def test_a_snapshot_that_is_not_right_is_not_used(wrong: str) -> None:
    content = dump(ORIGIN, folded(log()).state(), [])
    lines = gzip.decompress(content)
    bad = {
        "empty": b"",
        "cut": content[:-20],
        "not gzip": lines,
        "not JSON": gzip.compress(lines.replace(b"[", b"(")),
        "another partition": dump(Origin("cluster", "topic", 4), folded(log()).state(), []),
        "another format": gzip.compress(lines.replace(b'"format":3', b'"format":2')),
    }[wrong]
    with pytest.raises(SnapshotUnusable):
        load(bad, ORIGIN)


def test_the_name_of_a_snapshot_has_no_slash_of_its_ids() -> None:
    assert snapshot_name(Origin("cluster", "/q+//", 3)) == "cluster/_q+__/3"
