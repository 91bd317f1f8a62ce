import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers import chatgpt_exporter, revivalstack
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.detect import read_chat, read_text
from integrations.importers.markdown import fenced, front_matter, without_details
from integrations.tests.fixtures.markdown import EXPORTER, REVIVALSTACK, TURNS


def turns(chat: ImportedChat) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in chat.messages]


@pytest.mark.parametrize(
    ("lines", "fields", "rest"),
    [
        (["---", "title: Beans", "---", "text"], {"title": "Beans"}, ["text"]),
        (["", "---", 'Title: "a: b"', "tags:", "  - x", "- y", "", "# note", "..."], {"title": "a: b", "tags": ""}, []),
        (["---", "title: Beans", "no field", "---"], {}, None),
        (["---", "title: Beans"], {}, None),
        (["---", "---", "text"], {}, None),
        (["text", "---", "a: b", "---"], {}, None),
        ([], {}, None),
        ([""], {}, None),
        (["---", *(f"a{number}: b" for number in range(200)), "---"], {}, None),
    ],
)  # fmt: skip
def test_it_takes_front_matter_apart_if_it_is_one(lines, fields, rest):
    assert front_matter(lines) == (fields, lines if rest is None else rest)


def is_left_out(start: str) -> bool:
    return start.startswith("<details x")


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ("a<details x>b</details>c", "ac", 1),
        ("a<details x>b<details>c</details>d</details>e<details x></details>", "ae", 2),
        ("a<details>b<details x>c</details>d</details>", "a<details>bd</details>", 1),
        ("a<details x>b", "a<details x>b", 0),
        ("a<details x>b</details><details x>c", "a<details x>c", 1),
        ("</details>a<DETAILS>b</Details >", "</details>a<DETAILS>b</Details >", 0),
        ("", "", 0),
    ],
)
def test_it_leaves_out_details_that_are_closed(text, expected, count):
    assert without_details(text, is_left_out) == (expected, count)


@settings(deadline=None)
@given(st.text("`a\n ~", min_size=1), st.sampled_from(["", "python", "c++", "unknown", "a b", "`", "x" * 99]))
def test_it_makes_a_fence_that_no_code_ends(code, language):
    block = fenced(code, language)
    if not code.strip():
        assert block == ""
        return
    first, *_, last = block.split("\n")
    assert block == f"{first}\n{code}\n{last}"
    assert first.rstrip("pythonc+") == last
    assert last not in code


def test_the_exporter_keeps_times_and_takes_its_heading_for_the_title():
    chat = read_text(EXPORTER.replace("title: Garden plan", "title: Other"))
    assert (chat.title, chat.source) == ("Garden plan", "chatgpt")
    assert [item.created_at is not None for item in chat.messages] == [True, True, False, False]
    assert chat.created_at is not None
    assert chat.created_at.isoformat() == "2026-01-02T10:00:00+00:00"


def test_the_exporter_joins_what_the_assistant_says_around_a_tool():
    text = "#### You:\nHi\n\n#### ChatGPT:\nOne\n\n#### Plugin (x):\nrows\n\n#### Tool:\nrows\n\n#### ChatGPT:\nTwo"
    chat = read_text(text)
    assert (turns(chat), chat.omitted) == ([("user", "Hi"), ("assistant", "One\n\nTwo")], {"tool_result": 2})


def test_the_exporter_leaves_out_system_messages_and_the_addresses_of_images():
    text = (
        "#### System:\nBe brief\n#### You:\n![image](sediment://file_1?x=y)\n#### ChatGPT:\n![image](https://a.example)"
    )
    chat = read_text(text)
    assert turns(chat) == [("user", "[image]"), ("assistant", "![image](https://a.example)")]
    assert chat.omitted == {"image": 1}


def test_the_exporter_keeps_details_that_belong_to_the_answer():
    text = "#### You:\nHi\n#### ChatGPT:\n<details>\n<summary>More</summary>\nBeans\n</details>"
    assert turns(read_text(text))[1][1] == "<details>\n<summary>More</summary>\nBeans\n</details>"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_exporters_know_every_end_of_a_line(end):
    for text in (EXPORTER, REVIVALSTACK):
        assert turns(read_chat(text.replace("\n", end).encode())) == TURNS


@pytest.mark.parametrize(
    "text", ["#### You:\nonly", "#### You: said\n#### ChatGPT: said", "### You:\n### ChatGPT:", ""]
)
def test_the_exporter_needs_headings_of_both_roles(text):
    assert not chatgpt_exporter.matches(text)


@pytest.mark.parametrize("text", ["#### You:\n#### ChatGPT:\n", "## chat-1\n\n---\n### [top](#table-of-contents)\n"])
def test_the_exporters_find_no_message_where_none_is(text):
    with pytest.raises(ImporterError) as caught:
        read_text(text)
    assert (caught.value.code, caught.value.extra["stage"]) == ("no_messages", "no_visible_messages")


@pytest.mark.parametrize(
    "text",
    [
        "```\n#### You:\n#### ChatGPT:\n```",
        "```\n## chat-1\n[top](#table-of-contents)\n```",
        "---\na: b\n# chat-1\n---\nx",
    ],
)
def test_the_exporters_take_no_code_and_no_front_matter_for_a_heading(text):
    assert read_text(text).parser == "text/1"


@pytest.mark.parametrize(
    ("author", "source"),
    [("chatgpt", "chatgpt"), ("Claude", "claude"), ("gemini", "gemini"), ("evil", "text"), ("", "text")],
)
def test_revivalstack_names_the_site(author, source):
    assert read_text(REVIVALSTACK.replace("author: chatgpt", f"author: {author}")).source == source


def test_revivalstack_is_known_by_its_links_or_by_its_front_matter():
    pair = "## chat-1\n\n> Hi\n\nHello"
    assert revivalstack.matches(f"{pair}\n\n###### [top](#table-of-contents)")
    assert revivalstack.matches(f"---\ncount: 1\n---\n\n{pair}")
    assert not revivalstack.matches(pair)
    assert not revivalstack.matches(f"---\ntitle: x\n---\n\n{pair}")
    assert not revivalstack.matches("[top](#table-of-contents)\nchat-1")


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("> One\n>\n>Two\n\nAnswer", [("user", "One\n\nTwo"), ("assistant", "Answer")]),
        ("> One\n\n> Quoted\n\nAnswer", [("user", "One"), ("assistant", "> Quoted\n\nAnswer")]),
        ("> One", [("user", "One")]),
        ("Answer", [("assistant", "Answer")]),
        ("> One\n\nAnswer\n\n---\n\n___", [("user", "One"), ("assistant", "Answer\n\n---")]),
        ("> One\n\n```\n## chat-2\n```", [("user", "One"), ("assistant", "```\n## chat-2\n```")]),
        ("> > One", [("user", "> One")]),
    ],
)
def test_revivalstack_takes_each_pair_apart(pair, expected):
    assert (
        turns(read_text(f"---\ncount: 1\n---\n## chat-1\n\n{pair}\n\n###### [top](#table-of-contents)\n")) == expected
    )


def test_a_text_with_front_matter_has_its_title():
    chat = read_text("---\ntitle: 'Garden plan'\ndate: today\n---\nUser: Hi\nAssistant: Hello")
    assert (chat.title, turns(chat), chat.warnings) == ("Garden plan", [("user", "Hi"), ("assistant", "Hello")], ())


@pytest.mark.parametrize(
    ("user", "assistant"),
    [
        ("You said", "Copilot said"),
        ("You", "DeepSeek"),
        ("You", "Le Chat"),
        ("Du hast gesagt", "ChatGPT hat gesagt"),
        ("Vous avez dit", "ChatGPT a dit"),
        ("Você disse", "O ChatGPT disse"),
        ("你说", "ChatGPT 说"),
    ],
)
@pytest.mark.parametrize("colon", [":", " :", "：", "\u00a0:"])
def test_a_copied_page_has_the_labels_of_its_site(user, assistant, colon):
    chat = read_text(f"{user}{colon}\nHi\n{assistant}{colon}\nHello")
    assert turns(chat) == [("user", "Hi"), ("assistant", "Hello")]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from(EXPORTER.split("\n") + REVIVALSTACK.split("\n") + ["words", "<details>", "```", "</details>"]),
        max_size=20,
    )
)
def test_any_lines_of_an_exporter_are_read_or_refused(lines):
    try:
        chat = read_text("\n".join(lines))
    except ImporterError as error:
        assert error.code == "no_messages"
        return
    assert all(item.text.strip() for item in chat.messages)
