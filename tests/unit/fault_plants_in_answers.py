"""Violations that show in what the clients were told."""

from __future__ import annotations

from dataclasses import replace

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.events.envelope import Position
from tests.builders import registration
from tests.faults.checker import Kind
from tests.unit.fault_planting import OTHER, UPDATE, WHERE, planted
from tests.unit.fault_story import Story


@planted(Kind.LOST, "an acknowledged command is not in the log")
def _(story: Story) -> None:
    story.tell(UPDATE, "a", story.attempt(200, "", WHERE))


@planted(Kind.LOST, "an acknowledged registration is not in the log")
def _(story: Story) -> None:
    story.tell(registration("c"), "c", story.attempt(201, "", WHERE))


@planted(Kind.LOST, "a command that found its wish fulfilled, though it was so only later")
def _(story: Story) -> None:
    story.tell(UPDATE, "a", story.attempt(200, "", WHERE))
    story.do(UPDATE)


@planted(Kind.DOUBLED, "a retried command was carried out twice")
def _(story: Story) -> None:
    one = story.do(c.CreateVersion())
    story.event(c.CreateVersion(), "a", one.command_id)


@planted(Kind.MISPLACED, "an acknowledged position holds another record")
def _(story: Story) -> None:
    position = story.event(UPDATE, "a", "elsewhere")
    named = Position(0, position.offset - 1)
    story.tell(UPDATE, "a", story.attempt(200, "", named), command_id="elsewhere")


@planted(Kind.MISPLACED, "a batch names a position before its event")
def _(story: Story) -> None:
    position = story.event(UPDATE, "a", "early")
    named = Position(0, position.offset - 1)
    story.tell(UPDATE, "a", story.attempt(200, "", named), command_id="early", in_batch=True)


@planted(Kind.REJECTED_IN_LOG, "a rejected command was carried out")
def _(story: Story) -> None:
    story.event(UPDATE, "a", "refused")
    story.tell(UPDATE, "a", story.attempt(404, "model-not-found"), command_id="refused")


@planted(Kind.REJECTED_IN_LOG, "the retry of a command that is in the log is rejected")
def _(story: Story) -> None:
    story.event(c.CreateVersion(), "a", "retried")
    first = story.attempt(0)
    story.do(UPDATE)
    story.tell(c.CreateVersion(), "a", first, story.attempt(404, "model-not-found"), command_id="retried")


@planted(Kind.DENIED_IN_LOG, "a command that changed nothing, by its answer, was carried out")
def _(story: Story) -> None:
    story.event(UPDATE, "a", "denied")
    story.tell(UPDATE, "a", story.attempt(503, "log-unavailable"), command_id="denied")


@planted(Kind.UNJUSTIFIED, "a live model is said not to exist")
def _(story: Story) -> None:
    story.tell(UPDATE, "a", story.attempt(404, "model-not-found"))


@planted(Kind.PHANTOM, "an event that no client asked for")
def _(story: Story) -> None:
    story.event(UPDATE, "a", "nobody's")


@planted(Kind.DISTORTED, "an event with other words than the command's")
def _(story: Story) -> None:
    story.do(UPDATE, event=e.ModelUpdated(description="not what was asked for"))


@planted(Kind.OUT_OF_ORDER, "an event that stands before one acknowledged before it was asked for")
def _(story: Story) -> None:
    story.event(c.CreateVersion(), "a", "later")
    story.do(OTHER)
    place = story.records[-2].position
    story.tell(c.CreateVersion(), "a", story.attempt(201, "", place), command_id="later")


@planted(Kind.WENT_BACK, "a read shows an older state than the read before it")
def _(story: Story) -> None:
    story.do(UPDATE, projected=False)
    story.read(), story.read(back=1)


@planted(Kind.WENT_BACK, "a model that was read is gone, though nobody deleted it")
def _(story: Story) -> None:
    story.do(registration("c"), "c", projected=False)
    story.read("c"), story.read("c", 404)


@planted(Kind.INVENTED_READ, "a read shows an event that the log does not hold")
def _(story: Story) -> None:
    story.reads.append(replace(story.read(), sequence=99))


@planted(Kind.INVENTED_READ, "a read shows a sequence at another event's position")
def _(story: Story) -> None:
    story.reads.append(replace(story.read(), position=WHERE))


@planted(Kind.STALE_READ, "a read that names a position does not contain it")
def _(story: Story) -> None:
    one = story.do(UPDATE, projected=False)
    story.read(back=1, least=one.last.positions[0])


@planted(Kind.STALE_READ, "a read after an answer that was projected does not contain it")
def _(story: Story) -> None:
    story.do(UPDATE)
    story.read(back=1)


@planted(Kind.STALE_READ, "a model can't be found after its registration was projected")
def _(story: Story) -> None:
    story.do(registration("c"), "c")
    story.read("c", 404)


@planted(Kind.STALE_READ, "a model is still found after its deletion was projected")
def _(story: Story) -> None:
    story.do(registration("c"), "c")
    story.do(c.DeleteModel(), "c")
    story.read("c", back=1)


@planted(Kind.SERVER_ERROR, "an answer 500")
def _(story: Story) -> None:
    story.tell(UPDATE, "a", story.attempt(500))
