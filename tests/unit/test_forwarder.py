"""Commands on their way to the owner: which go together, and that each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from services.command_api import wire
from services.command_api.forwarder import Forwarder
from services.command_api.partition import MOST_IN_BATCH
from services.command_api.submission import NotTheOwner, OwnerUnreachable, Receipt, Submission
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
async def owner(
    answering: Answering,
    requests: list[int],
    *,
    surplus: int = 0,
    status: int = 200,
    gate: asyncio.Semaphore | None = None,
) -> AsyncIterator[tuple[Forwarder, str]]:
    """`requests` gets the number of commands of each request; `surplus` answers nobody asked for are added.

    Each is answered when `gate` lets it through.
    """

    async def take(request: web.Request) -> web.Response:
        commands = wire.load_forwarded(await request.read())
        requests.append(len(commands))
        if gate is not None:
            await gate.acquire()
        answers = [answering(one) for one in commands]
        return web.json_response([*answers, *answers[:surplus]], status=status)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post(wire.PATH, take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
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


def test_what_comes_while_the_owner_has_enough_to_do_goes_together() -> None:
    async def run() -> None:
        requests: list[int] = []
        gate = asyncio.Semaphore(0)
        async with owner(receipts, requests, gate=gate) as (forwarder, url):
            sending = [asyncio.ensure_future(forwarder.send(url, 0, submission(), 30))]
            while len(requests) < 1:
                await asyncio.sleep(0.001)
            sending.append(asyncio.ensure_future(forwarder.send(url, 0, submission(), 30)))
            while len(requests) < 2:
                await asyncio.sleep(0.001)
            for _ in range(5):
                sending.append(asyncio.ensure_future(forwarder.send(url, 0, submission(), 30)))
                await asyncio.sleep(0.001)
            other = asyncio.ensure_future(forwarder.send(url, 1, submission(), 30))
            while len(requests) < 3:
                await asyncio.sleep(0.001)
            sending[-1].cancel()
            for _ in range(4):
                gate.release()
            await asyncio.gather(*sending[:-1], other)
        assert requests == [1, 1, 1, 4]

    asyncio.run(run())


def test_each_gets_its_own_answer() -> None:
    answers: dict[str, dict[str, Any]] = {
        "1": wire.dump_error(ModelNotFound("1")),
        "2": {wire.NOT_THE_OWNER: True},
        "3": {wire.RECEIPT: {"of": "another release"}},
        "4": wire.dump_receipt(receipt_of("4")),
    }

    async def run() -> None:
        requests: list[int] = []
        async with owner(lambda one: answers[one.model_id], requests) as (forwarder, url):
            some = [forwarder.send(url, 0, submission(one), 5) for one in answers]
            missing, moved, unreadable, done = await asyncio.gather(*some, return_exceptions=True)
        assert requests == [4]
        assert isinstance(missing, ModelNotFound) and missing.model_id == "1"
        assert isinstance(moved, NotTheOwner) and isinstance(unreadable, ValueError)
        assert done == receipt_of("4")

    asyncio.run(run())


def test_what_is_too_much_for_one_request_goes_in_several() -> None:
    async def run() -> None:
        requests: list[int] = []
        async with owner(receipts, requests) as (forwarder, url):
            some = [forwarder.send(url, 0, submission(description="d" * 300_000), 5) for _ in range(8)]
            await asyncio.gather(*some)
            await asyncio.gather(*(forwarder.send(url, 0, submission(), 5) for _ in range(MOST_IN_BATCH + 1)))
        assert (sorted(requests[:3]), sorted(requests[3:])) == ([2, 3, 3], [1, MOST_IN_BATCH])

    asyncio.run(run())


@pytest.mark.parametrize(("status", "sent"), [(404, False), (400, False), (503, False), (500, True), (502, True)])
def test_only_what_is_refused_at_the_door_was_not_sent(status: int, sent: bool) -> None:
    async def run() -> None:
        async with owner(receipts, [], status=status) as (forwarder, url):
            some = [forwarder.send(url, 0, submission(), 5) for _ in range(2)]
            found = await asyncio.gather(*some, return_exceptions=True)
        assert [one.sent for one in found if isinstance(one, OwnerUnreachable)] == [sent, sent]

    asyncio.run(run())


def test_nobody_is_asked_who_does_not_listen_or_when_there_is_no_time_left() -> None:
    async def run() -> None:
        requests: list[int] = []
        async with owner(receipts, requests) as (forwarder, url):
            with pytest.raises(OwnerUnreachable) as refused:
                await forwarder.send("http://127.0.0.1:1", 0, submission(), 5)
            with pytest.raises(OwnerUnreachable) as late:
                await forwarder.send(url, 0, submission(), 0)
        assert (refused.value.sent, late.value.sent, requests) == (False, False, [])

    asyncio.run(run())


@asynccontextmanager
async def silent_owner() -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Event]]:
    """Its address; when it was asked; when the connection was given up."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked, left


def test_a_silent_owner_loses_its_connection_when_the_last_has_given_up() -> None:
    async def run() -> None:
        async with silent_owner() as (url, asked, left):
            forwarder = Forwarder("token")
            first, last = (asyncio.ensure_future(forwarder.send(url, 0, submission(), 60)) for _ in range(2))
            await asyncio.wait_for(asked.wait(), 10)
            first.cancel()
            await asyncio.wait([first])
            assert not last.done() and not left.is_set()
            last.cancel()
            await asyncio.wait_for(left.wait(), 10)
            await forwarder.close()

    asyncio.run(run())


def test_who_waits_when_it_ends_is_told() -> None:
    async def run() -> None:
        async with silent_owner() as (url, asked, _):
            forwarder = Forwarder("token")
            waiting = asyncio.ensure_future(forwarder.send(url, 0, submission(), 60))
            await asyncio.wait_for(asked.wait(), 10)
            await forwarder.close()
            with pytest.raises(OwnerUnreachable) as ended:
                await asyncio.wait_for(waiting, 10)
            assert ended.value.sent

    asyncio.run(run())


def test_an_answer_that_fits_no_question_is_no_answer_to_any() -> None:
    async def run() -> None:
        async with owner(receipts, [], surplus=1) as (forwarder, url):
            found = await asyncio.gather(
                *(forwarder.send(url, 0, submission(), 5) for _ in range(2)), return_exceptions=True
            )
        assert all(isinstance(one, ValueError) for one in found)

    asyncio.run(run())
