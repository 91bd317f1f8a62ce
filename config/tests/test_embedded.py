"""The embedded servers, with real processes on folders of their own."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from config import embedded, env
from config.embedded.account import Account, account_for, make_private_dir, program
from config.embedded.locks import open_lock, try_exclusive, try_shared
from config.embedded.place import LOG_BYTES, Place
from config.exceptions import Unavailable

USER = """
import sys
from pathlib import Path
from config import embedded
embedded.ensure(Path(sys.argv[1]), names=sys.argv[2:] or embedded.SERVERS)
print("ready", flush=True)
sys.stdin.read()
"""
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root changes the account")


def start_user(data_dir: Path, *names: str, account: Account | None = None) -> subprocess.Popen[str]:
    """A process that uses the servers of `data_dir` until its stdin is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=env.BASE_DIR,
        **(account.popen_options() if account else {}),
    )


def is_ready(user: subprocess.Popen[str]) -> bool:
    assert user.stdout
    return user.stdout.readline() == "ready\n"


def end(user: subprocess.Popen[str]) -> None:
    user.communicate(timeout=10)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """The guardian of `data_dir`, both servers and what they forked."""
    guardians = [p for p in psutil.process_iter() if _arguments(p)[1:4] == ["-m", "config.embedded", str(data_dir)]]
    sockets = str(env.socket_dir(data_dir))
    servers = [p for p in psutil.process_iter() if any(sockets in word for word in _arguments(p))]
    return guardians + servers


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def process_of(data_dir: Path, name: str) -> psutil.Process:
    """The process called `name`: "postgres", "valkey-server" or the guardian's "python"."""
    return next(p for p in processes_of(data_dir) if name in p.name())


def wait_until_gone(data_dir: Path, seconds: float = 5) -> None:
    limit = time.monotonic() + seconds
    while alive := processes_of(data_dir):
        assert time.monotonic() < limit, alive
        time.sleep(0.02)


def connect(data_dir: Path, user: str = "postgres") -> psycopg.Connection:
    return psycopg.connect(host=str(env.socket_dir(data_dir)), dbname="draftloom", user=user, autocommit=True)


def valkey(data_dir: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(env.socket_dir(data_dir) / "valkey.sock"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    if path in embedded._users:
        embedded.leave(path, wait_seconds=5)
    wait_until_gone(path)
    shutil.rmtree(env.socket_dir(path), ignore_errors=True)


@pytest.fixture
def running(data_dir: Path) -> Path:
    """A `DATA_DIR` with both servers, of which this process is a user."""
    embedded.ensure(data_dir, throwaway=True)
    return data_dir


def test_it_starts_both_servers_and_makes_the_database(running: Path) -> None:
    with closing(connect(running)) as connection:
        row = connection.execute("SELECT current_database(), current_setting('server_encoding')").fetchone()
    with closing(valkey(running)) as client:
        assert client.ping()
    assert row == ("draftloom", "UTF8")


def test_it_has_the_extensions_that_search_needs(running: Path) -> None:
    with closing(connect(running)) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE EXTENSION pg_trgm")
        assert connection.execute("SELECT '[1,2]'::halfvec(2) <=> '[1,2]'").fetchone() == (0.0,)


def test_it_listens_on_sockets_of_this_account_only(running: Path) -> None:
    status = env.socket_dir(running).stat()
    listening = [c for p in processes_of(running) for c in p.net_connections("inet")]
    assert (status.st_mode & 0o777, listening) == (0o700, [])


def test_it_keeps_the_data_after_the_last_user_has_left(data_dir: Path) -> None:
    embedded.ensure(data_dir)
    with closing(connect(data_dir)) as connection, closing(valkey(data_dir)) as client:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        client.set("kept", "42")
    assert embedded.leave(data_dir, wait_seconds=5)
    assert processes_of(data_dir) == []

    embedded.ensure(data_dir)
    with closing(connect(data_dir)) as connection, closing(valkey(data_dir)) as client:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert client.get("kept") == b"42"


def test_it_never_takes_the_servers_from_a_longer_user(data_dir: Path) -> None:
    first = start_user(data_dir)
    assert is_ready(first)
    embedded.ensure(data_dir)
    end(first)
    time.sleep(0.6)  # three rounds of the guardian
    with closing(connect(data_dir)) as connection, closing(valkey(data_dir)) as client:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert client.ping()


def test_it_stops_the_servers_when_the_last_user_is_killed(data_dir: Path) -> None:
    user = start_user(data_dir)
    assert is_ready(user)
    user.kill()
    end(user)
    wait_until_gone(data_dir, 3)


def test_four_starters_at_once_share_one_guardian(data_dir: Path) -> None:
    users = [start_user(data_dir) for _ in range(4)]
    assert all(is_ready(user) for user in users)
    names = sorted(p.name().rstrip("0123456789.") for p in processes_of(data_dir))  # python3.11 is python
    for user in users:
        end(user)
    assert names == ["postgres", "python", "valkey-server"]


def test_a_newcomer_waits_for_a_guardian_that_stops(running: Path) -> None:
    embedded.leave(running)
    users = open_lock(Place(running).lock("users"))
    limit = time.monotonic() + 5
    while try_shared(users):  # until the guardian has the lock alone, which means that it has begun to stop
        assert time.monotonic() < limit
        os.close(users)
        time.sleep(0.01)
        users = open_lock(Place(running).lock("users"))
    os.close(users)
    embedded.ensure(running, throwaway=True)
    with closing(connect(running)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_recovers_when_the_guardian_is_killed(data_dir: Path) -> None:
    embedded.ensure(data_dir)
    with closing(connect(data_dir)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    servers = [process_of(data_dir, "postgres"), process_of(data_dir, "valkey-server")]
    process_of(data_dir, "python").kill()
    embedded.ensure(data_dir)
    assert [server for server in servers if _arguments(server)] == []  # a zombie has none
    with closing(connect(data_dir)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_the_servers_die_with_the_guardian(running: Path) -> None:
    process_of(running, "python").kill()
    wait_until_gone(running, 3)


@pytest.mark.parametrize("name", ["postgres", "valkey-server"])
def test_the_guardian_restarts_a_killed_server_with_its_data(data_dir: Path, name: str) -> None:
    embedded.ensure(data_dir)
    with closing(connect(data_dir)) as connection, closing(valkey(data_dir)) as client:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        client.set("kept", "42")
    killed = process_of(data_dir, name)
    killed.kill()
    killed.wait(5)
    embedded.ensure(data_dir)
    with closing(connect(data_dir)) as connection, closing(valkey(data_dir)) as client:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert client.get("kept") == b"42"
    assert process_of(data_dir, name).pid != killed.pid


def test_it_survives_a_stale_pid_file_that_names_a_living_process(running: Path) -> None:
    stale = (running / "postgres" / "postmaster.pid").read_text()
    assert embedded.leave(running, wait_seconds=5)
    server = Place(running).account
    sleeper = subprocess.Popen(["sleep", "60"], **server.popen_options())
    file = running / "postgres" / "postmaster.pid"
    file.write_text("\n".join([str(sleeper.pid), *stale.splitlines()[1:]]))
    os.chown(file, server.uid, server.gid)
    try:
        embedded.ensure(running, throwaway=True)
        with closing(connect(running)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_it_starts_over_after_an_initdb_that_was_cut_short(data_dir: Path) -> None:
    half_made = data_dir / "postgres.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18")
    embedded.ensure(data_dir, throwaway=True)
    with closing(connect(data_dir)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not half_made.exists()


def test_it_starts_only_what_is_asked_for_and_the_rest_when_it_is(data_dir: Path) -> None:
    embedded.ensure(data_dir, names=["valkey"])
    with pytest.raises(StopIteration):
        process_of(data_dir, "postgres")
    user = start_user(data_dir, "postgres")
    assert is_ready(user)
    with closing(connect(data_dir)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    end(user)


def test_it_starts_nothing_when_both_servers_are_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", "postgres://db.example/draftloom")
    monkeypatch.setenv("REDIS_URL", "redis://cache.example/0")
    embedded.ensure_if_used()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("variable", "left"),
    [("DATABASE_URL", ["valkey"]), ("POSTGRES_HOST", ["valkey"]), ("REDIS_URL", ["postgres"])],
)
def test_it_uses_only_the_server_that_the_environment_does_not_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, left: list[str]
) -> None:
    for name in env.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert embedded.used() == ["postgres", "valkey"]
    monkeypatch.setenv(variable, "somewhere")
    assert embedded.used() == left


def test_it_says_so_when_a_server_cannot_start(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "precious").write_text("not a cluster")
    with pytest.raises(Unavailable, match="do not start"):
        embedded.ensure(data_dir, throwaway=True)
    assert (data_dir / "postgres" / "precious").exists()
    assert "not empty" in (data_dir / "log" / "guardian.log").read_text()


def test_it_refuses_a_socket_directory_of_somebody_else(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (tmp_path / "sockets").symlink_to(target)
    with pytest.raises(Unavailable, match="not a directory of this user"):
        make_private_dir(tmp_path / "sockets", Account(os.getuid(), os.getgid()))


@as_root
def test_it_refuses_a_socket_directory_that_another_account_made(tmp_path: Path) -> None:
    (tmp_path / "sockets").mkdir()
    os.chown(tmp_path / "sockets", 12345, 12345)
    with pytest.raises(Unavailable, match="not a directory of this user"):
        make_private_dir(tmp_path / "sockets", account_for(tmp_path / "postgres"))


def test_it_closes_a_socket_directory_that_was_open(tmp_path: Path) -> None:
    (tmp_path / "sockets").mkdir(mode=0o777)
    make_private_dir(tmp_path / "sockets", Account(os.getuid(), os.getgid()))
    assert (tmp_path / "sockets").stat().st_mode & 0o777 == 0o700


@as_root
def test_root_runs_the_servers_as_an_account_without_power_below_a_closed_folder(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)
    embedded.ensure(data_dir, throwaway=True)
    users = {p.uids().real for p in processes_of(data_dir) if "python" not in p.name()}
    owners = {path.name: path.stat().st_uid for path in data_dir.iterdir()}
    account = account_for(data_dir / "postgres")
    assert users == {account.uid} != {0}
    assert {name for name, uid in owners.items() if uid != 0} == {"postgres", "valkey"}
    assert data_dir.parent.stat().st_mode & 0o777 == 0o700


@as_root
def test_it_refuses_a_data_dir_of_another_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "data").mkdir(mode=0o700)
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with pytest.raises(Unavailable, match="not this user's to write to"):
            embedded.ensure(tmp_path / "data")
    finally:
        os.seteuid(0)


@as_root
def test_root_goes_on_as_the_account_that_owns_the_data(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    (tmp_path / "postgres").mkdir()
    os.chown(tmp_path / "postgres", nobody.pw_uid, nobody.pw_gid)
    assert account_for(tmp_path / "postgres") == Account(nobody.pw_uid, nobody.pw_gid)


@as_root
def test_root_copies_programs_that_the_account_cannot_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site"
    (package / "thing-1.0.dist-info").mkdir(parents=True)
    (package / "thing-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    (package / "thing" / "bin").mkdir(parents=True, mode=0o700)
    (package / "thing" / "bin" / "run").write_text("#!/bin/sh\n")
    (package / "thing" / "bin" / "run").chmod(0o700)
    tmp_path.chmod(0o700)
    monkeypatch.syspath_prepend(str(package))
    cache = Path("/var/tmp") / f"draftloom-test-{os.getpid()}"
    monkeypatch.setattr("config.embedded.account.CACHE", cache)
    account = account_for(tmp_path / "postgres")
    try:
        copies = [program("thing", "thing/bin/run", ("thing",), account) for _ in range(2)]
        assert copies == [cache / "thing-1.0" / "thing" / "bin" / "run"] * 2
        assert subprocess.run([copies[0]], check=False, cwd="/", **account.popen_options()).returncode == 0
        assert [path.name for path in cache.iterdir()] == ["thing-1.0"]
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    assert (package / "thing" / "bin").stat().st_mode & 0o777 == 0o700


@as_root
def test_an_ordinary_user_runs_everything_as_itself() -> None:
    nobody = pwd.getpwnam("nobody")
    if not _can_run(nobody, sys.executable):
        pytest.skip("this Python lies where nobody else can run it")
    home = Path("/var/tmp") / f"draftloom-user-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    data_dir = home / "data"
    user = start_user(data_dir, account=Account(nobody.pw_uid, nobody.pw_gid))
    try:
        assert is_ready(user)
        accounts = {p.uids().real for p in psutil.process_iter() if str(data_dir) in " ".join(_arguments(p))}
        assert accounts == {nobody.pw_uid}
    finally:
        end(user)
        _wait_for_lock(data_dir / "guardian.lock")
        shutil.rmtree(home)
        shutil.rmtree(str(env.socket_dir(data_dir)).replace(f"-{os.getuid()}-", f"-{nobody.pw_uid}-"))


def _can_run(entry: pwd.struct_passwd, program: str) -> bool:
    try:
        subprocess.run([program, "-c", "import psycopg"], check=True, cwd=env.BASE_DIR, user=entry.pw_uid)
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def _wait_for_lock(path: Path) -> None:
    limit = time.monotonic() + 5
    lock = open_lock(path)
    while not try_exclusive(lock):
        assert time.monotonic() < limit
        time.sleep(0.02)
    os.close(lock)


def test_a_log_that_has_grown_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    log = tmp_path / "log" / "valkey.log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    assert Place(tmp_path).log("valkey") == log
    assert not log.exists()
    assert log.with_suffix(".log.1").stat().st_size == LOG_BYTES + 1


def test_a_lock_excludes_others_until_its_last_copy_is_closed(tmp_path: Path) -> None:
    first, second = open_lock(tmp_path / "lock"), open_lock(tmp_path / "lock")
    copy = os.dup(first)
    assert try_exclusive(first) and not try_shared(second)
    os.close(first)
    assert not try_shared(second)
    os.close(copy)
    assert try_shared(second)
    os.close(second)


def test_a_guardian_told_to_stop_stops_the_servers(running: Path) -> None:
    process_of(running, "python").send_signal(signal.SIGTERM)
    wait_until_gone(running, 3)
