"""An operator tries a version of the prompt on last week's drafts: real processes, a model that may fail."""

from django.utils import timezone

from accounts.models import AuditEvent
from config.tests.admin_pages import address, page
from config.tests.stack import Stack, wait_until
from conversations.models import Conversation, Run
from drafts.models import PromptTrial, TrialDraft
from drafts.tests.steps import restart
from drafts.tests.trying import LONG, SEVEN_WORDS, ended, olivias_client, save, shown_at, start
from llmconfig.models import LLMCall, Prompt, Task


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
    assert shown.count("w0 w1 w2 w3 w4<ins> w5 w6</ins>") == 2
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
    assert shown.count("w0 w1 w2 w3 w4<ins> w5 w6</ins>") == 1


def test_it_gives_up_when_three_in_a_row_are_not_written(stack: Stack) -> None:
    alice, olivia = stack.client(), olivias_client()
    for number in range(4):
        alice.imported(f"User: Question {number}.\n\nAssistant: Yes.")
    stack.outside.refuse_everything = True
    run = ended(start(olivia, save()))
    assert (run.state, run.error_code) == ("failed", "generation_failed")
    assert TrialDraft.objects.exclude(error="").count() == 3
    shown = page(olivia, shown_at(run))
    assert "Failed</strong> after 3 of 4 drafts: 3 drafts in a row were not written." in shown
    assert "Try it again…" in shown


def test_an_answer_that_is_no_draft_is_shown_with_what_may_be_wrong(stack: Stack) -> None:
    stack.client().imported()
    olivia, version = olivias_client(), save("Write something. [[words=3]]")
    form = page(olivia, f"{address('add', PromptTrial)}?version={version}")
    assert "this text does not name &lt;title&gt; and &lt;description&gt;" in form
    shown = page(olivia, shown_at(ended(start(olivia, version))))
    assert "Does this version of the prompt ask for them?" in shown
    assert ">w0 w1 w2" in shown


def test_it_stores_nothing_of_a_conversation_that_is_deleted_meanwhile(stack: Stack) -> None:
    alice, olivia = stack.client(), olivias_client()
    conversation = alice.imported()
    run = start(olivia, save(LONG))
    wait_until(lambda: stack.outside.open_streams, 20)
    assert alice.http.delete(f"/api/conversations/{conversation}").status_code == 200
    assert ended(run).state == "done"
    row = TrialDraft.objects.get()
    assert (row.title, row.description, row.error, row.model) == ("", "", "", "")
    assert alice.post(f"/api/conversations/{conversation}/restore").status_code == 200
    assert "Not tried." in page(olivia, shown_at(run))


def test_it_says_what_else_was_different(stack: Stack) -> None:
    alice, olivia = stack.client(), olivias_client()
    alice.imported()
    Conversation.objects.update(import_date=timezone.now())
    run = ended(start(olivia, save()))
    assert "The chat was imported again since." in page(olivia, shown_at(run))


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
