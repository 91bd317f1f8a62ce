import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_run, make_turn
from conversations.models import Conversation, Run
from drafts import services
from drafts.models import ProjectDraft

STALE = '"of-an-earlier-version"'


@pytest.fixture
def draft(alice: User) -> ProjectDraft:
    return make_draft(make_conversation(alice), "First", "Second")


def url(draft: ProjectDraft, rest: str = "") -> str:
    return f"/api/conversations/{draft.conversation_id}/project-draft{rest}"


def edit(client: Client, draft: ProjectDraft, title: str, **headers: str) -> Any:
    body = json.dumps({"title": title, "description": "D"})
    return client.patch(url(draft), body, content_type="application/json", headers=headers)


def bring_back(client: Client, draft: ProjectDraft, **headers: str) -> Any:
    first = draft.versions.earliest("version_number")
    return client.post(url(draft, f"/versions/{first.pk}/activate"), headers=headers)


def etag(client: Client, draft: ProjectDraft) -> str:
    return str(client.get(url(draft))["ETag"])


WRITES = [lambda client, draft, **headers: edit(client, draft, "Third", **headers), bring_back]
each_write = pytest.mark.parametrize("write", WRITES, ids=["edit", "activate"])


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_sends_what_one_has_already_without_a_body(alices: Client, bobs: Client, draft: ProjectDraft) -> None:
    first = alices.get(url(draft))
    for client in (alices, bobs):  # what there is, is the same for everybody
        again = client.get(url(draft), headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        assert (again["Cache-Control"], again["Vary"]) == (first["Cache-Control"], first["Vary"])
        assert "Content-Type" not in again
    assert alices.head(url(draft), headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert alices.head(url(draft))["ETag"] == first["ETag"]


def test_an_spa_of_another_origin_may_send_and_read_tags(alices: Client, draft: ProjectDraft, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://spa.example.org"]
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match, if-none-match"}
    preflight = alices.options(url(draft), headers={"Origin": "https://spa.example.org"} | asked)
    assert {"if-match", "if-none-match"} <= set(preflight["Access-Control-Allow-Headers"].split(", "))
    answer = alices.get(url(draft), headers={"Origin": "https://spa.example.org"})
    assert "ETag" in answer["Access-Control-Expose-Headers"].split(", ")
    again = alices.get(url(draft), headers={"Origin": "https://spa.example.org", "If-None-Match": answer["ETag"]})
    assert (again.status_code, again["Access-Control-Allow-Origin"]) == (304, "https://spa.example.org")


def test_the_tag_is_another_with_every_change_and_the_same_without(alices: Client, draft: ProjectDraft) -> None:
    tags = [etag(alices, draft)]
    make_turn(draft, "A question", "An answer")  # the chat is no part of the draft
    assert etag(alices, draft) == tags[0]
    for change in (
        lambda: edit(alices, draft, "Third"),
        lambda: bring_back(alices, draft),
        lambda: draft.versions.update(model="demo/demo-1"),
        lambda: ProjectDraft.objects.update(updated_at=timezone.now()),
    ):
        change()
        tags.append(etag(alices, draft))
    assert len(set(tags)) == len(tags)
    assert alices.get(url(draft), headers={"If-None-Match": ", ".join(tags[:-1])}).status_code == 200


def test_a_placeholder_that_is_filled_in_place_has_another_tag(alice: User, alices: Client) -> None:
    conversation = make_conversation(alice)
    draft = services.get_or_make_draft(conversation=conversation, user=alice)
    before, version = etag(alices, draft), draft.active_version_id
    services.store_generated(
        draft=draft, run=make_run(alice, conversation, kind=Run.Kind.GENERATE), title="Written", description="D",
        base_version_id=version, user=alice, author=services.A_PERSON,
    )  # fmt: skip
    draft.refresh_from_db()
    assert draft.active_version_id == version
    assert etag(alices, draft) != before
    assert check_refused(edit(alices, draft, "Mine", **{"If-Match": before}), 412)["code"] == "precondition_failed"


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@each_write
def test_it_writes_over_what_the_writer_has_seen(alices: Client, draft: ProjectDraft, write: Any) -> None:
    answer = write(alices, draft, **{"If-Match": f"{STALE}, {etag(alices, draft)}"})
    assert answer.status_code == 200
    assert answer.json() == alices.get(url(draft)).json()
    assert answer["ETag"] == etag(alices, draft)
    assert answer.json()["project_draft"]["active_version"]["version_number"] == 3


@each_write
@pytest.mark.parametrize("header", [{"If-Match": "*"}, {}])
def test_it_writes_for_whoever_does_not_ask(
    alices: Client, draft: ProjectDraft, write: Any, header: dict[str, str]
) -> None:
    assert write(alices, draft, **header).status_code == 200
    assert draft.versions.count() == 3


@each_write
def test_it_refuses_to_write_over_a_newer_version_and_shows_it(
    alices: Client, bobs: Client, draft: ProjectDraft, write: Any
) -> None:
    seen = etag(alices, draft)
    assert edit(bobs, draft, "By Bob").status_code == 200
    answer = write(alices, draft, **{"If-Match": seen})
    document = check_refused(answer, 412)
    assert document["code"] == "precondition_failed"
    now = alices.get(url(draft))
    assert document["current"] == now.json()
    assert document["current"]["project_draft"]["active_version"]["title"] == "By Bob"
    assert document["etag"] == answer["ETag"] == now["ETag"]
    assert draft.versions.count() == 3
    assert write(alices, draft, **{"If-Match": answer["ETag"]}).status_code == 200


@each_write
@pytest.mark.parametrize("weakened", [True, False])
def test_a_weak_tag_never_lets_anybody_write(alices: Client, draft: ProjectDraft, write: Any, weakened: bool) -> None:
    tag = etag(alices, draft)
    assert write(alices, draft, **{"If-Match": f"W/{tag}" if weakened else tag}).status_code == (
        412 if weakened else 200
    )


@each_write
def test_it_refuses_a_header_that_is_no_list_of_tags(alices: Client, draft: ProjectDraft, write: Any) -> None:
    for header in ("If-Match", "If-None-Match"):
        assert check_refused(write(alices, draft, **{header: "no quotes"}), 400)["code"] == "invalid_etag"
        assert draft.versions.count() == 2
    assert check_refused(alices.get(url(draft), headers={"If-None-Match": "x"}), 400)["code"] == "invalid_etag"


@each_write
def test_a_lock_comes_before_a_stale_tag(alices: Client, draft: ProjectDraft, write: Any) -> None:
    Conversation.objects.update(is_locked=True)
    assert check_refused(write(alices, draft, **{"If-Match": STALE}), 409)["code"] == "conversation_locked"


def test_what_is_missing_comes_before_a_stale_tag(alice: User, alices: Client, draft: ProjectDraft) -> None:
    empty = ProjectDraft(conversation=make_conversation(alice, "Another"))
    assert check_refused(edit(alices, empty, "T", **{"If-Match": "*"}), 404)["code"] == "draft_not_found"
    path = url(draft, "/versions/1000000/activate")
    assert check_refused(alices.post(path, headers={"If-Match": STALE}), 404)["code"] == "version_not_found"


def test_a_text_that_cannot_be_comes_before_a_stale_tag(alices: Client, draft: ProjectDraft) -> None:
    check_refused(edit(alices, draft, "", **{"If-Match": STALE}), 422)


def test_the_same_text_again_keeps_the_tag(alices: Client, draft: ProjectDraft) -> None:
    first = edit(alices, draft, "Third")
    again = edit(alices, draft, "Third", **{"If-Match": first["ETag"]})
    assert (again.status_code, again["ETag"]) == (200, first["ETag"])


def test_what_is_sent_again_with_its_key_is_answered_as_before(alices: Client, draft: ProjectDraft) -> None:
    headers = {"If-Match": etag(alices, draft), "Idempotency-Key": "a"}
    first = bring_back(alices, draft, **headers)
    edit(alices, draft, "Third")
    again = bring_back(alices, draft, **headers)
    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert (again.json(), again["ETag"]) == (first.json(), first["ETag"])


def test_a_key_remembers_no_stale_tag(alices: Client, draft: ProjectDraft) -> None:
    check_refused(bring_back(alices, draft, **{"If-Match": STALE, "Idempotency-Key": "a"}), 412)
    assert bring_back(alices, draft, **{"If-Match": etag(alices, draft), "Idempotency-Key": "a"}).status_code == 200
