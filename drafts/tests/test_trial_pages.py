"""Trials of prompts in the back office: what they are made of, who may, and what the pages say."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from config.exceptions import Forbidden
from config.tests.admin_pages import address, check_closed, check_pages, list_page, page
from conversations.models import Run
from conversations.services import delete
from drafts import services, trials
from drafts.models import DraftVersion, PromptTrial, TrialDraft
from drafts.services import Author
from drafts.tests.trying import BY_GPT, SEVEN_WORDS, save, shown_at, start, written
from drafts.trial_writing import model_of
from llmconfig import prompts
from llmconfig.models import LLMCall, Prompt, Task
from llmconfig.services import set_default_model


def test_two_at_once_are_one_trial(alice: User, olivia: User, olivias: Client) -> None:
    written(alice)
    first = start(olivias, 0)
    response = olivias.post(f"{address('add', PromptTrial)}?version=0", {"most": 5}, follow=True)
    assert "One of your trials is under way." in response.content.decode()
    assert response.redirect_chain[-1][0] == shown_at(first)
    assert Run.objects.count() == 1


def test_what_it_took_is_told_though_nobody_works_on_it_when_it_is_stopped(alice: User, olivia: User) -> None:
    written(alice)
    run = trials.start_trial(user=olivia, version=0)
    took = {"input_tokens": 11, "output_tokens": 5, "cost_usd": 0.5}
    Run.objects.filter(pk=run.pk).update(step={"usage": took})
    trials.stop_trial(user=olivia, run=run)
    assert Run.objects.get().usage == took
    trials.stop_trial(user=olivia, run=Run.objects.get())
    assert AuditEvent.objects.filter(action="prompt.trial_stopped", user=olivia).count() == 1


def test_it_counts_what_the_drafts_took_and_not_what_else_their_run_wrote(alice: User, olivia: User) -> None:
    version = written(alice)
    run = Run.objects.create(kind=Run.Kind.BULK, user=alice)
    DraftVersion.objects.filter(pk=version.pk).update(run=run)
    here = version.project_draft.conversation_id
    for conversation, cost in ((here, "0.25"), (here + 1, "7"), (here, None)):
        LLMCall.objects.create(
            task=Task.GENERATION, provider="openai", model_id="gpt-4o", run_id=run.pk, conversation_id=conversation,
            cost_usd=cost and Decimal(cost), created_at=timezone.now(), outcome=LLMCall.Outcome.FINISHED,
        )  # fmt: skip
    took = trials.sample(user=olivia).took
    assert (took.calls, took.cost_usd, took.cost_unknown) == (2, Decimal("0.25"), 1)


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
    assert str(model_of(written(alice, author=Author("acme/gone", 0)))) == "openai/gpt-4o-mini"
    assert str(model_of(written(alice, author=BY_GPT))) == "openai/gpt-4o"


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
