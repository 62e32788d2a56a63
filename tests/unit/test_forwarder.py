"""Commands on their way to the owner: which go together, and that each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from services.command_api import wire
from services.command_api.forwarder import Forwarder, OwnerUnreachable
from services.command_api.forwarding import PATH
from services.command_api.submission import NotTheOwner, Receipt, Submission
from tensorfleet.domain.commands import ArchiveModel, ModelFields, UpdateModel
from tensorfleet.domain.errors import ModelNotFound
from tensorfleet.events.envelope import Position

MODEL_ID = "0" * 32
Answering = Callable[[wire.ForwardedCommand], dict[str, Any]]


def receipt_of(model_id: str) -> Receipt:
    return Receipt("ModelArchived", model_id, "n", "v1.0", None, "archived", None, Position(0, 7))


def submission(model_id: str = MODEL_ID, description: str | None = None) -> Submission:
    command = ArchiveModel() if description is None else UpdateModel(ModelFields(description=description))
    return Submission(model_id, "", command, "c", None, "a", None, asyncio.get_running_loop().create_future())


@asynccontextmanager
async def owner(answering: Answering, requests: list[int], surplus: int = 0) -> AsyncIterator[tuple[Forwarder, str]]:
    """`requests` gets the number of commands of each request; `surplus` answers nobody asked for are added."""

    async def take(request: web.Request) -> web.Response:
        commands = wire.load_forwarded(await request.read())
        requests.append(len(commands))
        answers = [answering(one) for one in commands]
        return web.json_response([*answers, *answers[:surplus]])

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post(PATH, take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    forwarder = Forwarder("token")
    try:
        yield forwarder, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await forwarder.close()
        await runner.cleanup()


def receipts(one: wire.ForwardedCommand) -> dict[str, Any]:
    return wire.dump_receipt(receipt_of(one.model_id))


def test_commands_of_one_moment_go_together_if_they_are_of_one_partition() -> None:
    async def run() -> None:
        requests: list[int] = []
        ids = [f"{number:032x}" for number in range(30)]
        async with owner(receipts, requests) as (forwarder, url):
            some = [forwarder.send(url, number % 3, submission(one), 5) for number, one in enumerate(ids)]
            assert [one.model_id for one in await asyncio.gather(*some)] == ids
            await forwarder.send(url, 0, submission(), 5)
        assert requests == [10, 10, 10, 1]

    asyncio.run(run())


def test_each_gets_its_own_answer() -> None:
    def answering(one: wire.ForwardedCommand) -> dict[str, Any]:
        if one.model_id == "1":
            return wire.dump_error(ModelNotFound("1"))
        return {wire.NOT_THE_OWNER: True} if one.model_id == "2" else receipts(one)

    async def run() -> None:
        requests: list[int] = []
        async with owner(answering, requests) as (forwarder, url):
            some = [forwarder.send(url, 0, submission(one), 5) for one in ("1", "2", "3")]
            missing, moved, done = await asyncio.gather(*some, return_exceptions=True)
        assert requests == [3]
        assert isinstance(missing, ModelNotFound) and missing.model_id == "1"
        assert isinstance(moved, NotTheOwner) and done == receipt_of("3")

    asyncio.run(run())


def test_what_is_too_much_for_one_request_goes_in_several() -> None:
    async def run() -> None:
        requests: list[int] = []
        async with owner(receipts, requests) as (forwarder, url):
            some = [forwarder.send(url, 0, submission(description="d" * 300_000), 5) for _ in range(8)]
            await asyncio.gather(*some)
        assert sorted(requests) == [2, 3, 3]

    asyncio.run(run())


def test_nobody_waits_for_an_owner_longer_than_his_time() -> None:
    async def run() -> None:
        async with owner(receipts, []) as (forwarder, url):
            with pytest.raises(OwnerUnreachable) as refused:
                await forwarder.send("http://127.0.0.1:1", 0, submission(), 5)
            with pytest.raises(OwnerUnreachable) as late:
                await forwarder.send(url, 0, submission(), 0)
        assert (refused.value.sent, late.value.sent) == (False, True)

    asyncio.run(run())


def test_an_answer_that_fits_no_question_is_no_answer_to_any() -> None:
    async def run() -> None:
        async with owner(receipts, [], surplus=1) as (forwarder, url):
            found = await asyncio.gather(
                *(forwarder.send(url, 0, submission(), 5) for _ in range(2)), return_exceptions=True
            )
        assert all(isinstance(one, ValueError) for one in found)

    asyncio.run(run())
