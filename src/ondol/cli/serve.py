"""`ondol serve`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ondol.cli.lifeline import on_end, tell_ready, wait_for_begin
from ondol.cli.main import live_settings_of
from ondol.core.config import HttpSettings
from ondol.infrastructure.telemetry.logs import set_up_logging

if TYPE_CHECKING:
    from ondol.infrastructure.gateway.server import Certificates, Limits, TrustedProxies
    from ondol.wiring.live_settings import LiveSettings


@click.command("serve")
@click.option("--host", help="Address to listen on (http.host).")
@click.option("--port", type=int, help="Port to listen on (http.port).")
@click.option("--socket-fd", type=int, hidden=True)
@click.option("--lifeline-fd", type=int, hidden=True)
@click.option("--ready-fd", type=int, hidden=True)
@click.pass_context
def command(context: click.Context, host: str | None, port: int | None, socket_fd: int | None, lifeline_fd: int | None, ready_fd: int | None) -> None:
    """Run one HTTP worker, for replicas beside a Postgres of your own. `ondol up` runs several with everything else."""
    live = live_settings_of(context, http__host=host, http__port=port)
    follow_log_settings(live)
    from ondol.wiring.http import open_worker  # noqa: F401 - heavy imports happen while Postgres starts

    if not wait_for_begin(lifeline_fd):
        return
    if socket_fd is None:
        from ondol.cli.supervisor import listen

        listener = listen(live.now.http)
    else:
        listener = socket.socket(fileno=socket_fd)
    _run(live, listener, lifeline_fd, ready_fd)


def follow_log_settings(live: LiveSettings) -> None:
    """Log as the settings say, now and when they change."""
    set_up_logging(live.now.log.level, live.now.log.format)
    live.follow(lambda settings: settings.log, lambda log: partial(set_up_logging, log.level, log.format))


def _run(live: LiveSettings, listener: socket.socket, lifeline_fd: int | None, ready_fd: int | None) -> None:
    import uvloop

    from ondol.infrastructure.gateway.gauges import server_gauges
    from ondol.infrastructure.gateway.server import Server
    from ondol.wiring.http import open_worker
    from ondol.wiring.platform import open_platform

    http = live.now.http
    limits, tls, proxies = _server_settings(http)

    async def run() -> None:
        stop = asyncio.Event()
        on_end(lifeline_fd, stop.set)
        for number in (signal.SIGTERM,) if lifeline_fd is not None else (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with open_platform(live) as platform, open_worker(platform, lambda: tell_ready(ready_fd)) as handler:
            server = Server(handler, [listener], limits, tls, proxies, shares=lifeline_fd is not None and http.workers > 1)
            await server.start()
            server.grant(_limits(live.now.http), _proxies(live.now.http))  # they may have changed while the rest was opened
            live.follow(lambda settings: settings.http, lambda changed: partial(server.grant, _limits(changed), _proxies(changed)))
            handler.observer.gauges(server_gauges(server.counters, lambda: server.connections_open))
            await stop.wait()
            await server.drain(http.drain_s)

    if lifeline_fd is not None:
        # The terminal's Ctrl-C reaches the supervisor, which ends the lifeline; a worker must not stop on its own before that.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    if lifeline_fd is not None:
        # Everything is closed by now; taking the interpreter and its libraries down piece by piece would only delay the supervisor.
        os._exit(0)


def _server_settings(http: HttpSettings) -> tuple[Limits, Certificates | None, TrustedProxies]:
    """The server's limits, certificate and trusted proxies.

    Raises:
        SettingsError: a file or a network cannot be used.
    """
    from ondol.infrastructure.gateway.server import Certificates

    tls = Certificates(Path(http.tls_certificate), Path(http.tls_key)) if http.tls_certificate else None
    return _limits(http), tls, _proxies(http)


def _limits(http: HttpSettings) -> Limits:
    from ondol.infrastructure.gateway.server import Limits

    return Limits(
        connections_max=http.connections_max,
        header_timeout_s=http.header_timeout_s,
        idle_timeout_s=http.idle_timeout_s,
        body_timeout_s=http.body_timeout_s,
    )


def _proxies(http: HttpSettings) -> TrustedProxies:
    from ondol.infrastructure.gateway.server import TrustedProxies

    return TrustedProxies(http.trusted_proxies.split(","))
