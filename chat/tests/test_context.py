from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from chat.answers import chosen_model
from chat.context import Turn, load_turn, models_of
from chat.models import ChatMessage, ChatSummary
from config.exceptions import Invalid
from config.tests.making import make_conversation, make_draft, make_turn
from config.tests.stack import Stack, chat_path, said
from conversations.models import Conversation, ImportedSummary, Memory, Run
from drafts.models import DraftVersion, ProjectDraft
from integrations.llm.messages import ChatRequest
from llmconfig.models import LLMModel, Task
from llmconfig.prompts import built_in_prompt, save_prompt

SMALL = {"llm_provider": "openai", "llm_model": "gpt-3.5-turbo"}
PLACEHOLDERS = "{{memories_context}} {{current_project_draft}} {{original_conversation_summary}} {{nonsense}}"


@pytest.fixture(autouse=True)
def with_openai(settings: Any) -> None:
    settings.OPENAI_API_KEY = "k"


@pytest.fixture
def draft(alice: User) -> ProjectDraft:
    return make_draft(make_conversation(alice))


def asked(draft: ProjectDraft, question: str = "The question", **payload: Any) -> ChatRequest:
    return loaded(make_turn(draft, question, payload=payload)).request


def loaded(run: Run) -> Turn:
    return load_turn(run, models_of(chosen_model(run))[0])


def system_of(request: ChatRequest) -> str:
    assert request.messages[0].role == "system"
    return request.messages[0].text


def size(request: ChatRequest) -> int:
    return sum(len(message.text) for message in request.messages)


def window(model_id: str) -> int:
    """The characters that a model reads beside its answer."""
    tokens = LLMModel.objects.get(model_id=model_id).context_window_tokens - settings.MAX_COMPLETION_TOKENS
    return 4 * tokens


def rewrite(draft: ProjectDraft, description: str) -> None:
    DraftVersion.objects.filter(project_draft=draft).update(description=description)


def import_again(draft: ProjectDraft, *texts: str) -> None:
    chat = [{"role": "user", "content": text} for text in texts]
    Conversation.objects.filter(pk=draft.conversation_id).update(imported_chat=chat)


# ── What it holds ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_holds_the_draft_the_import_and_what_is_known(draft: ProjectDraft) -> None:
    Memory.objects.create(conversation=draft.conversation, memories=[{"memory": "Likes tea"}, {"memory": "Hates fog"}])
    system = system_of(asked(draft))
    assert "<title>First</title>\n<description>About First</description>" in system
    assert "User: Build a lighthouse.\n\nAssistant: With a lamp." in system
    assert "1. Likes tea\n2. Hates fog" in system
    assert "{{" not in system


def test_it_says_so_when_nothing_is_known(draft: ProjectDraft) -> None:
    assert "(none)" in system_of(asked(draft))


def test_it_holds_the_chat_so_far_in_order_and_the_question_once(draft: ProjectDraft) -> None:
    make_turn(draft, "First", "One", state=Run.State.DONE)
    make_turn(draft, "Second", "Tw", state=Run.State.CANCELLED)
    make_turn(draft, "Third", state=Run.State.FAILED)
    messages = [(message.role, message.text) for message in asked(draft, "Fourth").messages[1:]]
    assert messages == [
        ("user", "First"),
        ("assistant", "One"),
        ("user", "Second"),
        ("assistant", "Tw"),
        ("user", "Third"),
        ("user", "Fourth"),
    ]


def test_a_summary_stands_for_the_import_once_it_says_something(draft: ProjectDraft) -> None:
    summary = ImportedSummary.objects.create(conversation=draft.conversation, summary="")
    run = make_turn(draft, "The question", state=Run.State.RUNNING)
    assert "Build a lighthouse." in system_of(loaded(run).request)
    summary.summary = "A tower with a light."
    summary.save()
    system = system_of(loaded(run).request)
    assert "A tower with a light." in system and "Build a lighthouse." not in system


def test_a_summary_stands_for_the_part_of_the_chat_that_it_covers(draft: ProjectDraft) -> None:
    for number in range(3):
        make_turn(draft, f"Question {number}", f"Answer {number}")
    covered = ChatMessage.objects.get(content="Answer 1")
    ChatSummary.objects.create(
        conversation=draft.conversation, summary="We agreed on a lamp.", latest_message_id=covered.pk
    )
    texts = [message.text for message in asked(draft).messages[1:]]
    assert "We agreed on a lamp." in texts[0]
    assert texts[1:] == ["Question 2", "Answer 2", "The question"]


def test_it_uses_the_prompt_in_use_and_says_which(draft: ProjectDraft) -> None:
    first = loaded(make_turn(draft, "One"))
    assert first.prompt_version == 0
    save_prompt(prompt_type=Task.CHAT, system_prompt="Only: {{current_project_draft}}", user=None)
    second = loaded(make_turn(draft, "Two"))
    assert second.prompt_version == 1
    assert system_of(second.request).startswith("Only: <current_draft>\n<title>First</title>")
    assert "lighthouse" not in system_of(second.request)


# ── Text that looks like something else ───────────────────────────────────────────────────────────────────────────────


def test_placeholders_in_inserted_text_stay_what_they_are(draft: ProjectDraft) -> None:
    Memory.objects.create(conversation=draft.conversation, memories=[{"memory": f"A secret and {PLACEHOLDERS}"}])
    rewrite(draft, f"Draft: {PLACEHOLDERS}")
    import_again(draft, f"Import: {PLACEHOLDERS}")
    system = system_of(asked(draft, PLACEHOLDERS))
    assert f"Draft: {PLACEHOLDERS}" in system
    assert f"Import: {PLACEHOLDERS}" in system
    assert system.count("A secret") == system.count("Draft: ") == system.count("Import: ") == 1


@pytest.mark.parametrize("text", [r"\1 \g<0> \n", "%s %(a)s %", "{0} {} {a}", "$1 ${a}"])
def test_inserted_text_is_taken_as_it_is(draft: ProjectDraft, text: str) -> None:
    rewrite(draft, text)
    assert f"<description>{text}</description>" in system_of(asked(draft))


# ── Windows ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", ["gpt-3.5-turbo", "gpt-4", "gpt-4o"])
@pytest.mark.parametrize("huge", ["draft", "import", "history", "summary", "memories", "all"])
def test_it_fits_the_window_however_much_there_is(draft: ProjectDraft, model: str, huge: str) -> None:
    length = 2 * window(model)
    if huge in {"draft", "all"}:
        rewrite(draft, "d" * length)
    if huge in {"import", "all"}:
        import_again(draft, "i" * length, "The last word.")
    if huge in {"history", "all"}:
        for number in range(10):
            make_turn(draft, f"Question {number} " + "q" * (length // 20), "a" * (length // 20))
    if huge in {"memories", "all"}:
        Memory.objects.create(conversation=draft.conversation, memories=[{"memory": "m" * (length // 10)}] * 10)
    if huge in {"summary", "all"}:
        ChatSummary.objects.create(conversation=draft.conversation, summary="s" * length, latest_message_id=0)
    request = asked(draft, "The question", llm_provider="openai", llm_model=model)
    assert size(request) <= window(model)
    assert request.messages[-1].text == "The question"
    if huge not in {"history", "summary"}:
        assert system_of(request).count("are left out here.") >= 1
    if huge == "import":
        assert "The last word." in system_of(request)


def test_it_keeps_the_newest_of_a_chat_that_is_too_long(draft: ProjectDraft) -> None:
    for number in range(20):
        make_turn(draft, f"Question {number} " + "q" * 250, "a" * 250)
    request = asked(draft, **SMALL)
    earlier = [message.text.split(" q")[0] for message in request.messages[1:-1] if message.role == "user"]
    assert 0 < len(earlier) < 20
    assert earlier == [f"Question {number}" for number in range(20 - len(earlier), 20)]


def test_the_summary_of_a_long_chat_is_the_last_thing_to_go(draft: ProjectDraft) -> None:
    first = make_turn(draft, "Question", "Answer")
    covered = ChatMessage.objects.filter(run=first).latest("pk").pk
    ChatSummary.objects.create(conversation=draft.conversation, summary="In short.", latest_message_id=covered)
    for number in range(20):
        make_turn(draft, f"Question {number} " + "q" * 250, "a" * 250)
    request = asked(draft, **SMALL)
    assert "In short." in request.messages[1].text
    assert len(request.messages) > 3


def test_it_takes_a_message_that_just_fits_and_refuses_one_that_does_not(draft: ProjectDraft) -> None:
    room = window("gpt-3.5-turbo") - len(built_in_prompt(Task.CHAT))
    request = asked(draft, "q" * (room - 1100), **SMALL)
    assert size(request) <= window("gpt-3.5-turbo")
    with pytest.raises(Invalid) as refusal:
        asked(draft, "q" * room, **SMALL)
    assert refusal.value.code == "context_too_long"
    assert "GPT-3.5 Turbo" in refusal.value.detail


def test_it_offers_tools_only_to_models_that_take_them(draft: ProjectDraft) -> None:
    assert "update_project_draft" in {tool.name for tool in asked(draft).tools}
    LLMModel.objects.update(supports_tools=False)
    assert asked(draft).tools == ()


def test_a_message_that_is_too_long_is_refused_and_asks_nobody(stack: Stack) -> None:
    alice = stack.client()
    conversation = alice.imported()
    stack.outside.requests.clear()
    answer = alice.post(chat_path(conversation), said("q" * 7000, llm_model="gpt-3.5-turbo"))
    assert (answer.status_code, answer.json()["code"]) == (422, "context_too_long")
    assert "GPT-3.5 Turbo" in answer.json()["detail"]
    assert alice.history(conversation) == []
    assert stack.outside.requests == []
