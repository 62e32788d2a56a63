"""The HTTP server of a process: it takes so many connections, and ends on a signal or the first unexpected error."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp

from tensorfleet.http.addresses import ClientAddress, TrustedProxies
from tensorfleet.http.serving.bounded_protocol import BoundedProtocol
from tensorfleet.http.serving.connections import MOST_REFUSED, Connection, Connections
from tensorfleet.http.serving.listening import listening_sockets
from tensorfleet.http.serving.tls_listener import TlsListener
from tensorfleet.process import Lifeline
from tensorfleet.settings import Settings

_LOG = logging.getLogger(__name__)
_OTHER_FILES: Final = MOST_REFUSED + 256
"""Connections that are being refused, and those to the servers."""


class _Server(uvicorn.Server):
    """A signal only asks it to end. uvicorn's own handling raises the signal again, in the midst of our closing."""

    def __init__(self, config: uvicorn.Config, on_signal: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_signal = on_signal

    def speak(self, connections: Connections, place: Connection) -> BoundedProtocol:
        """What talks to a client that was not taken by uvicorn itself."""
        return BoundedProtocol(connections, place, config=self.config, server_state=self.server_state, app_state={})

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        yield


async def _nothing() -> None:
    pass


async def serve(
    app: ASGIApp,
    settings: Settings,
    lifeline: Lifeline,
    on_ending: Callable[[], None] = lambda: None,
    hand_over: Callable[[], Awaitable[None]] = _nothing,
) -> None:
    """Serve HTTP until a signal or the first unexpected error, which is raised. SettingsInvalid if HOST
    and PORT are none that this process can listen on.

    On a signal everything is served until `hand_over` returns; a second signal does not wait for it. From `on_ending`
    on nobody new is served, and requests under way still run.
    """

    def end() -> None:
        on_ending()
        server.should_exit = True
        if greeting is not None:
            greeting.cancel()

    async def end_when_handed_over() -> None:
        await hand_over()
        end()

    ending: asyncio.Task[None] | None = None
    greeting: asyncio.Task[None] | None = None

    def on_signal() -> None:
        nonlocal ending
        if ending is None:
            ending = lifeline.spawn(end_when_handed_over())
        else:
            end()

    proxies = TrustedProxies(settings.trusted_proxies)
    most = room_for(settings.max_connections)
    connections = Connections(most, settings.max_connections_per_address, proxies)
    lifeline.spawn(connections.run())
    config = _uvicorn_config(ClientAddress(app, proxies), settings, connections)
    server = _Server(config, on_signal)
    sockets = listening_sockets(settings.host, settings.port)
    if config.ssl is not None:
        listener = TlsListener(sockets, config.ssl, connections, partial(server.speak, connections))
        greeting = lifeline.spawn(listener.run())
    serving = asyncio.create_task(server.serve([] if greeting else sockets))
    failing = asyncio.create_task(lifeline.wait())
    done, _ = await asyncio.wait({serving, failing}, return_when=asyncio.FIRST_COMPLETED)
    if failing in done:
        end()
        await serving
        failing.result()
    failing.cancel()
    serving.result()


def _uvicorn_config(app: ASGIApp, settings: Settings, connections: Connections) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
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
    )
    config.load()
    return config


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
