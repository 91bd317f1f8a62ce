"""What surrounds Draftloom in a chaos run, in a process of its own: a model, a share site, and the way to Redis."""

import asyncio
import json
import logging
import multiprocessing
import os
import re
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Self

from aiohttp import web

from config.local import die_with_parent
from config.tests.outside import Outside, Plan
from integrations.tests.fixtures.chatgpt import conversation, message, share_page

TAG = re.compile(r"#(\d+)")
START_SECONDS = 30.0


class Model(Outside):
    """The model of the tests; a message that begins with `#7` gets that number into each word and title it causes."""

    async def _page(self, request: web.Request) -> web.Response:
        chat = [message("user", f"How does {request.path} work?"), message("assistant", "Slowly.")]
        return web.Response(text=share_page(conversation(*chat, title=request.path)), content_type="text/html")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.requests.clear()  # thousands of them
        return await super()._complete(request)

    @staticmethod
    async def _write(request: web.Request, response: web.StreamResponse, plan: Plan) -> None:
        said = [message["content"] for message in (await request.json())["messages"] if message["role"] == "user"]
        if tag := TAG.match(str(said[-1])):
            _mark(plan, tag[1])
        await Outside._write(request, response, plan)


def _mark(plan: Plan, tag: str) -> None:
    plan.words = [word.replace("w", f"{tag}w", 1) if word.startswith("w") else word for word in plan.words]
    if plan.call and plan.call["name"] == "update_project_draft":
        plan.call["arguments"] = json.dumps({"title": f"Tool {tag}", "description": f"Called for {tag}."})
    elif plan.call:
        plan.call["arguments"] = json.dumps({"times": int(tag)})


class Proxy:
    """Forwards TCP connections to a Unix socket. Frozen, it goes on accepting and forwards nothing, either way."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Listens on a free port of 127.0.0.1, and returns it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """Breaks every connection there is; new ones work."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_reader, target_writer = await asyncio.open_unix_connection(str(self._target))
        both = {writer, target_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, target_writer), self._pump(target_reader, writer))
        finally:
            self._writers -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # cut, or killed: the other side hears of it
        finally:
            writer.close()


class Addresses(NamedTuple):
    openai_url: str
    share_url: str
    redis_url: str


class Surroundings:
    """`with Surroundings(valkey_socket) as around`: `around.addresses`, and `around.tell("freeze")`, `thaw`, `cut`."""

    def __init__(self, valkey: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, valkey, os.getpid()), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        if not self._pipe.poll(START_SECONDS):
            raise TimeoutError("The fake outside world did not start.")
        self.addresses: Addresses = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def tell(self, command: str) -> None:
        self._pipe.send(command)


def _serve(pipe: Connection, valkey: Path, parent: int) -> None:
    die_with_parent(parent)
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # whoever asks may be killed before the answer
    with Model() as model:
        asyncio.run(_obey(pipe, model, Proxy(valkey)))


async def _obey(pipe: Connection, model: Model, proxy: Proxy) -> None:
    redis_url = f"redis://127.0.0.1:{await proxy.start()}/0"
    pipe.send(Addresses(model.openai_url, model.share_url, redis_url))
    commands: dict[str, Any] = {"freeze": proxy.freeze, "thaw": proxy.thaw, "cut": proxy.cut}
    while True:
        commands[await asyncio.to_thread(pipe.recv)]()
