from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from accounts.models import User
from accounts.services import get_or_make_user
from conversations.models import Conversation
from drafts.models import DraftVersion, ProjectDraft

BATCH = 500
SUBJECTS = ("tide gauge", "seed library", "night bus map", "bread timer", "bird feeder", "repair café", "river watch")
STEPS = (
    "measure what there is",
    "ask five people",
    "build the smallest version",
    "compare",
    "write down what we learned",
)


class Command(BaseCommand):
    help = "Makes conversations with drafts to look around in, without asking a model."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--conversations", type=int, default=20)
        parser.add_argument("--user", required=True, help="e-mail address of the member who imported them")

    def handle(self, *args: Any, conversations: int, user: str, **options: Any) -> None:
        owner = get_or_make_user(email=user)
        for start in range(0, conversations, BATCH):
            make(owner, range(start + 1, min(start + BATCH, conversations) + 1))
        self.stdout.write(f"Made {conversations} conversations for {owner.email}.")


@transaction.atomic
def make(owner: User, numbers: range) -> None:
    """One conversation with a draft for each number, in the order of the numbers."""
    chats = Conversation.objects.bulk_create(conversation(owner, number) for number in numbers)
    drafts = ProjectDraft.objects.bulk_create(
        ProjectDraft(conversation=chat, created_by_user=owner, last_version_number=1) for chat in chats
    )
    versions = DraftVersion.objects.bulk_create(version(owner, draft) for draft in drafts)
    for draft, first in zip(drafts, versions, strict=True):
        draft.active_version = first
    ProjectDraft.objects.bulk_update(drafts, ["active_version"])


def conversation(owner: User, number: int) -> Conversation:
    subject = SUBJECTS[number % len(SUBJECTS)]
    question = f"I would like to make a {subject}, number {number}. Where do I begin?"
    answer = f"With what a {subject} has to do. Then " + ", then ".join(STEPS) + "."
    return Conversation(
        url=f"draftloom:import/seed/{owner.pk}-{number}",
        title=f"A {subject}, number {number}",
        imported_chat=[{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        imported_by_user=owner,
        source="seed",
        source_id=f"{owner.pk}-{number}",
        import_report={"parser": "seed/1", "messages": 2, "omitted": {}, "warnings": []},
    )


def version(owner: User, draft: ProjectDraft) -> DraftVersion:
    title = draft.conversation.title
    steps = "\n".join(f"- {step}" for step in STEPS)
    return DraftVersion(
        project_draft=draft,
        title=title,
        description=f"## Goal\n\n{title}, in a month.\n\n## Approach\n\n{steps}\n",
        version_number=1,
        created_by_user=owner,
    )
