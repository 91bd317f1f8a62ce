"""What is particular to each peer; the common ground is in `test_importer_mutations.py`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.importers import deepseek, gemini_takeout, generic, librechat, open_webui
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.detect import read_chat, read_each
from integrations.tests.fixtures import peers
from integrations.tests.fixtures.chatgpt import conversation, message
from integrations.tests.fixtures.peers import TURNS


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


def refusal(value: Any) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        value()
    return caught.value


def fragments(*pairs: tuple[str, Any], **changes: Any) -> dict[str, Any]:
    """A DeepSeek chat with one message of these fragments."""
    first = {"fragments": [{"type": "REQUEST", "content": "Hi"}]}
    second = {"fragments": [{"type": kind, "content": content} for kind, content in pairs]} | changes
    return {"mapping": {"1": {"message": first}, "2": {"message": second}}}


def test_deepseek_keeps_times_and_the_model_of_its_answers():
    chat = deepseek.read(peers.deepseek())
    assert chat.created_at == datetime(2026, 1, 2, 2, 0, tzinfo=UTC)
    assert chat.messages[0].created_at == datetime(2026, 1, 2, 2, 1, 0, 123000, tzinfo=UTC)
    assert [item.model for item in chat.messages] == ["", "deepseek-reasoner", "", "deepseek-reasoner"]


def test_deepseek_joins_the_fragments_of_an_answer_and_counts_the_rest():
    chat = deepseek.read(
        fragments(("THINK", "hm"), ("response", "One"), ("READ_LINK", "x"), ("RESPONSE", "Two"), ("TIP", 5))
    )
    assert turns(chat) == [("user", "Hi"), ("assistant", "One\n\nTwo")]
    assert chat.omitted == {"reasoning": 1, "tool_result": 1, "unknown": 1}
    assert chat.warnings == ("unknown_content",)


def test_deepseek_names_files():
    files = [{"file_name": "a.pdf"}, {"name": "b\nc.txt"}, {}, None]
    chat = deepseek.read(fragments(("REQUEST", "See"), files=files))
    assert chat.messages[1].text == "See\n\n[file: a.pdf]\n\n[file: b c.txt]\n\n[file]"
    assert chat.omitted == {"file": 3}


def test_deepseek_puts_messages_without_parents_in_the_order_of_time():
    data = peers.deepseek()
    del data["mapping"]["4"]
    for node in data["mapping"].values():
        del node["parent"]
    data["mapping"] = dict(reversed(data["mapping"].items()))
    assert turns(deepseek.read(data)) == TURNS


def test_deepseek_and_chatgpt_do_not_take_each_others_trees():
    assert read_chat_of(peers.deepseek()).source == "deepseek"
    assert read_chat_of(conversation(message("user", "Hi"))).source == "chatgpt"
    assert not deepseek.matches(conversation(message("user", "Hi")))
    others: list[Any] = [None, [], {}, {"mapping": []}, {"mapping": {"1": None}}, {"mapping": {"1": {"message": 5}}}]
    assert not any(map(deepseek.matches, others))


def read_chat_of(value: Any) -> ImportedChat:
    [reading] = read_each(value)
    assert reading.chat, reading.error_code
    return reading.chat


@pytest.mark.parametrize("current", [None, "elsewhere", 5])
def test_open_webui_takes_the_newest_leaf_if_no_message_is_current(current):
    data = peers.open_webui()
    data["chat"]["history"]["messages"]["m9"]["timestamp"] = 1
    data["chat"]["history"]["currentId"] = current
    chat = open_webui.read(data)
    assert (turns(chat), chat.warnings) == (TURNS, ("no_current_node",))


def test_open_webui_keeps_details_that_belong_to_the_answer():
    text = '<details><summary>More</summary>Beans</details>\n\n<details type="reasoning">\nnot closed'
    data = peers.open_webui()
    data["chat"]["history"]["messages"]["m4"]["content"] = text
    assert open_webui.read(data).messages[3].text == text


def test_open_webui_names_images_and_files():
    data = peers.open_webui()
    first = data["chat"]["history"]["messages"]["m1"]
    first["files"] = [{"type": "image", "url": "data:image/png;base64,AA"}, {"type": "file", "name": "plan.pdf"}, None]
    chat = open_webui.read(data)
    assert chat.messages[0].text == f"{TURNS[0][1]}\n\n[image]\n\n[file: plan.pdf]"
    assert (chat.omitted["image"], chat.omitted["file"]) == (1, 1)


def test_open_webui_keeps_the_model_and_time_of_each_message():
    chat = open_webui.read(peers.open_webui())
    assert [item.model for item in chat.messages] == ["", "llama3", "", "llama3"]
    assert chat.messages[0].created_at == datetime(2026, 1, 2, 8, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, [], {}, {"chat": {}}, {"chat": {"history": {"messages": []}}}, {"history": 5}])
def test_open_webui_takes_no_other_shape(value):
    assert not open_webui.matches(value)


@pytest.mark.parametrize("build", [peers.librechat, peers.librechat_tree])
def test_librechat_takes_the_path_to_the_newest_message(build):
    data = build()
    assert turns(librechat.read(data)) == TURNS


def test_librechat_takes_the_last_path_if_there_are_no_times():
    data = peers.librechat_tree()
    todo = list(data["messagesTree"])
    while todo:
        node = todo.pop()
        del node["createdAt"]
        todo += node["children"]
    assert turns(librechat.read(data)) == TURNS


def test_librechat_reads_a_list_without_parents_as_it_stands():
    messages = [peers.librechat_message(number, role, text, None) for number, (role, text) in enumerate(TURNS, 1)]
    assert turns(librechat.read(peers.librechat(messages=messages))) == TURNS


def test_librechat_reads_children_in_messages_and_ids_that_are_missing():
    data = peers.librechat_tree()
    data["messages"] = data.pop("messagesTree")
    del data["messages"][0]["messageId"]
    assert turns(librechat.read(data)) == TURNS


def test_librechat_does_not_take_the_senders_name_for_a_role():
    said = [
        peers.librechat_message(1, "user", "One", None, sender="GPT-5"),
        peers.librechat_message(2, "assistant", "Two", None, sender="User"),
        peers.librechat_message(3, "user", "Three", None, isCreatedByUser=None),
        peers.librechat_message(4, "assistant", "Four", None, isCreatedByUser="false"),
    ]
    chat = librechat.read(peers.librechat(messages=said))
    assert [role for role, _ in turns(chat)] == ["user", "assistant", "user", "assistant"]


def test_librechat_leaves_out_errors_and_warns_of_what_was_interrupted():
    said = [
        peers.librechat_message(1, "user", "One", None, files=[{"filename": "a.txt"}]),
        peers.librechat_message(2, "assistant", '{"type": "error"}', None, error=True),
        peers.librechat_message(3, "assistant", "Well, the", None, unfinished=True),
    ]
    chat = librechat.read(peers.librechat(messages=said))
    assert turns(chat) == [("user", "One\n\n[file: a.txt]"), ("assistant", "Well, the")]
    assert (chat.omitted, chat.warnings) == ({"file": 1, "error": 1}, ("interrupted",))


def test_librechat_reads_messages_that_nest_deeper_than_the_stack():
    first = node = peers.librechat_message(0, "user", "0", None)
    for number in range(1, 20_000):
        node["children"] = [peers.librechat_message(number, "user", str(number), None, createdAt=None)]
        node = node["children"][0]
    chat = librechat.read({"conversationId": "x", "messagesTree": [first]})
    assert len(chat.messages) == 20_000


def test_librechat_reads_a_long_recursive_export():
    text = '{"conversationId":"x","messagesTree":[' + "".join(
        f'{{"text":"message {number}","isCreatedByUser":{"false" if number % 2 else "true"},"children":['
        for number in range(2000)
    )
    chat = read_chat(f"{text}{']}' * 2001}".encode())
    assert [item.text for item in chat.messages] == [f"message {number}" for number in range(2000)]


@pytest.mark.parametrize(
    ("content", "text", "omitted"),
    [
        ("Hi", "Hi", {}),
        (["One", {"type": "text", "text": "Two"}, {"text": "Three"}], "One\n\nTwo\n\nThree", {}),
        ({"type": "text", "text": "Hi"}, "Hi", {}),
        ([{"type": "refusal", "refusal": "No."}], "No.", {}),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}], "Hi", {"reasoning": 1}),
        ([{"type": "tool_use"}, {"type": "tool_result"}, "Hi"], "Hi", {"tool_call": 1, "tool_result": 1}),
        ([{"type": "input_image"}, {"type": "input_audio"}], "[image]\n\n[audio]", {"image": 1, "audio": 1}),
        ([{"type": "file", "filename": "a.txt"}], "[file: a.txt]", {"file": 1}),
        ([{"type": "hologram", "secret": "x"}, "Hi", 5, None], "Hi", {"unknown": 1}),
    ],
)
def test_a_list_of_messages_may_have_content_of_every_kind(content, text, omitted):
    chat = generic.read([{"role": "user", "content": content}])
    assert (turns(chat), chat.omitted) == ([("user", text)], omitted)
    assert chat.warnings == (("unknown_content",) if "unknown" in omitted else ())


@pytest.mark.parametrize(
    ("name", "role"),
    [("USER", "user"), ("human", "user"), ("Model", "assistant"), ("ai", "assistant"), ("gpt", "assistant")],
)
def test_a_list_of_messages_may_name_its_roles_in_many_ways(name, role):
    assert turns(generic.read([{"role": name, "content": "Hi"}])) == [(role, "Hi")]


def test_a_list_of_messages_keeps_what_is_said_twice_and_counts_who_is_unknown():
    said = [
        {"role": "user", "content": "One"},
        {"role": "user", "content": "One"},
        {"role": "gardener", "content": "x"},
    ]
    chat = generic.read({"title": "Beans", "id": "c1", "created_at": 1_767_340_800, "messages": said})
    assert turns(chat) == [("user", "One"), ("user", "One")]
    assert (chat.title, chat.source_id, chat.omitted) == ("Beans", "c1", {"unknown": 1})
    assert chat.created_at == datetime(2026, 1, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [None, 5, "x", [], {}, [5], [{"role": "user"}], [{"role": 5, "content": "x"}], {"messages": {}}, [[]]]
)
def test_a_list_of_messages_has_roles_and_content(value):
    assert not generic.matches(value)
    assert not generic.matches_sharegpt(value)
    assert not generic.matches_chatbot_ui(value)


def test_a_list_without_a_word_is_no_chat():
    for value in ([{"role": "system", "content": "x"}], {"messages": [{"role": "user", "content": " "}]}):
        assert refusal(lambda value=value: generic.read(value)).code == "no_messages"


def test_chatbot_ui_holds_several_chats():
    second = peers.FOLDED | {"id": "c2", "name": "Peas"}
    first, other, none = read_each({"version": 4, "history": [peers.FOLDED, second, {"id": "c3", "name": "Nothing"}]})
    assert (first.title, other.title, other.source_id) == ("Garden plan", "Peas", "c2")
    assert (none.error_code, none.title, none.source_id) == ("unknown_format", "Nothing", "c3")


RECORD = {
    "header": "Gemini Apps",
    "title": "Prompted beans",
    "time": "2026-01-02T10:00:00Z",
    "products": ["Gemini Apps"],
}
CELLS = (
    '<html><body><div class="outer-cell mdl-cell"><p>Gemini Apps<br></p><div>Prompted beans</div></div></body></html>'
)


@pytest.mark.parametrize("value", [[RECORD], [RECORD, RECORD], RECORD, {"products": ["Gemini Apps"], "title": "x"}])
def test_a_takeout_of_gemini_is_known_and_refused(value):
    error = refusal(lambda: read_chat(json.dumps(value).encode()))
    assert (error.code, error.extra) == ("unknown_format", {"stage": "gemini_takeout"})
    assert "share it and import the link" in error.detail
    assert [reading.error_code for reading in read_each(value)] == ["unknown_format"]


def test_a_page_of_a_takeout_of_gemini_is_known_and_refused():
    assert refusal(lambda: read_chat(CELLS.encode())).extra == {"stage": "gemini_takeout"}
    assert not gemini_takeout.matches(CELLS.replace("Gemini Apps", "Search"))
    assert not gemini_takeout.matches({"header": "Search"})
