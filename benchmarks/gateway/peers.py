"""What runs beside us: nginx as a bare proxy, Portkey and LiteLLM, installed into the user's cache folder on first use."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.gateway.prompts import body_of
from benchmarks.gateway.stand import NotStarted, Side, answers, free_ports, is_listening, running, wait_for
from benchmarks.gateway.stub import ANSWERS, whole_answer
from benchmarks.ground.processes import family_of
from benchmarks.installed import NotInstalled, cache_folder, installed_npm, installed_python
from scripts.assets import node_programs

PEERS: Final = ("nginx", "portkey", "litellm")
WORKERS: Final = 2
Sides: TypeAlias = dict[str, Side]
"""A peer's way in, by the model that is asked for."""
_CREDENTIAL: Final = "sk-of-the-stub-0123456789abcdef"
_HERE: Final = Path(__file__).parent
_NGINX: Final = """
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error.log warn;
worker_processes {workers};
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  keepalive_requests 1000000000;
  tcp_nodelay on;
{body}
}}
"""


@contextlib.contextmanager
def nginx_stub(folder: Path) -> Iterator[int]:
    """An upstream that returns whole answers, the cheapest there is; its port.

    Raises:
        NotStarted: when nginx is not installed.
    """
    port = free_ports(1)[0]
    shares = "".join(f"    {100 / len(ANSWERS):.2f}% '{whole_answer(text).decode()}';\n" for text in ANSWERS[:-1])
    answer = f"  split_clients \"$connection.$connection_requests\" $answer {{\n{shares}    * '{whole_answer(ANSWERS[-1]).decode()}';\n  }}\n"
    serve = f"  server {{ listen 127.0.0.1:{port} backlog=4096; default_type application/json; location / {{ return 200 $answer; }} }}"
    with _nginx(folder, "stub", 1, answer + serve, port):
        yield port


@contextlib.contextmanager
def nginx_proxy(folder: Path, upstreams: Mapping[str, int]) -> Iterator[Sides]:
    """nginx as a bare proxy: kept connections on both sides, no log, nothing held back.

    Raises:
        NotStarted: when nginx is not installed.
    """
    ports = dict(zip(upstreams, free_ports(len(upstreams)), strict=True))
    body = "".join(
        f"  upstream {model} {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}\n"
        f"  server {{ listen 127.0.0.1:{ports[model]} reuseport backlog=4096; location / {{ proxy_pass http://{model}; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; proxy_buffering off; } }\n'
        for model, upstream in upstreams.items()
    )
    with _nginx(folder, "proxy", WORKERS, body, next(iter(ports.values()))) as process:
        yield {model: Side("nginx", port, {}, model, lambda: family_of(process.pid)) for model, port in ports.items()}


@contextlib.contextmanager
def _nginx(folder: Path, name: str, workers: int, body: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NotStarted("nginx is not installed: apt-get install nginx-light")
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / f"{name}.conf"
    configuration.write_text(_NGINX.format(folder=folder, name=name, workers=workers, user=user, body=body), "utf-8")
    log = folder / f"nginx-{name}.log"
    with running([program, "-p", folder.as_posix(), "-c", configuration.as_posix()], log) as process:
        wait_for(lambda: is_listening(port), process, "nginx", log)
        yield process


def _installed(install: Callable[[], Path]) -> Path:
    try:
        return install()
    except NotInstalled as error:
        raise NotStarted(str(error)) from None


@contextlib.contextmanager
def portkey(folder: Path, upstreams: Mapping[str, int]) -> Iterator[Sides]:
    """Portkey's gateway with nothing on, in as many processes as we have.

    Raises:
        NotStarted: when it cannot be installed or does not answer.
    """
    program = _installed(lambda: installed_npm(_HERE / "portkey")) / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    node, _ = node_programs()
    port = free_ports(1)[0]
    log = folder / "portkey.log"
    told = {"authorization": f"Bearer {_CREDENTIAL}", "x-portkey-provider": "openai"}
    headers = {model: {**told, "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"} for model, upstream in upstreams.items()}
    first = next(iter(upstreams))
    command = [node.as_posix(), (_HERE / "portkey" / "workers.cjs").as_posix(), program.as_posix(), str(port), str(WORKERS)]
    with running(command, log, {"NODE_ENV": "production"}) as process:
        wait_for(lambda: answers(port, body_of(first, "Hello"), headers[first]), process, "Portkey", log)
        yield {model: Side("Portkey", port, headers[model], model, lambda: family_of(process.pid)) for model in upstreams}


@contextlib.contextmanager
def litellm(folder: Path, upstreams: Mapping[str, int]) -> Iterator[Sides]:
    """LiteLLM's proxy without keys, database and guards, in as many processes as we have.

    Raises:
        NotStarted: when it cannot be installed or does not answer.
    """
    program = _installed(lambda: installed_python("litellm")) / "bin" / "litellm"
    port = free_ports(1)[0]
    log, configuration = folder / "litellm.log", folder / "litellm.yaml"
    models = "".join(
        f"  - model_name: {model}\n    litellm_params:\n      model: openai/{model}\n"
        f"      api_base: http://127.0.0.1:{upstream}/v1\n      api_key: {_CREDENTIAL}\n"
        for model, upstream in upstreams.items()
    )
    settings = "litellm_settings:\n  telemetry: false\ngeneral_settings:\n  dangerously_permit_weak_or_unset_master_key: true\n"
    configuration.write_text(f"model_list:\n{models}{settings}", "utf-8")
    first = next(iter(upstreams))
    environment = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    options = ["--config", configuration.as_posix(), "--host", "127.0.0.1", "--port", str(port), "--num_workers", str(WORKERS)]
    options += ["--run_gunicorn"]  # uvicorn's own supervisor ends workers that are merely busy
    with running([program.as_posix(), *options], log, environment, stop_s=0.5) as process:  # gunicorn waits half a minute for kept connections
        wait_for(lambda: answers(port, body_of(first, "Hello"), {}), process, "LiteLLM", log)
        yield {model: Side("LiteLLM", port, {}, model, lambda: family_of(process.pid)) for model in upstreams}


def versions() -> dict[str, str]:
    """What is installed, by name."""
    found = {}
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program:
        told = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
        found["nginx"] = told.strip().rpartition("/")[2]
    for place in (cache_folder() / "litellm").glob("lib/python*/site-packages/litellm-*.dist-info"):
        found["litellm"] = place.name.removeprefix("litellm-").removesuffix(".dist-info")
    package = cache_folder() / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "package.json"
    if package.is_file():
        found["portkey"] = json.loads(package.read_text("utf-8"))["version"]
    return found
