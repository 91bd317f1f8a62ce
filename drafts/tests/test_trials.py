"""An operator tries a version of the prompt on last week's drafts, in the back office."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from config.exceptions import Forbidden
from config.tests.admin_pages import address, check_closed, check_pages, list_page, page
from config.tests.making import make_conversation, make_draft
from config.tests.stack import Stack, wait_until
from conftest import make_user, signed_in
from conversations.models import Run
from conversations.services import delete
from drafts import services, trials
from drafts.models import DraftVersion, PromptTrial, TrialDraft
from drafts.services import Author
from drafts.tests.steps import restart
from llmconfig import prompts
from llmconfig.models import LLMCall, Prompt, Task
from llmconfig.services import set_default_model

SEVEN_WORDS = "Write <title> and <description> of it. [[words=7]]"
LONG = "Write <title> and <description> of it. [[words=400 delay_ms=20]]"
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


def test_it_shows_what_the_prompt_would_have_made_of_the_drafts_and_changes_none(stack: Stack) -> None:
    alice, olivia = stack.client(), olivias_client()
    ids = [alice.imported(), alice.imported("User: Another.\n\nAssistant: Yes.")]
    version = save()
    form = page(olivia, f"{address('add', PromptTrial)}?version={version}")
    assert form.count(">Made up</td>") == 2
    stack.outside.requests.clear()
    run = ended(start(olivia, version))
    assert run.state == "done"
    assert [request["messages"][0]["content"] for request in stack.outside.requests] == [SEVEN_WORDS] * 2
    shown = page(olivia, shown_at(run))
    assert shown.count("<ins>w0 w1 w2 w3 w4 w5 w6</ins>") == shown.count("<del>w0 w1 w2 w3 w4</del>") == 2
    assert address("activate", Prompt, Task.GENERATION, version) in shown
    assert 'http-equiv="refresh"' not in shown
    assert [len(alice.versions(pk)) for pk in ids] == [1, 1]
    calls = LLMCall.objects.filter(run_id=run.pk)
    assert list(calls.values_list("prompt_version", "conversation_id")) == [(version, None)] * 2
    assert run.usage == {"input_tokens": 22, "output_tokens": 2 * 10, "cost_usd": None}
    tried = AuditEvent.objects.get(action="prompt.tried")
    assert (tried.resource, tried.after) == (Task.GENERATION, {"version": version, "drafts": 2})


def test_its_stream_ends_with_how_many_were_written(stack: Stack) -> None:
    stack.client().imported()
    olivia = stack.client("olivia@example.org", operator=True)
    events = olivia.watch(str(start(olivias_client(), save()).pk))
    assert [event["type"] for event in events] == ["run", "progress", "progress", "done"]
    assert (events[-1]["written"], events[-1]["failed"]) == (1, 0)


def test_it_asks_no_model_twice_when_the_runner_is_killed(stack: Stack) -> None:
    alice = stack.client()
    for number in range(3):
        alice.imported(f"User: Question {number}.\n\nAssistant: Yes.")
    usual = stack.more_environment
    stack.outside.requests.clear()
    run = start(olivias_client(), save(f"{SEVEN_WORDS} [[delay_ms=30]]"))
    wait_until(lambda: TrialDraft.objects.exclude(description="").count() == 1, 20)
    restart(stack, usual)
    assert TrialDraft.objects.filter(description="").exists()
    assert ended(run).state == "done"
    assert TrialDraft.objects.exclude(description="").count() == 3
    assert len(stack.outside.requests) <= 4  # the one that was being written is written again
    assert (Run.objects.get(pk=run.pk).usage or {})["output_tokens"] == 3 * 10


def test_a_draft_that_is_not_written_says_why_and_the_others_are(stack: Stack) -> None:
    alice, olivia = stack.client(), olivias_client()
    alice.imported(llm_provider="openai", llm_model="gpt-4o")
    alice.imported(llm_provider="openai", llm_model="gpt-4o-mini")
    stack.outside.refused_models = {"gpt-4o-mini"}
    run = ended(start(olivia, save()))
    assert (run.state, TrialDraft.objects.exclude(error="").count()) == ("done", 1)
    shown = page(olivia, shown_at(run))
    assert shown.count("Not written: ") == 1
    assert shown.count("<ins>w0 w1 w2 w3 w4 w5 w6</ins>") == 1


def test_it_can_be_stopped(stack: Stack) -> None:
    stack.client().imported()
    olivia = olivias_client()
    run = start(olivia, save(LONG))
    wait_until(lambda: stack.outside.open_streams, 20)
    shown = page(olivia, shown_at(run))
    assert "Under way" in shown
    assert 'http-equiv="refresh"' in shown
    assert olivia.post(shown_at(run)).status_code == 302
    assert ended(run).state == "cancelled"
    assert "Stopped" in page(olivia, shown_at(run))
    wait_until(lambda: not stack.outside.open_streams)


def test_it_is_tried_on_the_newest_draft_that_a_model_wrote_for_each_conversation(alice: User, olivia: User) -> None:
    newest = written(alice, "Lamp")
    again = written(alice, "First")
    draft = again.project_draft
    second = services.add_version(draft=draft, title="Second", description="By a model.", user=alice, author=BY_GPT)
    services.add_version(draft=draft, title="Third", description="By hand.", user=alice, is_manual_edit=True)
    services.add_version(draft=draft, title="T", description="In a chat.", user=alice, author=BY_GPT, tool_call="0.0")
    brought_back = written(alice, "Brought back", restored_from=1)
    old = written(alice, "Old")
    DraftVersion.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    found = {version.pk for version in trials.sample(user=olivia).versions}
    assert found == {newest.pk, second.pk}
    assert brought_back.pk not in found
    assert len(trials.sample(user=olivia, most=1).versions) == 1


def test_a_deleted_conversation_is_neither_tried_on_nor_shown(alice: User, olivia: User, olivias: Client) -> None:
    version = written(alice, "Secret lamp")
    run = trials.start_trial(user=olivia, version=0)
    TrialDraft.objects.update(title="Tried", description="About the secret.")
    assert "Secret lamp" in page(olivias, shown_at(run))
    delete(user=alice, conversation_id=version.project_draft.conversation_id)
    shown = page(olivias, shown_at(run))
    assert "secret" not in shown.lower()
    assert "The conversations that it was tried on are gone." in shown
    assert trials.sample(user=olivia).versions == []


def test_a_model_that_is_gone_gives_way_to_the_default(alice: User, settings: Any) -> None:
    settings.OPENAI_API_KEY = "sk-test"
    set_default_model(prompt_type=Task.GENERATION, provider="openai", model_id="gpt-4o-mini", user=None)
    assert str(trials._model_of(written(alice, author=Author("acme/gone", 0)))) == "openai/gpt-4o-mini"
    assert str(trials._model_of(written(alice, author=BY_GPT))) == "openai/gpt-4o"


def test_nothing_to_try_it_on_is_said(olivias: Client) -> None:
    url = f"{address('add', PromptTrial)}?version=0"
    assert "There is nothing to try it on" in page(olivias, url)
    response = olivias.post(url, {"most": 5}, follow=True)
    assert "No model has written a draft in the last 7 days." in response.content.decode()
    assert not Run.objects.exists()


@pytest.mark.parametrize("most", ["", "0", "11", "many"])
def test_the_number_of_drafts_is_checked(alice: User, olivias: Client, most: str) -> None:
    written(alice)
    response = olivias.post(f"{address('add', PromptTrial)}?version=0", {"most": most})
    assert "errorlist" in response.content.decode()
    assert not Run.objects.exists()


def test_the_version_in_production_is_tried_unless_another_one_is_named(olivias: Client) -> None:
    assert "Try the built-in text" in page(olivias, address("add", PromptTrial))
    prompts.save_prompt(prompt_type=Task.GENERATION, system_prompt=SEVEN_WORDS, user=None)
    assert "Try version 1" in page(olivias, f"{address('add', PromptTrial)}?version=")


def test_a_text_that_came_out_the_same_is_not_shown_twice(alice: User, olivia: User, olivias: Client) -> None:
    version = written(alice, "Lamp")
    run = trials.start_trial(user=olivia, version=0)
    TrialDraft.objects.update(title=version.title, description=version.description)
    shown = page(olivias, shown_at(run))
    assert "The same text as then." in shown
    assert "Title then and now" in shown


@pytest.mark.parametrize("query", ["?version=1", "?version=-1", "?version=x", "?version=" + "9" * 40])
def test_a_version_that_is_not_there_has_no_trial(olivias: Client, query: str) -> None:
    assert olivias.get(address("add", PromptTrial) + query).status_code == 404


def test_the_page_of_a_version_offers_it_for_the_prompt_of_drafts_only(olivias: Client) -> None:
    link = f"{address('add', PromptTrial)}?version=0"
    assert link in page(olivias, address("version", Prompt, Task.GENERATION, 0))
    assert link not in page(olivias, address("version", Prompt, Task.CHAT, 0))


def test_the_list_names_version_and_progress(alice: User, olivia: User, olivias: Client) -> None:
    written(alice)
    trials.start_trial(user=olivia, version=save())
    shown = list_page(olivias, PromptTrial)
    assert "Version 1" in shown
    assert "0 of 1" in shown


def test_its_pages_take_as_many_queries_for_many_trials(alice: User, olivia: User, olivias: Client) -> None:
    written(alice)

    def make(number: int) -> PromptTrial:
        payload = {"prompt_version": 0}
        return PromptTrial.objects.create(kind=Run.Kind.TRIAL, user=olivia, payload=payload, state=Run.State.DONE)

    check_pages(olivias, make)


def test_only_who_may_change_prompts_may_try_them(alice: User, olivia: User, alices: Client, client: Client) -> None:
    written(alice)
    run = trials.start_trial(user=olivia, version=0)
    check_closed(alices, client, PromptTrial.objects.get(pk=run.pk))
    with pytest.raises(Forbidden):
        trials.start_trial(user=alice, version=0)
    assert alices.get(f"/api/runs/{run.pk}").status_code == 404
