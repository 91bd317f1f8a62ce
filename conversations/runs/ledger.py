"""What the models asked by a run took: each call a row, their sum with the run."""

from copy import copy
from typing import Any

from conversations.models import Run
from conversations.runs.context import RunContext
from llmconfig.metering import Purpose, store_begun, store_ended
from llmconfig.models import LLMCall

NOTHING: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}


class RunLedger:
    """A `Ledger` that stores a run's calls in its runner's threads and adds up what they took in `context.usage`."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    def begun(self, call: LLMCall) -> None:
        self._context.later(store_begun, copy(call))

    def ended(self, call: LLMCall) -> None:
        if call.input_tokens is not None:
            self._context.usage = added_up(self._context.usage or NOTHING, call)
        self._context.later(store_ended, call)


def added_up(usage: dict[str, Any], call: LLMCall) -> dict[str, Any]:
    """The sum of both; its cost is unknown as soon as one of the two is."""
    known = usage["cost_usd"] is not None and call.cost_usd is not None
    return {
        "input_tokens": usage["input_tokens"] + (call.input_tokens or 0),
        "output_tokens": usage["output_tokens"] + (call.output_tokens or 0),
        "cost_usd": round(usage["cost_usd"] + float(call.cost_usd or 0), 8) if known else None,
    }


def purpose_of(run: Run, task: str, prompt_version: int | None = None) -> Purpose:
    return Purpose(task, run.user_id, run.id, run.conversation_id, prompt_version)
