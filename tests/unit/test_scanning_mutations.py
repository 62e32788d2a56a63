"""Whatever is done to a file, the scan ends with a verdict, and what was dangerous before a cut is so after it."""

from __future__ import annotations

import gzip
import io
import pickle
import random

import numpy
import pytest

from tensorfleet.scanning.limits import Limits
from tensorfleet.scanning.scan import scan
from tensorfleet.scanning.verdict import Judgement
from tests.unit import model_files as files
from tests.unit.hostile_files import EVIL, OLD_EVIL

SMALL = {
    "pickle": pickle.dumps(files.plain_objects()),
    "old pickle": pickle.dumps(files.plain_objects(), 0),
    "torch zip": files.torch_zip(),
    "torch, old": files.torch_old(),
    "packed": gzip.compress(pickle.dumps(files.plain_objects())),
    "lz4": files.lz4(pickle.dumps(files.plain_objects())),
    "npy": files.npy(numpy.array([1, None], dtype=object)),
    "safetensors": files.safetensors(),
    "onnx": files.onnx(location="w"),
    "keras": files.keras(),
    "hdf5": files.hdf5(b"model_config", b'{"class_name": "Sequential"}'),
    "gguf": files.gguf({"tokenizer.chat_template": "{{ x }}"}),
    "tar": files.tarred({"a": b"{}"})[:3000],
    "ubj": files.XGBOOST_UBJ,
    "json": files.XGBOOST_JSON,
    "catboost": files.CATBOOST,
    "lightgbm": files.LIGHTGBM,
}
LIMITS = Limits(seconds=20)


@pytest.mark.parametrize("name", SMALL)
def test_no_cut_and_no_flipped_bit_ends_in_an_error(name: str) -> None:
    raw, chance = SMALL[name], random.Random(name)
    for length in range(len(raw)):
        assert scan(io.BytesIO(raw[:length]), LIMITS).verdict in Judgement
    for place in range(0, len(raw), max(1, len(raw) // 300)):
        changed = bytearray(raw)
        changed[place] ^= 1 << chance.randrange(8)
        assert scan(io.BytesIO(changed), LIMITS).verdict in Judgement
    for _ in range(100):
        changed = bytearray(raw)
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(len(raw))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        assert scan(io.BytesIO(changed), LIMITS).verdict in Judgement


@pytest.mark.parametrize(("raw", "ran"), [(EVIL, EVIL.index(b"R")), (OLD_EVIL, OLD_EVIL.index(b"R"))])
def test_a_pickle_cut_after_its_call_is_as_dangerous_as_a_whole_one(raw: bytes, ran: int) -> None:
    """It has run by then."""
    for end in range(ran + 1, len(raw)):
        assert scan(io.BytesIO(raw[:end])).verdict is Judgement.DANGEROUS


@pytest.mark.parametrize("end", range(1, 9))
def test_a_packed_pickle_cut_in_its_trailer_is_dangerous(end: int) -> None:
    assert scan(io.BytesIO(gzip.compress(EVIL)[:-end])).verdict is Judgement.DANGEROUS


@pytest.mark.parametrize(
    ("limits", "raw", "code"),
    [
        (Limits(opcodes=1000), pickle.dumps([{} for _ in range(5000)]), "limit-opcodes"),
        (Limits(stack_items=1000), b"\x80\x02" + b"}" * 10_000 + b".", "limit-stack"),
        (Limits(entries=3), files.zipped({str(number): b"{}" for number in range(9)}), "limit-entries"),
        (Limits(unpacked_bytes=1000), gzip.compress(bytes(1 << 20)), "limit-unpacked"),
        (Limits(depth=1), files.tarred({"a": files.tarred({"b": b"{}"})}), "limit-depth"),
        (Limits(seconds=0), pickle.dumps([1]), "limit-time"),
        (Limits(file_bytes=10), pickle.dumps(list(range(99))), "limit-size"),
    ],
)
def test_a_bound_that_is_reached_is_a_finding_and_never_safe(limits: Limits, raw: bytes, code: str) -> None:
    verdict = scan(io.BytesIO(raw), limits)
    assert verdict.verdict in (Judgement.SUSPICIOUS, Judgement.UNSCANNED)
    assert code in {finding.code for finding in verdict.findings}


def test_what_was_found_before_a_bound_still_counts() -> None:
    raw = OLD_EVIL[:-1] + b"N0" * 20_000 + b"."
    assert scan(io.BytesIO(raw), Limits(opcodes=25_000)).verdict is Judgement.DANGEROUS


def test_the_worst_findings_are_kept_when_there_are_too_many() -> None:
    raw = b"".join(f"cacme.m{number}\nC\n0".encode() for number in range(50)) + OLD_EVIL
    verdict = scan(io.BytesIO(raw), Limits(findings=5))
    assert verdict.verdict is Judgement.DANGEROUS
    assert [finding.code for finding in verdict.findings][-2:] == ["dangerous-import", "more-findings"]
    assert len(verdict.findings) == 6
