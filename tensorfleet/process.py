"""How a service process runs: settings, logging, what it does beside, and the end on the first unexpected error."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from tensorfleet.cancellation import cancel_all
from tensorfleet.domain.errors import Fatal
from tensorfleet.interpreter import tune_interpreter
from tensorfleet.log_lines import JsonLines, TextLines
from tensorfleet.settings import Settings

_LOG = logging.getLogger(__name__)
Form = TypeVar("Form", bound=Settings)


class Halt:
    """Why a part of this process stands still until an operator mends what is wrong; readiness shows it."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def because(self, error: Fatal) -> None:
        """The first reason counts."""
        if self.reason is None:
            self.reason = error.detail
            _LOG.critical("halted: %s", error.detail)

    async def check(self) -> str | None:
        return self.reason


class Lifeline:
    """Keeps the first unexpected error of any part; whoever waits on it ends the process with it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = loop.create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        loop.set_exception_handler(self._on_loop_error)

    def fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; if it raises, the process ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    async def wait(self) -> None:
        """Never returns; raises the first unexpected error."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        await cancel_all(self._tasks)
        self._failure.cancel()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def _on_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:
            _LOG.warning("event loop: %s", context["message"])
        else:
            self.fail(error)


def run(main: Callable[[Form], Coroutine[Any, Any, None]], load: Callable[[], Form]) -> NoReturn:
    """Load the settings, run `main`, and end: with status 1 and one clear text for what is known to be fatal, with
    status 1 and the traceback for everything else.

    Python would free all that is in memory, object by object, which takes seconds where very many commands are
    remembered; and whoever takes the process's place would wait. All is closed by then, so it ends at once.
    """
    status = 1
    try:
        settings = load()
        configure_logging(settings)
        tune_interpreter()
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(main(settings))
        status = 0
    except Fatal as error:
        sys.stderr.write(f"\n{error.detail}\n")
    except KeyboardInterrupt:
        status = 0
    except BaseException:
        traceback.print_exc()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def configure_logging(settings: Settings) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel("ERROR")  # its warnings are one for each bad request that comes
    logging.getLogger("httpx").setLevel("WARNING")
