import json

import pytest

from integrations.importers import turbo_stream
from integrations.importers.base import ImporterError
from integrations.importers.detect import read_chat
from integrations.tests.fixtures.chatgpt import SHARE_ID, conversation, message, page, share_page, table

MESSAGES = (message("user", "Which beans climb?"), message("assistant", "Runner beans do."))
TALK = [("user", "Which beans climb?"), ("assistant", "Runner beans do.")]


def turns(html: str) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in read_chat(html.encode()).messages]


def refusal(html: str) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        read_chat(html.encode())
    return caught.value


def test_it_reads_a_share_page():
    chat = read_chat(share_page(conversation(*MESSAGES)).encode())
    assert [(item.role, item.text) for item in chat.messages] == TALK
    assert (chat.source, chat.parser, chat.title) == ("chatgpt", "chatgpt-share-turbostream/1", "Garden plan")
    assert (chat.source_id, chat.source_url) == (SHARE_ID, f"https://chatgpt.com/share/{SHARE_ID}")


def test_it_takes_nothing_from_the_page_but_the_chat():
    assert "saver-token" not in repr(read_chat(share_page(conversation(*MESSAGES)).encode()))


def test_it_makes_no_address_of_an_id_that_is_no_share():
    assert read_chat(share_page(conversation(*MESSAGES, conversation_id="draft-1")).encode()).source_url == ""


@pytest.mark.parametrize(
    "text",
    [
        'a message with ");</script><script>alert(1)</script> in it',
        'window.__reactRouterContext.streamController.enqueue("[1]");',
        'quotes " and \\ and \\" and \u2028 and 🌱',
        "<title>Just a moment...</title>",
        "```\nP21:[1]\n```",
    ],
)
def test_it_ends_a_chunk_where_the_string_ends_and_not_where_it_seems_to(text):
    assert turns(share_page(conversation(message("user", text)))) == [("user", text)]


def test_it_takes_the_title_of_the_page_if_the_chat_has_none():
    html = share_page(conversation(*MESSAGES, title=None), title="ChatGPT - Beans &amp; peas")
    assert read_chat(html.encode()).title == "Beans & peas"
    assert read_chat(share_page(conversation(*MESSAGES, title=None), title="ChatGPT").encode()).title == TALK[0][1]


def test_it_takes_the_title_of_the_meta_data_before_that_of_the_page():
    route = {"serverResponse": {"data": conversation(*MESSAGES, title=None)}, "meta": {"title": "Beans"}}
    html = page(json.dumps(table({"loaderData": {"routes/share.$shareId": route}})))
    assert read_chat(html.encode()).title == "Beans"


def test_it_finds_the_chat_under_another_route():
    assert turns(share_page(conversation(*MESSAGES), route="routes/new-name")) == TALK


def test_it_reads_a_stream_that_comes_in_pieces():
    text = json.dumps(table({"loaderData": {"routes/share": {"serverResponse": {"data": conversation(*MESSAGES)}}}}))
    assert turns(page(text[:100], text[100:101], text[101:] + "\nP1:[", "true]\n")) == TALK


def test_it_reads_a_chat_that_a_later_chunk_delivers():
    root = [{"_1": 2}, "loaderData", {"_3": 4}, "routes/share", {"_5": 6}, "serverResponse", ["P", 9]]
    later = table({"data": conversation(*MESSAGES)})
    moved = [moved_by(len(root), value) for value in later]
    assert turns(page(f"{json.dumps(root)}\n", f"P9:{json.dumps(moved)}\n")) == TALK


def moved_by(offset: int, value):
    if isinstance(value, dict):
        return {f"_{int(key[1:]) + offset}": index + offset if index >= 0 else index for key, index in value.items()}
    if isinstance(value, list):
        return [index + offset if index >= 0 else index for index in value]
    return value


def test_it_decodes_constants_scalars_and_markers():
    values = [{"_1": 2, "_3": 4, "_5": -5, "_6": 7, "_8": 9}, "list", [3, 4, -7, -1], "true", True, "null"]
    values += ["promise", ["P", 7], "date", ["D", 1_760_000_000_000]]
    assert turbo_stream.decode(json.dumps(values)) == {
        "list": ["true", True, None, None],
        "true": True,
        "null": None,
        "promise": None,
        "date": None,
    }


def test_it_decodes_values_that_refer_to_each_other_in_a_circle():
    root = turbo_stream.decode('[{"_1":0,"_2":3},"self","list",[3,0]]')
    assert root["self"] is root
    assert root["list"][0] is root["list"]


def test_it_decodes_values_that_nest_deeper_than_the_stack():
    depth = 100_000
    root = turbo_stream.decode(json.dumps([[index + 1] for index in range(depth)] + ["end"]))
    for _ in range(depth):
        [root] = root
    assert root == "end"


@pytest.mark.parametrize(
    ("stream", "stage"),
    [
        ("", "chunk_not_json"),
        ("{}", "chunk_not_json"),
        ("[]", "chunk_not_json"),
        ('[{"_1":2},"a"', "chunk_not_json"),
        ("<html>", "chunk_not_json"),
        ("[" + "9" * 5000 + "]", "chunk_not_json"),
        ('[{"_1":99},"a"]', "dangling_reference"),
        ('[{"_99":1},"a"]', "dangling_reference"),
        ('[{"_1":1},7]', "dangling_reference"),
        ('[{"a":1},7]', "dangling_reference"),
        ('[[1,2],"a"]', "dangling_reference"),
        ('[[1.0],"a"]', "dangling_reference"),
        ('[["_"],"a"]\nP1:[', "chunk_not_json"),
        ("[[null]]", "dangling_reference"),
        ("[[[0]]]", "dangling_reference"),
        ("[[true]]", "dangling_reference"),
    ],
)
def test_it_says_at_which_stage_a_stream_fails(stream, stage):
    with pytest.raises(turbo_stream.StreamError) as caught:
        turbo_stream.decode(stream)
    assert caught.value.stage == stage
    error = refusal(page(stream))
    assert (error.code, error.extra) == ("format_changed", {"stage": stage, "chunks": 1})


def test_it_says_that_a_page_is_cut_off():
    html = share_page(conversation(*MESSAGES))
    error = refusal(html[: html.index("Runner beans")])
    assert (error.code, error.extra) == ("format_changed", {"stage": "chunk_cut_off"})


def test_it_says_that_a_chatgpt_page_has_no_stream():
    error = refusal("<!doctype html><html><head><title>ChatGPT - Garden plan</title></head><body></body></html>")
    assert (error.code, error.extra) == ("format_changed", {"stage": "no_chunk"})


def test_it_does_not_take_a_sign_in_page_for_an_empty_chat():
    error = refusal(page(json.dumps(table({"loaderData": {"root": {"session": None}, "routes/auth": {}}}))))
    assert (error.code, error.extra) == ("private_or_login", {"stage": "no_share_route"})


@pytest.mark.parametrize("data", [None, {}, {"title": "x"}, [], "words", {"mapping": []}])
def test_it_does_not_take_a_share_page_without_its_chat_for_an_empty_chat(data):
    error = refusal(share_page(data))
    assert (error.code, error.extra) == ("format_changed", {"stage": "no_conversation"})


@pytest.mark.parametrize("root", [None, 5, "x", [], {}, {"loaderData": None}, {"loaderData": []}])
def test_it_survives_a_root_that_is_odd(root):
    values = table(root) or [None]
    assert refusal(page(json.dumps(values))).code == "private_or_login"


def test_it_says_that_a_chat_has_no_message_to_show():
    assert refusal(share_page(conversation(message("system", "x")))).code == "no_messages"


@pytest.mark.parametrize(
    "html",
    [
        "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>",
        "<html><head><title>chatgpt.com</title></head><script>window._cf_chl_opt={};</script></html>",
    ],
)
def test_it_knows_a_bot_check(html):
    assert refusal(html).code == "bot_challenge"


def test_it_tells_nothing_of_the_page_when_it_fails():
    html = share_page(conversation(message("user", "private words")))
    error = refusal(html.replace('streamController.enqueue("[', 'streamController.enqueue("x[', 1))
    assert error.code == "format_changed"
    assert "private words" not in f"{error.detail}{error.extra}"


def test_it_limits_a_small_page_that_refers_to_one_text_many_times():
    shared = {"content_type": "text", "parts": ["x" * 200_000]}
    values = table({"loaderData": {"routes/share": {"serverResponse": {"data": {"linear_conversation": []}}}}})
    nodes, content = len(values) - 1, table(shared)
    assert values[nodes] == []
    start = len(values)
    values += [moved_by(start, value) for value in content]
    names = len(values)
    values += ["message", "content", "author", "role", "user", {f"_{names + 3}": names + 4}]
    for _ in range(300):
        values.append({f"_{names + 1}": start, f"_{names + 2}": names + 5})
        values.append({f"_{names}": len(values) - 1})
        values[nodes].append(len(values) - 1)
    html = page(json.dumps(values))
    assert len(html) < 300_000
    assert refusal(html).code == "too_large"
