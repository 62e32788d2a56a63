"""What a log can hold that no decider emits is refused by the fold, and ends nothing."""

from __future__ import annotations

import pytest

from tensorfleet.domain import events as e
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.fitting import Unfoldable
from tensorfleet.domain.model import INITIAL, Model
from tests.builders import blob, given, registration

ODD = "v1.0x"


@pytest.mark.parametrize(
    ("model", "event"),
    [
        (INITIAL, e.ModelRegistered(ODD, "svm", "", "", (), "", {}, {}, {})),
        (given(registration()), e.ModelFileAttached(ODD, blob(), ODD)),
        (given(registration()), e.ModelFileAttached("v7.0", blob(), "v7.0")),
        (given(registration()), e.ModelRegistered("v1.0", "svm", "", "", (), "", {}, {}, {})),
        (INITIAL, e.ModelDeleted()),
    ],
)
def test_an_event_that_no_decider_emits_can_not_be_folded(model: Model, event: e.Event) -> None:
    with pytest.raises(Unfoldable):
        evolve(model, event)
