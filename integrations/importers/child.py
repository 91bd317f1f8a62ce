"""Reads a large import in a process of its own, which may fail without harm to this one."""

import contextlib
import json
import resource
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from config.limits import PARSE_IN_PROCESS_BYTES
from integrations.importers.archive import is_zip, read_file
from integrations.importers.base import ImportedChat, ImportedMessage, ImporterError
from integrations.importers.detect import read_chat
from integrations.importers.turns import too_large

MEMORY_BYTES = 1024**3
CPU_SECONDS = 20
WALL_SECONDS = 30

_ROOT = Path(__file__).resolve().parents[2]


def parse(data: bytes, filename: str = "") -> ImportedChat:
    """What `read_file` gives, in a child process with limits for an archive and for more than `PARSE_IN_PROCESS_BYTES`.

    Raises `ImporterError` and nothing else; a child that breaks or exceeds a limit is `too_large`.
    """
    if len(data) <= PARSE_IN_PROCESS_BYTES and not is_zip(data):
        return read_chat(data, filename)
    command = [sys.executable, "-m", "integrations.importers.child"]
    header = json.dumps(filename).encode() + b"\n"
    try:
        # An empty environment: the child needs no secret of ours.
        done = subprocess.run(
            command, input=header + data, capture_output=True, timeout=WALL_SECONDS, cwd=_ROOT, env={}, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise too_large() from None
    return unpacked(json.loads(done.stdout))


def main() -> None:
    """Reads the file's name as a line of JSON and then the file from standard input; writes the result as JSON."""
    _limit()
    name, _, data = sys.stdin.buffer.read().partition(b"\n")
    try:
        answer = {"chat": asdict(read_file(data, json.loads(name)))}
    except ImporterError as error:
        answer = {"error": {"detail": error.detail, "code": error.code, "extra": error.extra}}
    json.dump(answer, sys.stdout, default=datetime.isoformat)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the chat
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    with contextlib.suppress(ValueError):  # macOS knows the limit but does not let it be set
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def unpacked(answer: dict[str, Any]) -> ImportedChat:
    """The chat of an answer that came as JSON, or the error: raises `ImporterError`."""
    if error := answer.get("error"):
        raise ImporterError(error["detail"], code=error["code"], extra=error["extra"])
    chat = answer["chat"]
    for value in (chat, *chat["messages"]):
        for key in ("created_at", "updated_at"):
            if value.get(key):
                value[key] = datetime.fromisoformat(value[key])
    messages = tuple(ImportedMessage(**message) for message in chat.pop("messages"))
    return ImportedChat(messages=messages, warnings=tuple(chat.pop("warnings")), **chat)


if __name__ == "__main__":
    main()
