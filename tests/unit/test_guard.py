"""The guard counts exactly the records of the current owner, in order, chained, once."""

from __future__ import annotations

import pytest

from tensorfleet.domain.guard import NO_HASH, Guard, RecordHead, StreamHead, Verdict

FIRST, SECOND, OTHER = b"1" * 32, b"2" * 32, b"3" * 32


def event(sequence: int = 1, epoch: int = 1, previous: bytes = NO_HASH, hash_: bytes = FIRST) -> RecordHead:
    return RecordHead("m", epoch, sequence, previous, hash_, is_claim=False)


def claim(epoch: int) -> RecordHead:
    return RecordHead("", epoch, 0, NO_HASH, OTHER, is_claim=True)


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (event(2, previous=FIRST, hash_=SECOND), Verdict.ACCEPTED),
        (event(2, epoch=0, previous=FIRST), Verdict.STALE),
        (event(2, epoch=2, previous=FIRST), Verdict.STALE),
        (event(1), Verdict.REPEAT),
        (event(3, previous=FIRST), Verdict.GAP),
        (event(2, previous=OTHER), Verdict.CHAIN),
        (claim(2), Verdict.CLAIM),
        (claim(1), Verdict.CLAIM_IGNORED),
        (claim(3), Verdict.CLAIM_IGNORED),
    ],
)
def test_each_record_after_one_event_of_epoch_one(record: RecordHead, verdict: Verdict) -> None:
    guard = Guard(epoch=1, streams={"m": StreamHead(1, FIRST)})
    assert guard.judge(record) is verdict
    if verdict not in (Verdict.ACCEPTED, Verdict.CLAIM):
        assert (guard.epoch, guard.streams["m"]) == (1, StreamHead(1, FIRST))


def test_of_two_claims_with_one_epoch_the_first_wins() -> None:
    guard = Guard()
    assert [guard.judge(claim(1)), guard.judge(claim(1))] == [Verdict.CLAIM, Verdict.CLAIM_IGNORED]


def test_a_fenced_owner_changes_nothing() -> None:
    guard = Guard(epoch=1)
    guard.judge(claim(2))
    assert guard.judge(event(epoch=1)) is Verdict.STALE
    assert guard.judge(event(epoch=2)) is Verdict.ACCEPTED
