import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from conversations.models import Conversation
from drafts.management.commands import seed
from drafts.models import DraftVersion, ProjectDraft


def run(*arguments: str) -> None:
    call_command("seed", *arguments)


def test_it_makes_conversations_with_drafts_of_a_member(alices: Client, capsys: pytest.CaptureFixture[str]) -> None:
    run("--conversations", "7", "--user", "Alice@example.org")
    assert capsys.readouterr().out == "Made 7 conversations for alice@example.org.\n"
    rows = alices.get("/api/conversations").json()["conversations"]
    assert len(rows) == 7
    assert {row["user_email"] for row in rows} == {"alice@example.org"}
    for row in rows:
        versions = alices.get(f"/api/conversations/{row['id']}/project-draft/versions").json()["versions"]
        assert [(version["version_number"], version["title"]) for version in versions] == [(1, row["title"])]
        assert row["project_draft_title"] == row["title"]
        assert len(alices.get(f"/api/conversations/{row['id']}").json()["imported_chat"]) == 2


def test_its_drafts_can_be_edited_like_any_other(alices: Client) -> None:
    run("--conversations", "1", "--user", "alice@example.org")
    path = f"/api/conversations/{Conversation.objects.get().pk}/project-draft"
    body = json.dumps({"title": "T", "description": "D"})
    edited = alices.patch(path, body, content_type="application/json").json()["project_draft"]
    assert edited["active_version"]["version_number"] == 2


def test_it_makes_the_member_if_there_is_none(db: None) -> None:
    run("--conversations", "1", "--user", "new@example.org")
    assert Conversation.objects.get().imported_by_user == User.objects.get(email="new@example.org")


def test_it_makes_20_unless_told_and_none_when_told(alice: User) -> None:
    run("--user", alice.email)
    assert Conversation.objects.count() == 20
    run("--user", alice.email, "--conversations", "0")
    assert Conversation.objects.count() == 20


def test_it_works_in_batches(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed, "BATCH", 3)
    run("--user", alice.email, "--conversations", "8")
    titles = Conversation.objects.order_by("pk").values_list("title", flat=True)
    assert [title.rpartition(" ")[2] for title in titles] == [str(number) for number in range(1, 9)]
    assert ProjectDraft.objects.filter(active_version__version_number=1).count() == 8
    assert DraftVersion.objects.count() == 8


@pytest.mark.parametrize("arguments", [[], ["--user"], ["--user", "a@example.org", "--conversations", "many"]])
def test_it_says_how_it_is_used(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
    assert not Conversation.objects.exists()
