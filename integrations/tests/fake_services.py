"""Mem0 and a summariser as contract.md 5.3 and 5.4 describe them, which can also be away, slow or lie."""

import asyncio
import itertools
from typing import Any

from aiohttp import web

from integrations.tests.loopback import cut


class Misbehaving:
    """What every fake can do wrong: `answers` come first, one for each request; `is_cut` drops every connection."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.headers: list[str] = []
        self.answers: list[tuple[int, Any]] = []
        self.headers_of_answers: dict[str, str] = {}
        self.is_cut = False
        self.delay = 0.0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append((request.path, body))
        self.headers.append(request.headers.get("Authorization", ""))
        is_cut = self.is_cut
        own = self.answers.pop(0) if self.answers and not is_cut else None  # chosen now: a late one takes no other's
        await asyncio.sleep(self.delay)
        if is_cut:
            cut(request)
            return web.Response()
        if own:
            return web.json_response(own[1], status=own[0], headers=self.headers_of_answers)
        return self.answer(request.path, body)

    def answer(self, path: str, body: Any) -> web.Response:
        raise NotImplementedError


class FakeMem0(Misbehaving):
    def __init__(self) -> None:
        super().__init__()
        self.hits: list[Any] = []

    def answer(self, path: str, body: Any) -> web.Response:
        return web.json_response({"results": self.hits} if path == "/search" else {}, status=200)


class FakeSummarizer(Misbehaving):
    """Reads at most `pace` messages for each request; `conversations` holds all that it was told, by number."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = 10_000
        self.conversations: dict[int, list[dict[str, str]]] = {}
        self.read: dict[int, int] = {}
        self.documents: dict[int, Any] = {}
        self.links: list[tuple[int, int]] = []
        self._numbers = itertools.count(1)

    def answer(self, path: str, body: Any) -> web.Response:
        if path == "/upload_document":
            number = next(self._numbers)
            self.documents[number] = body
            return web.json_response({"status": "success", "document_id": number})
        if path == "/add_document_to_conversation":
            self.links.append((body["conversation_id"], body["document_id"]))
            return web.json_response({"status": "success"})
        return self._manage(body)

    def _manage(self, body: Any) -> web.Response:
        number = body["summary_id"] or next(self._numbers)
        told = self.conversations.setdefault(number, [])
        start, new = body["index_of_first_new_message"], body["new_messages"]
        if new and start != len(told):
            message = f"Index mismatch. Expected index {len(told)}, but got {start}."
            return web.json_response({"status": "error", "message": message}, status=400)
        told.extend(new)
        read = self.read[number] = min(self.read.get(number, 0) + self.pace, len(told))
        summary = {"latest_summary": f"Summary of {read} messages", "latest_processed_message_idx": read - 1}
        nothing = {"latest_summary": None, "latest_processed_message_idx": None}
        return web.json_response({"status": "success", "summary_id": number} | (summary if read else nothing))
