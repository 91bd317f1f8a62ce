"""How tests try a prompt: as an operator does, in the back office."""

from typing import Any

from django.test import Client

from accounts.models import User
from config.tests.admin_pages import address
from config.tests.making import make_conversation, make_draft
from config.tests.stack import wait_until
from conftest import make_user, signed_in
from conversations.models import Run
from drafts import services
from drafts.models import DraftVersion, PromptTrial
from drafts.services import Author
from llmconfig import prompts
from llmconfig.models import Task

SEVEN_WORDS = "Write <title> and <description> of it. [[words=7]]"
LONG = "Write <title> and <description> of it. [[words=120 delay_ms=20]]"
BY_GPT = Author("openai/gpt-4o", 0)


def save(text: str = SEVEN_WORDS) -> int:
    """A version that is not in production."""
    return prompts.save_prompt(prompt_type=Task.GENERATION, system_prompt=text, user=None, is_active=False).version


def olivias_client() -> Client:
    return signed_in(make_user("olivia@example.org", operator=True))


def start(client: Client, version: int, most: int = 5) -> Run:
    """The trial that the form begins."""
    response = client.post(f"{address('add', PromptTrial)}?version={version}", {"most": most})
    assert response.status_code == 302
    run = Run.objects.get(kind=Run.Kind.TRIAL)
    assert response.headers["Location"] == shown_at(run)
    return run


def shown_at(run: Run) -> str:
    return address("change", PromptTrial, run.pk)


def ended(run: Run) -> Run:
    wait_until(lambda: not Run.objects.get(pk=run.pk).is_active, 30)
    return Run.objects.get(pk=run.pk)


def written(user: User, title: str = "Lamp", author: Author = BY_GPT, **fields: Any) -> DraftVersion:
    """A draft as a model writes it, of a conversation of its own."""
    draft = make_draft(make_conversation(user, title=f"About {title}"))
    return services.add_version(draft=draft, title=title, description="Old.", user=user, author=author, **fields)
