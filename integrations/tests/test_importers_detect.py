import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.limits import IMPORT_BYTES
from integrations.importers.base import ImportedChat, ImporterError, Reading
from integrations.importers.detect import read_chat, read_each, read_text
from integrations.importers.formats import HTML_FORMATS, JSON_FORMATS
from integrations.tests.fixtures.chatgpt import SHARE_ID, conversation, message, share_page

MESSAGES = (message("user", "Which beans climb?"), message("assistant", "Runner beans do."))
TALK = [("user", "Which beans climb?"), ("assistant", "Runner beans do.")]
LABELLED = "User: Which beans climb?\nAssistant: Runner beans do."
CHAT = conversation(*MESSAGES, linear=False)
EXPORT = json.dumps([CHAT])
PAGE = share_page(conversation(*MESSAGES))


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


def refusal(data: bytes | str) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        read_text(data) if isinstance(data, str) else read_chat(data)
    return caught.value


@pytest.mark.parametrize(
    ("content", "parser"),
    [
        (PAGE, "chatgpt-share-turbostream/1"),
        (f"\n <!-- saved from url=(0022)https://chatgpt.com/ -->\n{PAGE}", "chatgpt-share-turbostream/1"),
        (EXPORT, "chatgpt-json/1"),
        (json.dumps(conversation(*MESSAGES), indent=2), "chatgpt-json/1"),
        (f"\n\t{EXPORT}\n", "chatgpt-json/1"),
        (LABELLED, "text/1"),
    ],
)
@pytest.mark.parametrize("filename", ["", "chat.json", "page.html", "a.zip", "../../etc/passwd", "\x00\udcff"])
def test_it_decides_by_content_and_not_by_name(content, parser, filename):
    chat = read_chat(content.encode(), filename)
    assert (chat.parser, turns(chat)) == (parser, TALK)
    assert read_text(content) == read_chat(content.encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_it_reads_every_encoding_with_a_mark(encoding):
    text = "User: Größe?\nAssistant: 五"
    assert turns(read_chat(text.encode(encoding))) == [("user", "Größe?"), ("assistant", "五")]


def test_it_reads_the_encoding_of_windows_as_a_last_resort():
    assert turns(read_chat("User: Größe?\nAssistant: “5”".encode("cp1252"))) == [
        ("user", "Größe?"),
        ("assistant", "“5”"),
    ]


def test_it_passes_over_a_mark_at_the_start_of_pasted_text():
    assert turns(read_text(f"\ufeff{EXPORT}")) == TALK


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "[1, 2]",
        '{"chat_messages": {}, "uuid": "x"}',
        '[{"role": "gardener", "content": "Hi"}]',
        '{"conversations": []}',
        "<!DOCTYPE html><html><body>A page</body></html>",
        "<html><script>alert(1)</script></html>",
        '<?xml version="1.0"?><html></html>',
    ],
)
def test_it_says_what_it_can_read_when_a_shape_is_unknown(content):
    error = refusal(content.encode())
    assert (error.code, error.extra) == ("unknown_format", {"stage": "no_known_shape"})
    assert "paste" in error.detail


@pytest.mark.parametrize("content", ["[1, 2]", '{"a": 1}', "<html><body>A page</body></html>", '{"cut', '[{"a": 1'])
def test_it_takes_pasted_text_of_an_unknown_shape_as_it_is(content):
    chat = read_text(content)
    assert (turns(chat), chat.warnings) == ([("user", content)], ("no_labels",))


@pytest.mark.parametrize(
    "content", ["[x] done\nand more", "[link](https://a.example)", "{curly} words", "<b>bold</b> words", "5"]
)
def test_it_takes_text_that_only_starts_like_a_format_for_text(content):
    assert turns(read_chat(content.encode())) == [("user", content)]


def test_it_does_not_store_a_chatgpt_page_as_text_when_it_cannot_read_it():
    broken = PAGE.replace("linear_conversation", "renamed").replace("mapping", "renamed")
    assert refusal(broken).code == "format_changed"


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.999])
def test_it_says_that_json_is_cut_off(part):
    error = refusal(EXPORT[: int(len(EXPORT) * part)].encode())
    assert (error.code, error.extra) == ("unknown_format", {"stage": "not_json"})


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"PK\x03\x04rest", "ZIP"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n", "image"),
        (b"\xff\xd8\xff\xe0", "image"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"From: <Saved by Blink>\r\n", "web archive"),
        (b"\x00\xff\x00\xfe", "none of what can be read"),
    ],
)
def test_it_says_what_to_do_with_a_file_that_holds_no_text(data, word):
    error = refusal(data)
    assert (error.code, error.extra) == ("unknown_format", {"stage": "binary"})
    assert word in error.detail


@pytest.mark.parametrize("data", [b"", b"  \n", b"\x00", "", "\t"])
def test_it_finds_no_message_in_nothing(data):
    assert refusal(data).code == "no_messages"


@pytest.mark.parametrize("items", [[CHAT], [None, {"id": "empty"}, CHAT], [[CHAT], CHAT, 5]])
def test_it_reads_an_archive_with_one_conversation(items):
    assert turns(read_text(json.dumps(items))) == turns(read_text(json.dumps({"conversations": items}))) == TALK


def test_it_does_not_choose_among_several_conversations():
    several = json.dumps([CHAT, CHAT])
    assert refusal(several.encode()).code == refusal(several).code == "several_conversations"
    assert refusal(several).extra == {"conversations": 2}
    assert "/api/imports" in refusal(several).detail


def test_it_reads_each_conversation_of_an_archive_and_says_which_it_cannot():
    empty = conversation(message("system", "x"), title="Nothing said", conversation_id="c-2")
    first, second, third, fourth = read_each([CHAT, empty, {"title": "No tree\x00", "id": "c-3"}, None])
    assert first.chat is not None
    assert turns(first.chat) == TALK
    assert (first.index, first.error_code, first.title, first.source_id) == (0, "", "Garden plan", SHARE_ID)
    assert second == Reading(1, None, "no_messages", "Nothing said", "c-2")
    assert third == Reading(2, None, "unknown_format", "No tree", "c-3")
    assert fourth == Reading(3, None, "unknown_format")


def test_it_reads_a_conversation_alone_like_an_archive_of_one():
    assert list(read_each(CHAT)) == list(read_each([CHAT])) == list(read_each({"conversations": [CHAT]}))


@pytest.mark.parametrize("value", [None, 5, [], {}, [5], [[CHAT]], {"conversations": 5}])
def test_it_refuses_an_archive_in_which_nothing_is_a_conversation(value):
    with pytest.raises(ImporterError) as caught:
        next(read_each(value))
    assert caught.value.code == "unknown_format"


@pytest.mark.parametrize(
    "deep", ["[" * 200_000, '{"a":' * 200_000, "[" * 100_000 + "]" * 100_000, '[{"mapping":' + "[" * 99_999]
)
def test_it_survives_json_that_nests_without_end(deep):
    assert refusal(deep.encode()).code == "unknown_format"
    assert refusal(share_page([]).replace("[{", "[" * 100_000 + "[{", 1).encode()).code == "unknown_format"


@pytest.mark.parametrize("number", ["9" * 5000, "NaN", "-Infinity", "1e999", "-0.0"])
def test_it_survives_numbers_that_are_none(number):
    content = EXPORT.replace("1760000000.25", number)
    assert content != EXPORT
    if number.isdecimal():
        assert refusal(content.encode()).code == "unknown_format"
    else:
        assert read_chat(content.encode()).created_at is None


def test_it_refuses_more_than_an_import_may_hold():
    assert refusal(b"x" * (IMPORT_BYTES + 1)).code == refusal("x" * (IMPORT_BYTES + 1)).code == "too_large"


def test_it_reads_a_table_of_many_values_in_good_time():
    noise = [{"key": f"value {number}", "list": [number]} for number in range(20_000)]
    started = time.monotonic()
    assert turns(read_chat(share_page(conversation(*MESSAGES) | {"noise": noise}).encode())) == TALK
    assert time.monotonic() - started < 5


def test_it_has_a_reader_for_each_format():
    assert not any(known.matches({}) for known in JSON_FORMATS)
    assert not any(known.matches("") for known in HTML_FORMATS)


def is_read_or_refused(data: bytes) -> bool:
    """Raises what is not an `ImporterError`."""
    try:
        chat = read_chat(data)
    except ImporterError as error:
        return bool(error.code != "import_failed" and error.detail)
    assert all(item.text.strip() and item.role in ("user", "assistant") for item in chat.messages)
    assert chat.messages
    assert not any(mark in repr(chat) for mark in ("\ue200", "\ue201", "\x00"))
    chat.report()
    return True


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400))
def test_it_reads_or_refuses_any_bytes(data):
    assert is_read_or_refused(data)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=400))
def test_it_reads_or_refuses_any_text(content):
    assert is_read_or_refused(content.encode("utf-8", "replace"))
    try:
        assert read_text(content).messages
    except ImporterError as error:
        assert error.code in {"no_messages", "bot_challenge", "private_or_login", "format_changed"}


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["root", "n1", "n2"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mapping", "message", "content", "parts", "metadata", "author", "role", "parent", "n1"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(ODD)
def test_it_reads_or_refuses_any_json(value):
    assert is_read_or_refused(json.dumps(value).encode())
    assert is_read_or_refused(json.dumps({"mapping": {"n1": value}, "current_node": "n1"}).encode())
    assert is_read_or_refused(share_page(value).encode())


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


RICH = conversation(
    message("user", "Hi", metadata={"attachments": [{"name": "a.txt"}]}),
    message("tool", content={"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer"}]}),
    message(
        "assistant",
        "a\ue200cite\ue202x\ue201",
        metadata={
            "content_references": [
                {
                    "matched_text": "\ue200cite\ue202x\ue201",
                    "start_idx": 1,
                    "end_idx": 9,
                    "type": "grouped_webpages",
                    "items": [{"title": "t", "url": "https://a.example"}],
                }
            ]
        },
    ),
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([path for path in places(RICH) if path]), ODD, st.booleans())
def test_it_reads_or_refuses_a_chat_with_any_one_thing_wrong(path, odd, drop):
    broken = json.loads(json.dumps(RICH))
    *above, last = path
    parent = broken
    for key in above:
        parent = parent[key]
    if drop and isinstance(parent, dict):
        del parent[last]
    else:
        parent[last] = odd
    assert is_read_or_refused(json.dumps(broken).encode())
    assert is_read_or_refused(share_page(broken).encode())


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(PAGE) - 1), st.sampled_from(['"', "\\", "]", "}", "\x00", "<", "99999", "-", ""]))
def test_it_reads_or_refuses_a_page_with_any_one_character_wrong(position, character):
    assert is_read_or_refused((PAGE[:position] + character + PAGE[position + 1 :]).encode())


def test_it_reads_or_refuses_a_page_with_its_table_shuffled():
    start = PAGE.index('enqueue("') + len('enqueue("')
    words = PAGE[start : PAGE.index("</script>", start)]
    for seed in range(20):
        pieces = words.split(",")
        random.Random(seed).shuffle(pieces)
        assert is_read_or_refused(PAGE.replace(words, ",".join(pieces)).encode())


def test_it_gives_the_share_id_of_a_page():
    assert read_chat(PAGE.encode()).source_id == SHARE_ID
