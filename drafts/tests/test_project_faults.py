"""Conversations become projects while Linear, and our own processes, fail in every way we know of."""

import os
import random
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from config.exceptions import Conflict, Unavailable
from config.tests.making import make_conversation
from conversations.models import Conversation
from drafts import project_creation, projects
from drafts.models import LinearProjectRequest, Project
from integrations.tests.fake_linear import FakeLinear

FAULTS = int(os.environ.get("FAULTS", "250"))  # `FAULTS=1000` for the full measure
ON_CREATING = {
    "cut": 9, "500": 9, "cut_after": 9, "500_after": 9, "slow_after": 1, "late": 9, "held": 9, "twice": 9, "html": 9,
    "refused": 3, "no project": 9,
}  # fmt: skip
"""How often each happens, against the others; a slow one costs the test time."""
ON_LOOKING = ["confused", "cut", "500", ""]
DEATHS = ["before Linear was told", "after Linear was told"]


def create(user: User, conversation: Conversation) -> None:
    try:
        project_creation.create_project(
            user=user, conversation_id=conversation.pk, title=conversation.title, description="Text."
        )
    except (Conflict, Unavailable):
        return  # what a member is told; what is true is checked at the end


def die(user: User, conversation: Conversation, when: str) -> None:
    """As far as a process gets that is killed."""
    asked = projects.ask_for(user=user, conversation_id=conversation.pk, title=conversation.title, description="Text.")
    if when == DEATHS[1]:
        project_creation._create(asked)


def look_after_all(*, is_late: bool) -> None:
    """What beat does in a few minutes; `is_late` when all doubt is over."""
    age = timedelta(minutes=5 if is_late else 0)
    for _ in range(FAULTS):
        now = timezone.now()
        pending = LinearProjectRequest.objects.filter(state="pending")
        if not pending.update(check_at=now, asked_at=now - age) or not project_creation.settle_due():
            return


def test_it_makes_one_project_for_each_conversation_through_all_faults(
    alice: User, fake_linear: FakeLinear, settings: Any
) -> None:
    dice = random.Random(9)
    settings.LINEAR_SECONDS = 0.15
    fake_linear.slow_seconds, fake_linear.late_seconds = 0.2, 0.01
    deaths = 0
    while fake_linear.injected + deaths < FAULTS:
        conversation = make_conversation(alice, f"Number {Conversation.objects.count()}")
        if death := dice.choice([*DEATHS, *[""] * 8]):
            deaths += 1
            die(alice, conversation, death)
            continue
        fake_linear.faults = dice.choices([*ON_CREATING], weights=[*ON_CREATING.values()], k=2)
        fake_linear.read_faults = dice.choices(ON_LOOKING, k=3)
        create(alice, conversation)
        fake_linear.faults, fake_linear.read_faults = [], []
    look_after_all(is_late=False)
    look_after_all(is_late=True)
    for conversation in Conversation.objects.filter(is_locked=False):
        create(alice, conversation)  # the member tries again
    fake_linear.deliver_held()
    check_everything(fake_linear, Conversation.objects.count())


def check_everything(fake: FakeLinear, count: int) -> None:
    """One project for each conversation, there and here, and no orphan on either side."""
    assert not LinearProjectRequest.objects.exclude(state="created").exists()
    assert Conversation.objects.filter(is_locked=True).count() == Project.objects.count() == count
    here = dict(Project.objects.values_list("linear_project_id", "title"))
    assert here == {project["id"]: project["name"] for project in fake.projects.values()}
    assert len(set(here.values())) == count  # each has the title of its own conversation
    assert fake.duplicates > 0  # ids were sent again, and it was Linear that refused them
