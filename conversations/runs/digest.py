"""What a run finds out about a text of any length: its keywords or a summary, piece by piece, each piece paid once."""

import asyncio
from collections.abc import Sequence

from config.exceptions import Invalid
from conversations.runs.context import RunContext
from conversations.runs.ledger import RunLedger, purpose_of
from integrations.llm import registry
from integrations.llm.keywords import CHOOSE, FIND, find_keywords
from integrations.llm.map_reduce import MERGE, SUMMARISE, Calls, Progress, summarise
from integrations.llm.messages import text_message
from integrations.llm.splitting import map_budget
from integrations.llm.tokens import estimate_tokens
from llmconfig.asking import complete_task
from llmconfig.models import LLMModel, Task
from llmconfig.prompts import ActivePrompt, active_prompt
from llmconfig.services import candidates, default_model

TAGS_TOKENS = 40  # `as_data` around a piece


class Digest:
    """One task on one text. The answers to its pieces are a checkpoint of the run, so that a restart asks for the rest.

    Several of them in one run, one after another, share that checkpoint: a question is known by what it asks.
    """

    def __init__(self, context: RunContext, task: Task, models: Sequence[LLMModel], prompt: ActivePrompt) -> None:
        self._context, self._task, self._models, self._prompt = context, task, models, prompt
        self._parts: dict[str, str] = dict(context.run.step.get("parts", {}))
        self._storing = asyncio.Lock()

    def budget(self, *instructions: str) -> int:
        """The bytes that a piece may have, so that each of the models can read it. Raises `Invalid` if none fits."""
        longest = max(estimate_tokens(instruction) for instruction in instructions) + TAGS_TOKENS
        system = estimate_tokens(self._prompt.text)
        budget = min(map_budget(model.context_window_tokens, system, longest) for model in self._models)
        if budget <= 0:
            raise Invalid(
                f"The window of {self._models[0].label} is too small for its prompt.", code="context_too_long"
            )
        return budget

    def calls(self, progress: Progress | None = None) -> Calls:
        return Calls(self._ask, resume=self._parts, on_part=self._keep, progress=progress)

    @property
    def system(self) -> str:
        return self._prompt.text

    async def _ask(self, system: str, question: str, most_tokens: int) -> str:
        messages = text_message("system", system), text_message("user", question)
        purpose = purpose_of(self._context.run, self._task, self._prompt.version)
        ledger = RunLedger(self._context)
        answer = await complete_task(purpose, self._models, messages, ledger, max_output_tokens=most_tokens)
        return answer.text

    async def _keep(self, key: str, answer: str) -> None:
        async with self._storing:  # answers come side by side, and each checkpoint holds all of them
            self._parts[key] = answer
            await self._context.checkpoint(parts=self._parts, usage=self._context.usage)


async def keywords_of(context: RunContext, text: str) -> list[str]:
    """At most 20 keywords; none if the text is blank or no model here can read. Raises `LLMError` and `Invalid`."""
    digest = await _digest(context, Task.KEYWORDS)
    if digest is None:
        return []
    budget = digest.budget(FIND, CHOOSE)
    return await find_keywords(text, calls=digest.calls(), system=digest.system, budget=budget)


async def summary_of(context: RunContext, text: str, progress: Progress | None = None) -> str:
    """A summary in 2 to 8 sentences; empty if the text is blank or no model here can read.

    `progress` is told how many calls were answered, and how many it takes. Raises `LLMError` and `Invalid`.
    """
    digest = await _digest(context, Task.CONVERSATION_SUMMARY)
    if digest is None:
        return ""
    budget = digest.budget(SUMMARISE, MERGE)
    return await summarise(text, calls=digest.calls(progress), system=digest.system, budget=budget, tag="conversation")


async def _digest(context: RunContext, task: Task) -> Digest | None:
    models, prompt = await context.db(_means, task)
    return Digest(context, task, models, prompt) if registry.can_read(models[0].provider) else None


def _means(task: Task) -> tuple[list[LLMModel], ActivePrompt]:
    models = candidates(prompt_type=task, chosen=default_model(prompt_type=task))
    return models, active_prompt(prompt_type=task)
