"""Indexing by the processes that do it in earnest."""

import time

import pytest

from config.tests.stack import Member, Stack, wait_until
from drafts import services as drafts
from drafts.models import ProjectDraft
from search.models import OutboxEntry
from search.tests.index import held, wanted


@pytest.fixture
def working(stack: Stack) -> Stack:
    """With a worker and its clock."""
    stack.start_workers()
    return stack


def is_right() -> bool:
    return not OutboxEntry.objects.exists() and held() == wanted()


def seconds_until_right() -> float:
    began = time.monotonic()
    wait_until(is_right, 20)
    return time.monotonic() - began


def drafts_found(member: Member, typed: str) -> list[int]:
    """The conversations whose drafts have these words."""
    answer = member.get("/api/search", params={"q": typed, "source_type": "project_draft"}).json()
    return [hit["conversation_id"] for hit in answer["results"] if "words" in hit["matched_by"]]


def test_what_members_do_is_in_the_index_within_three_seconds(working: Stack):
    alice = working.client()
    pk = alice.imported("User: Build a lighthouse.\n\nAssistant: With a lamp.")
    seconds_until_right()  # of the first, most is the start of the worker
    waits = []
    for number in range(3):
        body = {"title": f"Pier {number}", "description": "Of oak"}
        assert alice.patch(f"/api/conversations/{pk}/project-draft", body).status_code == 200
        waits.append(seconds_until_right())
        assert drafts_found(alice, f"pier {number}") == [pk]
        assert drafts_found(alice, f'"pier {number - 1}"') == []
    alice.chat(pk, "Please update the draft [[words=5]]")
    waits.append(seconds_until_right())
    assert min(waits) < 3
    assert len(held()) >= 5


def test_a_worker_that_is_killed_leaves_nothing_undone(working: Stack):
    pk = working.client().imported()
    wait_until(is_right, 20)
    working.kill("worker")
    draft = ProjectDraft.objects.get(conversation_id=pk)
    drafts.add_version(draft=draft, title="Pier", description="Of oak", user=draft.created_by_user)
    assert OutboxEntry.objects.exists()
    working.start_workers()
    wait_until(is_right, 20)
