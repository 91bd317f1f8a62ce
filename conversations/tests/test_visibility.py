from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from chat.models import ChatMessage
from config.exceptions import NotFound
from config.tests.api_routes import Route, api_routes, check_refused, row_counts, send
from config.tests.making import make_conversation, make_draft, make_file, make_run, make_turn
from conversations import services
from conversations.models import Conversation, ImportedSummary, Run
from conversations.runs.handlers import RunFailed
from drafts import import_flow
from drafts.models import DraftVersion, Project

ABOUT_A_CONVERSATION = [
    route for route in api_routes() if {"conversation_id", "file_id", "run_id"} & set(route.parameters)
]
FOR_ALL = [
    route for route in ABOUT_A_CONVERSATION if route.method != "delete" and not route.template.endswith("/restore")
]
READS = [route for route in ABOUT_A_CONVERSATION if route.method == "get"]


@pytest.fixture
def private(settings: Any) -> None:
    settings.VISIBILITY = "private"


@pytest.fixture
def ids(alice: User, settings: Any) -> dict[str, Any]:
    """A conversation of Alice's that has everything a conversation can have."""
    settings.LINEAR_ACCESS_KEY, settings.LINEAR_TEAM_KEY = "k", "ENG"
    settings.LINEAR_API_URL = "http://127.0.0.1:9"  # nobody is to ask it
    conversation = make_conversation(alice)
    ImportedSummary.objects.create(conversation=conversation, summary="In short.")
    draft = make_draft(conversation, "One", "Two")
    run = make_turn(draft, "A question", "An answer", event_seq=5)
    Project.objects.create(
        conversation=conversation, linear_project_id="L", title="One", linear_url="https://x", created_by_user=alice
    )
    return {
        "conversation_id": conversation.pk,
        "version_id": draft.versions.earliest("version_number").pk,
        "file_id": make_file(conversation).pk,
        "run_id": run.id,
    }


def import_of(url: str, user: User, resolution: str, target: int | None = None) -> Run:
    payload = {"duplicate_resolution": resolution, "target_conversation_id": target, "url": url}
    return make_run(user, kind=Run.Kind.IMPORT, state=Run.State.RUNNING, payload=payload)


# ── Private mode ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("route", ABOUT_A_CONVERSATION, ids=str)
def test_it_hides_everything_of_a_conversation_from_other_members(
    private: None, bobs: Client, ids: dict[str, Any], route: Route
) -> None:
    before = row_counts()
    hidden = check_refused(send(bobs, route, ids), 404)
    absent = {"conversation_id": 10**9, "file_id": 10**9, "run_id": uuid4()}
    missing = check_refused(send(bobs, route, ids | absent), 404)
    assert hidden | {"request_id": ""} == missing | {"request_id": ""}
    assert row_counts() == before


@pytest.mark.parametrize("route", READS, ids=str)
def test_it_shows_the_owner_and_operators_the_same(
    private: None, alices: Client, olivias: Client, ids: dict[str, Any], route: Route
) -> None:
    of_alice, of_olivia = send(alices, route, ids), send(olivias, route, ids)
    assert of_alice.status_code == of_olivia.status_code in {200, 302}
    assert of_alice.content == of_olivia.content


def test_it_lists_only_what_one_may_see(private: None, alices: Client, bob: User, bobs: Client, olivias: Client,
                                        ids: dict[str, Any]) -> None:  # fmt: skip
    make_conversation(bob, "Of Bob")
    titles = [
        [row["title"] for row in client.get("/api/conversations").json()["conversations"]]
        for client in (alices, bobs, olivias)
    ]
    assert titles == [["A lighthouse"], ["Of Bob"], ["Of Bob", "A lighthouse"]]


def test_it_lets_operators_work_on_all(private: None, olivias: Client, ids: dict[str, Any]) -> None:
    path = f"/api/conversations/{ids['conversation_id']}"
    assert olivias.patch(path, {"title": "T"}, "application/json").json()["conversation"]["title"] == "T"
    body = {"title": "T", "description": "D"}
    assert olivias.patch(f"{path}/project-draft", body, "application/json").status_code == 200
    assert olivias.delete(path).status_code == 200


def test_it_shows_a_member_no_run_on_what_is_hidden_from_them(
    alice: User, bob: User, bobs: Client, settings: Any
) -> None:
    """One that they started while the conversation was for everybody to see."""
    run = make_run(bob, make_conversation(alice), partial="A secret")
    assert [shown["id"] for shown in bobs.get("/api/runs").json()["runs"]] == [str(run.id)]
    settings.VISIBILITY = "private"
    assert bobs.get("/api/runs").json()["runs"] == []
    check_refused(bobs.get(f"/api/runs/{run.id}"), 404)


@pytest.mark.parametrize("visibility", ["private", "workspace"])
def test_it_shows_an_import_without_a_conversation_to_nobody_but_its_user(
    alice: User, alices: Client, bobs: Client, settings: Any, visibility: str
) -> None:
    settings.VISIBILITY = visibility
    run = make_run(alice, kind=Run.Kind.IMPORT, state=Run.State.FAILED)
    path = f"/api/runs/{run.id}"
    assert alices.get(path).json()["conversation_id"] is None
    for rest in ("", "/events"):
        check_refused(bobs.get(path + rest), 404)
    check_refused(bobs.post(f"{path}/cancel"), 404)
    lists = [client.get("/api/runs").json()["runs"] for client in (alices, bobs)]
    assert [[shown["id"] for shown in shown_runs] for shown_runs in lists] == [[str(run.id)], []]


def test_a_conflict_names_only_what_the_caller_may_see(private: None, alice: User, bob: User, olivia: User) -> None:
    of_alice, of_bob = make_conversation(alice), make_conversation(bob)
    seen = {}
    for user in (alice, bob, olivia):
        with pytest.raises(import_flow.Refused) as refusal:
            import_flow.refuse_duplicate(import_of(of_alice.url, user, "prompt"), of_alice.url)
        seen[user] = [row["id"] for row in refusal.value.result["conversations"]]
    assert seen == {alice: [of_alice.pk], bob: [of_bob.pk], olivia: [of_bob.pk, of_alice.pk]}


def test_a_link_that_only_others_have_imported_is_new(private: None, alice: User, bob: User) -> None:
    url = make_conversation(alice).url
    import_flow.refuse_duplicate(import_of(url, bob, "prompt"), url)
    assert not services.with_url(user=bob, url=url).exists()


def test_it_updates_no_conversation_that_the_caller_may_not_see(private: None, alice: User, bob: User) -> None:
    theirs = make_conversation(alice)
    with pytest.raises(RunFailed) as error:
        import_flow.refuse_duplicate(import_of(theirs.url, bob, "update_existing", theirs.pk), theirs.url)
    assert error.value.code == "wrong_target"


# ── Workspace mode ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("route", FOR_ALL, ids=str)
def test_it_lets_colleagues_read_and_work_on_each_others_conversations(
    bobs: Client, ids: dict[str, Any], route: Route
) -> None:
    answer = send(bobs, route, ids)
    assert answer.status_code in {200, 202, 302} or check_refused(answer, 409)["code"] in {
        "not_waiting",
        "nothing_to_retry",
        "project_exists",
    }


def test_it_says_who_did_what(bob: User, bobs: Client, ids: dict[str, Any]) -> None:
    path = f"/api/conversations/{ids['conversation_id']}"
    bobs.patch(f"{path}/project-draft", {"title": "T", "description": "D"}, "application/json")
    body = {"message": "Hello", "llm_provider": "demo", "llm_model": "demo-1"}
    assert bobs.post(f"{path}/project-draft/chat/stream", body, "application/json").status_code == 200
    assert DraftVersion.objects.latest("version_number").created_by_user == bob
    assert ChatMessage.objects.latest("sequence_number").sent_by_user == bob
    assert Run.objects.latest("created_at").user == bob
    assert Conversation.objects.get().imported_by_user.email == "alice@example.org"


@pytest.mark.parametrize("visibility", ["private", "workspace"])
def test_nobody_but_the_importer_and_operators_may_delete(
    alice: User, bob: User, olivia: User, settings: Any, visibility: str
) -> None:
    settings.VISIBILITY = visibility
    conversation = make_conversation(alice)
    deletable = [conversation in Conversation.objects.deletable_by(user) for user in (alice, bob, olivia)]
    assert deletable == [True, False, True]


def test_somebody_who_is_no_operator_any_more_sees_no_more_than_others(
    private: None, alice: User, olivia: User
) -> None:
    conversation = make_conversation(alice)
    assert services.get_conversation(user=olivia, conversation_id=conversation.pk) == conversation
    olivia.groups.clear()
    with pytest.raises(NotFound):
        services.get_conversation(user=User.objects.get(pk=olivia.pk), conversation_id=conversation.pk)
