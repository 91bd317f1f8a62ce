"""Real processes on the test database: web, runner, and a client that talks to them over sockets."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from django.conf import settings
from django.db import connection

from accounts.services import get_or_make_user, open_session
from config.env import BASE_DIR, VARIABLES
from config.live import log_key
from config.redis import client as redis_client
from config.supervisor import commands
from config.tests.emptying import EMPTY
from config.tests.outside import Outside
from integrations.importers.links import FETCHABLE_HOSTS
from integrations.tests.fake_linear import KEY as LINEAR_KEY
from integrations.tests.fake_linear import TEAM_KEY as LINEAR_TEAM

START_SECONDS, STREAM_SECONDS = 30.0, 60.0
UVICORN = ["-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--no-access-log", "--log-level",
           "warning", "--timeout-graceful-shutdown", "1", "--port"]  # fmt: skip
DAPHNE = ["-m", "daphne", "config.asgi:application", "-b", "127.0.0.1", "-v", "0", "-p"]
RUNNER = ["manage.py", "runner"]
BULK = [*RUNNER, "--kinds", "bulk"]
WORKER = ["-m", "celery", "--quiet", "--app", "config", "worker", "--concurrency", "1", "--without-gossip",
          "--without-mingle", "-l", "WARNING"]  # fmt: skip
Event = dict[str, Any]


class Stack:
    """`url` is where the web process listens. Processes are started on first use and again after they were killed.

    Web and runner go on from test to test; what else a test has started ends with it.
    """

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.more_environment: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        self.start_web()
        self.start_runner()
        wait_until(self._answers, START_SECONDS)

    def start_web(self) -> None:
        self._start("web", [*UVICORN, str(self.port)])

    def start_runner(self) -> None:
        self._start("runner", RUNNER)

    def start_bulk(self) -> None:
        """The runner of bulk imports, and the worker that lists archives."""
        self._start("bulk", BULK)
        self.start_worker()

    def start_worker(self) -> None:
        self._start("worker", WORKER)

    def start_workers(self) -> None:
        """The worker and its clock, as `make run` has them. They index all the time."""
        table = commands(host="", port=0, data_dir=settings.DATA_DIR, log_level="WARNING")
        for name in ("worker", "beat"):
            self._start(name, table[name][1:])

    def keep_only(self, *names: str) -> None:
        """Kills all others."""
        for name in set(self._processes) - set(names):
            self.kill(name)

    def is_running(self, name: str) -> bool:
        return name in self._processes and self._processes[name].poll() is None

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait(10)

    def forget_log(self, run_id: str) -> None:
        assert redis_client().delete(log_key(run_id)) == 1

    def send_signal(self, name: str, number: signal.Signals) -> None:
        self._processes[name].send_signal(number)

    def wait_for_exit(self, name: str) -> None:
        self._processes[name].wait(30)

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # how they go is tested elsewhere; the next suite needs the machine
                process.kill()
        wait_until(lambda: not _other_sessions())

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process on the test database, with the outside world in place."""
        database = connection.settings_dict
        return (
            dict.fromkeys(VARIABLES, "")
            | {
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/"),
                "DJANGO_SETTINGS_MODULE": "config.tests.stack_settings",
                "APP_ENV": "local",
                "DATA_DIR": str(settings.DATA_DIR),
                "SECRET_KEY": settings.SECRET_KEY,
                "POSTGRES_HOST": database["HOST"],
                "POSTGRES_DB": database["NAME"],
                "OPENAI_API_KEY": "sk-test",
                "OPENAI_BASE_URL": self.outside.openai_url,
                "IMPORT_FETCH_OVERRIDES": ",".join(f"{host}={self.outside.share_url}" for host in FETCHABLE_HOSTS),
                "LINEAR_ACCESS_KEY": LINEAR_KEY,
                "LINEAR_TEAM_KEY": LINEAR_TEAM,
                "LINEAR_API_URL": f"{self.outside.share_url}/graphql",
                "EMBEDDING_MODEL": "offline",
                "RUN_LEASE_SECONDS": "2",
                "RUNNER_DRAIN_SECONDS": "0",
                "CORS_ORIGINS": "https://spa.example.org",
            }
            | self.more_environment
            | more
        )

    def _start(self, name: str, arguments: list[str]) -> None:
        process = self._processes.get(name)
        if process is None or process.poll() is not None:
            command = [sys.executable, *arguments]
            self._processes[name] = subprocess.Popen(command, cwd=BASE_DIR, env=self.environment())

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False

    def client(self, email: str = "alice@example.org", *, operator: bool = False) -> "Member":
        return Member(self.url, self.cookie_for(email, operator=operator))

    def cookie_for(self, email: str, *, operator: bool = False) -> str:
        """The value of the session cookie of a fresh session."""
        return open_session(user=get_or_make_user(email=email, operator=operator))


class Member:
    """A signed-in client over a real socket."""

    def __init__(self, url: str, cookie: str) -> None:
        self.http = httpx2.Client(base_url=url, cookies={"session_token": cookie}, timeout=20, trust_env=False)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.http.get(path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        return self.http.post(path, json=body, **options)

    def patch(self, path: str, body: Any) -> httpx2.Response:
        return self.http.patch(path, json=body)

    @contextmanager
    def opened(self, method: str, path: str, **options: Any) -> Iterator[tuple[httpx2.Response, Iterator[Event]]]:
        """The response and its events, one by one; leaving the block closes the connection."""
        with self.http.stream(method, path, **options) as response:
            yield response, parse_events(response.iter_lines())

    def events(self, path: str, body: Any = None, *, method: str = "POST", **options: Any) -> list[Event]:
        """All events of a stream, to its end."""
        with self.opened(method, path, json=body, **options) as (response, events):
            assert response.status_code == 200, response.read()
            deadline = time.monotonic() + STREAM_SECONDS
            return [event for event in events if _in_time(deadline)]

    def watch(self, run_id: str, **options: Any) -> list[Event]:
        return self.events(f"/api/runs/{run_id}/events", method="GET", **options)

    def imported(self, text: str = "User: A question.\n\nAssistant: An answer.", **fields: Any) -> int:
        """The id of a conversation that was imported from `text`, with a draft by the fake model."""
        events = self.events("/api/conversations/import-file", {"text": text} | fields)
        return int(events[-1]["conversation"]["id"])

    def chat(self, conversation: int, message: str, **options: Any) -> list[Event]:
        return self.events(chat_path(conversation), said(message), **options)

    def history(self, conversation: int) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.get(f"/api/conversations/{conversation}/project-draft/chat").json()[
            "chat_messages"
        ]
        return messages

    def versions(self, conversation: int) -> list[dict[str, Any]]:
        versions: list[dict[str, Any]] = self.get(f"/api/conversations/{conversation}/project-draft/versions").json()[
            "versions"
        ]
        return versions


def chat_path(conversation: int) -> str:
    return f"/api/conversations/{conversation}/project-draft/chat/stream"


def said(message: str, **fields: Any) -> dict[str, Any]:
    return {"message": message, "llm_provider": "openai", "llm_model": "gpt-4o"} | fields


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """The JSON objects of a stream, each with its event id as `id`."""
    event_id = ""
    for line in lines:
        if line.startswith("id: "):
            event_id = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield json.loads(line.removeprefix("data: ")) | {"event_id": event_id}


def text_of(events: list[Event]) -> str:
    """The text that a client shows after these events."""
    text = ""
    for event in events:
        text = "" if event["type"] == "reset" else text + event.get("content", "") * (event["type"] == "content")
    return text


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true in {seconds} s"
        time.sleep(0.05)


def _in_time(deadline: float) -> bool:
    assert time.monotonic() < deadline, f"a stream did not end in {STREAM_SECONDS} s"
    return True


def _other_sessions() -> int:
    """How many connections beside this one the test database has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def empty_database() -> None:
    """Everything that people made, their files, and what was derived of it; roles and the catalogue stay."""
    shutil.rmtree(settings.DATA_DIR / "files", ignore_errors=True)
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
