"""A model behind nothing: what long texts ask is answered by a function, slowly or not, and recorded."""

import asyncio
from collections.abc import Callable

SUMMARISED, MERGED = "Summarise", "These are summaries"


class FakeAsk:
    """`answer(question, number)` gives the answer to the question of that number, or an error to raise."""

    def __init__(self, answer: Callable[[str, int], str | Exception], *, seconds: float = 0.0) -> None:
        self._answer, self._seconds = answer, seconds
        self.asked: list[tuple[str, str, int]] = []
        self.under_way = self.most_under_way = self.cancelled = 0

    async def __call__(self, system: str, question: str, max_tokens: int) -> str:
        number = len(self.asked)
        self.asked.append((system, question, max_tokens))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        answer = self._answer(question, number)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def questions(self, start: str) -> list[str]:
        return [question for _, question, _ in self.asked if question.startswith(start)]


def inside(question: str) -> str:
    """The data of a question that holds one element."""
    return question.split("\n\n", 1)[1].split("\n", 1)[1].rsplit("\n", 1)[0]
