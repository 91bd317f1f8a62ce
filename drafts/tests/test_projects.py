"""A draft becomes a project in Linear, over HTTP at both ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from config.exceptions import Conflict
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_run
from conversations import deletion
from conversations.models import Conversation, Run
from drafts import project_creation, projects
from drafts.models import LinearProjectRequest, Project
from integrations.http import ServiceAway
from integrations.linear import LinearProject
from integrations.tests.fake_linear import LIES, FakeLinear

WISH = {"title": "A lighthouse", "description": "## Goal\n\nLight the **coast**."}
State = LinearProjectRequest.State


@pytest.fixture
def conversation(alice: Any) -> Conversation:
    conversation = make_conversation(alice)
    make_draft(conversation, "First", "A lighthouse")
    return conversation


def path(conversation: Conversation) -> str:
    return f"/api/conversations/{conversation.pk}/project"


def create(client: Client, conversation: Conversation, **headers: str) -> Any:
    return client.post(path(conversation), WISH, content_type="application/json", headers=headers)


def ask(conversation: Conversation) -> LinearProjectRequest:
    """The wish is stored, and Linear was not told yet."""
    user, title, description = conversation.imported_by_user, WISH["title"], WISH["description"]
    return projects.ask_for(user=user, conversation_id=conversation.pk, title=title, description=description)


def request_of(conversation: Conversation) -> LinearProjectRequest:
    return LinearProjectRequest.objects.get(conversation=conversation)


def make_due(conversation: Conversation, *, asked: timedelta = timedelta(0)) -> None:
    """Makes it look as if the request was made `asked` ago and should be looked after now."""
    now = timezone.now()
    LinearProjectRequest.objects.filter(conversation=conversation).update(check_at=now, asked_at=now - asked)


def check_created(fake: FakeLinear, conversation: Conversation) -> Project:
    """One project there and here, of one id, and a lock."""
    project = Project.objects.get(conversation=conversation)
    assert list(fake.projects) == [project.linear_project_id]
    conversation.refresh_from_db()
    assert conversation.is_locked
    assert request_of(conversation).state == State.CREATED
    return project


def check_nothing(fake: FakeLinear, conversation: Conversation) -> None:
    assert fake.projects == {}
    assert not Project.objects.exists()
    conversation.refresh_from_db()
    assert not conversation.is_locked


def test_it_creates_the_project_and_locks_the_conversation(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    answer = create(alices, conversation)
    assert answer.status_code == 200
    project = check_created(fake_linear, conversation)
    assert answer.json()["project"] == {
        "id": project.pk,
        "conversation_id": conversation.pk,
        "linear_project_id": str(request_of(conversation).linear_id),
        "title": "A lighthouse",
        "description": WISH["description"],
        "linear_url": f"https://linear.app/acme/project/{project.linear_project_id}",
        "created_at": answer.json()["project"]["created_at"],
    }
    assert alices.get(path(conversation)).json() == answer.json()
    told = fake_linear.inputs[0]
    assert (told["name"], told["content"]) == (WISH["title"], WISH["description"])
    assert told["description"] == "Goal Light the coast."


def test_it_is_audited(alices: Client, alice: Any, fake_linear: FakeLinear, conversation: Conversation) -> None:
    create(alices, conversation)
    event = AuditEvent.objects.get(action="project.created")
    assert (event.user_id, event.resource) == (alice.pk, f"conversation {conversation.pk}")
    assert event.after is not None
    assert event.after["linear_project_id"] == str(request_of(conversation).linear_id)


def test_it_remembers_which_version_was_active(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    create(alices, conversation)
    assert request_of(conversation).draft_version_id == conversation.project_draft.active_version_id


def test_it_keeps_what_linear_made_of_the_text(fake_linear: FakeLinear, conversation: Conversation, alice: Any) -> None:
    asked = ask(conversation)
    project = projects.finish(asked, LinearProject("L-1", "", "", "https://linear.app/x"))
    assert (project.title, project.description, project.linear_project_id) == ("A lighthouse", "", "L-1")


def test_it_has_none_before(alices: Client, conversation: Conversation) -> None:
    assert check_refused(alices.get(path(conversation)), 404)["code"] == "project_not_found"


def test_it_is_off_without_a_key(alices: Client, conversation: Conversation) -> None:
    refusal = check_refused(create(alices, conversation), 503)
    assert refusal["code"] == "linear_not_configured"
    assert "LINEAR_ACCESS_KEY" in refusal["detail"]
    assert not LinearProjectRequest.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"title": "T"}, {"title": "", "description": "D"}, {"title": "x" * 81, "description": "D"}]
)
def test_it_needs_a_title_and_a_description(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation, body: Any
) -> None:
    check_refused(alices.post(path(conversation), body, content_type="application/json"), 422)
    assert fake_linear.operations == []


def test_it_is_refused_once_there_is_one(
    alices: Client, bobs: Client, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    url = create(alices, conversation).json()["project"]["linear_url"]
    assert check_refused(create(bobs, conversation), 409)["code"] == "conversation_locked"
    Conversation.objects.update(is_locked=False)
    refusal = check_refused(create(bobs, conversation), 409)
    assert (refusal["code"], refusal["linear_url"]) == ("project_exists", url)
    assert len(fake_linear.projects) == 1


def test_it_is_refused_while_another_one_is_under_way(
    bobs: Client, alice: Any, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    ask(conversation)
    assert check_refused(create(bobs, conversation), 409)["code"] == "project_in_progress"
    assert fake_linear.operations == []


@pytest.mark.parametrize("kind", [Run.Kind.GENERATE, Run.Kind.IMPORT])
def test_it_is_refused_while_the_draft_is_being_written(
    alices: Client, alice: Any, fake_linear: FakeLinear, conversation: Conversation, kind: str
) -> None:
    make_run(alice, conversation, kind=kind, state=Run.State.RUNNING)
    assert check_refused(create(alices, conversation), 409)["code"] == "run_in_progress"
    assert fake_linear.operations == []


def test_it_lets_nobody_delete_what_may_be_coming_into_being(
    alices: Client, olivia: Any, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    asked = ask(conversation)
    deleted = alices.delete(f"/api/conversations/{conversation.pk}")
    assert check_refused(deleted, 409)["code"] == "project_in_progress"
    with pytest.raises(Conflict):
        deletion.purge(user=olivia, conversation_id=conversation.pk)
    projects.release(asked, "not_created")
    assert alices.delete(f"/api/conversations/{conversation.pk}").status_code == 200


def test_it_answers_the_same_request_the_same(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    first = create(alices, conversation, **{"Idempotency-Key": "k"})
    again = create(alices, conversation, **{"Idempotency-Key": "k"})
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert len(fake_linear.projects) == 1


def test_it_tries_again_for_the_same_request_after_a_failure(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    fake_linear.faults = ["refused"]
    assert create(alices, conversation, **{"Idempotency-Key": "k"}).status_code == 503
    assert create(alices, conversation, **{"Idempotency-Key": "k"}).status_code == 200
    check_created(fake_linear, conversation)


def test_it_ends_runs_that_wait_for_an_approval(
    alices: Client, alice: Any, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    waiting = make_run(alice, conversation, state=Run.State.WAITING)
    create(alices, conversation)
    waiting.refresh_from_db()
    assert waiting.state == Run.State.CANCELLED


@pytest.mark.parametrize("fault", ["cut", "500", "cut_after", "500_after", "slow_after", "twice", "html", *LIES])
def test_it_creates_one_project_in_spite_of_a_fault(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation, fault: str
) -> None:
    fake_linear.faults = [fault]
    answer = create(alices, conversation)
    if fault == "no success":  # a clear no, that is taken for one
        assert check_refused(answer, 503)["code"] == "linear_refused"
        check_nothing(fake_linear, conversation)
    else:
        assert answer.status_code == 200
        check_created(fake_linear, conversation)


Prepare = Callable[[FakeLinear, Any], None]


def unreachable(fake: FakeLinear, settings: Any) -> None:
    settings.LINEAR_API_URL = "http://127.0.0.1:9/graphql"


def wrong_key(fake: FakeLinear, settings: Any) -> None:
    settings.LINEAR_ACCESS_KEY = "another"


def wrong_team(fake: FakeLinear, settings: Any) -> None:
    settings.LINEAR_TEAM_KEY = "NONE"


def refuses(fake: FakeLinear, settings: Any) -> None:
    fake.faults = ["refused"]


def throttles(fake: FakeLinear, settings: Any) -> None:
    fake.faults = ["throttled"]


@pytest.mark.parametrize(
    ("prepare", "code", "hint"),
    [
        (unreachable, "linear_unavailable", "try again"),
        (throttles, "linear_unavailable", "slow down"),
        (wrong_key, "linear_refused", "LINEAR_ACCESS_KEY"),
        (wrong_team, "linear_refused", "LINEAR_TEAM_KEY"),
        (refuses, "linear_refused", "Nothing was created"),
    ],
)
def test_it_may_be_tried_again_after_a_clear_failure(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation, settings: Any, prepare: Prepare, code: str,
    hint: str,
) -> None:  # fmt: skip
    good = {name: getattr(settings, name) for name in ("LINEAR_API_URL", "LINEAR_ACCESS_KEY", "LINEAR_TEAM_KEY")}
    prepare(fake_linear, settings)
    refusal = check_refused(create(alices, conversation), 503)
    assert refusal["code"] == code
    assert hint in refusal["detail"]
    check_nothing(fake_linear, conversation)
    for name, value in good.items():
        setattr(settings, name, value)
    assert create(alices, conversation).status_code == 200
    check_created(fake_linear, conversation)


def in_doubt(alices: Client, fake: FakeLinear, conversation: Conversation, *faults: str) -> None:
    fake.faults, fake.read_faults = list(faults), ["confused"]
    refusal = check_refused(create(alices, conversation), 503)
    assert refusal["code"] == "project_in_doubt"
    assert request_of(conversation).state == State.PENDING


def test_it_finds_out_later_that_it_was_created(
    alices: Client, alice: Any, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    in_doubt(alices, fake_linear, conversation, "cut_after")
    assert check_refused(create(alices, conversation), 409)["code"] == "project_in_progress"
    assert project_creation.settle_due() == 0  # not yet
    make_due(conversation)
    assert project_creation.settle_due() == 1
    check_created(fake_linear, conversation)
    assert AuditEvent.objects.get(action="project.created").user_id == alice.pk


def test_it_gives_up_what_is_not_there_for_long(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    in_doubt(alices, fake_linear, conversation, "cut")
    make_due(conversation, asked=timedelta(seconds=100))
    assert project_creation.settle_due() == 0
    assert request_of(conversation).check_at > timezone.now()
    make_due(conversation, asked=timedelta(seconds=121))
    assert project_creation.settle_due() == 1
    assert request_of(conversation).state == State.RELEASED
    check_nothing(fake_linear, conversation)
    assert create(alices, conversation).status_code == 200
    check_created(fake_linear, conversation)


def test_it_keeps_looking_while_linear_is_away(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation
) -> None:
    in_doubt(alices, fake_linear, conversation, "cut_after")
    make_due(conversation, asked=timedelta(days=1))
    fake_linear.read_faults = ["confused"]
    assert project_creation.settle_due() == 0
    assert request_of(conversation).state == State.PENDING
    make_due(conversation)
    assert project_creation.settle_due() == 1
    check_created(fake_linear, conversation)


def test_it_uses_the_same_id_each_time(alices: Client, fake_linear: FakeLinear, conversation: Conversation) -> None:
    """So that one which Linear makes after we have given up can't be the first of two."""
    in_doubt(alices, fake_linear, conversation, "late")
    make_due(conversation, asked=timedelta(seconds=121))
    project_creation.settle_due()
    fake_linear.late_seconds = 0
    assert create(alices, conversation).status_code == 200
    assert len({fields["id"] for fields in fake_linear.inputs}) == 1
    check_created(fake_linear, conversation)


def test_it_finishes_what_a_dead_process_began(fake_linear: FakeLinear, conversation: Conversation, alice: Any) -> None:
    asked = ask(conversation)
    project_creation._create(asked)  # and there the process dies
    make_due(conversation)
    assert project_creation.settle_due() == 1
    check_created(fake_linear, conversation)


def test_it_stores_what_two_have_finished_once(fake_linear: FakeLinear, conversation: Conversation, alice: Any) -> None:
    asked = ask(conversation)
    make_due(conversation, asked=timedelta(seconds=121))
    project_creation.settle_due()  # gives it up, though its process only slept
    first = project_creation.carry_out(asked.pk)
    second = project_creation.carry_out(asked.pk)
    assert first == second == check_created(fake_linear, conversation)


def test_it_does_not_release_what_somebody_has_taken_over(fake_linear: FakeLinear, conversation: Conversation) -> None:
    asked = ask(conversation)
    projects.release(asked, "refused")
    ask(conversation)
    projects.release(asked, "refused")
    assert request_of(conversation).state == State.PENDING


def test_it_leaves_alone_what_it_cannot_ask_about(
    fake_linear: FakeLinear, conversation: Conversation, settings: Any
) -> None:
    ask(conversation)
    make_due(conversation, asked=timedelta(days=1))
    settings.LINEAR_ACCESS_KEY = ""
    assert project_creation.settle_due() == 0
    assert request_of(conversation).state == State.PENDING


def test_it_says_nothing_of_the_draft_in_its_log(
    alices: Client, fake_linear: FakeLinear, conversation: Conversation, caplog: pytest.LogCaptureFixture
) -> None:
    fake_linear.faults = ["refused"]
    create(alices, conversation)
    assert "released: refused" in caplog.text
    assert "lighthouse" not in caplog.text.lower()
    assert str(ServiceAway("linear", "refused")) == "linear: refused"
