"""Whether a server answers, as its clients would see it."""

import socket
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.errors import DuplicateDatabase, UniqueViolation

DATABASE = "draftloom"
CONNECT_SECONDS = 2


def postgres_answers(sockets: Path) -> bool:
    """True once connections are accepted; the database is made if there is none of that name."""
    try:
        with psycopg.connect(
            host=str(sockets),
            port=5432,
            user="postgres",
            dbname="postgres",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
        ) as connection:
            _make_database(connection)
    except psycopg.OperationalError:
        return False
    return True


def _make_database(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
        return
    with suppress(DuplicateDatabase, UniqueViolation):  # of two who start at the same time, one is faster
        connection.execute(f"CREATE DATABASE {DATABASE}")


def valkey_answers(sockets: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(CONNECT_SECONDS)
            client.connect(str(sockets / "valkey.sock"))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")  # while it loads its file, the answer is -LOADING
    except OSError:
        return False


ANSWERS = {"postgres": postgres_answers, "valkey": valkey_answers}
