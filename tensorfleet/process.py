"""How a service process runs: logging, signals, the HTTP server, and the end on the first unexpected error."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar, cast

import uvicorn
from starlette.types import ASGIApp

from tensorfleet.domain.errors import Fatal
from tensorfleet.http.addresses import ClientAddress, TrustedProxies
from tensorfleet.http.bounded_protocol import BoundedProtocol
from tensorfleet.http.connections import MOST_REFUSED, Connections
from tensorfleet.interpreter import tune_interpreter
from tensorfleet.log_lines import JsonLines, TextLines
from tensorfleet.settings import Settings

_LOG = logging.getLogger(__name__)
Form = TypeVar("Form", bound=Settings)
_OTHER_FILES: Final = MOST_REFUSED + 256
"""Connections that are being refused, and those to the servers."""


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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
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


class _Server(uvicorn.Server):
    """A signal only asks it to end. uvicorn's own handling raises the signal again, in the midst of our closing."""

    def __init__(self, config: uvicorn.Config, on_ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ending = on_ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_end)
        yield

    def _ask_to_end(self) -> None:
        self._on_ending()
        self.should_exit = True


async def serve(
    app: ASGIApp, settings: Settings, lifeline: Lifeline, on_ending: Callable[[], None] = lambda: None
) -> None:
    """Serve HTTP until a signal or the first unexpected error, which is raised.

    `on_ending` is called on the signal or the error, while requests under way still run.
    """
    proxies = TrustedProxies(settings.trusted_proxies)
    most = room_for(settings.max_connections)
    connections = Connections(most, settings.max_connections_per_address, proxies)
    lifeline.spawn(connections.run())
    server = _Server(
        uvicorn.Config(
            ClientAddress(app, proxies),
            host=settings.host,
            port=settings.port,
            ssl_certfile=settings.tls_certificate_file,
            ssl_keyfile=settings.tls_key_file,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=8,
            http=cast(type[asyncio.Protocol], partial(BoundedProtocol, connections)),
            ws="none",
            proxy_headers=False,  # uvicorn would believe 127.0.0.1, and take what is no address for one
        ),
        on_ending,
    )
    serving = asyncio.create_task(server.serve())
    failing = asyncio.create_task(lifeline.wait())
    done, _ = await asyncio.wait({serving, failing}, return_when=asyncio.FIRST_COMPLETED)
    if failing in done:
        on_ending()
        server.should_exit = True
        await serving
        failing.result()
    failing.cancel()
    serving.result()


def room_for(connections: int) -> int:
    """Let the process open that many sockets, and files besides; fewer connections if the system forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _LOG.warning("MAX_CONNECTIONS is %d, but the limit of open files is %d", connections, hard)
    return max(1, min(connections, allowed - _OTHER_FILES))


def run(main: Callable[[Form], Coroutine[Any, Any, None]], load: Callable[[], Form]) -> None:
    """Load the settings, run `main`, and end with status 1 and one clear text for what is known to be fatal."""
    try:
        settings = load()
        configure_logging(settings)
        tune_interpreter()
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(main(settings))
    except Fatal as error:
        sys.stderr.write(f"\n{error.detail}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def configure_logging(settings: Settings) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel("ERROR")  # its warnings are one for each bad request that comes
    logging.getLogger("httpx").setLevel("WARNING")
