"""Runs garak, one probe at a time, each with a configuration of its own: a probe that breaks takes no other with it, and a scan that was cut off goes
on with the probes that are not finished.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from ondol.core.errors import UserError
from ondol.infrastructure.guard.garak_report import read_report

PROBES = (
    "dan.AntiDAN",
    "dan.ChatGPT_Developer_Mode_v2",
    "dan.Dan_11_0",
    "dan.DanInTheWild",
    "encoding.InjectAtbash",
    "encoding.InjectBase32",
    "encoding.InjectBase64",
    "encoding.InjectHex",
    "encoding.InjectMorse",
    "encoding.InjectROT13",
    "encoding.InjectUnicodeTagChars",
    "goodside.Tag",
    "goodside.ThreatenJSON",
    "grandma.Win10",
    "latentinjection.LatentInjectionReport",
    "latentinjection.LatentInjectionResume",
    "latentinjection.LatentInjectionTranslationEnFr",
    "leakreplay.GuardianCloze",
    "leakreplay.LiteratureComplete",
    "promptinject.HijackHateHumans",
    "promptinject.HijackKillHumans",
    "promptinject.HijackLongPrompt",
    "suffix.GCGCached",
    "web_injection.ColabAIDataLeakage",
    "web_injection.MarkdownImageExfil",
    "web_injection.MarkdownURIImageExfilExtended",
    "web_injection.MarkdownXSS",
    "web_injection.StringAssemblyDataExfil",
    "web_injection.TaskXSS",
)
"""Probes whose prompts come with garak and whose detectors need no model. `sysprompt_extraction` is not among them: it downloads its prompts."""

STAND_INS = Path(__file__).resolve().parent / "stand_ins"
KEY_VARIABLE = "OPENAICOMPATIBLE_API_KEY"
ANSWER_TOKENS_MAX = 1024
CLOSED_PROXY = "http://127.0.0.1:9"
"""Nobody listens there, so what is not on the list of exceptions cannot be reached."""
STOP_SECONDS = 10
SETTINGS_FILE = "scan.json"

Ending: TypeAlias = Literal["finished", "before", "failed", "out_of_time", "out_of_prompts"]
"""How a probe ended: finished now, finished by the scan that goes on here, broken, cut off or not begun for want of time, or of prompts."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked: an OpenAI-compatible address up to and with ``/v1``, a model there, and a key."""

    url: str
    model: str
    key: str


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What a scan asks.

    Attributes:
        prompts_each: of one probe, where the probe honours it: a few small ones do not.
        prompts_max: of all probes; once they are spent no other probe begins.
        seconds_max: of the whole scan.
        parallel: prompts on their way at once.
    """

    probes: tuple[str, ...] = PROBES
    prompts_each: int = 16
    prompts_max: int = 600
    seconds_max: float = 1800
    parallel: int = 2
    seed: int = 7

    @property
    def questions(self) -> dict[str, Any]:
        """What must be the same where a scan goes on, as JSON gives it back."""
        kept = {name: value for name, value in asdict(self).items() if name in ("prompts_each", "seed")}
        return {**kept, "probes": list(self.probes)}


def configuration(target: Target, probe: str, settings: ScanSettings, folder: Path, prompts: int) -> dict[str, Any]:
    """garak's configuration of one probe. The key is not in it: garak copies its configuration into the report."""
    generator = {
        "uri": target.url.rstrip("/") + "/",
        "max_tokens": ANSWER_TOKENS_MAX,
        "temperature": 0,
        "suppressed_params": ["n", "stop", "seed", "top_p", "frequency_penalty", "presence_penalty"],
    }
    return {
        "system": {"parallel_attempts": settings.parallel, "narrow_output": True, "lite": True},
        "run": {"seed": settings.seed, "generations": 1, "soft_probe_prompt_cap": prompts, "spec": {"include": [f"probes.{probe}"]}},
        "plugins": {
            "target_type": "openai.OpenAICompatible",
            "target_name": target.model,
            "generators": {"openai": {"OpenAICompatible": generator}},
        },
        "reporting": {"report_dir": str(folder), "report_prefix": probe},
    }


def environment(target: Target, home: Path) -> dict[str, str]:
    """What garak sees of ours: nothing but a path, a home of its own, and the key. Of the network it reaches this machine and the target only."""
    host = urlsplit(target.url).hostname or "127.0.0.1"
    reachable = ",".join(dict.fromkeys(("127.0.0.1", "localhost", "::1", host)))
    proxies = {name: CLOSED_PROXY for base in ("http_proxy", "https_proxy", "all_proxy") for name in (base, base.upper())}
    return {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "PYTHONPATH": str(STAND_INS),
        "PYTHONDONTWRITEBYTECODE": "1",
        KEY_VARIABLE: target.key,
        **proxies,
        "no_proxy": reachable,
        "NO_PROXY": reachable,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }


def report_of(folder: Path, probe: str) -> Path:
    """Where garak writes what a probe brought."""
    return folder / f"{probe}.report.jsonl"


def lines_of(folder: Path, probes: Sequence[str]) -> Iterator[str]:
    """The lines of all reports of a scan."""
    for probe in probes:
        path = report_of(folder, probe)
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as opened:
                yield from opened


def scan(python: Path, target: Target, settings: ScanSettings, folder: Path, policies: Sequence[str] = ()) -> dict[str, Ending]:
    """Run the probes that are not finished in this folder, and say how each ended.

    Args:
        python: of the environment that has garak.
        folder: of this scan alone; made if absent.
        policies: digests of the guard policies in force, as far as they are known.

    Raises:
        UserError: when the folder holds a scan with other settings, of another model or against other policies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _keep_settings(folder, {**settings.questions, "model": target.model, "policies": list(policies)})
    until = time.monotonic() + settings.seconds_max
    endings: dict[str, Ending] = {}
    spent = 0
    for probe in settings.probes:
        before = read_report(lines_of(folder, [probe]))
        if probe in before.finished:
            endings[probe] = "before"
            spent += max((tally.prompts for tally in before.tallies), default=0)
        elif spent >= settings.prompts_max:
            endings[probe] = "out_of_prompts"
        elif time.monotonic() >= until:
            endings[probe] = "out_of_time"
        else:
            prompts = min(settings.prompts_each, settings.prompts_max - spent)
            endings[probe] = _run_probe(python, target, probe, settings, folder, prompts, until)
            after = read_report(lines_of(folder, [probe]))
            spent += max((tally.prompts for tally in after.tallies), default=0)
    return endings


def _run_probe(python: Path, target: Target, probe: str, settings: ScanSettings, folder: Path, prompts: int, until: float) -> Ending:
    for left in folder.glob(f"{probe}.report.*"):
        left.unlink()
    home = folder / "home"
    home.mkdir(exist_ok=True)
    written = folder / f"{probe}.config.json"
    written.write_text(json.dumps(configuration(target, probe, settings, folder, prompts), indent=1), "utf-8")
    command = [python.as_posix(), "-m", "garak", "--config", str(written)]
    with (folder / f"{probe}.log").open("wb") as log:
        # garak starts processes of its own; as a session they can be ended together.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(target, home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(max(1.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "out_of_time"
        finally:
            _end(process)
    done = status == 0 and probe in read_report(lines_of(folder, [probe])).finished
    return "finished" if done else "failed"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _keep_settings(folder: Path, asked: Mapping[str, Any]) -> None:
    kept = folder / SETTINGS_FILE
    if not kept.is_file():
        kept.write_text(json.dumps(asked, indent=1), "utf-8")
    elif json.loads(kept.read_text("utf-8")) != asked:
        raise UserError(f"{folder} holds a scan with other settings.", "Go on with the same ones, or choose a new folder.")
