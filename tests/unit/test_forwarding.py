"""The owner's side of the hop: what it takes, and what it says when something is wrong with one of the commands."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import httpx
from fastapi import FastAPI

from services.command_api import wire
from services.command_api.forwarding import forwarding_routes
from services.command_api.partition import Partition
from services.command_api.submission import NotTheOwner, Receipt, Submission
from tensorfleet.domain.commands import ArchiveModel
from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.events.envelope import Position
from tensorfleet.http import problems

Settling = Callable[[Submission], None]
IDS = [f"{number:032x}" for number in range(4)]


class Owner:
    """A partition that does with each command what `settling` says of its model, if it says anything."""

    def __init__(self, settling: dict[str, Settling]) -> None:
        self.settling = settling
        self.taken: list[str] = []

    def submit(self, one: Submission) -> None:
        self.taken.append(one.model_id)
        self.settling.get(one.model_id, self.answered)(one)

    def answered(self, one: Submission) -> None:
        loop = asyncio.get_running_loop()
        receipt = Receipt(None, one.model_id, "n", "v1.0", None, "active", None, Position(0, 7))
        loop.call_later(0.02, one.done.set_result, receipt)

    def withdraw(self, _: Submission) -> bool:
        return True


def forwarded(model_id: str, seconds: float = 5) -> dict[str, Any]:
    kind, command = wire.plain_command(ArchiveModel())
    return json.loads(
        wire.dump_forwarded(
            wire.ForwardedCommand(model_id, "", kind, command, "00" * 16, "00" * 32, "tester", None, seconds)
        )
    )


def asked(owner: Owner, body: Any) -> tuple[httpx.Response, list[BaseException]]:
    """The answer, and what would have ended the process."""
    app, surprises = FastAPI(), list[BaseException]()
    problems.install(app, surprises.append)
    app.include_router(forwarding_routes([cast(Partition, owner)], "token"))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://owner") as client:
            return await client.post(wire.PATH, content=json.dumps(body), headers={"Authorization": "Bearer token"})

    return asyncio.run(ask()), surprises


def test_each_command_has_its_answer_in_its_place() -> None:
    def moved(_: Submission) -> None:
        raise NotTheOwner(None)

    def full(_: Submission) -> None:
        raise LogUnavailable("too many")

    def never(_: Submission) -> None: ...

    owner = Owner({IDS[1]: moved, IDS[2]: full, IDS[3]: never})
    answer, surprises = asked(owner, [*map(forwarded, IDS[:3]), forwarded(IDS[3], 0.05)])
    done, away, refused, late = answer.json()
    assert wire.load_receipt(done[wire.RECEIPT]).model_id == IDS[0] and away == {wire.NOT_THE_OWNER: True}
    assert [one[wire.PROBLEM]["kind"] for one in (refused, late)] == ["LogUnavailable", "LogUnavailable"]
    assert (answer.status_code, surprises) == (200, [])


def test_what_it_cannot_read_is_refused_before_any_command_is_taken() -> None:
    sound = forwarded(IDS[0])
    unknown, unhex = {**sound, "kind": "Unheard"}, {**sound, "command_hash": "no hex"}
    wrong = {**sound, "command": {"version": [1]}}
    for body in ({}, sound, [sound, {}], [sound, unknown], [sound, unhex], [sound, wrong]):
        owner = Owner({})
        answer, surprises = asked(owner, body)
        assert (answer.status_code, owner.taken, surprises) == (400, [], [])


def test_a_surprise_is_raised_when_the_others_have_ended() -> None:
    def surprise(_: Submission) -> None:
        raise RuntimeError("planted")

    settled: list[str] = []

    def slowly(one: Submission) -> None:
        owner.answered(one)
        one.done.add_done_callback(lambda _: settled.append(one.model_id))

    owner = Owner({IDS[0]: surprise, IDS[1]: slowly})
    answer, surprises = asked(owner, [forwarded(one) for one in IDS[:2]])
    assert (answer.status_code, settled, [str(one) for one in surprises]) == (500, [IDS[1]], ["planted"])
