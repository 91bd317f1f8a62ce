"""One draft of a trial: which model is asked, what it is sent, and what is made of its answer."""

from typing import NamedTuple

from config.exceptions import Invalid
from config.text import clean_text
from conversations.models import Conversation, Run
from conversations.runs.context import RunContext
from conversations.runs.handlers import RunFailed
from conversations.runs.ledger import RunLedger
from drafts.generation import parse
from drafts.material import Material, material_for
from drafts.models import DraftVersion, TrialDraft
from integrations.llm.completion import completion_of
from integrations.llm.messages import ChatRequest
from llmconfig.asking import stream_answer
from llmconfig.metering import Purpose
from llmconfig.models import LLMModel, Task
from llmconfig.prompts import text_of
from llmconfig.services import choose_model, default_model

REFUSED = "The model declined to write this draft."
NO_DRAFT = "The answer held no <title> and <description>. Does this version of the prompt ask for them?"


class Means(NamedTuple):
    """The model that is asked, and what it is told."""

    model: LLMModel
    prompt: str


def prepare(run: Run, row: TrialDraft) -> Means:
    """The model that wrote the draft, so that only the prompt differs; if it can't be asked any more, the default one.

    Raises `Invalid` if no model here writes drafts.
    """
    prompt = text_of(prompt_type=Task.GENERATION, version=run.payload["prompt_version"])
    return Means(model_of(row.version), prompt)


def model_of(version: DraftVersion) -> LLMModel:
    provider, _, model_id = version.model.partition("/")
    try:
        return choose_model(provider=provider, model_id=model_id)
    except Invalid:
        return default_model(prompt_type=Task.GENERATION)


class Trying:
    """Fills in `row`, which is not stored here."""

    def __init__(self, context: RunContext, row: TrialDraft) -> None:
        self._context, self._row = context, row
        self._conversation = row.version.project_draft.conversation

    async def write(self, means: Means) -> None:
        """Raises `LLMError` and `DraftloomError`, `RunFailed`, and `Conversation.DoesNotExist` for a deleted one."""
        self._row.model = str(means.model)
        self._note(self._conversation.import_date > self._row.version.created_at, "The chat was imported again since.")
        run = self._context.run
        # Not on the conversation's account: its member did not ask for it.
        purpose = Purpose(Task.GENERATION, run.user_id, run.id, prompt_version=run.payload["prompt_version"])

        async def build(model: LLMModel) -> ChatRequest:
            material = await self._context.db(_material, self._conversation.pk, means)
            left_out = material.total - material.kept
            self._note(bool(left_out), f"{left_out:,} of {material.total:,} characters of the chat were left out.")
            return material.request

        answer = await completion_of(stream_answer(purpose, [means.model], build, RunLedger(self._context)))
        self._note(answer.stop_reason == "length", "The answer was cut at the model's limit.")
        self._read(answer.text, answer.stop_reason)

    def _read(self, text: str, stop_reason: str) -> None:
        """An answer that is no draft is kept too: whoever tries a prompt wants to know what it led to."""
        try:
            self._row.title, self._row.description = parse(text)
        except RunFailed:
            self._row.description = clean_text(text).strip()
            self._row.error = REFUSED if stop_reason == "refusal" else NO_DRAFT

    def _note(self, is_so: bool, sentence: str) -> None:
        if is_so and sentence not in self._row.note:
            self._row.note = f"{self._row.note} {sentence}".strip()


def _material(conversation_id: int, means: Means) -> Material:
    Conversation.objects.kept().only("pk").get(pk=conversation_id)
    return material_for(conversation_id, means.model, means.prompt)
