import time

import pytest

from integrations.importers import claude
from integrations.importers.base import ImportedChat, ImporterError
from integrations.tests.fixtures.claude import (
    ROOT,
    SHARE_ID,
    TURNS,
    export,
    message,
    snapshot,
    talk,
    threaded,
    use,
    web,
)


def read(*messages, **changes) -> ImportedChat:
    return claude.read(export(*messages, **changes))


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


def answered(*blocks, **changes) -> ImportedChat:
    """A question, and an answer of `blocks`."""
    return read(message(1, "human", "Go on."), message(2, "assistant", *blocks, **changes))


def answer(*blocks, **changes) -> str:
    """The text of an answer of `blocks`; empty if it has none."""
    return "".join(item.text for item in answered(*blocks, **changes).messages[1:])


def omitted(chat: ImportedChat) -> tuple[dict[str, int], tuple[str, ...]]:
    return chat.omitted, chat.warnings


@pytest.mark.parametrize("value", [None, [], {}, {"chat_messages": None}, {"chat_messages": {}}, {"messages": []}, "x"])
def test_it_matches_by_the_list_of_messages_only(value):
    assert not claude.matches(value)
    assert claude.matches({"chat_messages": []})


def test_it_says_when_and_by_whom():
    chat = read()
    assert str(chat.created_at) == "2026-01-02 10:00:00+00:00"
    assert str(chat.messages[0].created_at) == "2026-01-02 10:01:00.123456+00:00"
    assert [item.source_message_id for item in chat.messages] == ["m1", "m2", "m3", "m4"]
    assert (chat.source_id, chat.source_url, chat.model) == (SHARE_ID, "", "")


def test_it_gives_a_snapshot_its_link_and_keeps_nothing_of_its_maker():
    chat = claude.read(snapshot())
    assert chat.source_url == f"https://claude.ai/share/{SHARE_ID}"
    assert "Maker" not in repr(chat)
    assert claude.read(snapshot(uuid="no id!")).source_url == ""


def test_it_sorts_by_index_only_if_every_message_has_one():
    messages = snapshot()["chat_messages"][::-1]
    assert turns(claude.read(snapshot(chat_messages=messages))) == TURNS
    del messages[1]["index"]
    assert turns(claude.read(snapshot(chat_messages=messages))) == TURNS[::-1]
    assert turns(claude.read(snapshot(chat_messages=[{**item, "index": True} for item in messages]))) == TURNS[::-1]


def test_it_follows_the_branch_that_was_last_looked_at():
    left = web()["chat_messages"][-1]
    chosen = claude.read(web(current_leaf_message_uuid=left["uuid"]))
    assert turns(chosen) == [TURNS[0], ("assistant", "No bean climbs.")]
    assert chosen.omitted == {"branch": 1}
    newest = claude.read(web(current_leaf_message_uuid="unknown"))
    assert turns(newest) == [TURNS[0], ("assistant", "No bean climbs.")]


def test_it_takes_an_edited_first_question_for_another_branch():
    edited = message(7, "human", "Which peas climb?", parent_message_uuid=ROOT)
    chat = read(*threaded(talk()), edited)
    assert (turns(chat), chat.omitted) == ([("user", "Which peas climb?")], {"branch": 1})


@pytest.mark.parametrize("parent", ["gone", None, 7, ["m1"], "m3", "m4"])
def test_it_loses_no_message_above_a_broken_link(parent):
    messages = threaded(talk())
    messages[2]["parent_message_uuid"] = parent
    assert turns(read(*messages)) == TURNS


def test_it_reads_ten_thousand_messages_below_each_other_in_any_order():
    many = [
        message(number, "human", f"{number}", uuid=f"m{number}", created_at=f"{1_767_000_000 + number}")
        for number in range(10_000)
    ]
    started = time.monotonic()
    chat = read(*threaded(many)[::-1])
    assert [item.text for item in chat.messages] == [str(number) for number in range(10_000)]
    assert time.monotonic() - started < 5


def test_it_takes_blocks_before_text_and_never_both():
    assert answer("One.", "Two.", text="One. Two.") == "One.\n\nTwo."
    assert answer(text="Only here.") == "Only here."
    assert answer(content=None, text="Only here.") == "Only here."
    assert answer(content="A string.", text="Not this.") == "A string."
    assert answer(content=["A string."], text="Not this.") == "A string."
    assert answer({"type": "thinking", "thinking": "Hm."}, text="Only here.") == "Only here."


@pytest.mark.parametrize(("text", "expected"), [(42, "42"), (None, ""), ({}, ""), (True, ""), ("", "")])
def test_it_survives_text_that_is_none(text, expected):
    assert answer({"type": "text", "text": text}) == expected


def test_it_deletes_the_lines_that_stand_for_what_an_app_could_not_show():
    stand_in = "This block is not supported on your current device yet."
    chat = answered(f"Before.\n```\n{stand_in}\n```\n\nAfter.\n{stand_in}")
    assert chat.messages[1].text == "Before.\n\nAfter."
    assert chat.omitted == {"unknown": 2}
    line = "Viewing artifacts created via the Analysis Tool web feature preview isn’t yet supported on mobile."
    assert answer(f"{line}\nAfter.") == "After."
    assert answer(f"They say: {stand_in}") == f"They say: {stand_in}"
    assert read(message(1, "human", stand_in)).messages[0].text == stand_in


def test_it_leaves_out_thoughts_and_tools_and_counts_them():
    chat = answered(
        {"type": "thinking", "thinking": "Secretly."},
        {"type": "redacted_thinking", "data": "x"},
        use("web_search", query="beans"),
        {"type": "tool_result", "content": [{"type": "text", "text": "Result."}]},
        "<antThinking>Shall I?</antThinking>Yes.<antThinking>Done.</antThinking>",
    )
    assert chat.messages[1].text == "Yes."
    assert omitted(chat) == ({"reasoning": 4, "tool_call": 1, "tool_result": 1}, ())


def test_it_ignores_unknown_blocks_and_says_so():
    chat = answered("Yes.", {"type": "hologram", "text": "raw"}, {"type": "token_budget"}, {"type": ["x"]}, {}, None, 7)
    assert chat.messages[1].text == "Yes."
    assert omitted(chat) == ({"unknown": 4}, ("unknown_content",))


def test_it_shows_an_artifact_in_the_text_as_a_block():
    text = (
        'Here:<antArtifact identifier="a" type="application/vnd.ant.code" language="python" title="Beans">\nprint(1)\n'
    )
    assert answer(f"{text}</antArtifact>It prints.") == "Here:\n\n**Beans**\n\n```python\nprint(1)\n```\n\nIt prints."
    assert answer(text) == text.strip()
    assert answer("<antArtifact>\na ``` b\n</antArtifact>") == "````\na ``` b\n````"
    assert read(message(1, "human", f"{text}</antArtifact>")).messages[0].text == f"{text}</antArtifact>"


def test_it_reads_markup_that_is_never_closed_in_good_time():
    started = time.monotonic()
    text = "<antThinking>" * 200_000
    assert answer(text) == text
    assert answer("<antThinking>a</antThinking>" * 50_000 + "end") == "end"
    assert time.monotonic() - started < 3


def test_it_shows_an_artifact_once_in_its_last_state():
    chat = read(
        message(1, "human", "Draw."),
        message(2, "assistant", use("artifacts", command="create", id="a", title="Plan", content="one two two")),
        message(3, "assistant", use("artifacts", command="update", id="a", old_str="two", new_str="2")),
        message(4, "assistant", use("artifacts", command="rewrite", id="b", title="Other", content="b")),
        message(5, "assistant", use("artifacts", command="update", id="a", old_str="one", new_str="1"), "Done."),
    )
    assert [text for _, text in turns(chat)[1:]] == [
        "[artifact: Plan, an earlier version]",
        "[artifact: Plan, an earlier version]",
        "**Other**\n\n```\nb\n```",
        "**Plan**\n\n```\n1 2 two\n```\n\nDone.",
    ]
    assert omitted(chat) == ({"artifact": 2}, ())


def test_it_keeps_the_title_of_an_artifact_that_is_rewritten_without_one():
    chat = answered(
        use("artifacts", command="create", id="a", title="Plan", type="text/html", content="<b>"),
        use("artifacts", command="rewrite", id="a", content="<i>"),
    )
    assert chat.messages[1].text.endswith("**Plan**\n\n```html\n<i>\n```")


@pytest.mark.parametrize("change", [{"old_str": "missing"}, {"old_str": ""}, {"old_str": None}, {}])
def test_it_says_when_a_change_of_an_artifact_cannot_be_followed(change):
    chat = answered(
        use("artifacts", command="create", id="a", content="one"), use("artifacts", command="update", id="a", **change)
    )
    assert "```\none\n```" in chat.messages[1].text
    assert chat.warnings == ("artifact_incomplete",)


def test_it_names_an_artifact_of_which_only_changes_are_there():
    chat = answered(use("artifacts", command="update", id="a", old_str="x", new_str="y"))
    assert chat.messages[1].text == "[artifact]"
    assert omitted(chat) == ({"artifact": 1}, ("artifact_incomplete",))


def test_it_shows_the_files_that_are_delivered_and_no_others():
    path = "/mnt/user-data/outputs/beans.py"
    chat = answered(
        use("create_file", path=path, file_text="print(1)", description="x"),
        use("str_replace", path=path, old_str="1", new_str="2"),
        use("create_file", path="/home/claude/notes.md", file_text="Notes."),
        use("bash_tool", command="ls"),
    )
    assert chat.messages[1].text == ("[artifact: beans.py, an earlier version]\n\n**beans.py**\n\n```py\nprint(2)\n```")
    assert omitted(chat) == ({"artifact": 1, "tool_call": 2}, ())


def test_it_gives_up_on_changes_that_would_take_for_ever():
    body = "x" * 1_000_000
    changes = [use("artifacts", command="update", id="a", old_str="x", new_str="y") for _ in range(2000)]
    started = time.monotonic()
    chat = answered(use("artifacts", command="create", id="a", content=body), *changes)
    assert chat.warnings == ("artifact_incomplete",)
    assert time.monotonic() - started < 5


def test_it_appends_what_was_attached_with_its_text():
    attached = [{"file_name": "long.txt", "extracted_content": "A long prompt."}, {"file_name": "scan.pdf"}, None]
    chat = read(message(1, "human", attachments=attached))
    assert chat.messages[0].text == "[Attachment: long.txt]\n\nA long prompt.\n\n[Attachment: scan.pdf]"
    assert chat.omitted == {"file": 1}


def test_it_names_files_and_images_that_did_not_come_with_it():
    files = [None, {"file_name": "a.pdf"}, {"file_name": "b.png", "file_kind": "image"}, {}]
    chat = read(message(1, "human", "See:", files=[*files, {"x": 1}], image_count=9))
    assert chat.messages[0].text == "See:\n\n[file: a.pdf]\n\n[image]\n\n[file: unnamed]"
    assert chat.omitted == {"file": 2, "image": 1}
    counted = read(message(1, "human", "See:", files=[], image_count=2, file_count=1))
    assert counted.messages[0].text == "See:\n\n[2 images]\n\n[file]"
    assert counted.omitted == {"file": 1, "image": 2}


def test_it_drops_other_senders_and_empty_messages():
    chat = read(
        message(1, "system", "Rules."), message(2, "Human", "Hi"), message(3, "assistant", " "), {}, {"sender": 1}
    )
    assert (turns(chat), chat.omitted) == ([("user", "Hi")], {"unknown": 3})


def test_it_says_that_a_message_is_truncated():
    assert answered("Half", truncated=True).warnings == ("truncated",)


@pytest.mark.parametrize("messages", [[], [message(1, "human", "")], [None, 7, "x"], [{"sender": "human"}]])
def test_it_finds_no_message_in_an_empty_chat(messages):
    with pytest.raises(ImporterError) as caught:
        claude.read(export(chat_messages=messages))
    assert caught.value.code == "no_messages"


@pytest.mark.parametrize(
    ("changes", "title"),
    [({"name": ""}, "Which beans climb?"), ({"name": None}, "Which beans climb?"), ({}, "Garden plan")],
)
def test_it_takes_the_first_question_for_a_missing_title(changes, title):
    assert read(**changes).title == title
