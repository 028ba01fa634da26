"""The embedded server as it is started, killed, moved and refused. As root the server runs as another user, and so do some of the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ondol.core.errors import DataFolderError
from ondol.infrastructure.storage.postgres import embedded as module
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres, binaries_folder, first_closed_parent, read_or_create_secret

AS_ROOT = os.geteuid() == 0
OS_USER = os.environ.get("ONDOL_DATABASE_OS_USER", "ondol")
only_as_root = pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another user")


@pytest.fixture
def folder(open_folder: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=open_folder))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def server_in(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / "postgres", folder / "keys" / "postgres.secret", os_user=OS_USER)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A started server with one row in it."""
    made = server_in(folder)
    made.start()
    with psycopg.connect(made.owner_address(), autocommit=True) as owner:
        owner.execute("create table note (id int)")
        owner.execute("insert into note values (7)")
    yield made
    made.stop()


def note(server: EmbeddedPostgres) -> list[tuple[int, ...]]:
    with psycopg.connect(server.owner_address()) as owner:
        return owner.execute("select id from note").fetchall()


START = """
import sys
from pathlib import Path
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres
folder = Path(sys.argv[1])
server = EmbeddedPostgres(folder / "postgres", folder / "keys" / "postgres.secret", os_user=sys.argv[2])
server.start()
print(server.process_id, flush=True)
sys.stdin.read()
server.stop()
print("stopped", flush=True)
"""


def test_a_server_stops_starts_and_survives_every_kind_of_death(server: EmbeddedPostgres, folder: Path) -> None:
    assert server.is_alive()
    server.stop()
    server.stop()
    assert (server.is_alive(), server.process_id) == (False, None)
    with pytest.raises(psycopg.OperationalError):
        note(server)

    supervisor = subprocess.Popen([sys.executable, "-c", START, folder, OS_USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    left_behind = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.communicate()
    assert note(server) == [(7,)], "the server outlived its supervisor"
    server.start()
    assert server.process_id != left_behind
    assert note(server) == [(7,)]

    assert server.process_id is not None
    os.kill(server.process_id, signal.SIGKILL)
    while server.is_alive():
        pass
    server.start()
    assert note(server) == [(7,)]

    if AS_ROOT:
        server.stop()
        bystander = subprocess.Popen(["sleep", "600"], user=OS_USER)
        try:
            pid_file = server.cluster / "postmaster.pid"
            pid_file.write_text(f"{bystander.pid}\n{server.cluster}\n1700000000\n5432\n")
            shutil.chown(pid_file, OS_USER)
            server.start()
            assert note(server) == [(7,)]
            assert bystander.poll() is None, "a process that only has the old server's number was stopped"
        finally:
            bystander.kill()
            bystander.wait()


def test_it_is_private(server: EmbeddedPostgres, folder: Path) -> None:
    with psycopg.connect(server.owner_address()) as owner:
        found = {name: owner.execute("select current_setting(%s)", (name,)).fetchall()[0][0] for name in ("listen_addresses", "password_encryption")}
    assert found == {"listen_addresses": "", "password_encryption": "scram-sha-256"}
    listening = [
        line.split() for path in ("/proc/net/tcp", "/proc/net/tcp6") if Path(path).exists() for line in Path(path).read_text().splitlines()[1:]
    ]
    inodes = {str(entry.readlink()) for entry in Path(f"/proc/{server.process_id}/fd").iterdir()} if listening else set()
    assert not {f"socket:[{fields[9]}]" for fields in listening} & inodes, "a TCP port is open"
    for address in (server.owner_address(), server.superuser_address()):
        for wrong in ("wrong", ""):
            with pytest.raises(psycopg.OperationalError, match=r"authentication failed|no password supplied"):
                psycopg.connect(make_conninfo(address, password=wrong, passfile="/nonexistent"))
    with psycopg.connect(server.superuser_address()) as superuser:
        methods = superuser.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
        attributes = superuser.execute(
            "select rolsuper, rolbypassrls, rolcreatedb, rolreplication from pg_roles where rolname = 'ondol_owner'"
        ).fetchall()
    assert methods == [("scram-sha-256",)]
    assert attributes == [(False, False, False, False)]
    modes = {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in (
            server.folder,
            server.cluster,
            server.socket_folder(),
            folder / "keys",
            folder / "keys" / "postgres.secret",
            server.folder / "server.log",
        )
    }
    assert modes == {"postgres": 0o700, "postgres/data": 0o700, "postgres/run": 0o700, "keys": 0o700, "keys/postgres.secret": 0o600,
                     "postgres/server.log": 0o600}  # fmt: skip
    assert [path.name for path in server.folder.iterdir() if path.name.startswith("initial-")] == [], "the password lies about"


def test_a_lost_password_is_said_at_once(server: EmbeddedPostgres, folder: Path) -> None:
    server.stop()
    (folder / "keys" / "postgres.secret").unlink()
    with pytest.raises(DataFolderError, match=r"postgres\.secret is not that of the Postgres"):
        server.start()


def test_another_version_is_refused_with_the_way_out(folder: Path) -> None:
    server = server_in(folder)
    server.cluster.mkdir(parents=True)
    (server.cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(DataFolderError, match="was made by PostgreSQL 16") as caught:
        server.start()
    assert "ondol db restore" in caught.value.hint


def test_a_failed_start_says_what_postgres_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.SERVER_OPTIONS, "shared_buffers", "nonsense")
    server = server_in(folder)
    with pytest.raises(DataFolderError, match='invalid value for parameter "shared_buffers"'):
        server.start()


@only_as_root
def test_a_folder_below_a_closed_one_is_refused(folder: Path) -> None:
    closed = folder / "home"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(DataFolderError, match=f"lies below {closed}, which the database's user") as caught:
        server_in(closed / "data").start()
    assert caught.value.hint == "Set ONDOL_DATA_DIR to a folder such as /var/lib/ondol."


@only_as_root
def test_root_is_refused_as_the_servers_user(folder: Path) -> None:
    with pytest.raises(DataFolderError, match="refuses to run as root"):
        EmbeddedPostgres(folder / "postgres", folder / "secret", os_user="root").start()


@only_as_root
def test_links_that_the_servers_user_plants_are_not_followed(folder: Path) -> None:
    victim = folder / "victim"
    victim.write_text("root's own")
    server = server_in(folder)
    server.folder.mkdir()
    (server.folder / "server.log").symlink_to(victim)
    (server.folder / "run").symlink_to(folder)
    server.cluster.mkdir()
    (server.cluster / "PG_VERSION").write_text("18\n")
    with pytest.raises(DataFolderError, match="run cannot be made"):
        server.start()
    (server.folder / "run").unlink()
    with pytest.raises(DataFolderError, match=r"server\.log cannot be written"):
        server.start()
    assert (victim.stat().st_uid, victim.read_text(), stat.S_IMODE(folder.stat().st_mode)) == (0, "root's own", 0o711)


@only_as_root
def test_closed_parents(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a").chmod(0o710)
    shutil.chown(tmp_path / "a", 4242, 4343)
    for uid, gid, closed in ((1, 1, True), (4242, 1, False), (1, 4343, False)):
        found = first_closed_parent(tmp_path / "a", uid, gid)
        outside = first_closed_parent(tmp_path, uid, gid)
        assert found == (outside or (tmp_path / "a" if closed else None))
    assert first_closed_parent(Path("/nonexistent/below"), 1, 1) is None


def test_a_path_too_long_for_a_socket_falls_back_to_a_short_private_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder / ("d" * 90)
    deep.mkdir(mode=0o711)
    server = server_in(deep)
    chosen = server.socket_folder()
    assert len(os.fsencode(chosen / ".s.PGSQL.5432.lock")) <= module.SOCKET_PATH_BYTES_MAX
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert server_in(deep).socket_folder() == chosen, "a command with another TMPDIR must find the server"
    try:
        server.start()
        assert stat.S_IMODE(chosen.stat().st_mode) == 0o700
        psycopg.connect(server.owner_address()).close()
    finally:
        server.stop()
        shutil.rmtree(chosen, ignore_errors=True)


@only_as_root
def test_a_socket_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = folder / "foreign"
    foreign.mkdir()
    shutil.chown(foreign, 4242)
    server = server_in(folder)
    server.cluster.mkdir(parents=True)
    (server.cluster / "PG_VERSION").write_text("18\n")
    monkeypatch.setattr(EmbeddedPostgres, "socket_folder", lambda self: foreign)
    with pytest.raises(DataFolderError, match="belongs to somebody else"):
        server.start()
    assert foreign.stat().st_uid == 4242


@only_as_root
def test_an_ordinary_user_runs_it_too(folder: Path) -> None:
    """The child gives its rights up after its imports: Python itself may lie where another user cannot read it."""
    uid = pwd.getpwnam("nobody").pw_uid
    if (closed := first_closed_parent(binaries_folder(), uid, uid)) is not None:
        pytest.skip(f"another user cannot enter {closed}, below which Ondol is installed")
    shutil.chown(folder, uid, uid)
    lower = f"import os, psycopg; os.setgroups([]); os.setgid({uid}); os.setuid({uid})\nserver.start"
    child = subprocess.Popen(
        [sys.executable, "-c", START.replace("server.start", lower), folder, "unused"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd="/",
    )  # fmt: skip
    assert child.stdout is not None
    started = child.stdout.readline()
    paths = (folder / "postgres" / "data" / "PG_VERSION", folder / "keys" / "postgres.secret", folder / "postgres" / "server.log")
    owners = {path.stat().st_uid for path in paths if path.exists()}
    said, complaint = child.communicate()
    assert (started.strip().isdigit(), said, child.returncode) == (True, "stopped\n", 0), complaint
    assert owners == {uid}


def test_two_processes_read_the_same_fresh_secret(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ondol.infrastructure.storage.postgres.embedded import read_or_create_secret as read;"
        "sys.stdin.read(); print(read(Path(sys.argv[1])))"
    )
    path = tmp_path / "keys" / "postgres.secret"
    racing = [subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    found = {racer.communicate()[0].strip() for racer in racing}
    assert found == {read_or_create_secret(path)}
    assert len(found.pop()) == 64
    assert [entry.name for entry in path.parent.iterdir()] == ["postgres.secret"]
