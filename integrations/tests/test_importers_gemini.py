import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers import ai_studio, gemini
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.detect import read_chat, read_text
from integrations.tests.fixtures.gemini import SHARE_ID, TURNS, answer, payload, prompt, turn
from integrations.tests.fixtures.mutations import places, replaced


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


def stage(text: str) -> str:
    with pytest.raises(ImporterError) as caught:
        gemini.read(text)
    assert caught.value.code == "format_changed"
    return str(caught.value.extra["stage"])


def test_it_gives_the_link_and_the_times():
    chat = gemini.read(answer(payload()))
    assert chat.source_url == f"https://gemini.google.com/share/{SHARE_ID}"
    assert str(chat.created_at) == "2026-01-02 10:00:01+00:00"
    assert [item.source_message_id for item in chat.messages] == ["r_1", "rc_10", "r_2", "rc_20"]


@pytest.mark.parametrize("text", ["", ")]}'", ")]}'\n[]", '[["wrb.fr","ujx1Bf"]]', 'x )]}\' "ujx1Bf"'])
def test_it_does_not_take_other_answers_for_a_chat(text):
    assert not gemini.matches(text)


def test_it_reads_rows_with_and_without_their_lengths():
    row = json.dumps([["wrb.fr", "ujx1Bf", json.dumps(payload())]])
    for text in (f")]}}'\n{row}", f" )]}}'\n\n12\n{row}", f')]}}\'[["di",5]]\n9\n{row}\n[["e",4]]'):
        assert turns(gemini.read(text)) == TURNS
        assert turns(read_text(text)) == turns(read_chat(text.encode())) == TURNS


def test_it_takes_the_answer_that_was_selected():
    chat = gemini.read(answer(payload(turn(1, "Which?", "This.", "That.", "Those.", selected=1))))
    assert (turns(chat), chat.omitted) == ([("user", "Which?"), ("assistant", "That.")], {"branch": 2})


def test_it_sorts_what_the_owner_sees_by_time():
    said = payload()[0][1]
    assert turns(gemini.read(answer([said[::-1]], "hNvQHb"))) == TURNS
    assert gemini.read(answer([said], "hNvQHb")).source_id == ""


def test_it_names_files_images_and_canvases():
    first = turn(1, "See", "http://googleusercontent.com/image_generation_content/0\n\nThere.")
    first[2][10] = ["f1", None, "f2"]
    second = turn(2, "And", "http://googleusercontent.com/immersive_entry_chip/1 http://googleusercontent.com/card_x/2")
    chat = gemini.read(answer(payload(first, second)))
    assert turns(chat) == [
        ("user", "See\n\n[file]\n\n[file]"),
        ("assistant", "[generated image]\n\nThere."),
        ("user", "And"),
        ("assistant", "[canvas] [card]"),
    ]
    assert chat.omitted == {"file": 2, "image": 1, "canvas": 1, "tool_result": 1}


def test_it_keeps_a_question_without_an_answer():
    alone = turn(1, "Which?", "x")
    alone[3] = None
    chat = gemini.read(answer(payload(alone)))
    assert (turns(chat), chat.warnings) == ([("user", "Which?")], ("interrupted",))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((2, [["a", 7]]), "text_is_no_list_of_strings"),
        ((2, ["text"]), "text_is_no_list_of_strings"),
        ((2, None), "text_is_no_list_of_strings"),
        ((3, [[], None, None, "rc_10"]), "no_candidates"),
        ((3, ["x", None, None, "rc_10"]), "no_candidates"),
        ((3, [[["rc_99", ["x"]]], None, None, "rc_10"]), "no_selected_candidate"),
        ((3, [[["rc_10", "x"]], None, None, "rc_10"]), "text_is_no_list_of_strings"),
        ((3, "x"), "no_candidates"),
    ],
)
def test_it_fails_closed_where_a_position_holds_something_else(change, expected):
    odd = turn(1, "Which?", "This.")
    odd[change[0]] = change[1]
    assert stage(answer(payload(odd))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (')]}\'\n"ujx1Bf" [', "row_not_json"),
        (')]}\'\n[["wrb.fr","ujx1Bf",null,null,null,[5]]]', "no_payload"),
        (')]}\'\n[["wrb.fr","ujx1Bf","{cut"]]', "payload_not_json"),
        (')]}\'\n[["wrb.fr","ujx1Bf","null"]]', "no_turns"),
        (answer([None]), "no_turns"),
        (answer({"a": 1}), "no_turns"),
        (answer([[None, {}]]), "no_turns"),
    ],
)
def test_it_says_how_far_it_came(text, expected):
    assert stage(text) == expected


def test_it_finds_no_message_in_a_chat_without_turns():
    with pytest.raises(ImporterError) as caught:
        gemini.read(answer([[None, [], [True, "Title"], SHARE_ID]]))
    assert caught.value.code == "no_messages"


@pytest.mark.parametrize("title", [None, 7, "", "Gemini", ["x"]])
def test_it_takes_the_first_question_for_a_missing_title(title):
    assert gemini.read(answer(payload(title=title))).title == "Which beans climb?"


ODD = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(places(payload()), key=repr)), ODD | st.just(...), st.sampled_from(["ujx1Bf", "hNvQHb"]))
def test_it_reads_or_refuses_whatever_stands_at_a_position(path, odd, call):
    text = answer(replaced(payload(), path, odd), call)
    try:
        assert read_chat(text.encode()).messages
    except ImporterError as error:
        assert error.code in {"format_changed", "no_messages"}


@pytest.mark.parametrize("nested", ["[" * 100_000, '[["wrb.fr","ujx1Bf","' + "[" * 100_000 + '"]]'])
def test_it_survives_what_nests_without_end(nested):
    with pytest.raises(ImporterError) as caught:
        read_chat(f')]}}\'\n"ujx1Bf"\n{nested}'.encode())
    assert caught.value.code in {"unknown_format", "format_changed"}


def test_it_titles_a_prompt_of_ai_studio_by_its_file():
    assert ai_studio.read(prompt(), "Beans for the south wall").title == "Beans for the south wall"
    assert ai_studio.read(prompt(), "C:\\prompts/Beans.json").title == "Beans"
    assert ai_studio.read(prompt(), "export.zip").title == "Which beans climb?"


def test_it_shows_what_a_chunk_of_ai_studio_holds():
    chunks: list[dict[str, Any]] = [
        {"role": "user", "text": "See", "driveDocument": {"id": "x"}, "inlineImage": {}},
        {"role": "user", "inlineImage": {"data": "x"}, "driveAudio": {"id": "y"}, "youtubeVideo": {"id": "z"}},
        {"role": "model", "executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"role": "model", "codeExecutionResult": {"output": "1"}},
        {"role": "model", "parts": [{"text": "A "}, {"text": "no", "thought": True}, {"text": "bean."}, 7]},
        {"role": "model", "text": "Ha", "errorMessage": "Internal error"},
        {"role": "system", "text": "x"},
        {"text": "x"},
    ]
    chat = ai_studio.read(prompt(*chunks))
    assert turns(chat) == [
        ("user", "See\n\n[file]"),
        ("user", "[image]\n\n[audio]\n\n[file]"),
        ("assistant", "```python\nprint(1)\n```"),
        ("assistant", "A bean."),
        ("assistant", "Ha"),
    ]
    assert chat.omitted == {"file": 2, "image": 1, "audio": 1, "tool_result": 1, "unknown": 2}
    assert chat.warnings == ("interrupted",)


@pytest.mark.parametrize("chunks", [[{"role": "model", "text": "x", "isThought": True}], [None], [{}]])
def test_it_finds_no_message_in_a_prompt_without_any(chunks: list[Any]):
    with pytest.raises(ImporterError) as caught:
        ai_studio.read(prompt(*chunks))
    assert caught.value.code == "no_messages"
