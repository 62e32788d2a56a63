"""No hostile file of the table is safe, and each gets its verdict and the finding that names what it does."""

from __future__ import annotations

import io

import pytest

from tensorfleet.scanning.scan import scan
from tests.unit.hostile_files import HOSTILE, Hostile


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_file_gets_its_verdict(hostile: Hostile) -> None:
    verdict = scan(io.BytesIO(hostile.raw))
    assert (verdict.verdict.value, hostile.code in {finding.code for finding in verdict.findings}) == (
        hostile.verdict,
        True,
    ), verdict


def test_the_table_names_each_file_once() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 60
