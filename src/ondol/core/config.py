"""The settings of an installation: one table of name, type, default, help and when it takes effect.

A value comes from, in rising order of precedence: the default, `ondol.yaml`, the environment, a command-line option.
The variable of a setting is ``ONDOL_`` and its name in capitals with ``.`` as ``_`` (`http.port` is ``ONDOL_HTTP_PORT``).
Each room is handed only its slice. Settings that are marked live are taken up again when the file changes; the others need a restart.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from ondol.core.errors import SettingsError
from ondol.core.setting import setting as _setting

SETTINGS_FILE_BYTES_MAX = 1_000_000
DATA_DIR_DEFAULT = Path(".ondol")
VARIABLE_PREFIX = "ONDOL_"
OTHER_VARIABLES = {
    "ONDOL_CONFIG": "the settings file",
    "ONDOL_ROOT_KEY": "the root key, where keys.provider is environment",
    "ONDOL_TEST_DATA": "where tests and benchmarks find public data",
    "ONDOL_SHOTS": "where the end-to-end tests put pictures of the page",
}
"""Variables that begin like those of the settings and are none."""
_SERVICE_LINK = re.compile(r"ONDOL_(.+_)?(SERVICE_(HOST|PORT(_.+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")
ROLE_PREFIX_PATTERN = r"(?!pg_)[a-z][a-z0-9_]{0,39}"
"""A role name has at most 63 bytes, and those that begin with `pg_` are Postgres's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Where the platform listens."""

    host: str = _setting("127.0.0.1", "Address to listen on. Loopback unless you open it on purpose.")
    port: int = _setting(8700, "TCP port to listen on; 0 takes a free one.", low=0, high=65_535)
    workers: int = _setting(2, "HTTP worker processes on that port.", low=1, high=256)
    public_url: str = _setting("", "The address that people type, if a proxy stands in front (https://ai.example.com).", live=True)
    tls_certificate: str = _setting("", "PEM file of the certificate chain; with it the platform speaks TLS itself.")
    tls_key: str = _setting("", "PEM file of the certificate's private key.")
    body_bytes_max: int = _setting(8 * 1024 * 1024, "Largest request body that is read.", low=1024, high=2**30, live=True)
    upload_bytes_max: int = _setting(64 << 20, "Largest document that is received; none above 64 MiB is read.", low=1024, high=2**40, live=True)
    connections_max: int = _setting(1000, "Open connections for each worker; more are answered 503.", low=1, high=100_000, live=True)
    header_timeout_s: int = _setting(10, "Longest from a request's first byte to the end of its headers, in seconds.", low=1, high=600, live=True)
    idle_timeout_s: int = _setting(75, "A connection without a request is closed after so many seconds.", low=1, high=86_400, live=True)
    body_timeout_s: int = _setting(
        30, "Longest wait for a request's body, in seconds; what arrives earns a little more time.", low=1, high=86_400, live=True
    )
    drain_s: int = _setting(10, "When the platform stops, running requests get so many seconds to end.", low=0, high=3_600)
    trusted_proxies: str = _setting(
        "", "Networks, by commas, of the proxies whose X-Forwarded-For and X-Forwarded-Proto count (10.0.0.0/8,::1). Empty: nobody's.", live=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Which Postgres holds the state."""

    url: str = _setting(
        "", "postgresql:// address of a role that may create roles and owns the database (Postgres >= 16). Empty: the embedded server.", secret=True
    )
    role_prefix: str = _setting(
        "ondol", "Begins the names of the roles that Ondol makes. Give each installation on one server its own.", pattern=ROLE_PREFIX_PATTERN
    )
    pool_max: int = _setting(8, "Connections of each process and door.", low=1, high=1000)
    statement_timeout_ms: int = _setting(30_000, "Longest that one statement may run.", low=100, high=86_400_000)
    os_user: str = _setting("ondol", "As root: the system user that the embedded Postgres runs as (made if absent).")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where sealed blobs, the key ring and the index live."""

    blobs_url: str = _setting("", "Object store of sealed blobs (s3://, gs://, az://, file://). Empty: the data folder.")
    keyring_url: str = _setting("", "Object store of wrapped data keys, apart from the blobs. Empty: the data folder.")
    lance_url: str = _setting("", "Root of the Lance tables, a path or an object store. Empty: the data folder.")
    index_cache_mb: int = _setting(64, "Memory of each process for opened index segments and postings.", low=8, high=2**20)
    vector_cache_mb: int = _setting(64, "Memory of each process for the vectors of opened index segments, if they have any.", low=8, high=2**20)
    answer_cache_mb: int = _setting(16, "Memory of each HTTP worker for answers that may be given again. 0: each is made anew.", low=0, high=2**20)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentSettings:
    """Files that somebody brings to a conversation with an assistant."""

    files_max: int = _setting(10, "Files of one conversation.", low=1, high=100, live=True)
    bytes_max: int = _setting(20 << 20, "Largest file of a conversation; none above 64 MiB is read.", low=1024, high=2**40, live=True)
    passages_max: int = _setting(2_000, "Passages that the files of one conversation have together.", low=1, high=20_000, live=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """Who wraps the data keys."""

    provider: Literal["file", "environment"] = _setting("file", "Where the root key comes from: a file of the data folder, or ONDOL_ROOT_KEY.")
    file: str = _setting("", "Path of the root key's file. Empty: keys/root.key in the data folder.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The generative model behind assistants. Without one, the built-in extractive model answers."""

    base_url: str = _setting(
        "", "OpenAI-compatible address (https://host/v1): OpenAI, vLLM, Ollama, llama.cpp, transformers serve.", env="OPENAI_BASE_URL", live=True
    )
    api_key: str = _setting("", "Key for that address.", env="OPENAI_API_KEY", secret=True, live=True)
    name: str = _setting("gpt-4o-mini", "Model name to ask for there.", live=True)
    timeout_s: int = _setting(120, "Longest that one answer may take.", low=1, high=86_400, live=True)
    context_tokens: int = _setting(8192, "Tokens that a prompt may hold.", low=512, high=10_000_000, live=True)
    evidence_turn: Literal["tool", "user"] = _setting(
        "tool",
        "Whose turn passages of documents are in; `user` for models whose template knows no tools: they then weigh as much as the asker's words.",
        live=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundSettings:
    """How this installation reaches providers."""

    proxy_url: str = _setting(
        "",
        "http://[user:password@]host:port of a proxy for all requests to providers; a provider's own goes first. Empty: none.",
        secret=True,
        live=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSettings:
    """Passwords and sessions."""

    session_hours: int = _setting(12, "A session ends after so long.", low=1, high=8760, live=True)
    attempts_max: int = _setting(5, "Wrong passwords for one account or address within the window before it waits.", low=1, high=1000, live=True)
    attempts_window_s: int = _setting(900, "Length of that window.", low=1, high=86_400, live=True)
    one_time_hours: int = _setting(72, "A one-time sign-in ends after so long.", low=1, high=8760, live=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What the platform writes about itself."""

    level: Literal["debug", "info", "warning", "error"] = _setting("info", "Least severity that is written.", live=True)
    format: Literal["text", "json"] = _setting("text", "One line of text, or one JSON object, for each event.", live=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """The page for Prometheus."""

    open_to: str = _setting(
        "127.0.0.0/8,::1", "Networks, by commas, that may read /metrics without a key. Everybody else needs a key of an admin or auditor.", live=True
    )
    operator: str = _setting(
        "", "Short name of the tenant whose admins and auditors may read it with a key. Empty: the tenant that is the only one.", live=True
    )
    tenants: bool = _setting(False, "Whether requests, tokens and cost are told for each tenant, by its short name.")
    label_values_max: int = _setting(100, "Different values of one label, such as model; further ones are counted as `other`.", low=1, high=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """OpenTelemetry: spans and metrics of requests, without their content."""

    otlp_endpoint: str = _setting(
        "", "Base address of a collector for OTLP over HTTP (http://127.0.0.1:4318). Empty: none.", env="OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    otlp_headers: str = _setting("", "Headers for it, by commas: name=value.", env="OTEL_EXPORTER_OTLP_HEADERS", secret=True)
    otlp_authority: str = _setting("", "PEM file of the authority that signed its certificate. Empty: the system's.")
    trace_one_in: int = _setting(1, "Of so many traces one is sent; 0 sends none. Metrics count all requests.", low=0, high=1_000_000)
    token_metrics: Literal["histogram", "counters", "both"] = _setting(
        "histogram", "Tokens as gen_ai.client.token.usage, as the counters that are to follow it, or as both."
    )
    identities: bool = _setting(False, "Whether spans tell the ids of tenant, person and key.")
    service_name: str = _setting("ondol", "What the installation is called there.", pattern=r"[\x20-\x7e]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSettings:
    """Who is told of a new incident of the guard: rules and counts, never a text."""

    webhook_url: str = _setting("", "https:// address that is told of each new incident. Empty: none.", live=True)
    webhook_secret: str = _setting("", "Key of the HMAC-SHA256 signature of what is sent there.", secret=True, live=True)
    webhook_private: bool = _setting(False, "Whether that address may be private or on this machine.", live=True)
    email_to: str = _setting("", "Addresses, by commas, that get an e-mail of each new incident. Empty: none.", live=True)
    email_from: str = _setting("ondol@localhost", "Sender of these e-mails.", live=True)
    smtp_host: str = _setting("", "Mail server.", live=True)
    smtp_port: int = _setting(587, "Its port.", low=1, high=65_535, live=True)
    smtp_starttls: bool = _setting(True, "Whether the mail server must speak STARTTLS.", live=True)
    smtp_authority: str = _setting("", "PEM file of the authority that signed its certificate. Empty: the system's.", live=True)
    smtp_login: str = _setting("", "Login at the mail server. Empty: none.", live=True)
    smtp_password: str = _setting("", "Password for that login.", secret=True, live=True)
    timeout_s: int = _setting(10, "Longest that telling one of the two may take.", low=1, high=300, live=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """The guard of this installation. Policies are managed in Postgres, by tenant."""

    alarms: AlarmSettings = field(default_factory=AlarmSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """Backups of Postgres and the key ring."""

    directory: str = _setting("", "Folder that `ondol db backup` writes to. Empty: no backup is set up.", live=True)
    keyring_keep_days: int = _setting(
        0, "For how many days you keep backups of the key ring, which receipts of erasures state. 0: not said.", live=True, low=0, high=3650
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one installation."""

    data_dir: Path = _setting(DATA_DIR_DEFAULT, "Folder of everything that the embedded stores keep.")  # noqa: RUF009 - returns a field
    demo: bool = _setting(True, "Create the demo tenant on the first start of an empty installation.")
    http: HttpSettings = field(default_factory=HttpSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    attachments: AttachmentSettings = field(default_factory=AttachmentSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)
    sign_in: SignInSettings = field(default_factory=SignInSettings)
    guard: GuardSettings = field(default_factory=GuardSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    backup: BackupSettings = field(default_factory=BackupSettings)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row of the table of settings, for the loader, `ondol config` and the generated reference."""

    name: str
    type: Any
    default: object
    help: str
    variables: tuple[str, ...]
    secret: bool
    live: bool
    low: int | None
    high: int | None
    pattern: str | None


def setting_rows() -> list[SettingRow]:
    """Every setting in the order of its declaration."""
    return list(_rows(Settings, ""))


def _rows(section: type, prefix: str) -> Iterator[SettingRow]:
    hints = typing.get_type_hints(section)
    for entry in dataclasses.fields(section):
        name = prefix + entry.name
        if dataclasses.is_dataclass(hints[entry.name]):
            yield from _rows(hints[entry.name], name + ".")
            continue
        variable = "ONDOL_" + name.upper().replace(".", "_")
        second = entry.metadata["env"]
        yield SettingRow(
            name=name,
            type=hints[entry.name],
            default=entry.default,
            help=entry.metadata["help"],
            variables=(variable, second) if second else (variable,),
            secret=entry.metadata["secret"],
            live=entry.metadata["live"],
            low=entry.metadata["low"],
            high=entry.metadata["high"],
            pattern=entry.metadata["pattern"],
        )


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    *,
    other_variables: Collection[str] = (),
) -> Settings:
    """Read the settings.

    Args:
        file: the YAML file; when absent ``ONDOL_CONFIG`` or `ondol.yaml` of the working directory, if it exists.
        environment: variables; the process's own when absent.
        options: values by setting name that beat all others; None values are ignored.
        other_variables: names that begin with ``ONDOL_`` and belong to somebody else, beside `OTHER_VARIABLES`.

    Raises:
        SettingsError: for an unknown key or variable (naming the nearest known one), a wrong type or a value out of range.
    """
    env = os.environ if environment is None else environment
    rows = {row.name: row for row in setting_rows()}
    _refuse_unknown_variables(env, rows, other_variables)
    values: dict[str, object] = {}
    path, required = _settings_path(file, env)
    if path.is_file():
        for name, raw in _read_file(path, rows):
            values[name] = _typed(rows[name], raw, f"{path}: {name}")
    elif required:
        raise SettingsError(f"The settings file {path} does not exist.", "Check --config or ONDOL_CONFIG.")
    for row in rows.values():
        for variable in reversed(row.variables):
            if env.get(variable):
                values[row.name] = _typed(row, env[variable], variable)
    for name, raw in (options or {}).items():
        if raw is not None:
            values[name] = _typed(rows[name], raw, name)
    settings: Settings = _build(Settings, "", values)
    return settings


def _refuse_unknown_variables(env: Mapping[str, str], rows: Mapping[str, SettingRow], others: Collection[str]) -> None:
    """A slip in a variable's name would otherwise leave the default in force, and nobody would notice. Its value is not told: it may be secret."""
    known = {variable for row in rows.values() for variable in row.variables} | set(OTHER_VARIABLES) | set(others)
    for variable in sorted(env):
        if not variable.startswith(VARIABLE_PREFIX) or variable in known or not env[variable] or _is_service_link(variable, env[variable]):
            continue
        close = difflib.get_close_matches(variable, sorted(known), n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]}?" if close else "`ondol config reference` lists every variable."
        raise SettingsError(f"The environment holds {variable}, which is no setting.", hint)


def _is_service_link(variable: str, value: str) -> bool:
    """Whether Kubernetes set it: each container is told of the Services beside it, one of which may be called ondol."""
    return _SERVICE_LINK.fullmatch(variable) is not None or (variable.endswith("_PORT") and _SERVICE_ADDRESS.match(value) is not None)


def _settings_path(file: Path | None, env: Mapping[str, str]) -> tuple[Path, bool]:
    if file is not None:
        return file, True
    if env.get("ONDOL_CONFIG"):
        return Path(env["ONDOL_CONFIG"]), True
    return Path("ondol.yaml"), False


def _read_file(path: Path, rows: Mapping[str, SettingRow]) -> Iterator[tuple[str, object]]:
    if path.stat().st_size > SETTINGS_FILE_BYTES_MAX:
        raise SettingsError(f"{path} is larger than {SETTINGS_FILE_BYTES_MAX:,} bytes.", "A settings file is a page or two.")
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        # Only the place is told: what PyYAML says repeats the line, and with it a password that stands there.
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SettingsError(f"{path} is not valid YAML{where}.", "Compare it with `ondol config show --yaml`.") from None
    if tree is None:
        return
    if not isinstance(tree, dict):
        raise SettingsError(f"{path} must hold names and values.", "For example: `http: {port: 8700}`.")
    yield from _flatten(tree, "", rows, path)


def _flatten(tree: Mapping[object, object], prefix: str, rows: Mapping[str, SettingRow], path: Path) -> Iterator[tuple[str, object]]:
    sections = {".".join(name.split(".")[:depth]) for name in rows for depth in range(1, name.count(".") + 1)}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if name in rows:
            yield name, value
        elif name in sections and isinstance(value, dict):
            yield from _flatten(value, name + ".", rows, path)
        elif name in sections:
            raise SettingsError(f"{path}: `{name}` is a section and needs names below it.", f"It knows {_names_below(name, rows)}.")
        else:
            raise SettingsError(f"{path}: unknown setting `{name}`.", _nearest(name, rows))


def _nearest(name: str, rows: Mapping[str, SettingRow]) -> str:
    close = difflib.get_close_matches(name, rows, n=1, cutoff=0.5) or difflib.get_close_matches(
        name.rpartition(".")[2], [row.rpartition(".")[2] for row in rows], n=1, cutoff=0.6
    )
    if not close:
        return "`ondol config reference` lists every setting."
    full = close[0] if close[0] in rows else next(row for row in rows if row.rpartition(".")[2] == close[0])
    return f"Did you mean `{full}`?"


def _names_below(section: str, rows: Mapping[str, SettingRow]) -> str:
    return ", ".join(name.removeprefix(section + ".") for name in rows if name.startswith(section + "."))


def _typed(row: SettingRow, raw: object, where: str) -> object:
    """The value in the row's type. Text from the environment and values from YAML go through the same door."""
    wanted = row.type
    if typing.get_origin(wanted) is Literal:
        choices = typing.get_args(wanted)
        if raw not in choices:
            raise SettingsError(f"{where} is {_shown(row, raw)}.", f"It can be {', '.join(map(str, choices))}.")
        return raw
    if wanted is bool:
        return _as_bool(row, raw, where)
    if wanted is int:
        return _as_int(row, raw, where)
    if not isinstance(raw, str | Path):
        raise SettingsError(f"{where} is {_shown(row, raw)}, which is not text.", "Put it in quotes.")
    if row.pattern is not None and re.fullmatch(row.pattern, str(raw)) is None:
        raise SettingsError(f"{where} is {_shown(row, raw)}.", f"It must match {row.pattern}; the default is {row.default}.")
    return Path(raw).expanduser() if wanted is Path else str(raw)


def _as_bool(row: SettingRow, raw: object, where: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    known = words.get(str(raw).lower())
    if known is None:
        raise SettingsError(f"{where} is {_shown(row, raw)}.", "It can be true or false.")
    return known


def _as_int(row: SettingRow, raw: object, where: str) -> int:
    try:
        if isinstance(raw, bool | float):
            raise ValueError
        number = int(str(raw))
    except ValueError:
        raise SettingsError(f"{where} is {_shown(row, raw)}, which is not a whole number.", f"The default is {row.default}.") from None
    if row.low is not None and number < row.low:
        raise SettingsError(f"{where} is {number}.", f"It must be at least {row.low}.")
    if row.high is not None and number > row.high:
        raise SettingsError(f"{where} is {number}.", f"It must be at most {row.high}.")
    return number


def _shown(row: SettingRow, raw: object) -> str:
    return "not shown here" if row.secret else repr(raw)


def _build(section: type, prefix: str, values: Mapping[str, object]) -> Any:
    hints = typing.get_type_hints(section)
    chosen: dict[str, object] = {}
    for entry in dataclasses.fields(section):
        name = prefix + entry.name
        if dataclasses.is_dataclass(hints[entry.name]):
            chosen[entry.name] = _build(hints[entry.name], name + ".", values)
        elif name in values:
            chosen[entry.name] = values[name]
    return section(**chosen)  # the fields were typed one by one above


def settings_path(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """Where the settings file is, or would be. Arguments as of `load_settings`."""
    return _settings_path(file, os.environ if environment is None else environment)[0]


def live_part(running: Settings, read: Settings) -> Settings:
    """What of settings that were read anew may be in force now: those that are live; the others stay as they are."""
    values = {row.name: value_of(read if row.live else running, row.name) for row in setting_rows()}
    merged: Settings = _build(Settings, "", values)
    return merged


def differing(one: Settings, other: Settings) -> list[SettingRow]:
    """The settings in which two differ."""
    return [row for row in setting_rows() if value_of(one, row.name) != value_of(other, row.name)]


def value_of(settings: Settings, name: str) -> object:
    """The value of a setting by its dotted name."""
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def type_name(wanted: Any) -> str:
    """How the reference calls a setting's type."""
    if typing.get_origin(wanted) is Literal:
        return " | ".join(map(str, typing.get_args(wanted)))
    if isinstance(wanted, types.UnionType):
        return str(wanted)
    return {str: "text", int: "whole number", bool: "true or false", Path: "path"}.get(wanted, str(wanted))
