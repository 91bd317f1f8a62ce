"""What an import does between storing a chat and writing its draft, in real processes, with services that misbehave."""

from collections.abc import Iterator
from typing import Any

import pytest

from chat.models import ChatSummary
from config.tests.outside import words
from config.tests.stack import Member, Stack, chat_path, said, wait_until
from conversations.models import Conversation, ImportedSummary, Memory, Run, SummaryJob
from drafts.services import PLACEHOLDER_TITLE
from integrations.tests.fake_services import FakeMem0, FakeSummarizer
from integrations.tests.loopback import LoopbackServer
from llmconfig.models import DefaultModel, LLMCall

TEXT = "User: Build a lighthouse.\n\nAssistant: With a lamp."
LONG = "User: " + "a long story " * 1000 + "\n\nAssistant: Indeed."
SMALL: dict[str, Any] = {"llm_provider": "openai", "llm_model": "gpt-3.5-turbo", "accept_summarization": True}
HITS = [{"memory": "We like boats.", "score": 0.9}, {"memory": "Not near.", "score": 0.1}]


@pytest.fixture
def mem0(stack: Stack) -> Iterator[FakeMem0]:
    fake = FakeMem0()
    with LoopbackServer(fake) as server, configured(stack, MEM0_API_URL=server.url, MEM0_USER_ID="team"):
        yield fake


@pytest.fixture
def summarizer(stack: Stack, settings: Any) -> Iterator[FakeSummarizer]:
    """Also configured here, where the tests take a worker's part."""
    fake = FakeSummarizer()
    with LoopbackServer(fake) as server, configured(stack, METACOGNITION_API_URL=server.url):
        settings.METACOGNITION_API_URL = server.url
        yield fake


class configured:
    """A runner with these variables in its environment, until the block is left."""

    def __init__(self, stack: Stack, **variables: str) -> None:
        self._stack, self._variables = stack, variables

    def __enter__(self) -> None:
        self._restart(self._variables)

    def __exit__(self, *_: object) -> None:
        self._restart({})

    def _restart(self, variables: dict[str, str]) -> None:
        self._stack.kill("runner")
        self._stack.more_environment = variables
        self._stack.start_runner()


def import_text(member: Member, text: str = TEXT, **fields: Any) -> list[dict[str, Any]]:
    return member.events("/api/conversations/import-file", {"text": text} | fields)


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["state"] for event in events if event["type"] == "state"]


def calls() -> list[str]:
    return list(LLMCall.objects.order_by("created_at").values_list("task", flat=True))


# Memories


def test_it_writes_the_draft_with_what_the_team_remembers(stack: Stack, mem0: FakeMem0) -> None:
    mem0.hits = HITS
    events = import_text(stack.client())
    assert states(events) == ["importing", "extracting_chat_keywords", "retrieving_memories", "generating"]
    keywords = "".join(words(5)).strip()
    assert mem0.requests == [
        ("/search", {"query": keywords, "user_id": "team", "metadata": {"type": "summary"}}),
    ]
    assert Memory.objects.get().memories == HITS[:1]
    assert "1. We like boats." in stack.outside.requests[-1]["messages"][0]["content"]
    assert events[-1]["warnings"] == []


def test_it_asks_no_model_for_keywords_that_nobody_would_search_for(stack: Stack) -> None:
    assert states(import_text(stack.client())) == ["importing", "generating"]
    assert calls() == ["project_draft_generation"]
    assert Memory.objects.count() == 0


def test_it_searches_nothing_when_there_are_no_keywords(stack: Stack, mem0: FakeMem0) -> None:
    events = import_text(stack.client(), "User: [[words=1]] 7\n\nAssistant: 7")
    assert events[-1]["type"] == "done"
    assert mem0.requests[0][1]["query"] == "w0"


@pytest.mark.parametrize("trouble", ["cut", "malformed", "refused"])
def test_it_goes_on_without_memories_and_says_so(stack: Stack, mem0: FakeMem0, trouble: str) -> None:
    mem0.is_cut = trouble == "cut"
    answers: dict[str, list[tuple[int, Any]]] = {"malformed": [(200, ["lies"])], "refused": [(403, {})]}
    mem0.answers = answers.get(trouble, [])
    events = import_text(stack.client())
    done = events[-1]
    assert (done["type"], done["warnings"]) == ("done", ["memories_unavailable"])
    assert done["conversation"]["import_report"]["warnings"] == ["memories_unavailable"]
    assert done["project_draft"]["active_version"]["title"] == "Made up"


def test_it_goes_on_without_memories_when_no_model_finds_keywords(stack: Stack, mem0: FakeMem0) -> None:
    events = import_text(stack.client(), "User: [[empty]]\n\nAssistant: Yes.")
    assert states(events)[:2] == ["importing", "extracting_chat_keywords"]
    assert mem0.requests == []


def test_it_refuses_a_chat_that_is_too_long_before_money_is_spent(stack: Stack, mem0: FakeMem0) -> None:
    events = import_text(stack.client(), LONG, **SMALL | {"accept_summarization": False})
    assert [event["type"] for event in events] == ["run", "state", "model_limit_conflict"]
    assert (stack.outside.requests, mem0.requests, Conversation.objects.count()) == ([], [], 0)


@pytest.mark.parametrize("point", ["after_store", "before_checkpoint", "after_checkpoint"])
def test_it_pays_for_no_keyword_twice_when_the_runner_dies(stack: Stack, mem0: FakeMem0, point: str) -> None:
    mem0.hits = HITS
    alice = stack.client()
    stack.kill("runner")
    stack.more_environment = stack.more_environment | {"FAILPOINTS": f"{point}=1"}
    stack.start_runner()
    with alice.opened("POST", "/api/conversations/import-file", json={"text": TEXT}) as (_, events):
        stack.wait_for_exit("runner")
        stack.more_environment = stack.more_environment | {"FAILPOINTS": ""}
        stack.start_runner()
        last = list(events)[-1]
    assert (last["type"], last["warnings"]) == ("done", [])
    assert Conversation.objects.count() == 1
    assert len(mem0.requests) == 1
    most = 2 if point == "before_checkpoint" else 1  # what was answered and not stored yet is asked for again
    assert calls().count("keywords") == most
    assert calls().count("project_draft_generation") == 1


# Chats that are too long, read by a model of ours


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
            stack.more_environment = {"FAILPOINTS": f"{point}=1"}
            stack.start_runner()
            stack.wait_for_exit("runner")
        stack.more_environment = {}
        stack.start_runner()
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
    stack.kill("runner")
    stack.more_environment = {"SUMMARY_WINDOW_PERCENT": "1"}
    stack.start_runner()
    long = import_text(alice, "User: " + "words " * 60 + "\n\nAssistant: Yes.", **SMALL)[-1]["conversation"]["id"]
    wait_until(lambda: ImportedSummary.objects.exists())
    stack.kill("runner")
    stack.more_environment = {}
    stack.start_runner()
    assert list(ImportedSummary.objects.values_list("conversation_id", flat=True)) == [long]
    assert alice.get(f"/api/conversations/{short}/imported_chat_summary").status_code == 404
    assert alice.get(f"/api/conversations/{long}/runs").json()["runs"][0]["kind"] == "summary"


# Chats that are too long, read by the summariser


def take_steps() -> None:
    from conversations import summary_jobs

    SummaryJob.objects.update(next_check_at="2020-01-01T00:00:00Z")
    while job := summary_jobs.claim():
        summary_jobs.advance(job)


def test_it_ends_with_the_placeholder_and_writes_the_draft_when_the_service_has_read(
    stack: Stack, summarizer: FakeSummarizer
) -> None:
    alice = stack.client()
    events = import_text(alice, LONG, **SMALL)
    assert states(events) == ["importing", "summarizing"]
    version = events[-1]["project_draft"]["active_version"]
    assert (version["title"], version["version_number"]) == (PLACEHOLDER_TITLE, 1)
    assert stack.outside.requests == []
    conversation = events[-1]["conversation"]["id"]
    assert alice.get(f"/api/conversations/{conversation}/imported_chat_summary").status_code == 404
    take_steps()
    assert alice.get(f"/api/conversations/{conversation}/imported_chat_summary").json() == {
        "summary": "Summary of 2 messages"
    }
    wait_until(lambda: alice.versions(conversation)[0]["title"] == "Made up")
    assert alice.versions(conversation)[0]["version_number"] == 1
    assert "Summary of 2 messages" in stack.outside.requests[-1]["messages"][-1]["content"]


def test_it_leaves_a_draft_alone_that_a_person_wrote_while_it_waited(stack: Stack, summarizer: FakeSummarizer) -> None:
    alice = stack.client()
    conversation = import_text(alice, LONG, **SMALL)[-1]["conversation"]["id"]
    alice.patch(f"/api/conversations/{conversation}/project-draft", {"title": "By hand", "description": "Mine"})
    take_steps()
    wait_until(lambda: Run.objects.filter(kind="generate", state="done").exists())
    assert alice.versions(conversation)[0]["title"] == "By hand"
    assert stack.outside.requests == []


def test_it_writes_the_draft_from_a_summary_of_ours_when_the_service_takes_too_long(
    stack: Stack, summarizer: FakeSummarizer
) -> None:
    alice = stack.client()
    summarizer.pace = 0
    conversation = import_text(alice, LONG, **SMALL)[-1]["conversation"]["id"]
    take_steps()
    SummaryJob.objects.update(deadline="2020-01-01T00:00:00Z")
    take_steps()
    wait_until(lambda: ImportedSummary.objects.exists())
    wait_until(lambda: not Run.objects.active().exists())
    take_steps()
    wait_until(lambda: alice.versions(conversation)[0]["title"] == "Made up")
    assert ImportedSummary.objects.get().external_id is None
    assert "<summary>" in stack.outside.requests[-1]["messages"][-1]["content"]
    assert SummaryJob.objects.get().state == "timed_out"


# Long chats about a draft


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
