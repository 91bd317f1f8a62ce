import json

import pytest

from integrations.importers import chatgpt_dom, chatgpt_share, chatgpt_state
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.detect import read_chat, read_each, read_text
from integrations.tests.fixtures.chatgpt import SHARE_ID, conversation, message, share_page
from integrations.tests.fixtures.chatgpt_pages import (
    DRAWN_TURNS,
    ROUTE,
    SIGNED_IN,
    chat_html,
    drawn,
    drawn_page,
    headings_page,
    next_page,
    remix_page,
    served,
)

MESSAGES = (message("user", "Which beans climb?"), message("assistant", "Runner beans do."))
TALK = [("user", "Which beans climb?"), ("assistant", "Runner beans do.")]
CHAT = conversation(*MESSAGES)


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


def refusal(content: str) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        read_chat(content.encode())
    return caught.value


@pytest.mark.parametrize("build", [next_page, remix_page, share_page])
def test_it_reads_every_generation_of_the_page_alike(build):
    chat = read_chat(build(CHAT).encode())
    assert turns(chat) == TALK
    assert (chat.title, chat.source_id, chat.model) == ("Garden plan", SHARE_ID, "gpt-5-2")
    assert chat.source_url == f"https://chatgpt.com/share/{SHARE_ID}"
    assert "saver-token" not in repr(chat)


@pytest.mark.parametrize("build", [next_page, remix_page])
@pytest.mark.parametrize("end", ["</script>", "};__remixContext.p = 5;", '"}', "-->"])
def test_it_ends_the_state_where_it_ends_and_not_where_it_seems_to(build, end):
    assert turns(read_chat(build(conversation(message("user", f"a{end}b"))).encode())) == [("user", f"a{end}b")]


@pytest.mark.parametrize("build", [next_page, remix_page])
@pytest.mark.parametrize("data", [None, {}, [], {"title": "x"}, {"mapping": 5}])
def test_it_does_not_take_a_page_without_its_chat_for_an_empty_chat(build, data):
    error = refusal(build(data))
    assert (error.code, error.extra) == ("format_changed", {"stage": "no_conversation"})


@pytest.mark.parametrize("build", [next_page, remix_page])
def test_it_says_that_a_state_is_cut_off(build):
    page = build(CHAT)
    error = refusal(page[: page.index("Runner beans")])
    assert (error.code, error.extra) == ("format_changed", {"stage": "state_not_json"})


def test_it_leaves_the_pages_of_other_sites_to_others():
    page = '<html><script id="__NEXT_DATA__" type="application/json">{"props": {"pageProps": {}}}</script></html>'
    assert not chatgpt_share.matches(page)
    assert refusal(page).code == "unknown_format"
    assert not chatgpt_share.matches(CHAT)


@pytest.mark.parametrize(
    "state",
    [
        {ROUTE: served(CHAT)},
        {"routes/share.new": served(CHAT), "root": {}},
        {"loaderData": {ROUTE: served(CHAT)}, "actionData": None},
        {"state": {"loaderData": {ROUTE: {"elsewhere": [CHAT]}}}},
        {"props": {"pageProps": served(CHAT)}},
        served(CHAT),
    ],
)
def test_it_reads_the_state_of_a_page_as_json(state):
    chat = read_text(json.dumps(state))
    assert (turns(chat), chat.parser) == (TALK, "chatgpt-share-state/1")


def test_it_says_that_a_state_holds_no_chat():
    error = refusal(json.dumps({"loaderData": {ROUTE: {"serverResponse": {"type": "error"}}}}))
    assert (error.code, error.extra) == ("format_changed", {"stage": "no_conversation"})


@pytest.mark.parametrize("value", [None, 5, [], {}, {"loaderData": {}}, {"loaderData": {"routes/c": {}}}, {"state": 5}])
def test_it_does_not_take_any_json_for_a_state(value):
    assert not chatgpt_state.matches(value)
    assert chatgpt_state.find(value) is None


def test_it_reads_the_page_of_an_export():
    assert turns(read_chat(chat_html(CHAT).encode())) == TALK
    assert refusal(chat_html(CHAT, CHAT)).code == "several_conversations"
    first, second = read_each(chat_html(CHAT, {"title": "No tree"}))
    assert (first.chat and turns(first.chat), second.error_code, second.title) == (TALK, "unknown_format", "No tree")


@pytest.mark.parametrize("page", [chat_html(), chat_html(CHAT)[:-200], chat_html(5, None)])
def test_it_finds_no_chat_in_a_page_of_an_export_that_holds_none(page):
    assert refusal(page).code == "format_changed"


def test_it_reads_what_a_page_shows_if_it_holds_no_data():
    chat = read_chat(drawn_page().encode())
    assert (turns(chat), chat.warnings, chat.source_id) == (DRAWN_TURNS, ("virtualised",), "")
    assert [item.source_message_id for item in chat.messages] == ["m1", "m2", "m3"]
    assert chat.messages[1].model == "gpt-5-2"


def test_it_prefers_the_data_to_what_the_page_shows():
    page = share_page(CHAT).replace("</body>", f"{drawn('user', 'Drawn', 1)}</body>")
    assert turns(read_chat(page.encode())) == TALK
    assert turns(read_chat(f"{SIGNED_IN}{drawn('user', 'Drawn', 1)}".encode())) == [("user", "Drawn")]
    damaged = page.replace("linear_conversation", "x").replace("mapping", "x")
    assert turns(read_chat(damaged.encode())) == [("user", "Drawn")]


def test_it_reads_a_page_in_which_only_headings_tell_who_speaks():
    chat = read_chat(headings_page().encode())
    assert [role for role, _ in turns(chat)] == ["user", "assistant", "user"]
    assert "Which beans climb?\nAnd why?" in chat.messages[0].text
    assert chat.messages[1].text == DRAWN_TURNS[1][1]
    assert chat.warnings == ("virtualised",)


def test_it_joins_what_the_assistant_says_in_parts_and_counts_what_tools_say():
    parts = drawn("assistant", "One", 1), drawn("tool", "rows", 2), drawn("assistant", "Two", 3), drawn("user", "", 4)
    chat = read_chat(f"<html>{''.join(parts)}{drawn('user', 'Three', 5)}</html>".encode())
    assert turns(chat) == [("assistant", "One\n\nTwo"), ("user", "Three")]
    assert chat.omitted == {"tool_result": 1}


@pytest.mark.parametrize(
    "inner", ["<p>One<p>Two", "<div><span>One</div>Two", "<ul><li>One</ul>Two", "</section>One Two", "<br>One Two</i>"]
)
def test_it_survives_elements_that_are_not_closed(inner):
    page = f"<html>{drawn('user', inner, 1)}{drawn('assistant', 'Answer', 2)}</html>"
    [(_, first), second] = turns(read_chat(page.encode()))
    assert first.split()[-1] == "Two"
    assert second == ("assistant", "Answer")


def test_it_reads_a_page_that_is_cut_off_in_a_turn():
    assert turns(read_chat(f"<html>{drawn('user', 'Hello', 1)[:-30]}".encode())) == [("user", "Hello")]


@pytest.mark.parametrize("page", [drawn_page()[:300], "<html><div data-turn=user></div></html>"])
def test_it_finds_no_message_in_a_page_that_shows_none(page):
    assert refusal(page).code in ("no_messages", "format_changed")


def test_it_does_not_take_any_page_for_a_drawn_one():
    assert not any(map(chatgpt_dom.matches, ("<p data-turn='x'>", "You said: no. ChatGPT said: yes.", None, 5, CHAT)))
