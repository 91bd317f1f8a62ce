"""The tools of `bench.chaos`: clients that notice what is lost, faults that happen, and a count of both."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bench.chaos import faults
from bench.chaos.client import Client
from bench.chaos.faults import Killer
from bench.chaos.ledger import Ledger, Told
from bench.chaos.outside import Model, Proxy
from bench.chaos.processes import Fleet, Slot
from bench.chaos.report import Report

RUN = "01890000-0000-7000-8000-000000000000"
SECONDS = 10


def frame(number: int, event: str) -> bytes:
    return f"id: {RUN}:{number}\ndata: {event}\n\n".encode()


HALF = frame(1, '{"type":"run"}') + frame(2, '{"type":"content","content":"Half"}')
REST = frame(9, '{"type":"reset"}') + frame(10, '{"type":"content","content":"Whole"}') + frame(11, '{"type":"done"}')


class Server:
    """Answers each request as the next entry of `plan` says: a status, or the bytes of a stream and whether it ends."""

    def __init__(self, *plan: int | tuple[bytes, bool] | None) -> None:
        self.plan = list(plan)
        self.seen: list[tuple[str, str, Any]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path, request.headers))
        step = self.plan.pop(0)
        if isinstance(step, int):
            return web.json_response({"code": "told"}, status=step)
        response = web.StreamResponse(headers={"X-Run-Id": RUN})
        if step is not None:
            await response.prepare(request)
            await response.write(step[0])
        if step is None or not step[1]:
            assert request.transport
            request.transport.abort()
        return response

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = Client([f"http://127.0.0.1:{runner.addresses[0][1]}"], "cookie", Ledger())
        try:
            async with asyncio.timeout(SECONDS):
                yield client
        finally:
            await client.close()
            await runner.cleanup()

    def keys(self) -> list[str]:
        return [headers.get("Idempotency-Key", "") for _, _, headers in self.seen]


async def test_it_sends_again_with_the_same_key_when_the_connection_broke():
    server, told = Server(None, None, (HALF + REST, True)), Told("send")
    async with server.client() as client:
        await client.start(told, "/chat", {"message": "Hello"})
    assert (told.run_id, told.text, told.ending) == (RUN, "Whole", "done")
    assert len(server.seen) == 3 and len(set(server.keys())) == 1 and server.keys()[0]


async def test_it_joins_again_after_the_last_event_it_has_seen():
    server, told = Server((HALF, False), None, (b"", True), (REST, True)), Told("send")
    async with server.client() as client:
        await client.start(told, "/chat", {"message": "Hello"})
        assert len(client.ledger.waits) == told.rejoins == 2
    assert (told.text, told.ending) == ("Whole", "done")
    assert [(method, path) for method, path, _ in server.seen[1:]] == [("GET", f"/api/runs/{RUN}/events")] * 3
    assert {headers["Last-Event-ID"] for _, _, headers in server.seen[1:]} == {f"{RUN}:2"}


async def test_it_notes_an_answer_that_it_does_not_expect():
    server, told = Server(500), Told("send")
    async with server.client() as client:
        await client.start(told, "/chat", {"message": "Hello"})
        assert dict(client.ledger.odd) == {'POST 500 {"code": "told"}': 1}
    assert (told.run_id, told.ending) == ("", "never ended")


async def test_it_asks_until_it_is_answered_unless_it_may_ask_only_once():
    async with Server(None, 409).client() as client:
        assert await client.ask("POST", "/approve", {"approve": True}, key="k") == (409, {"code": "told"})
    async with Server(None, 200).client() as client:
        assert await client.ask_once("PATCH", "/draft", {}) is None
        assert await client.ask_once("PATCH", "/draft", {}) == 200


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    return tmp_path / "echo.sock"


@asynccontextmanager
async def proxied(echo: Path) -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a proxy to a server that sends back what it gets."""

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server, proxy = await asyncio.start_unix_server(repeat, str(echo)), Proxy(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
    try:
        yield proxy, reader, writer
    finally:
        writer.close()
        server.close()


async def test_it_forwards_both_ways_and_holds_everything_back_while_frozen(echo: Path):
    async with proxied(echo) as (proxy, reader, writer):
        writer.write(b"one")
        assert await asyncio.wait_for(reader.readexactly(3), SECONDS) == b"one"
        proxy.freeze()
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(3), 0.2)
        proxy.thaw()
        assert await asyncio.wait_for(reader.readexactly(3), SECONDS) == b"two"


async def test_it_cuts_every_connection(echo: Path):
    async with proxied(echo) as (proxy, reader, writer):
        writer.write(b"one")
        await asyncio.wait_for(reader.readexactly(3), SECONDS)
        proxy.cut()
        assert await asyncio.wait_for(reader.read(1), SECONDS) == b""


async def test_it_answers_each_message_in_words_of_its_own():
    tools = [{"function": {"name": "update_project_draft"}}]
    body = {"messages": [{"role": "user", "content": "#7 [[words=2]] update the draft"}], "tools": tools}
    with Model() as model:
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{model.openai_url}/chat/completions", json=body) as response:
                text = await response.text()
            async with session.get(f"{model.share_url}/share/some-id") as response:
                page = await response.text()
    assert '"7w0 "' in text and '"7w1 "' in text and '\\"Tool 7\\"' in text
    assert "How does /share/some-id work?" in page


class Stage(Fleet):
    """A fleet of processes that are only claimed to exist."""

    def __init__(self) -> None:
        super().__init__(None, runners=3, webs=1, concurrency=1, cold=True)  # type: ignore[arg-type]
        self.launched: list[bool] = []
        for slot in self.slots:
            slot.exit_code = lambda: None

    def launch(self, slot: Slot, *, cold: bool) -> None:
        self.launched.append(cold)
        slot.cause, slot.exit_code = "", lambda: None
        slot.pid += 1

    def kill(self, slot: Slot, cause: str) -> None:
        if slot.is_alive:
            slot.cause, slot.exit_code = cause, lambda: -signal.SIGKILL


async def kept(fleet: Fleet, killer: Killer, seconds: float) -> None:
    """Lets both work for a while."""
    tasks = [asyncio.create_task(fleet.keep()), asyncio.create_task(killer.work())]
    await asyncio.wait(tasks[1:], timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(faults, "FREEZES", 0)
    monkeypatch.setattr(faults, "CUTS", 0)


async def test_it_kills_as_often_as_it_is_told(quick: None):
    fleet = Stage()
    killer = Killer(None, fleet, most=8, progress=lambda: 1.0)  # type: ignore[arg-type]
    await kept(fleet, killer, SECONDS)
    assert killer.is_done and fleet.accidents == []
    assert fleet.deaths.total() >= 8
    assert set(fleet.deaths) <= {
        f"kill -9 of a {name}{cold}" for name in ("web", "runner") for cold in ("", " just started")
    }


async def test_it_kills_no_more_than_the_work_allows(quick: None):
    fleet = Stage()
    killer = Killer(None, fleet, most=100, progress=lambda: 0.05)  # type: ignore[arg-type]
    await kept(fleet, killer, 1.0)
    assert 5 <= killer.warm_kills <= 6 and not killer.is_done


async def test_it_tells_a_fail_point_from_a_process_that_ended_by_itself(quick: None):
    fleet = Stage()
    killer = Killer(None, fleet, most=0, progress=lambda: 1.0)  # type: ignore[arg-type]
    fleet.runners[0].exit_code = lambda: -signal.SIGKILL
    fleet.runners[1].exit_code = lambda: 1
    keeping = asyncio.create_task(fleet.keep())
    await asyncio.sleep(0.1)
    keeping.cancel()
    assert (dict(fleet.deaths), killer.warm_kills) == ({"fail-point": 1}, 1)
    assert fleet.accidents == ["runner ended by itself with 1"]
    assert len(fleet.launched) == 2


def test_it_chooses_ports_that_nobody_listens_at_and_no_client_is_given():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = [slot.port for slot in Stage().webs]
        assert taken.getsockname()[1] not in ports
    assert all(20_000 <= port < 30_000 for port in ports)


def test_it_reports_what_is_wrong(capsys: pytest.CaptureFixture[str]):
    report = Report("kills", {"kills": 3})
    report.expect(True, "not told")
    report.print()
    assert "nothing lost, nothing doubled, nothing left running" in capsys.readouterr().out
    report.expect(False, "the sky is up")
    report.print()
    told = capsys.readouterr().out
    assert "WRONG expectations that were not met: 1\n        the sky is up\n  FAILED" in told and "not told" not in told


def test_it_reports_how_runs_ended_and_how_long_a_stream_was_away(capsys: pytest.CaptureFixture[str]):
    ends = [{"type": "done"}, {"type": "error", "code": "attempts_exhausted"}, {"type": "done"}]
    report = Report("kills")
    report.count_ledger(Ledger([Told("send", end=end) for end in ends], waits=[0.5, 0.25, 3.0]))
    assert report.figures["chat turns"] == 3
    assert report.figures["chat turns that ended as"] == "done 2, attempts_exhausted 1"
    assert report.figures["until joined again"] == "0.50 s (median), 3.0 s (slowest)"
    assert "imports" not in report.figures
