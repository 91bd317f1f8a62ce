"""Chats that a model of ours summarises, in real processes."""

from chat.models import ChatSummary
from config.tests.stack import Stack, chat_path, said, wait_until
from conversations.models import Conversation, ImportedSummary, Memory, Run
from drafts.tests.steps import LONG, SMALL, calls, configured, import_text, restart, states
from llmconfig.models import DefaultModel, LLMCall


def test_it_asks_no_model_for_keywords_that_nobody_would_search_for(stack: Stack) -> None:
    assert states(import_text(stack.client())) == ["importing", "generating"]
    assert calls() == ["project_draft_generation"]
    assert Memory.objects.count() == 0


def chat_of(messages: int) -> str:
    turns = (f"User: Question {number}, {'so to speak, ' * 20}" for number in range(messages // 2))
    return "\n\n".join(f"{turn}\n\nAssistant: Yes, {number}." for number, turn in enumerate(turns))


def test_it_reads_three_thousand_messages_through_the_death_of_every_runner(stack: Stack) -> None:
    alice, deaths = stack.client(), 3
    DefaultModel.objects.create(
        prompt_type="conversation_summary", llm_provider="openai", llm_model="gpt-3.5-turbo"
    )  # whose window takes some forty of these messages
    stack.kill("runner")
    body = {"text": chat_of(3000)} | SMALL
    with alice.opened("POST", "/api/conversations/import-file", json=body) as (response, events):
        for point in ["after_checkpoint", "after_checkpoint", "before_finish"]:
            restart(stack, {"FAILPOINTS": f"{point}=1"})
            stack.wait_for_exit("runner")
        restart(stack, {})
        seen = list(events)
    assert seen[-1]["type"] == "done"
    progress = [event for event in seen if event["type"] == "progress"][-1]
    parts = progress["total"]
    assert progress["current"] == parts > 30
    run = Run.objects.get(pk=response.headers["x-run-id"])
    asked = LLMCall.objects.filter(run_id=run.pk, task="conversation_summary").count()
    assert parts <= asked <= parts + 4 * deaths  # at most the four that were under way at each death
    assert ImportedSummary.objects.get().summary
    assert len(seen[-1]["conversation"]["imported_chat"]) == 3000
    assert run.usage
    assert run.usage["input_tokens"] > 0


def test_it_ends_with_a_code_when_the_model_fails_to_summarise(stack: Stack) -> None:
    events = import_text(stack.client(), f"{LONG} [[status=400]]", **SMALL)
    assert events[-1]["type"] == "error"
    assert events[-1]["conversation_id"] == Conversation.objects.get().pk
    assert ImportedSummary.objects.count() == 0


def test_it_summarises_a_chat_that_fills_more_than_half_of_the_window(stack: Stack) -> None:
    alice = stack.client()
    short = import_text(alice, **SMALL)[-1]["conversation"]["id"]
    with configured(stack, SUMMARY_WINDOW_PERCENT="1"):
        long = import_text(alice, "User: " + "words " * 60 + "\n\nAssistant: Yes.", **SMALL)[-1]["conversation"]["id"]
        wait_until(lambda: ImportedSummary.objects.exists())
    assert list(ImportedSummary.objects.values_list("conversation_id", flat=True)) == [long]
    assert alice.get(f"/api/conversations/{short}/imported_chat_summary").status_code == 404
    assert alice.get(f"/api/conversations/{long}/runs").json()["runs"][0]["kind"] == "summary"


def test_it_summarises_a_long_chat_about_a_draft_and_shows_the_newest_messages_as_they_are(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    for number in range(10):
        alice.chat(conversation, f"Remark {number}")
    wait_until(lambda: ChatSummary.objects.exists())
    alice.chat(conversation, "The last one")
    told = [message["content"] for message in stack.outside.requests[-1]["messages"]]
    assert told[1].startswith("Summary of our chat so far: ")
    assert "Remark 4" not in told
    assert told[2] == "Remark 5"
    assert told[-1] == "The last one"
    assert alice.events(chat_path(conversation), said("And again"))[-1]["type"] == "done"
    assert calls().count("conversation_summary") == 1
