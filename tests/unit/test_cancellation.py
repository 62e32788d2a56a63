"""Tasks end, also where a library loses what ends them."""

import asyncio

from tensorfleet.cancellation import cancel_all


def test_a_task_that_loses_its_cancellation_is_cancelled_again() -> None:
    async def run() -> None:
        done = asyncio.get_running_loop().create_future()

        async def for_ever() -> None:
            await asyncio.wait_for(done, 60)
            await asyncio.sleep(60)

        task = asyncio.create_task(for_ever())
        await asyncio.sleep(0)
        done.set_result(None)
        async with asyncio.timeout(10):
            await cancel_all([task])
        assert task.cancelled()

    asyncio.run(run())


def test_errors_are_no_reason_to_stop() -> None:
    async def run() -> None:
        async def fails() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                raise RuntimeError("on its way out")

        tasks = [asyncio.create_task(one) for one in (fails(), asyncio.sleep(60), asyncio.sleep(0))]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await cancel_all(tasks)
        assert all(one.done() for one in tasks)

    asyncio.run(run())
