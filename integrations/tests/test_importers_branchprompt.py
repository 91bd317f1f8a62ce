import pytest

from integrations.importers import branchprompt
from integrations.importers.base import ImportedChat, ImporterError
from integrations.tests.fixtures.branchprompt import CONVERSATION, CONVERSATION_ID, MESSAGES, TURNS, message


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


@pytest.mark.parametrize(
    "value",
    [
        MESSAGES,
        {"messages": MESSAGES},
        {"conversation": CONVERSATION, "messages": MESSAGES},
        {"conversation": CONVERSATION, "messages": {"messages": MESSAGES, "total": 4}},
        CONVERSATION | {"messages": MESSAGES, "unknown": [{}]},
    ],
)
def test_it_takes_the_messages_however_they_are_wrapped(value):
    assert branchprompt.matches(value)
    chat = branchprompt.read(value)
    assert (turns(chat), chat.source, chat.parser) == (TURNS, "branchprompt", "branchprompt/1")
    assert chat.omitted == {"unknown": 1, "file": 1}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"messages": []},
        [{"role": "user", "content": "Hi"}],
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"conversation": CONVERSATION, "messages": []},
        {"conversation": CONVERSATION, "messages": [{"text": "Hi"}]},
        {"conversation": CONVERSATION, "responses": [], "messages": MESSAGES},
        {"conversationId": "x", "messages": MESSAGES},
    ],
)
def test_it_leaves_other_lists_of_messages_to_others(value):
    assert not branchprompt.matches(value)


def test_it_reads_a_chat_of_one_message():
    chat = branchprompt.read({"conversation": {}, "messages": [message("USER", "Hi")]})
    assert (turns(chat), chat.title, chat.source_id) == ([("user", "Hi")], "Hi", "")


@pytest.mark.parametrize("name", ["createdAt", "created_at"])
def test_it_reads_either_spelling_of_a_time(name):
    about = {"_id": CONVERSATION_ID, name: "2026-01-02T10:00:00Z"}
    said = [message("user", "Hi", id="m1", **{name: 1_767_348_000_000})]
    chat = branchprompt.read({"conversation": about, "messages": said})
    assert str(chat.created_at) == str(chat.messages[0].created_at) == "2026-01-02 10:00:00+00:00"
    assert (chat.source_id, chat.messages[0].source_message_id) == (CONVERSATION_ID, "m1")


@pytest.mark.parametrize(
    ("file", "text", "omitted"),
    [
        ({"content": "Words", "description": "Not these"}, "Hi\n\nWords", {}),
        ({"content": " ", "description": "These"}, "Hi\n\nThese", {}),
        ({"name": "a.bin"}, "Hi\n\n[file: a.bin]", {"file": 1}),
        ({"content": None, "description": 7}, "Hi\n\n[file: unnamed]", {"file": 1}),
    ],
)
def test_it_appends_what_is_said_of_a_file(file, text, omitted):
    chat = branchprompt.read([message("user", "Hi", file)])
    assert (turns(chat), chat.omitted) == ([("user", text)], omitted)


def test_it_finds_no_message_in_a_chat_without_any():
    with pytest.raises(ImporterError) as caught:
        branchprompt.read({"conversation": CONVERSATION, "messages": [message("tool", "x"), message("user", " ")]})
    assert caught.value.code == "no_messages"
