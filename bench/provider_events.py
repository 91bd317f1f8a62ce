"""CPU per event of a provider's streams: `python -m bench.provider_events [--streams N] [--events N] [--pause-ms X]`.

A child process sends the answers in each vendor's wire, every event in a write of its own as a model does; this process
reads them through the provider, and once more with the bare HTTP client below it. Printed is this process's CPU time,
median of the rounds.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import aiohttp

from integrations.llm.anthropic import AnthropicProvider
from integrations.llm.events import TextDelta
from integrations.llm.messages import ChatRequest, text_message
from integrations.llm.openai import OpenAIProvider
from integrations.llm.sdk_provider import SDKProvider

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Case(NamedTuple):
    """A wire: who reads it, the event with a word as the vendor writes it, and the end of an answer."""

    provider: type[SDKProvider]
    path: str
    options: dict[str, Any]
    event: bytes
    end: bytes


def _data(document: dict[str, Any], name: str = "") -> bytes:
    line = f"data: {json.dumps(document, separators=(',', ':'))}\n\n"
    return (f"event: {name}\n{line}" if name else line).encode()


def _typed(name: str, **members: Any) -> bytes:
    return _data({"type": name, **members}, name)


def _chunk(delta: dict[str, str], reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": ""}
    return _data({**head, "choices": [choice], "usage": None})


CASES = {
    "openai chat": Case(
        OpenAIProvider,
        "/chat/completions",
        {},
        _chunk({"content": " word"}, None),
        _chunk({}, "stop") + b"data: [DONE]\n\n",
    ),
    "openai responses": Case(
        OpenAIProvider,
        "/responses",
        {"api_flavour": "responses"},
        _typed(
            "response.output_text.delta",
            **{"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": " word", "logprobs": []},
            sequence_number=9,
        ),
        _typed("response.completed", response={"status": "completed"}),
    ),
    "anthropic": Case(
        AnthropicProvider,
        "/v1/messages",
        {},
        _typed("content_block_delta", index=0, delta={"type": "text_delta", "text": " word"}),
        _typed("message_delta", delta={"stop_reason": "end_turn"}, usage={}) + _typed("message_stop"),
    ),
}


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, events: int, pause: float) -> None:
    """One connection, any number of requests."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        case = next(case for case in CASES.values() if f" {case.path} ".encode() in head)
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(HEAD)
        for _ in range(events):
            writer.write(_framed(case.event))
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(_framed(case.end) + _framed(b""))


def _serve(pipe: Connection, events: int, pause: float) -> None:
    async def run() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await _answer(reader, writer, events, pause)
            except asyncio.IncompleteReadError:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def _read(provider: SDKProvider, request: ChatRequest) -> int:
    return sum([isinstance(event, TextDelta) async for event in provider.stream(request)])


async def _receive(client: aiohttp.ClientSession, url: str) -> int:
    """The same bytes, not decoded: what the HTTP client and the event loop cost by themselves."""
    async with client.post(url, json={}) as response:
        return sum([chunk.count(b" word") async for chunk in response.content.iter_any()])


async def _cost(ask: Callable[[], Awaitable[int]], given: argparse.Namespace) -> float:
    """Microseconds for each event."""
    figures = []
    for _ in range(given.rounds + 1):
        began = time.process_time()
        seen = await asyncio.gather(*(ask() for _ in range(given.streams)))
        if set(seen) != {given.events}:
            raise SystemExit(f"Of {given.events} events {min(seen)} to {max(seen)} arrived.")
        figures.append((time.process_time() - began) / sum(seen) * 1e6)
    return statistics.median(figures[1:])  # the first round imports and connects


async def _measure(url: str, name: str, case: Case, given: argparse.Namespace) -> None:
    provider = case.provider(name, "sk-bench", url)
    request = ChatRequest("m", (text_message("user", "Go on"),), options=case.options)
    whole = await _cost(lambda: _read(provider, request), given)
    await provider.aclose()
    async with aiohttp.ClientSession() as client:
        floor = await _cost(lambda: _receive(client, url + case.path), given)
    print(f"{name}: {whole:.1f} µs/event; {floor:.1f} for the bare HTTP client and the event loop", flush=True)


async def _measure_all(port: int, given: argparse.Namespace) -> None:
    print(f"{given.streams} streams, {given.events} events each, every {given.pause_ms} ms:", flush=True)
    for name, case in CASES.items():
        await _measure(f"http://127.0.0.1:{port}", name, case, given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50, help="answers read at the same time (50)")
    parser.add_argument("--events", type=int, default=200, help="text events in an answer (200)")
    parser.add_argument("--pause-ms", type=float, default=10.0, help="between two events (10); 0 sends them in bursts")
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure (3)")
    given = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(theirs, given.events, given.pause_ms / 1000), daemon=True)
    server.start()
    try:
        asyncio.run(_measure_all(ours.recv(), given))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
