"""`ondol up`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import click

from ondol import __version__
from ondol.cli.main import settings_of
from ondol.cli.output import say
from ondol.cli.supervisor import STOP_SECONDS_MAX, Child, Stopped, listen, stop_all, stop_signals, wait_until_ready, watch
from ondol.core.config import Settings
from ondol.core.errors import DataFolderError, UserError
from ondol.infrastructure.storage.folder import open_folder

READY_SECONDS_MAX = 120.0
"""A first start takes seconds; a small machine with other work is given its time, and a worker that ends is noticed at once."""
CLEAN_UP_SECONDS = 10.0
"""What a worker needs beyond `http.drain_s` to stop."""


@click.command("up")
@click.option("--host", help="Address to listen on (http.host).")
@click.option("--port", type=int, help="Port to listen on (http.port).")
@click.option("--workers", type=int, help="HTTP workers (http.workers).")
@click.option("--demo/--no-demo", default=None, help="Create the demo tenant in an empty installation (demo).")
@click.pass_context
def command(context: click.Context, host: str | None, port: int | None, workers: int | None, demo: bool | None) -> None:
    """Start Postgres, HTTP workers and the job worker; stop all of it on Ctrl-C."""
    settings = settings_of(context, http__host=host, http__port=port, http__workers=workers, demo=demo)
    started = time.monotonic()
    with stop_signals():
        children: list[Child] = []
        stores: Any = None
        made: dict[str, Any] | None = None
        port_bound = settings.http.port
        try:
            folder = open_folder(settings.data_dir)
            listener = listen(settings.http)
            port_bound = listener.getsockname()[1]
            children = _children(context, settings, listener)
            for child in children:
                child.start()
            # Imported only now, so that the workers import their heavy parts at the same time.
            from ondol.wiring.stores import Stores

            stores = Stores(settings, folder)
            if not stores.acquire():
                raise DataFolderError(
                    f"The data folder {folder.root} is in use by process {stores.holder()}.", "Stop that one first, or set ONDOL_DATA_DIR."
                )
            say(f"Ondol {__version__}  ·  data in {folder.root}")
            _prepare(stores)
            for child in children:
                child.begin()
            made = _demo(context, settings)
            wait_until_ready(children, READY_SECONDS_MAX)
            say(f"  Ready in {time.monotonic() - started:.1f} s\n")
            _welcome(settings, port_bound, made)
            made = None
            watch(children, stores.is_alive, stores.start, say)
        except Stopped:
            say("\nStopping …")
        finally:
            if made is not None:
                # Its secrets exist nowhere else, so they are shown although something came in between.
                _welcome(settings, port_bound, made)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            stop_all(children, max(STOP_SECONDS_MAX, settings.http.drain_s + CLEAN_UP_SECONDS))
            if stores is not None:
                stores.stop()
    say("Stopped.")


def _children(context: click.Context, settings: Settings, listener: socket.socket) -> list[Child]:
    shared = _shared_options(context, settings)
    web = [
        Child(f"HTTP worker {number}", [*shared, "serve", "--socket-fd", str(listener.fileno())], [listener.fileno()], tells_ready=True)
        for number in range(1, settings.http.workers + 1)
    ]
    return [*web, Child("job worker", [*shared, "work"])]


def _shared_options(context: click.Context, settings: Settings) -> list[str]:
    config, _ = context.find_root().obj
    options = ["--data-dir", str(settings.data_dir)]
    return options if config is None else ["--config", str(config), *options]


def _prepare(stores: Any) -> None:
    began = time.monotonic()
    if stores.is_embedded and not stores.postgres.exists:
        say("  Postgres: making a new cluster …")
    stores.start()
    ran = stores.prepare()
    say(
        f"  Postgres {'ready' if stores.is_embedded else 'reached'} in {time.monotonic() - began:.1f} s"
        + (f", {len(ran)} migrations ran" if ran else "")
    )


def _demo(context: click.Context, settings: Settings) -> dict[str, Any] | None:
    """Let a child make the demo tenant if the installation has none; what it made, for the welcome."""
    if not settings.demo:
        return None
    command_line = [sys.executable, "-m", "ondol.cli.main", *_shared_options(context, settings), "demo", "--json"]
    process = subprocess.Popen(command_line, stdout=subprocess.PIPE, start_new_session=True)
    try:
        output, _ = process.communicate()
    except Stopped:
        process.terminate()
        process.wait()
        raise
    if process.returncode != 0:
        raise UserError("The demo tenant could not be made.", "The message above says why; `ondol up --no-demo` starts without it.")
    made: dict[str, Any] | None = json.loads(output or "null")
    return made


def _welcome(settings: Settings, port: int, made: dict[str, Any] | None) -> None:
    from ondol.wiring.stores import base_url

    address = base_url(settings, port)
    say(f"  {click.style(address, bold=True)}")
    if made is None:
        say("\n  Ctrl-C stops everything. `ondol user invite LOGIN` makes a new one-time sign-in, `ondol key create LOGIN` a key.\n")
        return
    say("\n  First sign-in, once, as the administrator of the demo tenant (shown this time only):")
    say(f"    {address}/welcome?code={made['code']}")
    say("\n  Ask it (the key belongs to the demo's website and reads public pages only):\n")
    for language, question in (("Korean", "환불은 며칠 안에 처리되나요?"), ("English", "How long does a refund take?")):
        body = json.dumps({"model": made["model"], "messages": [{"role": "user", "content": question}]}, ensure_ascii=False)
        say(f"    # {language}")
        say(f"    curl -s {address}/v1/chat/completions -H 'Authorization: Bearer {made['key']}' -H 'Content-Type: application/json' -d '{body}'\n")
    say("  Ctrl-C stops everything.\n")
