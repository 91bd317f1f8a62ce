"""A member's client that lets nothing go: it sends again with the same key, and joins again where it was cut off."""

import asyncio
import random
import time
import uuid
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import orjson

from bench.chaos.ledger import Ledger, Told

CUT = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
TIMES = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=20)
PAUSE_SECONDS = 0.1
LINE_BYTES = 4 * 1024 * 1024
JSON = dict[str, Any]


class Client:
    """Speaks to any of the web processes at `urls`. What surprises it is counted in `ledger.odd`."""

    def __init__(self, urls: list[str], cookie: str, ledger: Ledger) -> None:
        self.ledger = ledger
        self._urls = urls
        self._http = aiohttp.ClientSession(
            cookies={"session_token": cookie},
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # for an address instead of a name
            timeout=TIMES,
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            read_bufsize=LINE_BYTES,
        )

    async def close(self) -> None:
        await self._http.close()

    async def ask(self, method: str, path: str, body: JSON | None = None, *, key: str = "") -> tuple[int, Any]:
        """Status and JSON of an answer; asks until there is one."""
        headers = {"Idempotency-Key": key} if key else {}
        while True:
            try:
                async with self._opened(method, path, json=body, headers=headers) as response:
                    return response.status, orjson.loads(await response.read() or b"null")
            except CUT:
                await asyncio.sleep(PAUSE_SECONDS)

    async def ask_once(self, method: str, path: str, body: JSON) -> int | None:
        """The status, or None if the connection broke before it came."""
        try:
            async with self._opened(method, path, json=body) as response:
                await response.read()
                return response.status
        except CUT:
            return None

    async def start(self, told: Told, path: str, body: JSON) -> None:
        """Starts a run and watches it to its end, whatever happens to the processes in between."""
        key = str(uuid.uuid4())
        while not told.run_id:
            try:
                async with self._opened("POST", path, json=body, headers={"Idempotency-Key": key}) as response:
                    if response.status != 200:
                        self._note(response, await response.text())
                        return
                    told.run_id = response.headers["X-Run-Id"]
                    await self._read(response, told)
            except CUT:
                await asyncio.sleep(PAUSE_SECONDS)
        await self.watch(told)

    async def watch(self, told: Told) -> None:
        """Joins a run after the last event that was seen, as often as it takes to see its end."""
        while told.end is None:
            cut_at, is_joined = time.monotonic(), False
            while not is_joined:
                await asyncio.sleep(PAUSE_SECONDS)
                is_joined = await self._joined(told, cut_at)

    async def _joined(self, told: Told, cut_at: float) -> bool:
        """Watches until the end, or until it is cut off again; False if it did not get that far."""
        joins = told.rejoins
        headers = {"Last-Event-ID": told.last_event_id} if told.last_event_id else {}
        try:
            async with self._opened("GET", f"/api/runs/{told.run_id}/events", headers=headers) as response:
                if response.status == 200:
                    told.rejoins += 1
                    self.ledger.waits.append(time.monotonic() - cut_at)
                    await self._read(response, told)
                else:
                    self._note(response, await response.text())
        except CUT:
            pass  # the caller tries again
        return told.rejoins > joins

    async def _read(self, response: aiohttp.ClientResponse, told: Told) -> None:
        event_id = ""
        async for line in response.content:
            if line.startswith(b"id: "):
                event_id = line[4:].strip().decode()
            elif line.startswith(b"data: "):
                told.see(orjson.loads(line[6:]), event_id)

    def _opened(self, method: str, path: str, **options: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._http.request(method, random.choice(self._urls) + path, **options)

    def _note(self, response: aiohttp.ClientResponse, text: str) -> None:
        self.ledger.odd[f"{response.method} {response.status} {text[:120]}"] += 1
