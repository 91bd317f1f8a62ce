import json
import time

import pytest

from integrations.importers import grok, grok_x
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.detect import read_each
from integrations.tests.fixtures.grok import (
    CONVERSATION_ID,
    TURNS,
    archive,
    chunks,
    export,
    exported,
    on_x,
    response,
    share,
)


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


def asked(**changes) -> ImportedChat:
    return grok.read(share(response(1, "user", **changes)))


def answered(text: str = "", **changes) -> ImportedChat:
    return grok.read(share(response(1, "user", "Go on."), response(2, "assistant", text, **changes)))


def answer(text: str, **changes) -> str:
    return "".join(item.text for item in answered(text, **changes).messages[1:])


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"responses": []},
        {"responses": [{"message": "x"}]},
        {"responses": [{"sender": "human"}]},
        {"conversation": {}, "responses": {}},
        {"conversation": {}},
    ],
)
def test_it_matches_by_shape_only(value):
    assert not grok.matches(value)


def test_it_matches_responses_without_a_conversation():
    assert grok.matches({"responses": share()["responses"]})
    chat = grok.read({"responses": share()["responses"]})
    assert (chat.title, chat.source_id, turns(chat)) == ("Which beans climb?", "", TURNS)


def test_it_reads_each_conversation_of_an_account():
    other = export(exported(1, "user", "Hi"), conversation_id="other", title="Other")
    empty = export(exported(1, "user", ""))
    readings = list(read_each(archive(export(), empty, other)))
    assert [reading.chat.title if reading.chat else reading.error_code for reading in readings] == [
        "Garden plan",
        "no_messages",
        "Other",
    ]


def test_it_reads_an_export_without_the_inner_wrapper():
    bare = export()
    bare["responses"] = [item["response"] for item in bare["responses"]]
    chat = grok.read(bare)
    assert (turns(chat), chat.parser, chat.source_id) == (TURNS, "grok-export/1", CONVERSATION_ID)


def test_it_reads_both_ways_in_which_an_export_tells_times():
    chat = grok.read(export())
    assert str(chat.created_at) == "2026-01-02 10:00:00.177720+00:00"
    assert str(chat.messages[0].created_at) == "2026-01-02 10:01:00+00:00"


def test_it_takes_the_order_from_the_times_where_no_parent_is_named():
    responses = [item | {"parentResponseId": None} for item in share()["responses"]]
    assert turns(grok.read(share(*responses[::-1]))) == TURNS
    responses = [item | {"createTime": None} for item in responses]
    assert turns(grok.read(share(*responses))) == TURNS


@pytest.mark.parametrize("parent", ["outside", None, 7, ["r1"], {}, "r3", "r4"])
def test_it_loses_no_response_whose_parent_is_not_in_the_share(parent):
    responses = share()["responses"]
    responses[2]["parentResponseId"] = parent
    assert turns(grok.read(share(*responses[::-1]))) == TURNS
    responses[0]["parentResponseId"] = parent
    assert turns(grok.read(share(*responses))) == TURNS


def test_it_follows_the_leaf_that_an_export_names():
    other = exported(5, "assistant", "None does.", parent_response_id="r1")
    said = [*export()["responses"], other]
    newest = grok.read(export(*said))
    assert (turns(newest), newest.omitted["branch"]) == ([TURNS[0], ("assistant", "None does.")], 1)
    named = grok.read(export(*said, leaf_response_id="r4"))
    assert (turns(named), named.omitted["branch"]) == (TURNS, 1)


def test_it_takes_an_edited_first_question_of_an_export_for_another_branch():
    edited = exported(5, "user", "Which peas climb?", parent_response_id=None)
    chat = grok.read(export(*export()["responses"], edited))
    assert (turns(chat), chat.omitted["branch"]) == ([("user", "Which peas climb?")], 1)


def test_it_reads_many_responses_in_good_time():
    said = [response(n, "user", str(n), createTime=1_767_000_000 + n) for n in range(1, 10_001)]
    started = time.monotonic()
    assert [item.text for item in grok.read(share(*said[::-1])).messages] == [str(n) for n in range(1, 10_001)]
    assert time.monotonic() - started < 5


def test_it_finds_what_a_person_said_wherever_it_stands():
    assert asked(message="A", query="B").messages[0].text == "A"
    assert asked(message=" ", query="B", inputChunks=[{"text": {"text": "C"}}]).messages[0].text == "B"
    assert asked(message=None, inputChunks=[{"text": {"text": "C"}}, {"text": "D"}]).messages[0].text == "CD"


def test_it_leaves_out_the_chunks_of_reasoning():
    pieces = [("THINKING", "Hm."), ("CHANNEL_REASONING", "So."), ("FINAL", "Yes"), (None, ".")]
    chat = answered(outputChunks=[{"text": {"text": text, "channel": channel}} for channel, text in pieces])
    assert (chat.messages[1].text, chat.omitted) == ("Yes.", {"reasoning": 2})
    assert "Hm." not in repr(chat)
    assert answer("Message.", outputChunks=[{"text": {"text": "Chunk."}}]) == "Message."


@pytest.mark.parametrize("sender", ["assistant", "ASSISTANT", "Assistant"])
def test_it_compares_senders_without_case(sender):
    assert turns(answered("Yes.", sender=sender))[1] == ("assistant", "Yes.")


def test_it_drops_control_messages_and_other_senders():
    control = response(2, "assistant", "Mode switched.", isControl=True)
    other = response(3, "assistant", "x", sender="moderator")
    chat = grok.read(share(response(1, "user", "Hi"), control, other))
    assert (turns(chat), chat.omitted) == ([("user", "Hi")], {"unknown": 1})


RENDER = '<grok:render card_id="c" type="{}"><argument name="citation_id">5</argument></grok:render>'


def test_it_puts_links_and_placeholders_for_cards():
    card = json.dumps({"id": "c", "url": "https://a.example/b", "title": "A"})
    citation = RENDER.format("render_inline_citation")
    assert answer(f"So.{citation}", cardAttachmentsJson=[card]) == "So. ([A](https://a.example/b))"
    assert answer(f"So.{citation}", cardAttachmentsJson=["{", "7", None, "null"]) == "So."
    assert answer(f"So.{citation}", cardAttachmentsJson=[card.replace("https:", "javascript:")]) == "So."
    chat = answered(f"{RENDER.format('render_searched_image')} {RENDER.format('render_table')}")
    assert (chat.messages[1].text, chat.omitted) == ("[image] [card]", {"image": 1, "tool_result": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A <xai:tool_usage_card>x<b>y</b></xai:tool_usage_card>B", "A B"),
        ('A <grok:render type="x" /> and <grok:render type="y">z</grok:render>B', "A [card] and [card]B"),
        ('A <grok:render type="x">B', "A [card]B"),
        ("A <grok:renderer>B", "A <grok:renderer>B"),
        ("A <grok:render", "A [card]"),
        ("A <xai:tool_usage_card> <grok:render>c</grok:render> B", "A  [card] B"),
        ("A `<grok:rend` B", "A `<grok:rend` B"),
    ],
)
def test_it_leaves_no_part_of_a_card_behind(text, expected):
    assert answer(text) == expected


def test_it_reads_cards_that_are_never_closed_in_good_time():
    started = time.monotonic()
    assert answer("<grok:render>" * 200_000 + "end").endswith("[card]end")
    assert time.monotonic() - started < 3


def test_it_counts_thoughts_searches_images_files_and_subagents():
    said = response(
        2,
        "assistant",
        "Yes.",
        thinkingTrace="Hm.",
        webSearchResults=[{}],
        generatedImageUrls=["a.jpg", None],
        fileAttachmentsMetadata=[{"fileName": "a.png", "fileMimeType": "image/png"}, {"fileName": "b.csv"}],
        fileAttachments=["1", "2"],
    )
    question = response(1, "user", "Hi", imageAttachments=["x"], fileAttachments=["id-only"])
    chat = grok.read(share(question, said, sharedSubagents=[{}, {}]))
    assert turns(chat) == [
        ("user", "Hi\n\n[image]\n\n[file]"),
        ("assistant", "Yes.\n\n[generated image]\n\n[image]\n\n[file: b.csv]"),
    ]
    assert chat.omitted == {"reasoning": 1, "tool_result": 1, "image": 3, "file": 2, "branch": 2}


@pytest.mark.parametrize("changes", [{"partial": True}, {"streamErrors": [{"message": "x"}]}])
def test_it_says_that_an_answer_was_cut_off(changes):
    assert answered("Half", **changes).warnings == ("interrupted",)
    assert answered("", **changes).warnings == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "grok-4"},
        {"model": None, "metadata": {"request_metadata": {"model": "grok-4"}}},
        {"model": None, "metadata": {"requestModelDetails": {"modelId": "grok-4"}}},
    ],
)
def test_it_finds_the_model(changes):
    chat = answered("Yes.", **changes)
    assert (chat.model, [item.model for item in chat.messages]) == ("grok-4", ["", "grok-4"])


def test_it_names_the_view_of_a_share():
    assert grok.read(chunks()).parser == "grok-share-chunks/1"
    assert grok.read(share()).parser == "grok-share/1"


def test_it_finds_no_message_in_an_empty_share():
    with pytest.raises(ImporterError) as caught:
        grok.read(share(response(1, "user", ""), response(2, "assistant", "", steps=[{}])))
    assert caught.value.code == "no_messages"


def test_it_reads_the_bare_items_of_grok_on_x():
    items = on_x()["data"]["grok_conversation_items_by_rest_id"]
    assert grok_x.matches(items)
    chat = grok_x.read(items)
    assert (turns(chat), chat.parser, chat.source) == (TURNS, "grok-x/1", "grok")
    assert str(chat.created_at) == "2026-01-02 10:01:00+00:00"


@pytest.mark.parametrize("value", [None, {}, {"items": []}, {"items": [{}]}, {"data": None}, {"items": {"a": 1}}])
def test_it_does_not_take_other_items_for_grok_on_x(value):
    assert not grok_x.matches(value)


def test_it_keeps_what_it_can_of_odd_items_on_x():
    items = [
        {
            "sender_type": "User",
            "message": "Hi",
            "file_attachments": [{"file_name": "a.txt"}, None],
            "created_at_ms": "1",
        },
        {"sender_type": "AGENT", "message": "Half", "is_partial": True, "created_at_ms": 2},
        {"sender_type": "Moderator", "message": "x", "created_at_ms": 3},
    ]
    chat = grok_x.read({"items": items})
    assert turns(chat) == [("user", "Hi\n\n[file: a.txt]"), ("assistant", "Half")]
    assert (chat.omitted, chat.warnings) == ({"file": 1, "unknown": 1}, ("interrupted",))
    with pytest.raises(ImporterError):
        grok_x.read({"items": [{"sender_type": "User"}]})
