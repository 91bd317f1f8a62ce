"""What a chat turn leaves behind: the answer, or the reason why there is none."""

from django.utils import timezone

from accounts.models import User
from chat import services
from chat.models import ChatMessage, ChatMessageRevision
from conversations.models import Run
from conversations.runs.handlers import RunFailed
from drafts.models import DraftVersion, Project
from drafts.services import Author
from integrations.llm.events import StopReason
from llmconfig.models import LLMCall, Task


def chosen_model(run: Run) -> str:
    """The `provider/model` that the member asked."""
    return f"{run.payload['llm_provider']}/{run.payload['llm_model']}"


def author_of(run: Run) -> Author:
    """Who wrote what there is of the answer: the model that was called last."""
    calls = LLMCall.objects.filter(run_id=run.pk, task=Task.CHAT).order_by("-created_at")
    call = calls.values("provider", "model_id", "prompt_version").first()
    if call is None:
        return Author(chosen_model(run))
    return Author(f"{call['provider']}/{call['model_id']}", call["prompt_version"])


def store_answer(run: Run, text: str, *, author: Author) -> None:
    """Stores the answer to the run's question; an earlier answer to it becomes a revision. In a transaction."""
    question = ChatMessage.objects.select_related("project_draft").get(pk=run.payload["question_id"])
    answers = ChatMessage.objects.select_for_update(no_key=True).filter(
        project_draft=question.project_draft, role=ChatMessage.Role.ASSISTANT
    )
    earlier = answers.filter(sequence_number__gt=question.sequence_number).order_by("sequence_number").first()
    if earlier is not None:
        _replace(earlier, run, text, author)
        return
    services.append(
        draft=question.project_draft,
        role=ChatMessage.Role.ASSISTANT,
        content=text,
        user=User(pk=run.user_id),
        run=run,
        author=author,
        fallback_from=_fallback_from(run, author),
    )


def _fallback_from(run: Run, author: Author) -> str:
    """The model that was asked, if another one answered in its place; else empty."""
    asked = chosen_model(run)
    return asked if author.model != asked else ""


def _replace(answer: ChatMessage, run: Run, text: str, author: Author) -> None:
    ChatMessageRevision.objects.create(
        chat_message=answer,
        content=answer.content,
        model=answer.model,
        prompt_version=answer.prompt_version,
        run=answer.run,
        written_at=answer.created_at,
    )
    answer.content, answer.model, answer.prompt_version = text, *author
    answer.fallback_from = _fallback_from(run, author)
    answer.run, answer.sent_by_user_id = run, run.user_id
    answer.created_at = timezone.now()
    answer.save()


def said_by_deeds(run: Run) -> str:
    """For a model that changed the draft, or created the project, without a word: the word."""
    project = Project.objects.filter(conversation__linear_project_request__run=run).first()
    if project is not None:
        return f"I created the project “{project.title}” in Linear: {project.linear_url}"
    version = DraftVersion.objects.filter(run=run).order_by("-version_number").first()
    return f"I updated the draft: “{version.title}” is now version {version.version_number}." if version else ""


def nothing_said(stop_reason: StopReason) -> RunFailed:
    if stop_reason == "refusal":
        return RunFailed("provider_refused", "The model declined to answer this.")
    return RunFailed("empty_output", "The model gave an empty answer. Try again, or try another model.", retryable=True)
