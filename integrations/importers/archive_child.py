"""Reads an archive in a process of its own, whose limits no file can exceed, and hands its conversations over."""

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import orjson

from integrations.importers.archive import open_archive
from integrations.importers.base import ImportedChat, ImporterError, Reading
from integrations.importers.child import unpacked

MEMORY_BYTES = 256 * 1024**2  # beyond what the interpreter itself takes
CPU_SECONDS = 20  # for each conversation
DEATHS = 3  # without a conversation in between
WAIT_SECONDS = 1.0
PIPE_BYTES = 256 * 1024

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """One conversation as its list entry has it; `chat` only if chats were asked for. See `Reading`."""

    position: int
    error_code: str
    title: str
    source_id: str
    facts: dict[str, Any]
    chat: ImportedChat | None = None


class ArchiveChild:
    """The conversations of the archive at `path` from position `start` on, or only those at `positions`.

    `take` waits up to a second and gives what has come meanwhile, perhaps nothing; None when there is no more. A child
    that a conversation kills is started again behind it. `warnings` is there once the first answer is. Raises
    `ImporterError` for an archive that cannot be read at all, and `OSError` if there is no such file.
    """

    def __init__(
        self,
        path: Path,
        filename: str,
        *,
        start: int = 0,
        positions: Collection[int] | None = None,
        chats: bool = False,
    ) -> None:
        self.warnings: list[str] = []
        self._path, self._filename, self._chats = path, filename, chats
        self._start = start
        self._left = None if positions is None else sorted(positions)
        self._deaths = 0
        self._parts: list[bytes] = []  # of a line that has not ended
        self._is_over = self._is_closed = False
        self._process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child; may be called from another thread while `take` waits, which then gives None."""
        self._is_closed = True
        self._process.kill()
        self._process.wait()

    def take(self) -> list[Answer] | None:
        if self._is_over or self._is_closed:
            return None
        output = self._process.stdout
        assert output
        if not select.select([output], [], [], WAIT_SECONDS)[0]:
            return []
        data = os.read(output.fileno(), PIPE_BYTES)
        if not data:
            return self._after_death()
        if b"\n" not in data:
            self._parts.append(data)
            return []
        *lines, rest = b"".join([*self._parts, data]).split(b"\n")
        self._parts = [rest]
        return [answer for line in lines if (answer := self._answer(orjson.loads(line)))]

    def _answer(self, line: dict[str, Any]) -> Answer | None:
        if error := line.get("error"):
            raise ImporterError(error["detail"], code=error["code"])
        if "position" not in line:
            self.warnings, self._is_over = line["warnings"], line["is_over"]
            return None
        self._deaths = 0
        self._pass(line["position"])
        chat = line.pop("chat")
        return Answer(**line, chat=unpacked({"chat": chat}) if chat else None)

    def _pass(self, position: int) -> None:
        self._start = position + 1
        if self._left is not None:
            self._left = [left for left in self._left if left > position]

    def _after_death(self) -> list[Answer] | None:
        """Blames the conversation at which the child died, and goes on behind it."""
        if self._is_closed:
            return None
        self._process.wait()
        self._deaths += 1
        if self._deaths > DEATHS:
            detail = "This archive takes more memory or time than there is. Ask for an export of fewer conversations."
            raise ImporterError(detail, code="archive_too_large")
        blamed = self._left[0] if self._left else self._start
        self._pass(blamed)
        if self._left == []:
            self._is_over = True
        else:
            self._parts = []
            self._process = self._started()
        return [Answer(blamed, "too_large", "", "", {})]

    def _started(self) -> subprocess.Popen[bytes]:
        with self._path.open("rb") as archive:
            request = {"archive": archive.fileno(), "filename": self._filename, "chats": self._chats}
            process = subprocess.Popen(
                [sys.executable, "-m", "integrations.importers.archive_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a traceback may show what it was reading
                pass_fds=[archive.fileno()],
                cwd=_ROOT,
                env={},  # it needs no secret of ours
            )
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(orjson.dumps(request | {"start": self._start, "positions": self._left}))
            process.stdin.close()
        return process


def main() -> None:
    """Takes the request from standard input and writes each conversation as a line of JSON as soon as it is read."""
    request = json.load(sys.stdin.buffer)
    _limit_memory()
    with os.fdopen(request["archive"], "rb") as file:
        try:
            _write_all(file, request, sys.stdout.buffer)
        except ImporterError as error:
            _write(sys.stdout.buffer, {"error": {"detail": error.detail, "code": error.code}})
        except BrokenPipeError:
            os._exit(1)  # nobody listens any more


def _write_all(file: IO[bytes], request: dict[str, Any], out: IO[bytes]) -> None:
    archive = open_archive(file, request["filename"])
    _write(out, {"warnings": archive.warnings, "is_over": False})
    for reading in archive.readings(_wanted(request)):
        _write(out, _line(reading, with_chat=request["chats"]))
    _write(out, {"warnings": archive.warnings, "is_over": True})


def _wanted(request: dict[str, Any]) -> Callable[[int], bool]:
    """Says which positions are wanted; each one asked about has time of its own."""
    positions = None if request["positions"] is None else set(request["positions"])

    def is_wanted(position: int) -> bool:
        _allow_time()
        return position >= request["start"] and (positions is None or position in positions)

    return is_wanted


def _line(reading: Reading, *, with_chat: bool) -> dict[str, Any]:
    chat = reading.chat
    return {
        "position": reading.index,
        "error_code": reading.error_code,
        "title": reading.title,
        "source_id": reading.source_id,
        "facts": facts_of(chat) if chat else {},
        "chat": asdict(chat) if chat and with_chat else None,
    }


def facts_of(chat: ImportedChat) -> dict[str, Any]:
    """What a list says of a conversation: none of its messages."""
    return {
        "source": chat.source,
        "url": chat.url,
        "messages": len(chat.messages),
        "created_at": chat.created_at,
        "updated_at": chat.updated_at,
        "omitted": chat.omitted,
        "warnings": chat.warnings,
    }


def _write(out: IO[bytes], line: dict[str, Any]) -> None:
    out.write(orjson.dumps(line) + b"\n")
    out.flush()


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold chats
    with contextlib.suppress(OSError, ValueError):  # only Linux tells, and macOS does not let it be set
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _allow_time() -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_SECONDS, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
