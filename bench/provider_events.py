"""CPU per event of a provider's streams: `python -m bench.provider_events [--streams N] [--events N] [--pause-ms X]`.

A child process sends the answers, every event in a write of its own as a model does; this process reads them through
`OpenAIProvider`, and once more with the bare HTTP client. Printed is this process's CPU time, median of the rounds.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import httpx2

from integrations.llm.events import TextDelta
from integrations.llm.messages import ChatRequest, text_message
from integrations.llm.openai import OpenAIProvider

REQUEST = ChatRequest("gpt-4o", (text_message("user", "Go on"),))
EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","system_fingerprint":"fp",'
    b'"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
)
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, events: int, pause: float) -> None:
    """One connection, any number of requests."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(HEAD)
        for _ in range(events):
            writer.write(_framed(EVENT))
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(_framed(END) + _framed(b""))


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


async def _read(provider: OpenAIProvider) -> int:
    return sum([isinstance(event, TextDelta) async for event in provider.stream(REQUEST)])


async def _receive(client: httpx2.AsyncClient, url: str) -> int:
    """The same bytes, not decoded: what the HTTP client and the event loop cost by themselves."""
    async with client.stream("POST", url, json={}) as response:
        return sum([chunk.count(b"data: {") async for chunk in response.aiter_bytes()]) - 1


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


async def _measure(port: int, given: argparse.Namespace) -> None:
    url = f"http://127.0.0.1:{port}/v1"
    provider = OpenAIProvider("openai", "sk-bench", url)
    async with httpx2.AsyncClient(timeout=60) as client:
        floor = await _cost(lambda: _receive(client, url), given)
        whole = await _cost(lambda: _read(provider), given)
    await provider.aclose()
    print(f"{given.streams} streams, {given.events} events each, every {given.pause_ms} ms:")
    print(f"{whole:.1f} µs/event; {floor:.1f} for the bare HTTP client and the event loop")


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
        asyncio.run(_measure(ours.recv(), given))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
