"""What holds for every importer, shown with every sample of every format, whole and damaged."""

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.env import BASE_DIR
from config.text import is_storable
from integrations.importers.base import SOURCES, ImportedChat, ImporterError
from integrations.importers.detect import read_chat, read_each, read_text
from integrations.tests.fixtures.chatgpt import page
from integrations.tests.fixtures.mutations import at, changed, places, replaced, reworded, with_all, without
from integrations.tests.fixtures.samples import Sample, every_sample

ALL = list(every_sample())
JSON = [sample for sample in ALL if sample.is_json]
LEFTOVERS = ("\ue200", "\ue201", "\ue202", "<grok:render", "not supported on your current device", "\x00")
KINDS = {"artifact", "audio", "branch", "canvas", "error", "file", "image", "progress", "reasoning", "tool_call"}
KINDS |= {"tool_result", "unknown"}
PARENTS = ("parent", "parentId", "parentMessageId", "parent_message_uuid", "parentResponseId", "parent_response_id")
IDS = ("id", "uuid", "messageId", "responseId", "response_id", "_id")

for_all = pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
for_json = pytest.mark.parametrize("sample", JSON, ids=lambda sample: sample.name)


def turns(chat: ImportedChat | ImporterError) -> list[tuple[str, str]]:
    assert isinstance(chat, ImportedChat), (chat.code, chat.extra)
    return [(message.role, message.text) for message in chat.messages]


def outcome(content: Any) -> ImportedChat | ImporterError:
    """What becomes of `content`; anything but a sound chat or the importers' own error fails the test."""
    text = content if isinstance(content, str) else json.dumps(content)
    try:
        chat = read_chat(text.encode("utf-8", "replace"))
    except ImporterError as error:
        assert error.code not in ("import_failed", "")
        assert error.detail
        return error
    assert chat.messages
    assert all(item.role in ("user", "assistant") and item.text.strip() for item in chat.messages)
    assert all(is_storable(item.text) for item in chat.messages)
    assert is_storable(chat.title)
    assert chat.title.strip()
    assert set(chat.omitted) <= KINDS
    assert all(count > 0 for count in chat.omitted.values())
    json.dumps(chat.report())
    return chat


def first_words(sample: Sample) -> str:
    """The first line of what the user says first, as it stands in the sample."""
    return next(text for role, text in sample.turns if role == "user").split("\n")[0]


@for_all
def test_it_reads_each_shape(sample: Sample):
    chat = outcome(sample.text)
    assert isinstance(chat, ImportedChat), chat.code
    assert (chat.parser, chat.title, turns(chat)) == (sample.parser, sample.title, sample.turns)
    assert (chat.source_id, chat.model) == (sample.source_id, sample.model)
    assert (chat.omitted, chat.warnings) == (sample.omitted, sample.warnings)
    assert not any(mark in turn for turn in map(repr, sample.turns) for mark in LEFTOVERS)
    assert chat.title.lower() not in {"chatgpt", "claude", "grok", "gemini"}


@for_all
def test_it_says_where_a_chat_is_from(sample: Sample):
    chat = outcome(sample.content)
    assert isinstance(chat, ImportedChat) and chat.source in SOURCES


def test_it_documents_every_parser_warning_and_kind_that_is_left_out():
    docs = (BASE_DIR / "docs/importing.md").read_text()
    words = {sample.parser for sample in ALL} | {code for sample in ALL for code in sample.warnings} | KINDS
    assert {word for word in words if f"`{word}`" not in docs} == set()


@for_all
def test_it_reads_the_same_however_it_comes(sample: Sample):
    chat = outcome(sample.text)
    assert (
        chat == read_text(sample.text) == read_text(f"\n {sample.text}\n") == read_chat(sample.text.encode(), "a.zip")
    )
    if sample.is_json:
        [reading] = [reading for reading in read_each(sample.content) if reading.chat]
        assert reading.chat == chat
        assert outcome(json.dumps(sample.content, indent=2, ensure_ascii=False)) == chat


@for_json
def test_it_does_not_need_metadata_or_children(sample: Sample):
    children = {"children", "childrenIds"} - sample.holds
    assert turns(outcome(without(sample.content, *children))) == sample.turns
    bare = turns(outcome(without(sample.content, "metadata", *children)))
    assert [role for role, _ in bare] == [role for role, _ in sample.turns]


@for_json
@pytest.mark.parametrize("value", [None, [], {}, 7, "", ["\ud800"]], ids=repr)
def test_it_survives_content_that_is_not_there(sample: Sample, value: Any):
    for name in ("content", "text", "message", "parts", "messages", "responses", "mapping", "value", "chunks"):
        outcome(with_all(sample.content, [name], value))


@for_json
def test_it_keeps_the_other_messages_if_one_is_null(sample: Sample):
    for path in places(sample.content):
        if path and path[-1] in ("content", "message", "text"):
            chat = outcome(replaced(sample.content, path, None))
            assert len(sample.turns) <= 2 or len(turns(chat)) >= len(sample.turns) - 2, path


@for_json
def test_it_does_not_depend_on_an_order_that_means_nothing(sample: Sample):
    def shuffle(name: str, member: Any) -> Any:
        if name not in sample.any_order:
            return member
        items = list(member.items()) if isinstance(member, dict) else list(member)
        dice.shuffle(items)
        return dict(items) if isinstance(member, dict) else items

    for seed in range(5):
        dice = random.Random(seed)
        assert turns(outcome(changed(sample.content, shuffle))) == sample.turns


@for_json
def test_it_ends_with_parents_in_a_circle(sample: Sample):
    ids = [at(sample.content, path) for path in places(sample.content) if path and path[-1] in IDS]
    for own in filter(None, ids):
        outcome(with_all(sample.content, PARENTS, own))
    for path in places(sample.content):
        if path and path[-1] in PARENTS and at(sample.content, path) not in ids:  # the first one's
            for own in filter(None, ids):
                assert len(turns(outcome(replaced(sample.content, path, own)))) >= len(sample.turns)


@for_json
def test_it_says_that_a_file_is_cut_off(sample: Sample):
    for part in (0.2, 0.5, 0.8, 0.999):
        error = outcome(sample.text[: int(len(sample.text) * part)])
        assert isinstance(error, ImporterError)
        assert (error.code, error.extra) == ("unknown_format", {"stage": "not_json"})


@for_all
def test_it_survives_a_file_that_is_cut_off_anywhere(sample: Sample):
    for end in range(0, len(sample.text), max(1, len(sample.text) // 60)):
        outcome(sample.text[:end])


@for_json
@pytest.mark.parametrize("end", ['");', "</script>", '");window.__x', "\\", "\u2028", "]]>", "-->", "🌱"])
def test_it_reads_on_behind_what_looks_like_an_end(sample: Sample, end: str):
    odd = f"{first_words(sample)}{end} and more"
    chat = outcome(reworded(sample.content, first_words(sample), odd))
    assert any(odd in text for _, text in turns(chat))


@for_json
def test_it_cleans_what_a_database_cannot_store(sample: Sample):
    odd = f"{first_words(sample)}\x00\ud800"
    chat = outcome(reworded(sample.content, first_words(sample), odd))
    assert any(f"{first_words(sample)}\ufffd" in text for _, text in turns(chat))


@for_json
@pytest.mark.parametrize("deep", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000], ids=len)
def test_it_survives_what_nests_without_end(sample: Sample, deep: str):
    texts = {path for path in places(sample.content) if isinstance(at(sample.content, path), str)}
    path = random.Random(0).choice(sorted(texts, key=repr))
    damaged = json.dumps(replaced(sample.content, path, "here it nests")).replace('"here it nests"', deep)
    assert isinstance(outcome(damaged), ImporterError)


@for_all
def test_it_reads_a_page_or_a_file_with_a_lot_of_noise_in_good_time(sample: Sample):
    started = time.monotonic()
    noise = [{"key": f"value {number}", "list": [number]} for number in range(3_000)]
    outcome([sample.content, *noise] if sample.is_json else f"{sample.text}\n{'<div> > # *' * 20_000}")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", "bot_challenge"),
        (page("[{}]"), "private_or_login"),
        ('{"detail": {"code": "shared_conversation_deleted"}}', "unknown_format"),
        ('{"type": "error", "error": {"type": "not_found_error", "message": "Not found"}}', "unknown_format"),
        ("[]", "unknown_format"),
        ("{}", "unknown_format"),
    ],
)
def test_it_never_takes_a_refusal_for_a_chat(content: str, code: str):
    error = outcome(content)
    assert isinstance(error, ImporterError)
    assert error.code == code


NAMES = sorted({name for sample in JSON for path in places(sample.content) for name in path if isinstance(name, str)})
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(ODD)
def test_it_reads_or_refuses_any_json(value: Any):
    outcome(value)
    try:
        assert all(bool(reading.chat) != bool(reading.error_code) for reading in read_each(value))
    except ImporterError as error:
        assert error.code == "unknown_format"


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_it_reads_or_refuses_a_chat_with_anything_wrong(data: st.DataObject):
    content = data.draw(st.sampled_from(JSON)).content
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in places(content) if path] or [()]))
        content = replaced(content, path, data.draw(st.just(...) | ODD))
        if not isinstance(content, dict | list):
            break
    outcome(content)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_it_reads_or_refuses_a_text_with_anything_wrong(data: st.DataObject):
    text = data.draw(st.sampled_from(ALL)).text
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    outcome(
        text[:start]
        + data.draw(st.sampled_from(['"', "\\", "]", "}", "\x00", "<", "#", "\n", ">", "-", ""]))
        + text[end:]
    )
