"""The process of a server: its socket, its signals, and connections that say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from framework_core.errors import PortTakenError, ServeError

BACKLOG = 2048


class Impatient(H11Protocol):
    """HTTP for clients that ask: a connection on which no request begins in time is closed."""

    silence: ClassVar[float]
    """Seconds."""

    def connection_made(self, transport: Any) -> None:
        """Give the client some time."""
        super().connection_made(transport)
        self._silence = self.loop.call_later(self.silence, self._close_silent)

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody is waited for."""
        self._silence.cancel()
        super().connection_lost(error)

    def _close_silent(self) -> None:
        began: Any = self.cycle
        if began is None:
            self.transport.close()


class Server(uvicorn.Server):
    """Ends when it is told to: what was asked is answered, and nothing more taken.

    Args:
        config: Of uvicorn.
        started: Called when it listens.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._tell()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End by Ctrl-C and by SIGTERM; a second one does not wait for anybody."""
        before = {each: signal.signal(each, self._stop) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: A name or an address of this machine.
        port: A port; 0 takes a free one.

    Raises:
        PortTakenError: The port is in use.
        ServeError: The host is not here.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(port, "fw serve MODEL") from error
        next_step = "Take another: --port 0 chooses a free one"
        cause = (error.strerror or str(error)).lower()
        possible = "A server listens on a free port of this machine."
        raise ServeError(f"{host}:{port}", cause, possible=possible, next_step=next_step) from error
    return found


def serve(app: Any, listening: socket.socket, *, silence: float, grace: int, started: Callable[[], None]) -> None:
    """Answer until a signal ends it.

    Args:
        app: The application.
        listening: Where it is asked.
        silence: Seconds in which a new connection has to ask for something.
        grace: Seconds that requests under way have at the end.
        started: Called when it listens.
    """
    _many_files()
    config = uvicorn.Config(
        app,
        http=type("Impatient", (Impatient,), {"silence": silence}),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
        backlog=BACKLOG,
    )
    server = Server(config, started)
    asyncio.run(server.serve(sockets=[listening]))


def _many_files() -> None:
    """As many open connections as the system lets this user have."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
