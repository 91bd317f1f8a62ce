"""One draft being written: by whom, for which conversation, and the events of the answer."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import NamedTuple

from accounts.models import User
from conversations.models import Conversation, Run
from conversations.runs.context import RunContext
from conversations.runs.events import Event, FellBack
from conversations.runs.ledger import RunLedger, purpose_of
from drafts import services
from drafts.events import Progress
from drafts.material import material_for, note_source
from drafts.models import ProjectDraft
from drafts.services import Author
from integrations.llm.errors import LLMError
from integrations.llm.events import LLMEvent
from integrations.llm.messages import ChatRequest
from llmconfig.asking import stream_answer
from llmconfig.models import LLMModel, Task
from llmconfig.prompts import ActivePrompt, active_prompt
from llmconfig.services import candidates, choose_model


class Assignment(NamedTuple):
    """One draft to be written, by the first of `models` that answers. `base_version_id` is where it begins."""

    models: list[LLMModel]
    draft: ProjectDraft
    base_version_id: int | None
    prompt: ActivePrompt


def assign(run: Run) -> Assignment:
    """What the run's own conversation needs."""
    return assign_for(Conversation.objects.get(runs=run), run)


def assign_for(conversation: Conversation, run: Run) -> Assignment:
    """What `run` asks for this conversation. The draft is made with its placeholder if there is none yet."""
    model = choose_model(provider=run.payload["llm_provider"], model_id=run.payload["llm_model"])
    return Assignment(
        candidates(prompt_type=Task.GENERATION, chosen=model),
        services.get_or_make_draft(conversation=conversation, user=User(pk=run.user_id)),
        run.payload.get("base_version_id"),
        active_prompt(prompt_type=Task.GENERATION),
    )


class Writing:
    """`author` is the model that answers, as far as is known by now. What a watcher may want to know goes to `tell`."""

    def __init__(self, context: RunContext, assignment: Assignment, tell: Callable[[Event], None]) -> None:
        self.assignment = assignment
        self.author = Author(str(assignment.models[0]), assignment.prompt.version)
        self._context, self._tell = context, tell

    def events(self) -> AsyncGenerator[LLMEvent, None]:
        """The answer, of the first model that gives one. Raises an `LLMError`."""
        purpose = purpose_of(self._context.run, Task.GENERATION, self.assignment.prompt.version)
        return stream_answer(
            replace(purpose, conversation_id=self.assignment.draft.conversation_id),
            self.assignment.models,
            self._build,
            RunLedger(self._context),
            on_fallback=self._fall_back,
        )

    async def _build(self, model: LLMModel) -> ChatRequest:
        conversation_id = self.assignment.draft.conversation_id
        material = await self._context.db(material_for, conversation_id, model, self.assignment.prompt.text)
        if material.source:
            await self._context.db(note_source, conversation_id, material.source)
        if material.kept < material.total:
            self._tell(Progress("shortened", material.kept, material.total))
        return material.request

    async def _fall_back(self, failed: LLMModel, stand_in: LLMModel, error: LLMError) -> None:
        self.author = self.author._replace(model=str(stand_in))
        self._tell(FellBack(str(failed), str(stand_in), error.code))
