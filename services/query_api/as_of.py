"""`as_of`: which moment a read is about. Without it: now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from services.query_api.gate import checked_id
from services.query_api.ports import Clock
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.names import partition_of
from tensorfleet.events.envelope import Position
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.http.times import parse_time
from tensorfleet.mongo.cut import cut_at_positions, cut_at_time
from tensorfleet.mongo.past import PastReadModels
from tensorfleet.mongo.read_models import CHECKPOINTS, ReadModels

AS_OF: Final = Parameter(
    "as_of",
    "Answer as things were then: an RFC 3339 time, or positions of the log as 3:1024, with commas between them; what "
    "they do not name is cut at the time of their newest event.",
)
_POSITIONS: Final = re.compile(r"[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*", re.ASCII)
_FUTURE: Final = "lies in the future"


@dataclass(frozen=True, slots=True)
class View:
    """The read models of a moment. `now` is that moment, in microseconds since 1970; `name` tells views apart."""

    reads: ReadModels
    now: int
    name: str | None

    @property
    def past(self) -> bool:
        return self.name is not None


class Views:
    def __init__(self, reads: ReadModels, clock: Clock, partitions: int) -> None:
        self._reads = reads
        self._clock = clock
        self._partitions = partitions

    async def of(self, parameters: QueryParameters, model_id: str | None = None) -> View:
        """The view that `as_of` asks for; with `model_id` it is good for this model alone, and found sooner.

        InvalidCommand for what is neither a time nor positions, or lies in the future. ModelNotFound for no id.
        """
        text = parameters.text(AS_OF.name)
        now = self._clock()
        if text is None:
            return View(self._reads, now, None)
        whole = range(self._partitions)
        wanted = whole if model_id is None else [partition_of(checked_id(model_id), self._partitions)]
        if _POSITIONS.fullmatch(text):
            positions = await self._positions(text)
            cut = await cut_at_positions(self._reads, positions, self._partitions, wanted)
        else:
            cut = await cut_at_time(self._reads, _past_time(text, now), self._partitions, wanted)
        return View(PastReadModels(self._reads, cut), cut.time, text)

    async def _positions(self, text: str) -> list[Position]:
        try:
            found = [Position.parse(part) for part in text.split(",")]
        except ValueError as error:
            raise InvalidCommand.of(AS_OF.name, str(error)) from None
        if len({one.partition for one in found}) < len(found):
            raise InvalidCommand.of(AS_OF.name, "names a partition more than once")
        ends = await self._reads.find(CHECKPOINTS, {}, fields={"next_offset": 1})
        contained = {one["_id"]: one["next_offset"] for one in ends}
        for one in found:
            if one.partition >= self._partitions:
                last = self._partitions - 1
                raise InvalidCommand.of(AS_OF.name, f"{one}: the log has the partitions 0 to {last}")
            if one.offset >= contained.get(f"log:{one.partition}", 0):
                raise InvalidCommand.of(AS_OF.name, f"{one} {_FUTURE}: the read models do not contain it yet")
        return found


def _past_time(text: str, now: int) -> int:
    time = parse_time(text, AS_OF.name, or_else=", nor positions like 3:1024")
    if time > now:
        raise InvalidCommand.of(AS_OF.name, _FUTURE)
    return time
