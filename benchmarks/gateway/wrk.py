"""Load by wrk: as many requests as a number of connections can have answered, each request another one."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.prompts import Halves, body_of
from benchmarks.gateway.stand import NotStarted, Side, answers, cpu_seconds

CONNECTIONS = 32
STREAM_CONNECTIONS = 128
"""With 32, streams that last 60 ms at least could not be more than 530 a second. LiteLLM keeps to 32: it does less with more."""
SETTLE_SECONDS_MAX = 30.0
_LUA = """
local head, before, after = %(head)s, %(before)s, %(after)s
local sets = {{%(korean_firsts)s, %(korean_seconds)s}, {%(english_firsts)s, %(english_seconds)s}}
local number = 0
local fixed = #before + 1 + #after

function init(arguments)
  number = tonumber(arguments[1])
end

function request()
  number = number + 1
  local set = sets[number %% 2 + 1]
  local place = math.floor(number / 2)
  local first = set[1][place %% #set[1] + 1]
  local second = set[2][math.floor(place / #set[1]) %% #set[2] + 1]
  return head .. (fixed + #first + #second) .. "\\r\\n\\r\\n" .. before .. first .. " " .. second .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{"requests":%%d,"seconds":%%.6f,"bytes":%%d,"failed":%%d,"refused":%%d,"late":%%d,"p50_us":%%.0f,"p99_us":%%.0f}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes, errors.connect + errors.read + errors.write, errors.status, errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """One round of one side.

    Attributes:
        answered: answers in all.
        per_s: answers a second.
        bytes_each: received for each answer.
        failed: connections that broke, and answers that are not 2xx.
        cpu_us: processor time of the side for each answer, in microseconds.
    """

    answered: int
    per_s: float
    bytes_each: float
    failed: int
    p50_ms: float
    p99_ms: float
    cpu_us: float


def wrk_program() -> str:
    """Where wrk is.

    Raises:
        NotStarted: when it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise NotStarted("wrk is not installed: apt-get install wrk")
    return found


def write_script(folder: Path, side: Side, halves: Halves, *, stream: bool) -> Path:
    """The Lua script that makes the requests for one side."""
    told = {"host": f"127.0.0.1:{side.port}", "content-type": "application/json", **side.headers}
    head = "POST /v1/chat/completions HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "content-length: "
    asked = ',"stream":true,"stream_options":{"include_usage":true}' if stream else ""
    sets = {"korean": halves.korean, "english": halves.english}
    lists = {f"{name}_{part}": _lua_list(texts) for name, pair in sets.items() for part, texts in zip(("firsts", "seconds"), pair, strict=True)}
    before = f'{{"model":{json.dumps(side.model)}{asked},"messages":[{{"role":"user","content":"'
    script = folder / f"{side.name.replace(' ', '-')}{'-stream' if stream else ''}.lua"
    script.write_text(_LUA % {"head": _lua_text(head), "before": _lua_text(before), "after": _lua_text('"}]}'), **lists}, "utf-8")
    return script


def load(side: Side, script: Path, seconds: float, *, connections: int = CONNECTIONS, number: int = 0) -> Load:
    """One round. `number` begins the numbers of the prompts: another round asks other things.

    Raises:
        NotStarted: when wrk is not installed or does not run.
    """
    process_ids = side.process_ids()
    before = cpu_seconds(process_ids)
    command = [wrk_program(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", script.as_posix()]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{side.port}", "--", str(number)], capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    if done.returncode != 0:
        raise NotStarted(f"wrk failed: {done.stderr.strip()[:300]}")
    spent = cpu_seconds(process_ids) - before
    _wait_for_rest(side)
    told = json.loads(done.stdout.strip().splitlines()[-1])
    answered = max(1, told["requests"] - told["refused"])
    return Load(
        answered=answered,
        per_s=(told["requests"] - told["refused"]) / told["seconds"],
        bytes_each=told["bytes"] / answered,
        failed=told["failed"] + told["refused"],
        p50_ms=told["p50_us"] / 1e3,
        p99_ms=told["p99_us"] / 1e3,
        cpu_us=spent / answered * 1e6,
    )


def _wait_for_rest(side: Side) -> None:
    """Wait until a side has done with what wrk left behind: the next one shall not pay for it."""
    until = time.monotonic() + SETTLE_SECONDS_MAX
    while not answers(side.port, body_of(side.model, "Hello"), side.headers) and time.monotonic() < until:
        time.sleep(0.05)


def _lua_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
    return f'"{escaped}"'


def _lua_list(texts: list[str]) -> str:
    return "{" + ",".join(_lua_text(json.dumps(text, ensure_ascii=False)[1:-1]) for text in texts) + "}"
