"""Another model answers in the place of one that can't, and everybody can see which."""

from typing import Any

from config.tests.outside import words
from config.tests.stack import Stack, said, text_of
from llmconfig.models import LLMCall, LLMModel, Task
from llmconfig.services import set_default_model


def with_stand_ins(*names: str, task: str = Task.CHAT) -> None:
    for name in ("gpt-4o", *names):  # the tests' process has no key, the stack's processes have one
        LLMModel.objects.filter(model_id=name).update(is_active=True)
    row = set_default_model(prompt_type=task, provider="demo", model_id="demo-1", user=None)
    row.fallbacks = [f"openai/{name}" for name in names]
    row.save()


def of_type(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == name]


def test_a_stand_in_answers_and_the_event_and_the_message_say_so(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with_stand_ins("gpt-4.1", "gpt-4o-mini")
    stack.outside.refused_models.update({"gpt-4o", "gpt-4.1"})
    events = alice.chat(conversation, "Hello [[words=3]]")
    assert text_of(events) == "".join(words(3))
    assert [(event["failed_model"], event["model"], event["code"]) for event in of_type(events, "fallback")] == [
        ("openai/gpt-4o", "openai/gpt-4.1", "provider_authentication"),
        ("openai/gpt-4.1", "openai/gpt-4o-mini", "provider_authentication"),
    ]
    answer = alice.history(conversation)[-1]
    assert (answer["model"], answer["fallback_from"]) == ("openai/gpt-4o-mini", "openai/gpt-4o")
    calls = LLMCall.objects.filter(run_id=answer["run"]["id"]).order_by("created_at")
    assert [(call.model_id, call.outcome) for call in calls] == [
        ("gpt-4o", "failed"), ("gpt-4.1", "failed"), ("gpt-4o-mini", "finished"),
    ]  # fmt: skip


def test_the_model_that_stood_in_also_goes_on_after_its_tools(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with_stand_ins("gpt-4.1")
    stack.outside.refused_models.update({"gpt-4o"})
    events = alice.chat(conversation, "Please update the draft")
    assert len(of_type(events, "fallback")) == 1
    assert [request["model"] for request in stack.outside.requests[-3:]] == ["gpt-4o", "gpt-4.1", "gpt-4.1"]
    version = alice.versions(conversation)[0]
    assert (version["model"], version["prompt_version"]) == ("openai/gpt-4.1", 0)


def test_no_stand_in_answers_once_there_is_text(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with_stand_ins("gpt-4.1")
    events = alice.chat(conversation, "Hello [[words=5 cut_after=3]]")
    assert of_type(events, "fallback") == []
    assert (events[-1]["type"], events[-1]["code"], events[-1]["partial"]) == ("error", "provider_interrupted", True)
    answer = alice.history(conversation)[-1]
    assert (answer["model"], answer["fallback_from"], answer["prompt_version"]) == ("openai/gpt-4o", "", 0)


def test_when_all_fail_there_is_one_error_and_no_answer(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with_stand_ins("gpt-4.1")
    stack.outside.refused_models.update({"gpt-4o", "gpt-4.1"})
    events = alice.chat(conversation, "Hello")
    assert [event["type"] for event in events][-2:] == ["fallback", "error"]
    assert events[-1]["code"] == "provider_authentication"
    assert [message["role"] for message in alice.history(conversation)] == ["user"]


def test_a_stand_in_writes_the_draft_and_the_version_names_it(stack: Stack) -> None:
    alice = stack.client()
    with_stand_ins("gpt-4.1", task=Task.GENERATION)
    stack.outside.refused_models.update({"gpt-4o"})
    conversation = alice.imported(llm_provider="openai", llm_model="gpt-4o")
    version = alice.versions(conversation)[0]
    assert (version["model"], version["prompt_version"]) == ("openai/gpt-4.1", 0)


def test_an_answer_tells_what_it_took(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    LLMModel.objects.filter(model_id="gpt-4o").update(input_price=2, output_price=10, priced_on="2026-11-22")
    events = alice.chat(conversation, "Hello [[words=20]]")
    took = {"input_tokens": 11, "output_tokens": 20, "cost_usd": 0.000222}
    LLMModel.objects.filter(model_id="gpt-4o").update(input_price=None, output_price=None, priced_on=None)
    assert of_type(events, "usage") == [took | {"type": "usage", "event_id": of_type(events, "usage")[0]["event_id"]}]
    question, answer = alice.history(conversation)
    assert (question["usage"], answer["usage"]) == (None, took)
    usage = alice.get(f"/api/conversations/{conversation}/usage").json()
    assert set(usage["tasks"]) == {"project_draft_chat", "project_draft_generation"}
    assert usage["tasks"]["project_draft_chat"] == took | {
        "calls": 1, "failed": 0, "cached_tokens": 0, "cost_unknown": 0,
    }  # fmt: skip
    assert (usage["usage"]["calls"], usage["usage"]["cost_unknown"]) == (2, 1)  # the draft was written before


def test_a_stopped_answer_is_counted_by_estimate_and_its_cost_is_unknown_without_a_price(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    with alice.opened("POST", f"/api/conversations/{conversation}/project-draft/chat/stream",
                      json=said("Hello [[words=500 delay_ms=20]]")) as (response, events):  # fmt: skip
        while next(events)["type"] != "content":
            pass
        alice.post(f"/api/runs/{response.headers['X-Run-Id']}/cancel")
        assert list(events)[-1]["type"] == "cancelled"
    call = LLMCall.objects.get(run_id=response.headers["X-Run-Id"])
    assert (call.outcome, call.is_estimated, call.cost_usd) == ("stopped", True, None)
    assert call.input_tokens is not None
    assert call.input_tokens > 100
    usage = alice.history(conversation)[-1]["usage"]
    assert (usage["input_tokens"], usage["cost_usd"]) == (call.input_tokens, None)
