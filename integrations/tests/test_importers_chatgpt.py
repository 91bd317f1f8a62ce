import copy
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.importers import chatgpt
from integrations.importers.base import ImportedChat, ImporterError
from integrations.tests.fixtures.chatgpt import SHARE_ID, conversation, message

IMAGE = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_1", "width": 10, "height": 20}


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


def read(*messages, **changes) -> ImportedChat:
    return chatgpt.read(conversation(*messages, **changes))


def talk() -> list[dict[str, Any]]:
    return [
        message("user", "Which beans climb?"),
        message("assistant", "Runner beans do."),
        message("user", "And peas?"),
        message("assistant", "Some of them."),
    ]


TALK = [
    ("user", "Which beans climb?"),
    ("assistant", "Runner beans do."),
    ("user", "And peas?"),
    ("assistant", "Some of them."),
]


def content(**members) -> dict[str, Any]:
    return {"content": members}


@pytest.mark.parametrize("linear", [True, False])
def test_it_reads_a_chat_in_order(linear):
    assert turns(read(*talk(), linear=linear)) == TALK


def test_it_keeps_what_the_chat_says_of_itself():
    chat = read(
        message("user", "Hi", create_time=1_760_000_001.0), message("assistant", "Hello", metadata={"model_slug": "o5"})
    )
    assert (chat.source, chat.parser, chat.title) == ("chatgpt", "chatgpt-json/1", "Garden plan")
    assert (chat.source_id, chat.source_url, chat.model) == (SHARE_ID, "", "gpt-5-2")
    assert chat.created_at == datetime(2025, 10, 9, 8, 53, 20, 250_000, tzinfo=UTC)
    assert chat.updated_at == datetime(2025, 10, 9, 9, 3, 20, 500_000, tzinfo=UTC)
    first, second = chat.messages
    assert (first.source_message_id, first.created_at) == ("m1", datetime(2025, 10, 9, 8, 53, 21, tzinfo=UTC))
    assert (second.model, chat.warnings, chat.omitted) == ("o5", (), {})


def test_it_invents_no_model_and_no_time():
    chat = read(*talk(), default_model_slug=None, create_time=None, update_time="soon")
    assert (chat.model, chat.created_at, chat.updated_at) == ("", None, None)


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -1, 0, 1e300, 10**400, True, "soon", [], {}])
def test_it_takes_no_time_that_is_none(moment):
    assert read(message("user", "Hi", create_time=moment), create_time=moment).created_at is None


def test_it_takes_the_older_place_of_the_model():
    assert read(*talk(), default_model_slug=None, model={"slug": "gpt-4"}).model == "gpt-4"


@pytest.mark.parametrize("title", [None, "", "  ", "New chat", 7, [], {}])
def test_it_names_a_chat_without_a_title_after_what_was_said_first(title):
    assert read(*talk(), title=title).title == "Which beans climb?"


def test_it_shortens_a_title():
    assert len(read(*talk(), title="long " * 300).title) <= 500
    assert len(read(message("user", "words " * 300), title=None).title) <= 80


def test_it_takes_the_branch_that_was_last_looked_at():
    data = conversation(*talk(), linear=False)
    first = data["mapping"]["n1"]
    abandoned = copy.deepcopy(first) | {"id": "old"}
    abandoned["message"]["content"]["parts"] = ["An earlier wording"]
    data["mapping"] = {"old": abandoned, **data["mapping"]}
    assert turns(chatgpt.read(data)) == TALK
    data["current_node"] = "old"
    assert turns(chatgpt.read(data)) == [("user", "An earlier wording")]


@pytest.mark.parametrize("current", [None, "elsewhere", 5, []])
def test_it_takes_the_newest_leaf_if_no_branch_is_named(current):
    data = conversation(*talk(), linear=False, current_node=current)
    data["mapping"]["n4"]["message"]["create_time"] = 20.0
    data["mapping"]["leaf"] = {"id": "leaf", "parent": "n1", "message": message("assistant", "Other", create_time=10.0)}
    chat = chatgpt.read(data)
    assert turns(chat) == TALK
    assert chat.warnings == ("no_current_node",)


def test_it_does_not_depend_on_the_order_of_the_nodes():
    data = conversation(*talk(), linear=False)
    nodes = list(data["mapping"].items())
    for seed in range(5):
        random.Random(seed).shuffle(nodes)
        assert turns(chatgpt.read(data | {"mapping": dict(nodes)})) == TALK


def test_it_ends_with_parents_in_a_circle():
    data = conversation(*talk(), linear=False)
    data["mapping"]["n1"]["parent"] = "n4"
    assert turns(chatgpt.read(data)) == TALK
    assert len(chatgpt.read(data | {"current_node": None}).messages) == 4


def test_it_stops_at_a_parent_that_is_missing():
    data = conversation(*talk(), linear=False)
    del data["mapping"]["n2"]
    assert turns(chatgpt.read(data)) == TALK[2:]


def test_it_resolves_a_linear_conversation_of_ids():
    data = conversation(*talk())
    data["linear_conversation"] = [node["id"] for node in data["linear_conversation"]]
    assert turns(chatgpt.read(data)) == TALK


def test_it_reads_a_linear_conversation_without_a_mapping():
    data = conversation(*talk())
    del data["mapping"]
    assert turns(chatgpt.read(data)) == TALK


@pytest.mark.parametrize("linear", [[], ["nowhere"], [None, 3]])
def test_it_walks_the_tree_if_the_linear_conversation_leads_nowhere(linear):
    data = conversation(*talk()) | {"linear_conversation": linear}
    assert turns(chatgpt.read(data)) == TALK


@pytest.mark.parametrize(
    "hidden",
    [
        message("system", "You are kind."),
        message("developer", "Be brief."),
        message("user", "Original custom instructions", metadata={"is_visually_hidden_from_conversation": True}),
        message("user", "About me", metadata={"is_user_system_message": True}),
        message("user", content={"content_type": "user_editable_context", "user_profile": "a secret"}),
        message("assistant", content={"content_type": "model_editable_context", "model_set_context": "a memory"}),
        message("assistant", ""),
        message("assistant", None),
        message("assistant", content=None),
        message("assistant", content={"content_type": "text", "parts": None}),
        message("assistant", status="in_progress", content={"content_type": "text", "parts": []}),
        None,
    ],
)
def test_it_does_not_show_what_the_page_does_not_show(hidden):
    chat = read(*talk()[:2], hidden, *talk()[2:])
    assert turns(chat) == TALK
    assert (chat.omitted, chat.warnings) == ({}, ())


@pytest.mark.parametrize(
    ("working", "kind"),
    [
        (message("assistant", content={"content_type": "thoughts", "thoughts": [{"content": "hm"}]}), "reasoning"),
        (message("assistant", content={"content_type": "reasoning_recap", "content": "Thought for 2s"}), "reasoning"),
        (message("assistant", "Let me see", channel="analysis"), "reasoning"),
        (message("assistant", "Working on it", channel="commentary"), "progress"),
        (message("assistant", '{"q": 1}', recipient="web.run"), "tool_call"),
        (message("assistant", '{"q": 1}', recipient="t2uay3k.sj1i4kz", channel="commentary"), "tool_call"),
        (message("assistant", '{"updates": []}', recipient="canmore.update_textdoc"), "canvas"),
        (message("assistant", content={"content_type": "tether_browsing_display"}), "tool_result"),
        (message("assistant", content={"content_type": "system_error", "text": "x"}), "tool_result"),
        (message("tool", "The output was redacted."), "tool_result"),
        (message("tool", content={"content_type": "execution_output", "text": "4"}), "tool_result"),
        (
            message(
                "tool",
                content={"content_type": "multimodal_text", "parts": [IMAGE]},
                metadata={"is_visually_hidden_from_conversation": True},
            ),
            "tool_result",
        ),
    ],
)
def test_it_drops_and_counts_thoughts_and_tool_traffic(working, kind):
    chat = read(*talk()[:2], working, working, *talk()[2:])
    assert turns(chat) == TALK
    assert chat.omitted == {kind: 2}


def test_it_joins_what_the_assistant_says_before_and_after_a_tool():
    first, last = message("assistant", "Let me look."), message("assistant", "Found it.", metadata={"model_slug": "o5"})
    chat = read(message("user", "Where?"), first, message("tool", "rows"), last)
    assert turns(chat) == [("user", "Where?"), ("assistant", "Let me look.\n\nFound it.")]
    assert (chat.messages[1].source_message_id, chat.messages[1].model) == ("m2", "o5")


def test_it_keeps_users_who_speak_twice_apart():
    assert turns(read(message("user", "One"), message("user", "Two"))) == [("user", "One"), ("user", "Two")]


def test_it_keeps_a_one_sided_chat():
    assert turns(read(message("assistant", "Hello?"), title=None)) == [("assistant", "Hello?")]


@pytest.mark.parametrize("recipient", [None, "all"])
@pytest.mark.parametrize("channel", [None, "final"])
def test_it_shows_what_is_said_to_all(recipient, channel):
    assert turns(read(message("assistant", "Yes", recipient=recipient, channel=channel))) == [("assistant", "Yes")]


def test_it_puts_a_generated_image_into_the_assistants_turn():
    image = message("tool", content={"content_type": "multimodal_text", "parts": [IMAGE, IMAGE]})
    chat = read(message("user", "Draw"), message("assistant", "Here:"), image, message("user", "Thanks"))
    assert turns(chat)[1] == ("assistant", "Here:\n\n[generated image]\n\n[generated image]")
    assert chat.omitted == {"image": 2}


def test_it_makes_a_turn_of_a_generated_image_that_is_the_whole_answer():
    image = message("tool", content={"content_type": "multimodal_text", "parts": [IMAGE]})
    chat = read(message("user", "Draw"), image, message("user", "Thanks"))
    assert turns(chat) == [("user", "Draw"), ("assistant", "[generated image]"), ("user", "Thanks")]


def test_it_says_what_a_generated_image_was_made_of():
    made = IMAGE | {"metadata": {"dalle": {"prompt": "A tower\nof beans", "gen_id": "x"}}}
    odd = IMAGE | {"metadata": {"dalle": {"prompt": 7}}}
    chat = read(message("tool", content={"content_type": "multimodal_text", "parts": [made, odd]}))
    assert turns(chat) == [("assistant", "[generated image] (A tower of beans)\n\n[generated image]")]
    assert chat.omitted == {"image": 2}


@pytest.mark.parametrize(
    ("flags", "warnings"),
    [
        ({"is_archived": True}, ("archived",)),
        ({"is_do_not_remember": True, "is_archived": False}, ("not_to_be_remembered",)),
        ({"is_archived": 1, "is_do_not_remember": None}, ()),
    ],
)
def test_it_says_how_a_chat_was_put_away(flags, warnings):
    assert read(*talk(), **flags).warnings == warnings


def test_it_says_which_files_and_images_a_user_sent():
    attachments = [
        {"id": "f1", "name": "notes.txt", "mime_type": "text/plain"},
        {"id": "f2", "name": "beans.png", "mime_type": "image/png"},
        {"id": "f3", "name": None},
        None,
    ]
    parts = {"content_type": "multimodal_text", "parts": [IMAGE, "What is this?"]}
    chat = read(message("user", content=parts, metadata={"attachments": attachments}))
    assert turns(chat) == [("user", "[image]\n\nWhat is this?\n\n[file: notes.txt]\n\n[file: unnamed]")]
    assert chat.omitted == {"image": 1, "file": 2}


def test_it_keeps_a_message_that_is_only_a_file():
    chat = read(message("user", "", metadata={"attachments": [{"name": "plan.pdf"}]}))
    assert turns(chat) == [("user", "[file: plan.pdf]")]


def test_it_reads_spoken_words():
    parts = [
        {"content_type": "audio_transcription", "text": "Good morning"},
        {"content_type": "real_time_user_audio_video_asset_pointer"},
    ]
    chat = read(message("user", content={"content_type": "multimodal_text", "parts": parts}))
    assert turns(chat) == [("user", "Good morning\n\n[audio]")]
    assert chat.omitted == {"audio": 1}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"content_type": "text", "parts": ["One", "", "Two"]}, "One\n\nTwo"),
        ({"content_type": "code", "text": "print(1)", "language": "python"}, "```python\nprint(1)\n```"),
        ({"content_type": "code", "text": "x", "language": "unknown"}, "```\nx\n```"),
        ({"content_type": "code", "text": "a ``` b", "language": 5}, "````\na ``` b\n````"),
        ({"content_type": "execution_output", "text": "4"}, "```\n4\n```"),
        (
            {"content_type": "tether_quote", "title": "T", "url": "https://a.example", "text": "Q"},
            "T\n\nhttps://a.example\n\nQ",
        ),
    ],
)
def test_it_turns_each_kind_of_content_into_markdown(members, text):
    assert turns(read(message("assistant", **content(**members)))) == [("assistant", text)]


@pytest.mark.parametrize("kind", ["hologram", "a b\n[x](javascript:y)", None, 7, "x" * 500])
def test_it_names_content_of_an_unknown_kind_and_never_dumps_it(kind):
    members = {"content_type": kind, "profile": "a secret", "parts": []}
    chat = read(message("user", "Hi"), message("assistant", content=members))
    name = "hologram" if kind == "hologram" else "unknown"
    assert turns(chat)[1] == ("assistant", f"[content that cannot be shown: {name}]")
    assert (chat.omitted, chat.warnings) == ({"unknown": 1}, ("unknown_content",))


def test_it_keeps_an_answer_that_was_interrupted_and_says_so():
    chat = read(message("user", "Hi"), message("assistant", "Well, the", status="in_progress"))
    assert turns(chat)[1] == ("assistant", "Well, the")
    assert chat.warnings == ("interrupted",)


def test_it_counts_a_speaker_that_it_does_not_know():
    chat = read(message("user", "Hi"), message("moderator", "Stop"))
    assert (turns(chat), chat.omitted) == ([("user", "Hi")], {"unknown": 1})


def test_it_cleans_text_that_a_database_cannot_store():
    chat = read(message("user", "a\x00b\ud800c"), title="t\x00\udfff")
    assert (chat.messages[0].text, chat.title) == ("ab\ufffdc", "t\ufffd")


@pytest.mark.parametrize("member", ["metadata", "author", "recipient", "id", "content"])
@pytest.mark.parametrize("value", [None, 5, "text", [], {}])
def test_it_survives_any_member_of_a_message_that_is_missing_or_odd(member, value):
    odd = message("assistant", "Odd") | {member: value}
    missing = {key: item for key, item in message("assistant", "Odd").items() if key != member}
    for broken in (odd, missing):
        chat = read(message("user", "Hi"), broken, message("user", "Bye"))
        assert [item.text for item in chat.messages if item.role == "user"] == ["Hi", "Bye"]


@pytest.mark.parametrize("member", ["title", "create_time", "conversation_id", "id", "default_model_slug", "model"])
@pytest.mark.parametrize("value", [None, 5, "x y/z", [1], {"a": 1}, "é" * 300])
def test_it_survives_any_member_of_a_conversation_that_is_odd(member, value):
    assert turns(read(*talk(), **{member: value})) == TALK


def test_it_takes_either_name_of_the_id():
    data = conversation(*talk(), conversation_id=None, id="abc-1")
    assert chatgpt.read(data).source_id == "abc-1"


@pytest.mark.parametrize("messages", [[], [None], [message("system", "x")], [message("user", " \n")]])
def test_it_never_calls_an_empty_chat_a_success(messages):
    with pytest.raises(ImporterError) as caught:
        read(*messages)
    assert (caught.value.code, caught.value.extra["stage"]) == ("no_messages", "no_visible_messages")


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "mapping",
        [],
        {},
        [[]],
        [conversation(message("user", "Hi"))],
        {"mapping": []},
        {"conversations": {}},
        {"chat_messages": [], "uuid": "x"},
        [{"role": "user", "content": "Hi"}],
    ],
)
def test_it_does_not_claim_what_is_not_chatgpts(value):
    assert not chatgpt.matches(value)


def test_it_leaves_a_deepseek_export_to_others():
    deepseek = conversation({"fragments": [{"type": "REQUEST", "content": "Hi"}]}, linear=False)
    assert not chatgpt.matches(deepseek)


def test_it_limits_the_work_that_few_bytes_can_ask_for():
    shared = message("user", " " * 1_000_000)
    data = conversation(*talk())
    data["linear_conversation"] += [{"id": str(number), "message": shared} for number in range(100)]
    with pytest.raises(ImporterError) as caught:
        chatgpt.read(data)
    assert caught.value.code == "too_large"
