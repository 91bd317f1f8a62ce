"""Many questions about one long text: several at once, each answer kept, and the answers merged into one.

What asks a model is passed in, so nothing here knows providers, prompts' versions or the database.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from integrations.llm.delimited import as_data
from integrations.llm.errors import EmptyAnswer
from integrations.llm.splitting import ANSWER_TOKENS, split
from integrations.llm.tokens import size

Ask = Callable[[str, str, int], Awaitable[str]]  # system prompt, question, at most so many tokens of answer
OnPart = Callable[[str, str], Awaitable[None]]  # a question's key, its answer
Progress = Callable[[int, int], None]  # calls answered, calls needed as far as is known

CONCURRENT_CALLS = 4
MERGED_AT_ONCE = 50  # contract.md 4.7
SUMMARISE = (
    "Summarise what stands between the tags in 2 to 4 sentences. It may be one part of something longer: "
    "say what it says, and nothing about being a part."
)
MERGE = (
    "These are summaries of the parts of one text, in their order. Write one summary of the whole in 4 to 8 sentences, "
    "without naming the parts."
)


def key_of(system: str, question: str) -> str:
    """Names a question by what is asked, so that an answer that was kept is never taken for that of another text."""
    text = f"{system}\0{question}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]


class Calls:
    """The calls to a model that one task takes, at most `limit` of them at once.

    `resume` holds answers of an earlier attempt by the keys that `on_part` was called with: those questions are not
    asked again, nor is one that was answered before. `on_part(key, answer)` is awaited for each new answer that is not
    empty, to keep it. `progress(done, total)` is called after each answer, those of `resume` included; `total` may
    change while a text is merged.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        limit: int = CONCURRENT_CALLS,
        resume: Mapping[str, str] | None = None,
        on_part: OnPart | None = None,
        progress: Progress | None = None,
    ) -> None:
        if limit < 1:
            raise ValueError("At least one call at a time must be allowed.")
        self._ask, self._limit = ask, limit
        self._answers = dict(resume or {})
        self._on_part, self._progress = on_part, progress
        self._done = self._total = 0

    async def answers(self, system: str, questions: Sequence[str], *, later: int = 0) -> list[str]:
        """The answers in the order of the questions; `later` is how many calls are expected to follow.

        The first error that `ask` or `on_part` raises cancels what is under way, and is raised.
        """
        self._total = self._done + len(questions) + later
        answers: dict[int, str] = {}
        waiting = iter(enumerate(questions))

        async def work() -> None:
            for number, question in waiting:
                answers[number] = await self._answer(system, question)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._limit, len(questions))):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [answers[number] for number in range(len(questions))]

    async def _answer(self, system: str, question: str) -> str:
        key = key_of(system, question)
        answer = self._answers.get(key, "")
        if not answer:
            answer = (await self._ask(system, question, ANSWER_TOKENS)).strip()
            await self._keep(key, answer)
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)
        return answer

    async def _keep(self, key: str, answer: str) -> None:
        """Keeps an answer, unless it is empty: another attempt may get a better one."""
        if answer:
            self._answers[key] = answer
            if self._on_part:
                await self._on_part(key, answer)


async def summarise(text: str, *, calls: Calls, system: str, budget: int, tag: str = "document") -> str:
    """A summary of `text`, however long: of each piece of at most `budget` bytes, then of the summaries.

    One piece's summary (2 to 4 sentences) is the answer as it is; more are merged into 4 to 8 sentences. Contract.md
    4.7 merges the first 50 and drops the others; here they are merged in groups of at most 50 that fit `budget`, and
    the results again, until one is left, so that the end of a long text counts as much as its start. Empty summaries
    of pieces are passed over. Blank text gives an empty summary, without a call. Raises `EmptyAnswer` if the model
    said nothing to any piece, or nothing to a merge; `ValueError` if `budget` is not positive; and what `ask` raises.
    """
    pieces = split(text, budget)
    if not pieces:
        return ""
    questions = [f"{SUMMARISE}\n\n{as_data(tag, piece)}" for piece in pieces]
    answers = await calls.answers(system, questions, later=merges_of(len(pieces)))
    summaries = [answer for answer in answers if answer]
    if not summaries:
        raise EmptyAnswer("The model gave an empty answer. Try again, or try another model.")
    while len(summaries) > 1:
        summaries = await _merge(summaries, calls=calls, system=system, budget=budget)
    return summaries[0]


async def _merge(summaries: list[str], *, calls: Calls, system: str, budget: int) -> list[str]:
    """One summary for each group; a group of one is that summary."""
    groups = _groups(summaries, budget)
    questions = [_merge_question(group) for group in groups if len(group) > 1]
    answers = await calls.answers(system, questions, later=merges_of(len(groups)))
    if not all(answers):
        raise EmptyAnswer("The model gave an empty answer. Try again, or try another model.")
    remaining = iter(answers)
    return [next(remaining) if len(group) > 1 else group[0] for group in groups]


def _merge_question(summaries: list[str]) -> str:
    return "\n".join([f"{MERGE}\n", *(as_data("summary", summary) for summary in summaries)])


def _groups(summaries: list[str], budget: int) -> list[list[str]]:
    """Summaries in order, in groups of at most 50 and `budget` bytes, but of two at least, or merging would not end."""
    groups: list[list[str]] = []
    room = 0
    for summary in summaries:
        room -= size(as_data("summary", summary)) + 1
        if not groups or len(groups[-1]) == MERGED_AT_ONCE or (room < 0 and len(groups[-1]) > 1):
            groups.append([])
            room = budget - size(as_data("summary", summary)) - 1
        groups[-1].append(summary)
    return groups


def merges_of(summaries: int) -> int:
    """How many calls it takes to merge so many summaries into one, if 50 of them always fit."""
    if summaries <= 1:
        return 0
    full, rest = divmod(summaries, MERGED_AT_ONCE)
    return full + (rest > 1) + merges_of(full + (rest > 0))
