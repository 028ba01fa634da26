"""`ondol serve`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import click

from ondol.cli.lifeline import on_end, tell_ready, wait_for_begin
from ondol.cli.main import settings_of
from ondol.core.config import Settings
from ondol.infrastructure.telemetry.logs import set_up_logging

GRACEFUL_SECONDS = 10


@click.command("serve")
@click.option("--host", help="Address to listen on (http.host).")
@click.option("--port", type=int, help="Port to listen on (http.port).")
@click.option("--socket-fd", type=int, hidden=True)
@click.option("--lifeline-fd", type=int, hidden=True)
@click.option("--ready-fd", type=int, hidden=True)
@click.pass_context
def command(context: click.Context, host: str | None, port: int | None, socket_fd: int | None, lifeline_fd: int | None, ready_fd: int | None) -> None:
    """Run one HTTP worker, for replicas beside a Postgres of your own. `ondol up` runs several with everything else."""
    settings = settings_of(context, http__host=host, http__port=port)
    set_up_logging(settings.log.level, settings.log.format)
    from ondol.wiring.http import open_worker  # noqa: F401 - heavy imports happen while Postgres starts

    if not wait_for_begin(lifeline_fd):
        return
    if socket_fd is None:
        from ondol.cli.supervisor import listen

        listener = listen(settings.http)
    else:
        listener = socket.socket(fileno=socket_fd)
    _run(settings, listener, lifeline_fd, ready_fd)


def _run(settings: Settings, listener: socket.socket, lifeline_fd: int | None, ready_fd: int | None) -> None:
    import uvicorn
    import uvloop

    from ondol.wiring.http import open_worker
    from ondol.wiring.platform import open_platform

    async def run() -> None:
        async with open_platform(settings) as platform, open_worker(platform, lambda: tell_ready(ready_fd)) as application:
            server = uvicorn.Server(
                uvicorn.Config(
                    application,
                    http="httptools",
                    lifespan="off",
                    access_log=False,
                    log_config=None,
                    server_header=False,
                    proxy_headers=False,
                    limit_concurrency=settings.http.connections_max,
                    timeout_graceful_shutdown=GRACEFUL_SECONDS,
                    ssl_certfile=settings.http.tls_certificate or None,
                    ssl_keyfile=settings.http.tls_key or None,
                )
            )
            on_end(lifeline_fd, lambda: setattr(server, "should_exit", True))
            await server.serve(sockets=[listener])

    if lifeline_fd is not None:
        # The terminal's Ctrl-C reaches the supervisor, which ends the lifeline; a worker must not stop on its own before that.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    if lifeline_fd is not None:
        # Everything is closed by now; taking the interpreter and its libraries down piece by piece would only delay the supervisor.
        os._exit(0)
