from __future__ import annotations

import os
import typing
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from ondol.core.config import SettingRow, Settings, differing, live_part, load_settings, setting_rows, type_name, value_of
from ondol.core.errors import SettingsError

ROWS = {row.name: row for row in setting_rows()}
SECRET = "hunter2-hunter2"


def other_value(row: SettingRow) -> Any:
    """A value that is not the default, as YAML would hold it."""
    if typing.get_origin(row.type) is Literal:
        return next(choice for choice in typing.get_args(row.type) if choice != row.default)
    if row.type is bool:
        return not row.default
    if row.type is int:
        return int(str(row.default)) + 1
    return "other" if row.pattern else "other/place"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ondol.yaml"


@pytest.mark.parametrize("name", ROWS)
def test_every_setting_is_read_from_the_file_the_environment_and_an_option(name: str, file: Path) -> None:
    row = ROWS[name]
    raw = other_value(row)
    wanted = Path(raw) if row.type is Path else raw
    nested: Any = raw
    for part in reversed(name.split(".")):
        nested = {part: nested}
    for written in (nested, {name: raw}):
        file.write_text(yaml.safe_dump(written))
        assert value_of(load_settings(file, {}), name) == wanted
    for variable in row.variables:
        assert value_of(load_settings(None, {variable: str(raw)}), name) == wanted
    assert value_of(load_settings(None, {}, {name: raw}), name) == wanted
    assert value_of(load_settings(None, {row.variables[0]: ""}), name) == row.default == value_of(Settings(), name)
    assert row.help.endswith((".", ").", "?"))
    assert type_name(row.type)
    assert row.variables[0] == "ONDOL_" + name.upper().replace(".", "_")


@pytest.mark.parametrize("name", ROWS)
def test_what_is_live_may_be_in_force_and_the_rest_waits(name: str, file: Path) -> None:
    row = ROWS[name]
    file.write_text(yaml.safe_dump({name: other_value(row)}))
    read = load_settings(file, {})
    assert differing(Settings(), read) == [row]
    merged = live_part(Settings(), read)
    assert differing(Settings(), merged) == ([row] if row.live else [])
    assert differing(merged, read) == ([] if row.live else [row])


def test_what_is_opened_once_is_not_live() -> None:
    waits = {name for name, row in ROWS.items() if not row.live}
    assert waits >= {"data_dir", "http.host", "http.port", "http.workers", "database.url", "storage.blobs_url", "keys.provider"}


def test_the_later_source_wins(file: Path) -> None:
    file.write_text("http: {port: 1, host: file}\nmodel: {api_key: file}\n")
    environment = {"ONDOL_HTTP_PORT": "2", "OPENAI_API_KEY": "second", "ONDOL_CONFIG": str(file)}
    read = load_settings(None, environment, {"http.port": None})
    assert (read.http.port, read.http.host, read.model.api_key) == (2, "file", "second")
    read = load_settings(None, {**environment, "ONDOL_MODEL_API_KEY": "first"}, {"http.port": 3})
    assert (read.http.port, read.model.api_key) == (3, "first")


def test_an_absent_file_matters_only_when_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}) == Settings()
    for file, environment in ((tmp_path / "no.yaml", {}), (None, {"ONDOL_CONFIG": "no.yaml"}), (tmp_path, {})):
        with pytest.raises(SettingsError, match="does not exist"):
            load_settings(file, environment)
    (tmp_path / "ondol.yaml").write_text("demo: false\n")
    assert load_settings(None, {}) == Settings(demo=False)
    (tmp_path / "ondol.yaml").write_text("# nothing\n")
    assert load_settings(None, {}) == Settings()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("http: {prot: 1}", "unknown setting `http.prot`", "Did you mean `http.port`?"),
        ("prot: 1", "unknown setting `prot`", "port`?"),
        ("data_dri: x", "unknown setting `data_dri`", "Did you mean `data_dir`?"),
        ("zzzz: 1", "unknown setting `zzzz`", "`ondol config reference` lists every setting."),
        ("1: 1", "unknown setting `1`", ""),
        ("http: 8700", "`http` is a section", "host, port"),
        ("- http", "must hold names and values", ""),
        ("http: {port: '80 80'}", "not a whole number", "8700"),
        ("http: {port: 1.5}", "not a whole number", ""),
        ("http: {port: true}", "not a whole number", ""),
        ("http: {port: -1}", "is -1", "at least 0"),
        ("http: {port: 65536}", "is 65536", "at most 65535"),
        ("database: {role_prefix: My Ondol}", "'My Ondol'", "the default is ondol"),
        ("database: {role_prefix: pg_ondol}", "'pg_ondol'", ""),
        (f"database: {{role_prefix: {'o' * 41}}}", "'ooo", ""),
        ("http: {host: 127}", "not text", "quotes"),
        ("http: {host: }", "not text", "quotes"),
        ("demo: perhaps", "'perhaps'", "true or false"),
        ("log: {level: loud}", "'loud'", "debug, info, warning, error"),
        ("log: {level: [info]}", "['info']", ""),
        ("http: {port: 1", "not valid YAML at line 1", ""),
        ("a: \x00", "not valid YAML", ""),
    ],
)
def test_a_slip_is_told_with_its_place_and_the_way_out(text: str, message: str, hint: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert str(file) in caught.value.message


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.type is int])
def test_every_number_is_bounded(name: str) -> None:
    row = ROWS[name]
    assert row.low is not None
    assert row.high is not None
    assert row.low <= int(str(row.default)) <= row.high
    for number, word in ((row.low - 1, "at least"), (row.high + 1, "at most")):
        with pytest.raises(SettingsError) as caught:
            load_settings(None, {row.variables[0]: str(number)})
        assert word in caught.value.hint
    for number in (row.low, row.high):
        assert value_of(load_settings(None, {row.variables[0]: str(number)}), name) == number


def test_a_slip_in_a_variables_name_is_told_and_its_value_is_not() -> None:
    for variable, hint in (
        ("ONDOL_HTTP_PROT", "Did you mean ONDOL_HTTP_PORT?"),
        ("ONDOL_DATADIR", "Did you mean ONDOL_DATA_DIR?"),
        ("ONDOL_DATABASE_URI", "Did you mean ONDOL_DATABASE_URL?"),
        ("ONDOL_XXXXXXXXXXXXXXXXXX", "`ondol config reference`"),
        ("ONDOL_PORT", "ONDOL_"),
        ("ONDOL_", ""),
    ):
        with pytest.raises(SettingsError) as caught:
            load_settings(None, {variable: SECRET})
        assert f"{variable}, which" in caught.value.message
        assert hint in caught.value.hint
        assert SECRET not in caught.value.message + caught.value.hint
    assert load_settings(None, {"ONDOL_HTTP_PROT": ""}) == Settings()
    assert load_settings(None, {"ONDOL_ASK_TENANT": "x"}, other_variables={"ONDOL_ASK_TENANT"}) == Settings()


def test_variables_of_others_are_left_alone() -> None:
    links = {
        "ONDOL_SERVICE_HOST": "10.0.0.1",
        "ONDOL_SERVICE_PORT": "8700",
        "ONDOL_SERVICE_PORT_HTTP": "8700",
        "ONDOL_PORT": "tcp://10.0.0.1:8700",
        "ONDOL_PORT_8700_TCP": "tcp://10.0.0.1:8700",
        "ONDOL_PORT_8700_TCP_ADDR": "10.0.0.1",
        "ONDOL_POSTGRES_SERVICE_HOST": "10.0.0.2",
    }
    assert load_settings(None, {**links, "ONDOL_TEST_DATA": "x", "ONDOL_ROOT_KEY": "x", "PATH": "/bin", "ONDOLIAN": "x"}) == Settings()


def test_a_file_that_is_too_large_or_no_text_is_refused(file: Path) -> None:
    for content in (b"#" * 1_000_001, b"\xff\xfe\x00"):
        file.write_bytes(content)
        with pytest.raises(SettingsError):
            load_settings(file, {})


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.secret])
def test_a_secret_is_neither_shown_nor_told(name: str, file: Path) -> None:
    row = ROWS[name]
    assert SECRET not in repr(load_settings(None, {row.variables[0]: SECRET}))
    assert SECRET not in str(load_settings(None, {}, {name: SECRET}))
    section, _, key = name.partition(".")
    for text in (
        f"{section}: {{{key}: [{SECRET}]}}",
        f"{section}: {{{key}: '{SECRET}",
        f"{section}:\n  {key}: *{SECRET}\n",
        f"{section}:\n  {key}: !{SECRET} x\n",
        f"{section}:\n  {key}: @{SECRET}\n",
        f"{section}:\n  {key}: {SECRET}: x: y\n",
        f"{section}:\n  {key}: {SECRET}\x07\n",
    ):
        file.write_text(text)
        with pytest.raises(SettingsError) as caught:
            load_settings(file, {})
        said = f"{caught.value!r} {caught.value.message} {caught.value.hint} {caught.value.__cause__!r}"
        assert SECRET not in said


def test_the_secrets_are_marked() -> None:
    assert {name for name, row in ROWS.items() if row.secret} == {
        "database.url",
        "guard.alarms.smtp_password",
        "guard.alarms.webhook_secret",
        "model.api_key",
        "outbound.proxy_url",
        "telemetry.otlp_headers",
    }
    assert not [name for name in ROWS if name.rpartition(".")[2] in ("password", "secret", "token") and not ROWS[name].secret]


def test_the_home_folder_is_meant_by_its_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(None, {"ONDOL_DATA_DIR": "~/data"}).data_dir == Path(os.path.expanduser("~/data"))  # noqa: PTH111
