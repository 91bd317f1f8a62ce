"""The outside world for tests with real processes: a language model and a share site, on 127.0.0.1, in a thread.

The words of the last user message steer the model: `[[words=50 delay_ms=5]]` its length and pace, `[[cut_after=10]]`
drops the connection, `[[status=529]]` refuses, `[[empty]]` says nothing, `[[hang]]` falls silent after two words.
"update the draft" makes it call `update_project_draft` first; "bad title" with a title that is too long; "edit the
draft" makes it call `edit_project_draft`; "ring the bell" makes it call `ring_the_bell`, a tool of the tests that needs
approval; "create the project" the one of Linear, which is here, too. The prompt that asks for a draft steers, too.
"""

import asyncio
import json
import re
import threading
from concurrent.futures import Future
from typing import Any, Self

from aiohttp import web

from integrations.tests.fake_linear import LinearFaked

EDIT = {"old": "w3", "new": "a lamp"}
TITLE, DESCRIPTION = "A sharper title", "## Goal\n\nMeasure it."


def words(count: int) -> list[str]:
    return [f"w{number} " for number in range(count)]


class Outside:
    """`with Outside() as outside`: `outside.openai_url`, `outside.share_url`; what was asked is in `requests`."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.paths: list[str] = []
        self.linear = LinearFaked()
        self.open_streams = 0
        self.cut_no_more = self.refuse_everything = False
        self.refused_models: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        started: Future[int] = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        port = started.result(10)
        self.share_url = f"http://127.0.0.1:{port}"
        self.openai_url = f"{self.share_url}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def begin_anew(self) -> None:
        """As if nothing had been asked, and nothing set up to fail."""
        self.requests.clear()
        self.linear.forget()
        self.refused_models.clear()
        self.cut_no_more = self.refuse_everything = False

    async def _start(self) -> int:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/v1/chat/completions", self._complete)
        application.router.add_post("/graphql", self.linear.answer)
        application.router.add_get("/{path:.*}", self._page)
        application.router.add_post("/_/{path:.*}", self._page)  # Gemini's remote calls
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def _page(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        status, body = self.pages.get(request.path, (404, b"not here"))
        return web.Response(status=status, body=body, content_type="text/html")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        plan = Plan(body)
        if self.cut_no_more:
            plan.cut_after = -1
        if self.refuse_everything:
            return web.json_response({"error": {"message": "no"}}, status=400)
        if body.get("model") in self.refused_models:
            return web.json_response({"error": {"message": "not with this key"}}, status=401)
        if plan.status:
            return web.json_response({"error": {"message": "asked to fail"}}, status=plan.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.open_streams += 1
        try:
            await self._write(request, response, plan)
        finally:
            self.open_streams -= 1
        return response

    @staticmethod
    async def _write(request: web.Request, response: web.StreamResponse, plan: "Plan") -> None:
        for number, word in enumerate(plan.words):
            if number == plan.cut_after and request.transport:
                request.transport.abort()
                return
            if number == plan.hang_after:
                await asyncio.sleep(60)
            await asyncio.sleep(plan.delay)
            await response.write(_chunk({"content": word}))
        if plan.call:
            await response.write(
                _chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": plan.call}]})
            )
        await response.write(_chunk({}, "tool_calls" if plan.call else "stop"))
        usage = {"prompt_tokens": 11, "completion_tokens": len(plan.words)}
        await response.write(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n")


class Plan:
    """What one request gets."""

    def __init__(self, body: dict[str, Any]) -> None:
        messages = body["messages"]
        said = next((_text(message) for message in reversed(messages) if message["role"] == "user"), "")
        system = "".join(_text(message) for message in messages if message["role"] == "system")
        offered = {tool["function"]["name"] for tool in body.get("tools", [])}
        is_draft = "<title>" in system and "<description>" in system and not offered
        steering = re.findall(r"\[\[(.*?)\]\]", system + said if is_draft else said)
        options = dict(re.findall(r"(\w+)=(\d+)", " ".join(steering)))
        self.delay = int(options.get("delay_ms", 1)) / 1000
        self.status = int(options.get("status", 0))
        self.cut_after = int(options.get("cut_after", -1))
        self.hang_after = 2 if "[[hang]]" in said else -1
        self.words = [] if "[[empty]]" in said else words(int(options.get("words", 5)))
        self.call: dict[str, str] | None = None
        if "update the draft" in said and messages[-1]["role"] == "user" and "update_project_draft" in offered:
            title = "x" * 81 if "bad title" in said else TITLE
            arguments = json.dumps({"title": title, "description": DESCRIPTION})
            self.call = {"name": "update_project_draft", "arguments": arguments}
        if "edit the draft" in said and messages[-1]["role"] == "user" and "edit_project_draft" in offered:
            self.call = {"name": "edit_project_draft", "arguments": json.dumps({"edits": [EDIT], "title": ""})}
        if "create the project" in said and messages[-1]["role"] == "user" and "create_linear_project" in offered:
            self.call = {"name": "create_linear_project", "arguments": "{}"}
        if "ring the bell" in said and messages[-1]["role"] == "user" and "ring_the_bell" in offered:
            self.call = {"name": "ring_the_bell", "arguments": '{"times": 3}'}
        if is_draft and "[[no_tags]]" not in said:
            self.words = ["<title>Made ", "up</title>\n<description>", *self.words, "</description>"]


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
