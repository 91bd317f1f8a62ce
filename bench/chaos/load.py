"""Members at work: they import chats, talk about the drafts, edit, stop, approve and have answers written again."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from bench.chaos import invariants
from bench.chaos.client import JSON, Client
from bench.chaos.ledger import Ledger, Told

MODEL = {"llm_provider": "openai", "llm_model": "gpt-4o"}
TURNS_PER_IMPORT = 10
UNWATCHED_SECONDS = 30.0


class Kind(NamedTuple):
    """A sort of chat turn: its share, what is said to the model, the title of a draft version that may come of it."""

    share: int
    words: str = ""
    version: str = ""


KINDS = {
    "plain": Kind(58),
    "tool": Kind(14, "update the draft", "Tool {}"),
    "bell": Kind(4, "ring the bell", "Rung {} times"),  # needs an approval
    "cut": Kind(3, "[[cut_after=3]]"),  # by the model
    "cancelled": Kind(10),
    "edited": Kind(8),  # by the member, meanwhile
    "regenerated": Kind(3),
}


class Member:
    """One person. `pace` tells the model how to write; without it each answer has another length."""

    def __init__(self, client: Client, *, pace: str = "") -> None:
        self._client = client
        self._ledger = client.ledger
        self._pace = pace

    async def work(self, is_enough: Callable[[], bool]) -> None:
        """Does one thing after the other."""
        while not is_enough():
            conversation = await self.import_chat()
            for _ in range(TURNS_PER_IMPORT):
                if conversation is None or is_enough():
                    break
                await self._turn(conversation)

    async def import_chat(self) -> int | None:
        """The conversation's id; None if the import failed."""
        tag = self._ledger.tag()
        if tag % 2:
            text = f"# Chat {tag}\n\nUser: What is {tag}?\n\nAssistant: A number."
            told = self._ledger.open(Told("import", message=f"Chat {tag}"))
            await self._client.start(told, "/api/conversations/import-file", {"text": text})
        else:
            share = str(uuid.UUID(int=tag))
            told = self._ledger.open(Told("import", message=f"https://chatgpt.com/share/{share}"))
            body = MODEL | {"url": told.message, "accept_summarization": False, "duplicate_resolution": "prompt"}
            await self._client.start(told, "/api/conversations/import", body)
        if told.end and told.end["type"] == "done":
            told.conversation = int(told.end["conversation"]["id"])
        return told.conversation

    async def _turn(self, conversation: int) -> None:
        kind = random.choices(list(KINDS), [kind.share for kind in KINDS.values()])[0]
        told = self._told(conversation, KINDS[kind])
        await asyncio.gather(self._send(told), self._beside(kind, told))
        if kind == "regenerated":
            again = self._ledger.open(Told("regenerate", conversation=conversation))
            await self._client.start(again, f"{_chat(conversation)}/regenerate", {})

    async def say(self, conversation: int, words: str = "") -> Told:
        told = self._told(conversation, Kind(1, words))
        await self._send(told)
        return told

    def _told(self, conversation: int, kind: Kind) -> Told:
        tag, pace = self._ledger.tag(), self._pace or f"words={random.randint(6, 40)} delay_ms=4"
        message, version = f"#{tag} [[{pace}]] {kind.words}".strip(), kind.version.format(tag)
        return self._ledger.open(Told("send", message, version, conversation))

    async def _send(self, told: Told) -> None:
        path = f"{_chat(told.conversation)}/stream"
        await self._client.start(told, path, MODEL | {"message": told.message, "attachment_ids": []})
        told.is_over = True

    async def _beside(self, kind: str, told: Told) -> None:
        """What the member does while the answer is being written."""
        if kind == "cancelled":
            await until(lambda: bool(told.run_id) or told.is_over)
            await asyncio.sleep(random.uniform(0, 0.4))
            await self._expect({202}, "POST", f"/api/runs/{told.run_id}/cancel")
        elif kind == "edited":
            await asyncio.sleep(random.uniform(0, 0.4))
            await self._edit(told)
        elif kind == "bell":
            await self._decide(told)

    async def _edit(self, told: Told) -> None:
        """A second time might be a second version, so that it is sent once only."""
        title = f"Edit {self._ledger.tag()}"
        path = f"/api/conversations/{told.conversation}/project-draft"
        self._ledger.edits[title] = False
        status = await self._client.ask_once("PATCH", path, {"title": title, "description": f"About {title}."})
        self._ledger.edits[title] = status == 200
        if status not in (200, None):
            self._ledger.odd[f"PATCH {status}"] += 1

    async def _decide(self, told: Told) -> None:
        """Answers each question of the run; 409 is an answer to one that is settled."""
        while not told.is_over:
            await until(lambda: bool(told.question) or told.is_over)
            if question := told.question:
                told.question = ""
                body = {"approve": random.random() < 0.8}
                await self._expect({200, 409}, "POST", f"/api/runs/{told.run_id}/approve", body, key=question)

    async def _expect(self, statuses: set[int], method: str, path: str, body: JSON | None = None, **more: Any) -> None:
        status, answer = await self._client.ask(method, path, body, **more)
        if status not in statuses:
            self._ledger.odd[f"{method} {status} {str(answer)[:120]}"] += 1


async def crowd(
    urls: list[str], cookies: list[str], ledger: Ledger, is_enough: Callable[[], bool], seconds: float
) -> None:
    """Members at work all at once. Whoever is not ready after `seconds` leaves in the middle.

    Runs that nobody watches, such as the one that sums up a long chat, get their time to end.
    """
    async with in_time(ledger, seconds), closing(urls, cookies, ledger) as clients:
        await asyncio.gather(*(Member(client).work(is_enough) for client in clients))
    await asyncio.to_thread(invariants.wait_until_over, UNWATCHED_SECONDS)


@asynccontextmanager
async def in_time(ledger: Ledger, seconds: float) -> AsyncIterator[None]:
    """Ends the block after `seconds`, and has that noted as something that is wrong."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        ledger.odd[f"not ready after {seconds:.0f} s"] += 1


@asynccontextmanager
async def closing(urls: list[str], cookies: list[str], ledger: Ledger) -> AsyncIterator[list[Client]]:
    """A client for each cookie."""
    clients = [Client(urls, cookie, ledger) for cookie in cookies]
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients))


def _chat(conversation: int | None) -> str:
    return f"/api/conversations/{conversation}/project-draft/chat"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what it waits for comes from many places
        await asyncio.sleep(0.02)
