"""How garak is set up and run, with a small program in its place."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ondol.core.errors import UserError
from scripts.redteam.scan import CLOSED_PROXY, KEY_VARIABLE, PROBES, STAND_INS, ScanSettings, Target, configuration, environment, lines_of, scan

TARGET = Target("http://127.0.0.1:8700/v1", "assistant/help", "a-key")
PLAYER = """#!{python}
import json, pathlib, sys, time
config = json.loads(pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
probe = config["run"]["spec"]["include"][0].removeprefix("probes.")
with open("runs", "a") as runs:
    runs.write(probe + "\\n")
if probe == "slow.Probe":
    time.sleep(60)
report = pathlib.Path(config["reporting"]["report_dir"], config["reporting"]["report_prefix"] + ".report.jsonl")
prompts = config["run"]["soft_probe_prompt_cap"]
with report.open("a") as opened:
    for number in range(prompts):
        row = {{"entry_type": "attempt", "uuid": str(number), "status": 2, "probe_classname": probe, "outputs": [{{"text": "yes"}}]}}
        opened.write(json.dumps({{**row, "detector_results": {{"d.D": [1.0]}}}}) + "\\n")
        if probe == "broken.Probe":
            sys.exit(0)
    opened.write(json.dumps({{"entry_type": "eval", "probe": probe, "detector": "d.D", "fails": prompts, "total_evaluated": prompts}}) + "\\n")
"""


@pytest.fixture
def player(tmp_path: Path) -> Path:
    program = tmp_path / "player"
    program.write_text(PLAYER.format(python=sys.executable))
    program.chmod(0o755)
    return program


def runs(folder: Path) -> list[str]:
    return (folder / "runs").read_text().split()


def test_the_configuration_says_all_that_garak_must_know_and_no_key() -> None:
    settings = ScanSettings(probes=("dan.Dan_11_0",), prompts_each=5, parallel=3, seed=11)
    assert configuration(TARGET, "dan.Dan_11_0", settings, Path("here"), 4) == {
        "system": {"parallel_attempts": 3, "narrow_output": True, "lite": True},
        "run": {"seed": 11, "generations": 1, "soft_probe_prompt_cap": 4, "spec": {"include": ["probes.dan.Dan_11_0"]}},
        "plugins": {
            "target_type": "openai.OpenAICompatible",
            "target_name": "assistant/help",
            "generators": {
                "openai": {
                    "OpenAICompatible": {
                        "uri": "http://127.0.0.1:8700/v1/",
                        "max_tokens": 1024,
                        "temperature": 0,
                        "suppressed_params": ["n", "stop", "seed", "top_p", "frequency_penalty", "presence_penalty"],
                    }
                }
            },
        },
        "reporting": {"report_dir": "here", "report_prefix": "dan.Dan_11_0"},
    }


def test_garak_sees_nothing_of_our_environment_and_reaches_the_target_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "ours")
    seen = environment(Target("https://ai.example.com:8443/v1", "m", "theirs"), Path("home"))
    assert seen[KEY_VARIABLE] == "theirs" and "ours" not in seen.values()
    assert seen["no_proxy"] == seen["NO_PROXY"] == "127.0.0.1,localhost,::1,ai.example.com"
    assert {seen[name] for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")} == {CLOSED_PROXY}
    assert (seen["HF_HUB_OFFLINE"], seen["HF_HUB_DISABLE_TELEMETRY"], seen["PYTHONPATH"]) == ("1", "1", str(STAND_INS))
    assert {seen[name] for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")} == {"home", "home/cache", "home/data"}


def test_our_probes_are_named_once_and_ask_for_no_download() -> None:
    assert len(set(PROBES)) == len(PROBES)
    assert not [name for name in PROBES if name.startswith("sysprompt_extraction") or name.endswith("Full")]


def test_a_scan_goes_on_where_it_was_cut_off(player: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scan"
    settings = ScanSettings(probes=("a.A", "broken.Probe", "b.B"), prompts_each=2)
    assert scan(player, TARGET, settings, folder) == {"a.A": "finished", "broken.Probe": "failed", "b.B": "finished"}
    assert scan(player, TARGET, settings, folder) == {"a.A": "before", "broken.Probe": "failed", "b.B": "before"}
    assert runs(folder) == ["a.A", "broken.Probe", "b.B", "broken.Probe"]
    # What the broken one left behind was begun anew, not added to.
    assert len(list(lines_of(folder, ["broken.Probe"]))) == 1


def test_a_scan_stops_when_its_prompts_are_spent(player: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scan"
    settings = ScanSettings(probes=("a.A", "b.B", "c.C"), prompts_each=4, prompts_max=6)
    assert scan(player, TARGET, settings, folder) == {"a.A": "finished", "b.B": "finished", "c.C": "out_of_prompts"}
    assert len(list(lines_of(folder, ["b.B"]))) == 2 + 1


def test_a_scan_stops_when_its_time_is_over(player: Path, tmp_path: Path) -> None:
    settings = ScanSettings(probes=("slow.Probe", "a.A"), seconds_max=0.2)
    assert scan(player, TARGET, settings, tmp_path / "scan") == {"slow.Probe": "out_of_time", "a.A": "out_of_time"}


def test_a_folder_holds_one_scan_only(player: Path, tmp_path: Path) -> None:
    scan(player, TARGET, ScanSettings(probes=("a.A",)), tmp_path / "scan")
    for other in (ScanSettings(probes=("b.B",)), ScanSettings(probes=("a.A",), seed=8)):
        with pytest.raises(UserError):
            scan(player, TARGET, other, tmp_path / "scan")
    with pytest.raises(UserError):
        scan(player, TARGET, ScanSettings(probes=("a.A",)), tmp_path / "scan", ["ab" * 32])
    assert json.loads((tmp_path / "scan" / "scan.json").read_text())["model"] == "assistant/help"
